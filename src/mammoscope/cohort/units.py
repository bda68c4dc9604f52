"""From pictures to samples: a row a lesion, and the pictures of a breast or an exam together."""

from typing import assert_never

import numpy as np
import polars as pl
from jaxtyping import Int64

from mammoscope.cohort.labels import TASK_CLASSES, label_table
from mammoscope.cohort.unit_settings import Input, Unit
from mammoscope.records import READER_COLUMNS
from mammoscope.vocabulary import Laterality, View

IMAGE = ["source", "image_id"]
SAMPLE = ["source", "sample_id"]
BOX = ("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1")
PLACE = ("lesion_id", "picture_id", *BOX, "mask_path")
"""Columns that only lesions have: `picture_id` is the id of their image in the index."""

DESCRIBED = tuple(name for name in READER_COLUMNS if name not in TASK_CLASSES)
"""Columns in which a radiologist described one lesion; those of lesions that are summed up would not be one value."""

VIEW_ORDER = [f"{side}{view}" for view in (View.CC, View.MLO) for side in (Laterality.RIGHT, Laterality.LEFT)]
"""The order in which the pictures of an exam are read; others follow by their names."""

Flow = list[tuple[str, int]]


def unit_rows(images: pl.DataFrame, *, records: pl.DataFrame, settings: Input) -> tuple[pl.DataFrame, Flow]:
    """The rows of a cohort, with the answer to every task that the unit of the row has.

    Args:
        images: Rows of an image table.
        records: Rows of the index that they are made of.
        settings: Says what one sample is.

    Returns:
        One row a picture; of unit `lesion` one a lesion, with `PLACE` and `DESCRIBED`, whose image_id is
        `<image_id>#<lesion_id>` and whose path is that of its crop where the crop is a file; of a breast or exam one a
        picture, with `sample_id` and the labels of the whole breast or exam. And what was left out on the way.
    """
    taking_part = records.join(images.select(IMAGE), on=IMAGE, how="semi")
    match settings.unit:
        case "image":
            told = label_table(taking_part, by=IMAGE).drop(set(TASK_CLASSES) & set(images.columns))
            return images.join(told, on=IMAGE, how="left", maintain_order="left"), []
        case "lesion":
            return _lesion_rows(images, taking_part, settings)
        case "breast" | "exam":
            return _bag_rows(images, taking_part, settings.unit)
        case _:
            assert_never(settings.unit)


def bags(cohort: pl.DataFrame, unit: Unit) -> tuple[pl.DataFrame, list[Int64[np.ndarray, " pictures"]]]:
    """Which rows make up each sample.

    Args:
        cohort: What `unit_rows` gave, or rows of it; of a run, those with a prepared picture.
        unit: Of the recipe.

    Returns:
        A table of one row a sample, in order of first appearance: the columns of the cohort as its first picture has
        them, with image_id, of a breast or exam, its name. And the row numbers of each sample's pictures: right before
        left, CC before MLO (RCC, LCC, RMLO, LMLO), other views after them, each in the order of the cohort.

    Example:
        >>> cohort = pl.DataFrame({"source": "own", "sample_id": ["1", "1", "2"], "image_id": ["a", "b", "c"],
        ...     "laterality": ["L", "R", "L"], "view": ["CC", "CC", "MLO"]})
        >>> table, rows = bags(cohort, "exam")
        >>> table["image_id"].to_list(), [one.tolist() for one in rows]
        (['1', '2'], [[1, 0], [2]])
    """
    if unit in {"image", "lesion"}:
        return cohort, [np.array([row], dtype=np.int64) for row in range(cohort.height)]
    shown = pl.concat_str(pl.col("laterality").cast(pl.String), pl.col("view").cast(pl.String))
    order = {name: at for at, name in enumerate(VIEW_ORDER)}
    place = shown.replace_strict(order, default=len(order), return_dtype=pl.Int64)
    numbered = cohort.with_columns(place.alias("_place"), shown.alias("_shown")).with_row_index("_row")
    grouped = (
        numbered.sort("_place", "_shown", "_row", nulls_last=True)
        .group_by(SAMPLE, maintain_order=True)
        .agg(pl.col("_row"), pl.all().exclude("_row", "_place", "_shown", *SAMPLE).first())
        .sort(pl.col("_row").list.min())
    )
    rows = [np.array(one, dtype=np.int64) for one in grouped["_row"].to_list()]
    return grouped.with_columns(pl.col("sample_id").alias("image_id")).select(cohort.columns), rows


def _lesion_rows(images: pl.DataFrame, records: pl.DataFrame, settings: Input) -> tuple[pl.DataFrame, Flow]:
    lesions = records.filter(pl.col("lesion_id").is_not_null())
    flow = [("lesions on them", lesions.height)]
    if settings.crop == "file":
        lesions = lesions.filter(pl.col("crop_path").is_not_null()).with_columns(pl.col("crop_path").alias("path"))
        flow.append(("lesions with a crop of the data set's own", lesions.height))
    else:
        lesions = _with_box(lesions)
        located = pl.col("mask_path").is_not_null() | pl.col("lesion_x0").is_not_null()
        lesions = lesions.filter(located)
        flow.append(("lesions with a place", lesions.height))
    told = label_table(lesions, by=[*IMAGE, "lesion_id"])
    kept = [*IMAGE, "lesion_id", "path", "label_origin", *BOX, "mask_path", "official_part", *DESCRIBED]
    own = lesions.select(kept).with_columns(
        pl.concat_list("official_part").list.drop_nulls().alias("official_parts"),
    )
    shared = images.drop(
        "path", "label_origin", "findings", "official_part", "official_parts", *TASK_CLASSES, strict=False
    )
    rows = (
        own.join(shared, on=IMAGE, how="left", maintain_order="left")
        .join(told, on=[*IMAGE, "lesion_id"], how="left", maintain_order="left")
        .with_columns(pl.col("image_id").alias("picture_id"), pl.lit(1, dtype=pl.UInt32).alias("findings"))
        .with_columns(pl.concat_str("image_id", "lesion_id", separator="#"))
    )
    columns = [*images.columns, *(name for name in TASK_CLASSES if name not in images.columns), *PLACE, *DESCRIBED]
    return rows.select(columns), flow


def _with_box(lesions: pl.DataFrame) -> pl.DataFrame:
    """Fill the box from the outline where there is none."""
    xs, ys = (pl.col("lesion_polygon").list.gather_every(2, offset) for offset in (0, 1))
    edges = (xs.list.min(), ys.list.min(), xs.list.max(), ys.list.max())
    boxed = pl.all_horizontal(pl.col(name).is_not_null() for name in BOX)
    return lesions.with_columns(
        pl.when(boxed).then(pl.col(name)).otherwise(edge).alias(name) for name, edge in zip(BOX, edges, strict=True)
    )


def _bag_rows(images: pl.DataFrame, records: pl.DataFrame, unit: Unit) -> tuple[pl.DataFrame, Flow]:
    """Pictures, each with what is known of all pictures of its breast or exam."""
    named = images.with_columns(_sample_id(unit).alias("sample_id")).filter(pl.col("sample_id").is_not_null())
    flow = [("of a known side", named.height)] if unit == "breast" else []
    of_bag = records.join(named.select(*IMAGE, "sample_id"), on=IMAGE, how="inner", maintain_order="left")
    told = label_table(of_bag, by=SAMPLE)
    bare = named.drop(TASK_CLASSES, strict=False)
    columns = [*images.columns, *(name for name in TASK_CLASSES if name not in images.columns), "sample_id"]
    return bare.join(told, on=SAMPLE, how="left", maintain_order="left").select(columns), flow


def _sample_id(unit: Unit) -> pl.Expr:
    """Name of a breast or exam; with the exam, or the patient, only where it would name two of them."""
    if unit == "breast":
        side = pl.concat_str("patient_id", pl.col("laterality").cast(pl.String), separator="_")
        several = pl.col("exam_id").n_unique().over("source", "patient_id") > 1
        return (
            pl.when(several & pl.col("exam_id").is_not_null())
            .then(pl.concat_str(side, "exam_id", separator="_"))
            .otherwise(side)
        )
    shared = pl.col("patient_id").n_unique().over("source", "exam_id") > 1
    full = pl.concat_str("patient_id", "exam_id", separator="_")
    return pl.coalesce(pl.when(shared).then(full).otherwise("exam_id"), "patient_id")
