"""A split on disk: one JSON file that a person can read, and that is refused once the labels have changed."""

import json
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from mammoscope.cohort.splits import PART, Split, _sound, fingerprint, leaking_patients
from mammoscope.cohort.stratified import PATIENT
from mammoscope.errors import SourceError
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

LEFT_OUT = "left out"


class _SplitFile(BaseModel):
    """What `read_split` needs of the file."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    kind: str
    seed: int
    label: str
    fingerprint: str
    notes: list[str]
    unit: Literal["patient_id", "image_id"]
    assignments: dict[str, dict[str, list[str]]]


def split_summary(split: Split) -> dict[str, object]:
    """Counts of a split by part, for a report.

    Returns:
        kind, seed, label, fingerprint, notes; and by part the numbers of patients, images, positives
        (where the label is yes or no) and images of each label. JSON can hold it.
    """
    kept = split.images.drop_nulls("part")
    by_part = {part.value: kept.filter(pl.col("part") == part.value) for part in Part}
    counts = {
        "patients": {part: rows.select(PATIENT).n_unique() for part, rows in by_part.items()},
        "images": {part: rows.height for part, rows in by_part.items()},
        "positives": {part: rows.filter(pl.col("label") == "true").height for part, rows in by_part.items()},
        "classes": {
            part: {value or "unknown": count for value, count in rows.group_by("label").len().sort("label").rows()}
            for part, rows in by_part.items()
        },
        LEFT_OUT: split.images.height - kept.height,
    }
    head = {"kind": split.kind, "seed": split.seed, "label": split.label, "fingerprint": split.fingerprint}
    return {**head, **counts, "notes": list(split.notes)}


def write_split(split: Split, path: Path) -> None:
    """Write a split as one JSON file: `split_summary`, and under `assignments` who is where.

    Raises:
        StorageError: The file system refused.
    """
    unit = "patient_id" if leaking_patients(split.images, column="part").is_empty() else "image_id"
    halves = split.images.group_by(PATIENT).agg(pl.col("part").n_unique().alias("n"))
    if halves["n"].max() != 1:  # a patient who is partly left out
        unit = "image_id"
    who = split.images.with_columns(pl.col("part").cast(pl.String).fill_null(LEFT_OUT))
    groups = who.group_by("source", "part").agg(pl.col(unit).unique().sort()).sort("source", "part")
    assignments: dict[str, dict[str, list[str]]] = {}
    for source, part, ids in groups.rows():
        assignments.setdefault(source, {})[part] = ids
    write_text(path, json.dumps({**split_summary(split), "unit": unit, "assignments": assignments}, indent=1) + "\n")


def read_split(path: Path, *, images: pl.DataFrame) -> Split:
    """Read a split back, for the image table that it was made for.

    Args:
        path: A file that `write_split` wrote.
        images: The image table, in any order.

    Returns:
        The same split, with the same fingerprint.

    Raises:
        SourceError: There is no such file, it is not a split, or it is one of other images, patients or labels.
    """
    try:
        stored = _SplitFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise SourceError(f"{path.name}: no such file. A split is written by: mammoscope split") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(one) for one in first["loc"]) or "the text"
        raise SourceError(f"{path.name}: not a split: {where}: {first['msg']}. Make it again") from None
    rows = [
        (source, None if part == LEFT_OUT else part, one)
        for source, parts in stored.assignments.items()
        for part, ids in parts.items()
        for one in ids
    ]
    try:
        table = pl.DataFrame(rows, schema={"source": pl.String, "part": PART, stored.unit: pl.String}, orient="row")
    except pl.exceptions.PolarsError:
        raise SourceError(f"{path.name}: a part is not one of {', '.join(Part)}, {LEFT_OUT}. Make it again") from None
    joined = _sound(images, stored.label).join(table, on=["source", stored.unit], how="left")
    found = joined.select("source", "patient_id", "image_id", "label", "part").sort("source", "patient_id", "image_id")
    if fingerprint(found) != stored.fingerprint:
        raise SourceError(
            f"{path.name}: made for other images, patients or labels than these {images.height}. "
            "Split again, or take the index that was split"
        )
    return Split(
        images=found,
        kind=stored.kind,
        seed=stored.seed,
        label=stored.label,
        fingerprint=stored.fingerprint,
        notes=tuple(stored.notes),
    )
