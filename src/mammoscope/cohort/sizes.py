"""How large the pictures of a data set are, from their headers alone."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mammoscope.errors import ImageError
from mammoscope.images import size_of
from mammoscope.records import Index, image_table

SIZE_SCHEMA = {
    "source": pl.String(),
    "image_id": pl.String(),
    "path": pl.String(),
    "rows": pl.Int64(),
    "cols": pl.Int64(),
    "row_mm": pl.Float64(),
    "col_mm": pl.Float64(),
    "code": pl.String(),
    "message": pl.String(),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sizes:
    """Sizes of some or all images of an index.

    Attributes:
        images: A row an image that was looked at: source, image_id, path, rows, cols, height and width of a pixel in
            mm, or code and message where its file cannot be read.
        crops: The same for the lesion crops of these images, where the data set locates the lesion in no other way.
        of: Images of the index.
        seed: Of the choice.
    """

    images: pl.DataFrame
    crops: pl.DataFrame
    of: int
    seed: int


def image_sizes(index: Index, *, limit: int = 2000, seed: int = 0) -> Sizes:
    """Read the headers of the images of an index, of a random choice where there are many.

    Args:
        index: Says where the files lie.
        limit: Images to look at, at most.
        seed: Of the choice.

    Returns:
        One row for each image looked at; none is left out.
    """
    images = image_table(index).select("source", "image_id", "path").sort("source", "image_id")
    if images.height > limit:
        chosen = np.sort(np.random.default_rng(seed).choice(images.height, size=limit, replace=False))
        looked_at = images[chosen.tolist()]
    else:
        looked_at = images
    crops = (
        index.table.filter(
            pl.col("crop_path").is_not_null() & pl.col("lesion_x0").is_null() & pl.col("lesion_polygon").is_null()
        )
        .join(looked_at.select("source", "image_id"), on=["source", "image_id"], how="semi", maintain_order="left")
        .select("source", "image_id", pl.col("crop_path").alias("path"))
        .unique(maintain_order=True)
    )
    return Sizes(images=_read(looked_at, index), crops=_read(crops, index), of=images.height, seed=seed)


def _read(files: pl.DataFrame, index: Index) -> pl.DataFrame:
    rows = []
    for row in files.iter_rows(named=True):
        try:
            size = size_of(index.file(row["source"], row["path"]))
        except ImageError as error:
            rows.append({**row, "code": error.code, "message": str(error)})
            continue
        row_mm, col_mm = size.spacing_mm or (None, None)
        rows.append({**row, "rows": size.rows, "cols": size.cols, "row_mm": row_mm, "col_mm": col_mm})
    return pl.DataFrame(rows, schema=SIZE_SCHEMA)
