"""A data set in numbers: labels, lesions, sizes, patients, machines, and what is not known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from mammoscope.cohort.lesion_sizes import lesion_sizes
from mammoscope.cohort.sizes import Sizes
from mammoscope.cohort.stratified import PATIENT
from mammoscope.cohort.summary import UNKNOWN, cohort_summary
from mammoscope.records import COLUMNS, READER_COLUMNS, REQUIRED_COLUMNS, Index, image_table
from mammoscope.vocabulary import LesionKind, Pathology

CLASSES = (*(member.value for member in Pathology), "not malignant", UNKNOWN)
"""Classes of a finding or an image, in the order in which tables and figures show them."""

DECIDES = (Pathology.MALIGNANT.value, UNKNOWN, *CLASSES[1:-1])
"""Which finding names the image: malignant if any is, unknown if one is, else the first of the others."""

AGE_STEP = 5  # years
IMAGE = ["source", "image_id"]


def describe(index: Index, *, sizes: Sizes | None = None) -> dict[str, Any]:
    """Describe a data set in numbers.

    Args:
        index: Its records.
        sizes: What `image_sizes` read; without it nothing is said of pixels and millimetres.

    Returns:
        What JSON can hold: counts by class (a table has `rows`, `columns` and `counts`, in images where its name says
        nothing else), lesions and their sizes, image sizes, ages, machines, sites, and each column's missing values.

    Example:
        >>> from pathlib import Path
        >>> from mammoscope.records import Record, index_of
        >>> one = Record(source="own", patient_id="1", image_id="a", path="a.png", malignant=True)
        >>> describe(index_of([one], roots={"own": Path(".")}))["view_by_class"]
        {'rows': ['unknown'], 'columns': ['malignant'], 'counts': [[1]]}
    """
    records = index.table.with_columns(_record_class().alias("class"))
    images = image_table(index).join(image_classes(index), on=IMAGE, how="left", maintain_order="left")
    lesions = records.filter(pl.col("lesion_id").is_not_null())
    masses = lesions.filter(pl.col("lesion_kind").cast(pl.String) == LesionKind.MASS.value)
    return {
        "sources": sorted(index.roots),
        "records": records.height,
        "summary": cohort_summary(images)["all"],
        "classes": _ordered(images["class"], CLASSES),
        "view_by_class": cross(images, "view", "class"),
        "density_by_class": cross(images, "density", "class") if _said(images, "density") else None,
        "tissue_by_class": cross(images, "tissue", "class") if _said(images, "tissue") else None,
        "label_origin_by_class": cross(images, "label_origin", "class"),
        "official_part_by_class": cross(images, "official_part", "class") if _said(images, "official_part") else None,
        "lesions": {
            "count": lesions.height,
            "images": lesions.select(IMAGE).n_unique(),
            "kind_by_class": cross(lesions, "lesion_kind", "class") if lesions.height else None,
            "shape_by_class": _commonest(masses, "lesion_shape"),
            "margins_by_class": _commonest(masses, "lesion_margins"),
            "located_by": _located(lesions),
            **lesion_sizes(lesions, sizes=sizes),
        },
        "image_sizes": None if sizes is None else _image_sizes(sizes),
        "age_by_class": _ages(images),
        "machines": _groups(images, "machine_id"),
        "sites": _groups(images, "site_id"),
        "columns": _columns(index.table),
    }


def image_classes(index: Index) -> pl.DataFrame:
    """The class of each image: malignant if any finding is, unknown if one is, else the first in order of `CLASSES`.

    Args:
        index: Its records.

    Returns:
        source, image_id, class; one row an image.
    """
    rank = pl.col("class").replace_strict(list(DECIDES), list(range(len(DECIDES))), return_dtype=pl.Int8)
    records = index.table.select(*IMAGE, _record_class().alias("class"))
    return records.sort(rank).unique(IMAGE, keep="first", maintain_order=True)


def cross(table: pl.DataFrame, row: str, column: str) -> dict[str, Any]:
    """Count the rows of a table by two of its columns, `unknown` last.

    Example:
        >>> cross(pl.DataFrame({"view": ["CC", None, "CC"], "class": ["benign"] * 3}), "view", "class")
        {'rows': ['CC', 'unknown'], 'columns': ['benign'], 'counts': [[2], [1]]}
    """
    values = table.select(
        pl.col(row).cast(pl.String).fill_null(UNKNOWN).alias("row"), pl.col(column).cast(pl.String).alias("column")
    )
    rows = _ordered(values["row"], _words(table[row]))
    columns = _ordered(values["column"], CLASSES)
    counts = dict.fromkeys(((r, c) for r in rows for c in columns), 0)
    counts |= {(r, c): n for r, c, n in values.group_by("row", "column").len().iter_rows()}
    return {"rows": rows, "columns": columns, "counts": [[counts[r, c] for c in columns] for r in rows]}


def _commonest(table: pl.DataFrame, row: str) -> dict[str, Any] | None:
    """A cross table by class, the commonest row first and `unknown` last; None where nothing is said."""
    if not _said(table, row):
        return None
    found = cross(table, row, "class")
    lines = zip(found["rows"], found["counts"], strict=True)
    ordered = sorted(lines, key=lambda line: (line[0] == UNKNOWN, -sum(line[1]), line[0]))
    return found | {"rows": [name for name, _ in ordered], "counts": [counts for _, counts in ordered]}


def _record_class() -> pl.Expr:
    """The class of a record: its pathology, or what its label says where the data set names none."""
    return pl.coalesce(
        pl.col("pathology").cast(pl.String),
        pl.when(pl.col("malignant")).then(pl.lit("malignant")).when(~pl.col("malignant")).then(pl.lit("not malignant")),
        pl.lit(UNKNOWN),
    )


def _words(values: pl.Series) -> list[str]:
    return values.dtype.categories.to_list() if isinstance(values.dtype, pl.Enum) else []


def _ordered(values: pl.Series, order: Sequence[str]) -> list[str]:
    """The values that occur: those of a known order first, the others sorted, unknown last."""
    found = set(values.drop_nulls())
    known = [word for word in order if word in found and word != UNKNOWN]
    return [*known, *sorted(found - {*known, UNKNOWN}), *([UNKNOWN] if UNKNOWN in found else [])]


def _said(table: pl.DataFrame, name: str) -> bool:
    return table[name].null_count() < table.height


def _located(lesions: pl.DataFrame) -> dict[str, int]:
    """How the data set says where a lesion is; the first of these that applies."""
    how = (
        pl.when(pl.col("lesion_polygon").is_not_null())
        .then(pl.lit("polygon"))
        .when(pl.col("mask_path").is_not_null())
        .then(pl.lit("mask"))
        .when(pl.col("lesion_x0").is_not_null() & pl.col("lesion_round"))
        .then(pl.lit("circle"))
        .when(pl.col("lesion_x0").is_not_null())
        .then(pl.lit("box"))
        .otherwise(pl.lit("not located"))
    )
    return dict(lesions.select(how.alias("how"))["how"].value_counts().sort("count", "how", descending=True).rows())


def _image_sizes(sizes: Sizes) -> dict[str, Any]:
    read = sizes.images.filter(pl.col("code").is_null())
    failed = sizes.images.filter(pl.col("code").is_not_null())
    shapes = read.group_by("source", "rows", "cols").len().sort("len", "source", "rows", "cols", descending=True)
    spaced = read.drop_nulls("row_mm").with_columns(pl.col("row_mm").round(4))
    spacing = spaced.group_by("source", "row_mm").len().sort("len", "source", "row_mm", descending=True)
    codes = failed.group_by("code").agg(pl.len().alias("n"), pl.col("message").first()).sort("n", descending=True)
    return {
        "images": sizes.of,
        "looked_at": sizes.images.height,
        "read": read.height,
        "seed": sizes.seed,
        "shapes": [dict(zip(("source", "rows", "cols", "n"), row, strict=True)) for row in shapes.iter_rows()],
        "spacing": [dict(zip(("source", "mm", "n"), row, strict=True)) for row in spacing.iter_rows()],
        "without_spacing": read.height - spaced.height,
        "failed": codes.to_dicts(),
    }


def _ages(images: pl.DataFrame) -> dict[str, Any] | None:
    """Patients by age in steps of five years, malignant if any of their images is, each at her youngest."""
    patients = images.group_by(PATIENT).agg(
        pl.col("age_years").min(), pl.col("malignant").any(ignore_nulls=True).alias("malignant")
    )
    known = patients.drop_nulls("age_years")
    if known.is_empty():
        return None
    ages, malignant = known["age_years"].to_numpy(), known["malignant"].fill_null(value=False).to_numpy()
    low, high = AGE_STEP * int(ages.min() // AGE_STEP), AGE_STEP * int(ages.max() // AGE_STEP + 1)
    edges = np.arange(low, high + 1, AGE_STEP)
    return {
        "edges": edges.tolist(),
        "malignant": np.histogram(ages[malignant], edges)[0].tolist(),
        "other": np.histogram(ages[~malignant], edges)[0].tolist(),
        "patients": patients.height,
        UNKNOWN: patients.height - known.height,
    }


def _groups(images: pl.DataFrame, name: str) -> list[dict[str, Any]]:
    """Images, patients and share of malignant images by machine or site; empty where nothing is said."""
    if not _said(images, name):
        return []
    return (
        images.group_by("source", pl.col(name).fill_null(UNKNOWN).alias("name"))
        .agg(
            pl.len().alias("images"),
            pl.struct(PATIENT).n_unique().alias("patients"),
            pl.col("malignant").sum().alias("malignant"),
            pl.col("malignant").is_not_null().sum().alias("labelled"),
        )
        .sort("images", "source", "name", descending=[True, False, False])
        .to_dicts()
    )


def _columns(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Each column of the index: in how many records it is known, and how many values it has."""
    return [
        {
            "name": name,
            "known": table.height - table[name].null_count(),
            "missing": table[name].null_count(),
            "values": table[name].drop_nulls().n_unique(),
            "reader": name in READER_COLUMNS,
            "required": name in REQUIRED_COLUMNS,
        }
        for name in COLUMNS
    ]
