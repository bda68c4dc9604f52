"""A data set before anything is trained on it: one HTML file, its figures beside it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mammoscope.cohort import describe, image_classes, image_sizes
from mammoscope.evaluation import assessment_auc, metadata_auc
from mammoscope.records import Index, image_table
from mammoscope.report.description_figures import description_figures, reader_words
from mammoscope.report.page import inline, rendered
from mammoscope.report.pictures import SIDES, contact_sheet, resolution_strips
from mammoscope.report.words import interval, number
from mammoscope.storage import write_text

CONFIDENCE = 0.95
SHAPES = 10  # sizes and spacings shown; the numbers have all
HEADERS = 2000
SHEET = 24


def write_description(index: Index, *, out: Path, headers: int = HEADERS, seed: int = 0) -> dict[str, Any]:
    """Describe a data set as one self-contained HTML file, and its figures as SVG in a folder beside it.

    Pixels are read for the sample and for one or two lesions at several resolutions only; sizes come from headers.
    A file that is missing or cannot be read is named in its place.

    Args:
        index: The data set.
        out: HTML file to write; the figures go to `<name>-figures/` beside it.
        headers: Files whose header is read, at most.
        seed: Of every random choice: headers, sample, folds, replicates.

    Returns:
        The numbers of the page, as `describe` gives them, with `assessment_auc` and `metadata_auc`. JSON can hold it.

    Raises:
        StorageError: The file system refused.
    """
    facts = _facts(index, headers=headers, seed=seed)
    drawn = description_figures(facts)
    folder = out.parent / f"{out.stem}-figures"
    for drawing in drawn.values():
        write_text(folder / f"{drawing.name}.svg", drawing.svg)
    images = image_table(index).join(image_classes(index), on=["source", "image_id"], maintain_order="left")
    sizes = facts["image_sizes"]
    page = rendered(
        "description.html.j2",
        title=" + ".join(facts["sources"]),
        facts=facts,
        lead=lead(facts),
        figures={key: inline(drawing) for key, drawing in drawn.items()},
        captions={key: drawing.alt for key, drawing in drawn.items()},
        folder=folder.name,
        reader_rows=[_reader_row(row) for row in facts["assessment_auc"]],
        left_out=_by_reason(facts["metadata_auc"]["dropped"]),
        shapes=sizes["shapes"][:SHAPES],
        spacings=sizes["spacing"][:SHAPES],
        sheet=contact_sheet(index, images, count=SHEET, seed=seed),
        strips=resolution_strips(index, images, seed=seed),
        sides=SIDES,
        seed=seed,
        out=out.name,
        interval=interval,
    )
    write_text(out, page)
    return facts


def _facts(index: Index, *, headers: int, seed: int) -> dict[str, Any]:
    readers = assessment_auc(index.table, seed=seed, confidence=CONFIDENCE)
    metadata = metadata_auc(image_table(index), seed=seed, confidence=CONFIDENCE)
    return describe(index, sizes=image_sizes(index, limit=headers, seed=seed)) | {
        "confidence": CONFIDENCE,
        "seed": seed,
        "assessment_auc": [asdict(row) for row in readers],
        "metadata_auc": asdict(metadata) | {"used": list(metadata.used)},
    }


def lead(facts: dict[str, Any]) -> str:
    """The data set in three sentences."""
    summary, sizes = facts["summary"], facts["image_sizes"]
    unlabelled = f", {summary['unknown']:,} unlabelled" if summary["unknown"] else ""
    everything = f"{summary['images']:,} images of {summary['patients']:,} patients"
    malignant = f"{summary['malignant']:,} malignant images of {summary['malignant_patients']:,} patients"
    said = [f"{everything}: {malignant}, {summary['not_malignant']:,} not malignant{unlabelled}."]
    lesions = facts["lesions"]
    if lesions["count"]:
        located = lesions["count"] - lesions["located_by"].get("not located", 0)
        said.append(f"It lists {lesions['count']:,} lesions on {lesions['images']:,} images and locates {located:,}.")
    metadata = facts["metadata_auc"]["auc"]
    if metadata is not None and metadata["value"] is not None:
        said.append(_metadata_words(metadata))
    missing = sum(row["n"] for row in sizes["failed"])
    if missing:
        said.append(f"{missing:,} of {sizes['looked_at']:,} files looked at cannot be read.")
    return " ".join(said)


def _metadata_words(auc: dict[str, Any]) -> str:
    found = f"{number(auc['value'])}, {interval(auc)}" if interval(auc) else number(auc["value"])
    if auc["low"] is None or auc["low"] <= 0.5:
        return f"Age, view, machine and the like tell nothing certain without a pixel (AUC {found})."
    return f"Age, view, machine and the like reach an AUC of {found} without a pixel: an image model has to beat that."


def _by_reason(dropped: dict[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for column, why in dropped.items():
        reasons.setdefault(why.replace("train image", "image"), []).append(column)
    return reasons


def _reader_row(row: dict[str, Any]) -> dict[str, Any]:
    auc = row["auc"]
    cell = {"value": number(auc["value"]), "ends": interval(auc), "reason": auc["reason"]}
    return {
        "words": reader_words(row),
        "auc": cell,
        "n": auc["n"],
        "positives": auc["positives"],
        "patients": auc["patients"],
        "note": row["note"],
    }
