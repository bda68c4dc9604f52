"""How large lesions are: in millimetres where the spacing is known, else as a share of the picture, else in pixels."""

from typing import Any

import numpy as np
import polars as pl

from mammoscope.cohort.sizes import Sizes
from mammoscope.cohort.summary import QUANTILES, UNKNOWN

IMAGE = ["source", "image_id"]
BINS = 24
ENOUGH = 0.5  # of the lesions must be known in a unit for the figure to use it
UNITS = ("mm", "share", "px")


def lesion_sizes(lesions: pl.DataFrame, *, sizes: Sizes | None) -> dict[str, Any]:
    """Longer sides of the boxes of lesions.

    The box is the data set's own, that of its polygon, or, where there is neither, the size of the lesion's crop,
    which may carry a margin. Only lesions on images whose header was read have millimetres or a share.

    Args:
        lesions: Records with a lesion, with their `class`.
        sizes: Of images and crops.

    Returns:
        `sized` (number), `from_crops` (number), `unit` of the figure, `sizes` (quantiles by kind and unit), and
        `histogram` (edges, counts of malignant and other lesions).
    """
    sized = sized_lesions(lesions, sizes)
    units = [unit for unit in UNITS if sized[unit].is_not_null().any()]
    unit = next((unit for unit in UNITS if sized[unit].is_not_null().sum() >= max(1, ENOUGH * sized.height)), None)
    return {
        "sized": sized.height,
        "from_crops": int(sized["from_crop"].sum()),
        "unit": unit,
        "sizes": [row for name in units for row in _rows(sized, name)],
        "histogram": None if unit is None else _histogram(sized, unit),
    }


def sized_lesions(lesions: pl.DataFrame, sizes: Sizes | None) -> pl.DataFrame:
    """Lesions with a known extent, with their `class`: `px`, `share` of the picture's longer side, `mm`."""
    polygon = pl.col("lesion_polygon")
    xs, ys = (polygon.list.gather_every(2, offset) for offset in (0, 1))
    table = lesions.select(
        *IMAGE,
        pl.col("lesion_kind").cast(pl.String).fill_null(UNKNOWN).alias("kind"),
        "class",
        pl.coalesce(pl.col("lesion_x1") - pl.col("lesion_x0"), xs.list.max() - xs.list.min()).alias("width"),
        pl.coalesce(pl.col("lesion_y1") - pl.col("lesion_y0"), ys.list.max() - ys.list.min()).alias("height"),
        "crop_path",
    )
    if sizes is None:
        none = pl.lit(None, dtype=pl.Float64)
        table = table.with_columns(none.alias("share"), none.alias("mm"), pl.lit(value=False).alias("from_crop"))
        return table.with_columns(pl.max_horizontal("width", "height").alias("px")).drop_nulls("px")
    crops = sizes.crops.select(
        *IMAGE, pl.col("path").alias("crop_path"), pl.col("cols").alias("crop_w"), pl.col("rows").alias("crop_h")
    )
    return (
        table.join(sizes.images.select(*IMAGE, "rows", "cols", "row_mm", "col_mm"), on=IMAGE, how="left")
        .join(crops, on=[*IMAGE, "crop_path"], how="left")
        .with_columns(
            (pl.col("width").is_null() & pl.col("crop_w").is_not_null()).alias("from_crop"),
            pl.coalesce("width", pl.col("crop_w").cast(pl.Float64)).alias("width"),
            pl.coalesce("height", pl.col("crop_h").cast(pl.Float64)).alias("height"),
        )
        .with_columns(
            pl.max_horizontal("width", "height").alias("px"),
            (pl.max_horizontal("width", "height") / pl.max_horizontal("rows", "cols")).alias("share"),
            pl.when(pl.col("row_mm").is_not_null())
            .then(pl.max_horizontal(pl.col("width") * pl.col("col_mm"), pl.col("height") * pl.col("row_mm")))
            .alias("mm"),
        )
        .drop_nulls("px")
    )


def _rows(sized: pl.DataFrame, unit: str) -> list[dict[str, Any]]:
    rows = []
    for kind in sorted(sized["kind"].unique(), key=lambda kind: (kind == UNKNOWN, kind)):
        values = sized.filter(pl.col("kind") == kind)[unit].drop_nulls()
        if len(values):
            found = {name: values.quantile(at, interpolation="linear") for name, at in QUANTILES.items()}
            rows.append({"kind": kind, "unit": unit, "n": len(values), **found})
    return rows


def _histogram(sized: pl.DataFrame, unit: str) -> dict[str, Any]:
    known = sized.drop_nulls(unit)
    values, malignant = known[unit].to_numpy(), (known["class"] == "malignant").to_numpy()
    edges = np.linspace(0, float(np.quantile(values, 0.995)) * 1.0001 + 1e-9, BINS + 1)
    inside = np.minimum(values, edges[-1])  # the last bin holds what is beyond it
    return {
        "edges": edges.tolist(),
        "malignant": np.histogram(inside[malignant], edges)[0].tolist(),
        "other": np.histogram(inside[~malignant], edges)[0].tolist(),
    }
