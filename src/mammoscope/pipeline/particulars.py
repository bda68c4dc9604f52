"""What the subgroup analysis wants to know of an image that no model is told: its lesions, and its traits."""

import json
from pathlib import Path

import polars as pl

from mammoscope.cohort import image_sizes
from mammoscope.cohort.lesion_sizes import sized_lesions
from mammoscope.records import Index
from mammoscope.vocabulary import Part

PARTICULARS = ("lesion_mm", "lesion_share", "traits")
"""Millimetres of the largest lesion, or where the file states no spacing its per cent of the picture's longer side;
traits by the header, `plain` where it has none."""

IMAGE = ["source", "image_id"]
PLAIN = "plain"


def with_particulars(cohort: pl.DataFrame, *, index: Index, cache: Path) -> pl.DataFrame:
    """Add `PARTICULARS` to the images of a cohort that will be predicted; those of the train part stay empty.

    Args:
        cohort: With `part` and `file`, a name in the cache or null.
        index: Whose records have the lesions; headers of images with a lesion are read for their pixel spacing.
        cache: Folder of the prepared pictures.

    Returns:
        The cohort in its order; null where nothing is known.
    """
    asked = cohort.filter(pl.col("part").cast(pl.String) != Part.TRAIN.value)
    lesions = index.table.filter(pl.col("lesion_id").is_not_null())
    if "picture_id" in cohort.columns:  # each row is one lesion
        named = asked.select("source", "image_id", pl.col("picture_id"), "lesion_id")
        lesions = lesions.rename({"image_id": "picture_id"}).join(named, on=["source", "picture_id", "lesion_id"])
        lesions = lesions.select(index.table.columns)
    lesions = lesions.join(asked.select(IMAGE), on=IMAGE, how="semi")
    sizes = image_sizes(Index(table=lesions, roots=index.roots), limit=max(1, lesions.height))
    sized = sized_lesions(lesions.with_columns(pl.lit("").alias("class")), sizes=sizes)
    largest = sized.group_by(IMAGE).agg(
        pl.col("mm").max().alias("lesion_mm"),
        pl.when(pl.col("mm").max().is_null()).then(100 * pl.col("share").max()).alias("lesion_share"),
    )
    traits = pl.DataFrame(
        [(row["source"], row["image_id"], _traits(cache / row["file"])) for row in _with_file(asked)],
        schema={"source": pl.String, "image_id": pl.String, "traits": pl.String},
        orient="row",
    )
    joined = cohort
    for table in (largest, traits):
        joined = joined.join(table, on=IMAGE, how="left", maintain_order="left")
    return joined


def _with_file(rows: pl.DataFrame) -> list[dict[str, str]]:
    return rows.filter(pl.col("file").is_not_null()).select(*IMAGE, "file").to_dicts()


def _traits(prepared: Path) -> str | None:
    """As the trail beside the prepared picture says."""
    try:
        trail = json.loads(prepared.with_suffix(".json").read_text(encoding="utf-8"))["trail"]
    except (OSError, ValueError, KeyError):
        return None
    return " + ".join(step["detail"] for step in trail if step["name"] == "trait") or PLAIN
