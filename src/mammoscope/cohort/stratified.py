"""Patients drawn into parts: by seed alone, alike in label, density and views, whatever the order of the rows."""

from collections.abc import Sequence
from hashlib import sha256

import polars as pl

PATIENT = ["source", "patient_id"]


def patient_table(images: pl.DataFrame) -> pl.DataFrame:
    """One row per patient: the highest known label and density among her images, and which views she has.

    Args:
        images: Columns source, patient_id, label, density, and view where it is known; labels as text,
            `true` above `false`.

    Returns:
        Columns source, patient_id, label, density, views, sorted by the first two. A patient whose known
        images are all `false` while others are unknown is unknown.
    """
    view = pl.col("view").cast(pl.String) if "view" in images.columns else pl.lit("")
    unsure = (pl.col("label").max() == "false") & pl.col("label").is_null().any()
    return (
        images.group_by(PATIENT)
        .agg(
            pl.when(unsure).then(None).otherwise(pl.col("label").max()).alias("label"),
            pl.col("density").cast(pl.String).max(),
            view.drop_nulls().unique().sort().str.join("+").alias("views"),
        )
        .sort(PATIENT)
    )


def drawn(patients: pl.DataFrame, *, seed: int, purpose: str) -> pl.DataFrame:
    """Patients sorted by label, density and views, in random order within.

    Args:
        patients: As `patient_table` gives them.
        seed: Decides the order, together with `purpose` and the patient's id.
        purpose: Keeps two draws of one experiment apart.
    """
    keys = [
        sha256(f"{seed}\x1f{purpose}\x1f{source}\x1f{patient}".encode()).hexdigest()
        for source, patient in patients.select(PATIENT).iter_rows()
    ]
    return patients.with_columns(pl.Series("_draw", keys, dtype=pl.String)).sort("label", "density", "views", "_draw")


def by_fractions(labels: Sequence[str | None], *, fractions: Sequence[float]) -> list[int]:
    """Number of the part for each patient of a drawn list.

    Each patient goes to the part that lacks most, counted anew within each label. So the parts hold
    each label in proportion to within one patient, and each density within a label, and each set of views within a
    density, nearly so.

    Args:
        labels: Label of each patient, equal ones side by side.
        fractions: Share of each part; they add up to 1.

    Returns:
        The index into `fractions`, one per patient.

    Example:
        >>> by_fractions(["false"] * 4 + ["true"] * 4, fractions=[0.5, 0.25, 0.25])
        [0, 1, 2, 0, 0, 1, 2, 0]
    """
    parts: list[int] = []
    counts: list[int] = []
    for at, label in enumerate(labels):
        if at == 0 or label != labels[at - 1]:
            counts = [0] * len(fractions)
        seen = sum(counts) + 1
        lacks = [share * seen - count for share, count in zip(fractions, counts, strict=True)]
        part = max(range(len(fractions)), key=lambda one: round(lacks[one], 9))
        counts[part] += 1
        parts.append(part)
    return parts
