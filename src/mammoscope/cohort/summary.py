"""Who is in a cohort, in numbers."""

import polars as pl

from mammoscope.cohort.stratified import PATIENT
from mammoscope.vocabulary import Part

COUNTED = ("source", "laterality", "view", "label_origin", "density", "tissue", "machine_id", "site_id", "implant")
QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
UNKNOWN = "unknown"


def cohort_summary(cohort: pl.DataFrame) -> dict[str, dict[str, object]]:
    """Count patients, breasts, images and their properties, in all and by part.

    Args:
        cohort: A cohort table, or an image table, which has no parts.

    Returns:
        Under `all` and each part that occurs: patients, breasts, images; malignant, not_malignant and
        unknown images; malignant_patients; counts by value of view, density, machine and the like for each
        column that says anything, `unknown` among them; and quantiles of the age in years over patients.
        JSON can hold it.

    Example:
        >>> from mammoscope.records import Record, image_table, index_of
        >>> from pathlib import Path
        >>> one = Record(source="own", patient_id="1", image_id="a", path="a.png", malignant=True)
        >>> summary = cohort_summary(image_table(index_of([one], roots={"own": Path(".")})))
        >>> summary["all"]["patients"], summary["all"]["malignant"], summary["all"]["source"]
        (1, 1, {'own': 1})
    """
    groups = {"all": cohort}
    if "part" in cohort.columns:
        groups |= {part.value: cohort.filter(pl.col("part") == part.value) for part in Part}
    return {name: _summary(rows, cohort) for name, rows in groups.items() if name == "all" or rows.height}


def _summary(rows: pl.DataFrame, cohort: pl.DataFrame) -> dict[str, object]:
    malignant = rows["malignant"]
    said = [name for name in COUNTED if name in cohort.columns and cohort[name].null_count() < cohort.height]
    return {
        "patients": rows.select(PATIENT).n_unique(),
        "breasts": rows.drop_nulls("laterality").select(*PATIENT, "laterality").n_unique(),
        "images": rows.height,
        "malignant": int(malignant.sum() or 0),
        "not_malignant": int((~malignant).sum() or 0),
        "unknown": malignant.null_count(),
        "malignant_patients": rows.filter(pl.col("malignant")).select(PATIENT).n_unique(),
        **{name: _counts(rows[name]) for name in said},
        "age_years": _quantiles(rows),
    }


def _counts(values: pl.Series) -> dict[str, int]:
    table = values.cast(pl.String).fill_null(UNKNOWN).alias("value").value_counts()
    return dict(table.sort(pl.col("value") == UNKNOWN, "value").rows())


def _quantiles(rows: pl.DataFrame) -> dict[str, float | int]:
    """Over patients, each at her youngest; empty where no age is known."""
    ages = rows.group_by(PATIENT).agg(pl.col("age_years").min())["age_years"]
    known = ages.drop_nulls()
    if known.is_empty():
        return {}
    found = {name: float(known.quantile(at, interpolation="linear") or 0.0) for name, at in QUANTILES.items()}
    return {**found, UNKNOWN: ages.null_count()}
