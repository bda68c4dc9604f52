"""A sample of a run, found and read again: a picture, or what lies around a lesion."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from mammoscope.cohort import Input
from mammoscope.errors import ImageError, SourceError
from mammoscope.images import Mammogram, Preprocess, read_mammogram
from mammoscope.images.cut import Cut
from mammoscope.images.lesions import around, mask_box, outlines
from mammoscope.records import Index
from mammoscope.vocabulary import Laterality, View

CORNERS = ("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Origin:
    """Where a row of a predictions table comes from.

    Attributes:
        path: Of the file.
        cut: What of the file is kept.
        laterality: As the data set says.
        view: As the data set says.
        records: Of the index: the findings on the picture, of a lesion that one.
        lesions: Outlines of its known lesions, in pixels of the file; of a crop that is a file none.
        notes: Why a lesion that is marked has no outline.
    """

    path: Path
    cut: Cut
    laterality: Laterality | None
    view: View | None
    records: list[dict[str, Any]]
    lesions: list[Float[np.ndarray, "_ 2"]]
    notes: list[str]


def origin_of(row: dict[str, Any], *, index: Index, sample: Input) -> Origin:
    """Find what a row of a predictions table was predicted from.

    Args:
        row: Of one picture, or of unit lesion as `unit_rows` gives it.
        index: Of the data set.
        sample: What one sample is, and how a lesion is cut out.

    Returns:
        The file and its known lesions.

    Raises:
        ImageError: The mask that says where a lesion is cut out cannot be read.
        SourceError: The index does not have the picture.
    """
    of_lesion = sample.unit == "lesion"
    same = (pl.col("source") == row["source"]) & (pl.col("image_id") == row["picture_id" if of_lesion else "image_id"])
    records = index.table.filter(same & (pl.col("lesion_id") == row["lesion_id"]) if of_lesion else same)
    if records.is_empty():
        raise SourceError(f"{row['image_id']}: is not in the index. Take the index that the run was made with")
    record, is_crop = records.row(0, named=True), of_lesion and sample.crop == "file"
    box = _region(row, record, index, sample) if of_lesion and not is_crop else None
    lesions, notes = ([], []) if is_crop else _lesions(records.to_dicts(), index)
    return Origin(
        path=index.file(row["source"], record["crop_path" if is_crop else "path"]),
        cut=Cut(box=box, is_crop=is_crop),
        laterality=Laterality(row["laterality"]) if row["laterality"] else None,
        view=View(row["view"]) if row["view"] else None,
        records=records.to_dicts(),
        lesions=lesions,
        notes=notes,
    )


def read_origin(origin: Origin, *, preprocess: Preprocess) -> Mammogram:
    """Read a picture as a model does.

    Raises:
        ImageError: The file cannot be read.
    """
    return read_mammogram(
        origin.path,
        preprocess=preprocess,
        laterality=origin.laterality,
        view=origin.view,
        box=origin.cut.box,
        is_crop=origin.cut.is_crop,
    )


def read_again(
    row: dict[str, Any], *, index: Index, preprocess: Preprocess, sample: Input
) -> tuple[Mammogram, list[Float[np.ndarray, "points 2"]]]:
    """Read what a row of a predictions table was predicted from.

    Args:
        row: Of unit image, or of unit lesion as `unit_rows` gives it.
        index: Of the data set.
        preprocess: Of the model.
        sample: What one sample is, and how a lesion is cut out.

    Returns:
        The picture, and the outlines of its known lesions in its pixels.

    Raises:
        ImageError: A file cannot be read.
        SourceError: The index does not have the picture.
    """
    origin = origin_of(row, index=index, sample=sample)
    mammogram = read_origin(origin, preprocess=preprocess)
    return mammogram, [mammogram.geometry.to_final(one) for one in origin.lesions]


def _lesions(records: list[dict[str, Any]], index: Index) -> tuple[list[Float[np.ndarray, "_ 2"]], list[str]]:
    """Outlines in pixels of the file, and what is wrong with masks."""
    found: list[Float[np.ndarray, "_ 2"]] = []
    notes = []
    for record in records:
        if record["mask_path"] is not None:
            files = [index.file(record["source"], record[column]) for column in ("mask_path", "path")]
            try:
                mask_box(files[0], picture=files[1])
            except ImageError as error:
                if error.code == "missing" and not files[1].is_file():  # reading the picture will say so
                    continue
                notes.append(f"a known lesion is not outlined: {error}")
                continue
        found += outlines(record, root=index.roots[record["source"]])
    return found, notes


def _region(
    row: dict[str, Any], record: dict[str, Any], index: Index, sample: Input
) -> tuple[float, float, float, float]:
    if row[CORNERS[0]] is None:
        files = [index.file(row["source"], record[name]) for name in ("mask_path", "path")]
        box = mask_box(files[0], picture=files[1])
    else:
        x0, y0, x1, y1 = (float(row[name]) for name in CORNERS)
        box = x0, y0, x1, y1
    return around(box, context=sample.context, square=sample.square)
