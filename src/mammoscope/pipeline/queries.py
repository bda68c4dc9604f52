"""Files that are asked about, as the samples of a run: read, put together, and whose they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope.errors import ImageError, SourceError
from mammoscope.images import Mammogram, read_mammogram
from mammoscope.images.folder import Found, find_pictures
from mammoscope.images.mammogram import several_people
from mammoscope.pipeline.folder import opened
from mammoscope.records import Index
from mammoscope.vocabulary import Laterality, View

if TYPE_CHECKING:
    from mammoscope.models import Manifest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Query:
    """One sample that is asked about.

    Attributes:
        name: Of its file, or of the folder of its files.
        pictures: As the network sees them; none where the file could not be read.
        patient: Source and patient, where they are known.
        image_id: Of a single file that the index holds.
        code: Of the refusal where the file could not be read.
        why: In words; of pictures that name several patients, that they do.
    """

    name: str
    pictures: tuple[Mammogram, ...] = ()
    patient: tuple[str, str] | None = None
    image_id: str | None = None
    code: str | None = None
    why: str = ""


def read_queries(
    files: Sequence[Path], *, manifest: "Manifest", index: Index | None, patient: str | None = None
) -> list[Query]:
    """Read files as a run's samples.

    Args:
        files: Mammograms, or folders of them. Where a sample is a breast or exam, those of one exam lie in one folder.
        manifest: Of the run's bundle.
        index: Of the run: a file that it holds is known by side, view and patient.
        patient: Whose files these are, as the index names her.

    Returns:
        One for each sample, then one for each file that could not be read.

    Raises:
        SourceError: A folder holds no mammogram; or a patient is named and the run has several data sets.
    """
    told = None if patient is None else (_only_source(index), patient)
    groups: dict[tuple[str, str], Query] = {}
    refused = []
    for number, one in enumerate(find_pictures(files)):
        known = _record(one.path, index=index)
        owner = told or (None if known is None else (str(known["source"]), str(known["patient_id"])))
        image = None if known is None else str(known["image_id"])
        try:
            picture = _read(one, manifest=manifest, known=known or {})
        except ImageError as error:
            refused.append(Query(name=one.name, patient=owner, image_id=image, code=error.code, why=str(error)))
            continue
        side = str(picture.laterality or "side unknown") if manifest.unit == "breast" else ""
        key = (str(one.path.resolve().parent), side) if manifest.design.bags else (str(number), "")
        name = f"{one.path.resolve().parent.name} {side}".strip() if manifest.design.bags else one.name
        before = groups.get(key, Query(name=name, patient=owner, image_id=None if manifest.design.bags else image))
        groups[key] = replace(before, pictures=(*before.pictures, picture), patient=before.patient or owner)
    return [*(replace(one, why=several_people(one.pictures) or "") for one in groups.values()), *refused]


def index_of_run(run: Path, *, root: Path | None) -> Index | None:
    """The index of a run; None where it was given away without one."""
    return opened(run / "index.parquet", root=root) if (run / "index.parquet").is_file() else None


def _read(one: Found, *, manifest: "Manifest", known: dict[str, Any]) -> Mammogram:
    side, view = known.get("laterality"), known.get("view")
    return read_mammogram(
        one.path,
        preprocess=manifest.preprocess,
        laterality=Laterality(side) if side else None,
        view=View(view) if view else None,
        is_crop=manifest.unit == "lesion",
    )


def _record(file: Path, *, index: Index | None) -> dict[str, Any] | None:
    """What the index says of a file that it holds."""
    if index is None:
        return None
    wanted = file.resolve()
    for column in ("path", "crop_path"):
        alike = index.table.filter(pl.col(column).str.ends_with(file.name)).unique("image_id", maintain_order=True)
        for row in alike.iter_rows(named=True):
            if index.file(row["source"], row[column]).resolve() == wanted:
                return row
    return None


def _only_source(index: Index | None) -> str:
    sources = [] if index is None else sorted(index.table["source"].unique())
    if len(sources) != 1:
        held = f"several data sets ({', '.join(sources)})" if sources else "no index"
        raise SourceError(f"patient: the run has {held}, so who she is is not known. Give files of its own data set")
    return str(sources[0])
