"""A sample of a run, read again from its file: a picture, or what lies around a lesion."""

from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from mammoscope.cohort import Input
from mammoscope.errors import SourceError
from mammoscope.images import Mammogram, Preprocess, read_mammogram
from mammoscope.images.lesions import around, mask_box, outlines
from mammoscope.records import Index
from mammoscope.vocabulary import Laterality, View

CORNERS = ("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1")


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
    of_lesion = sample.unit == "lesion"
    same = (pl.col("source") == row["source"]) & (pl.col("image_id") == row["picture_id" if of_lesion else "image_id"])
    records = index.table.filter(same & (pl.col("lesion_id") == row["lesion_id"]) if of_lesion else same)
    if records.is_empty():
        raise SourceError(f"{row['image_id']}: is not in the index. Take the index that the run was made with")
    record, is_crop = records.row(0, named=True), of_lesion and sample.crop == "file"
    mammogram = read_mammogram(
        index.file(row["source"], record["crop_path" if is_crop else "path"]),
        preprocess=preprocess,
        laterality=Laterality(row["laterality"]) if row["laterality"] else None,
        view=View(row["view"]) if row["view"] else None,
        box=_region(row, record, index, sample) if of_lesion and not is_crop else None,
        is_crop=is_crop,
    )
    located = [] if is_crop else records.to_dicts()  # the outline lies in the picture, not in the crop
    root = index.roots[row["source"]]
    return mammogram, [mammogram.geometry.to_final(one) for known in located for one in outlines(known, root=root)]


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
