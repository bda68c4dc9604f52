"""Predictions as the statistics see them: labels, scores, and which patient each row belongs to."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from mammoscope.errors import SourceError
from mammoscope.evaluation.values import AGGREGATION, Aggregation, Unit
from mammoscope.vocabulary import Part

NEEDED = ("part", "label", "score", "patient_id", "image_id")
"""Columns without which a table of predictions cannot be evaluated."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Labels and scores of rows that come in clusters.

    Attributes:
        labels: Whether each row is positive.
        scores: Higher means more suspicious.
        patients: Number of each row's patient, 0 to `patient_count - 1`, in the order of sorted patient ids, so that
            two samples of the same patients are resampled alike.
        patient_count: Patients.
    """

    labels: Bool[np.ndarray, " rows"]
    scores: Float[np.ndarray, " rows"]
    patients: Int[np.ndarray, " rows"]
    patient_count: int

    @property
    def positives(self) -> int:
        """Rows with a positive label."""
        return int(self.labels.sum())

    @property
    def single_class(self) -> bool:
        """Whether a ranking metric is undefined: no positive row, or no negative one."""
        return self.positives in {0, len(self.labels)}


def sample_of(rows: pl.DataFrame) -> Sample:
    """Take label, score and patient out of a table of one part and one unit.

    Args:
        rows: Columns `label`, `score`, `patient_id`, and `source` where several data sets are merged.

    Returns:
        The sample, rows in the order of the table.

    Example:
        >>> rows = pl.DataFrame({"label": [0, 1, 1], "score": [0.1, 0.7, 0.9], "patient_id": ["b", "a", "b"]})
        >>> sample_of(rows).patients
        array([1, 0, 1])
    """
    keys = [name for name in ("source", "patient_id") if name in rows.columns]
    codes = rows.select(pl.struct(pl.col(name).cast(pl.String) for name in keys).rank("dense").alias("code"))["code"]
    patients = codes.to_numpy().astype(np.int64) - 1
    return Sample(
        labels=rows["label"].cast(pl.Int64).to_numpy() == 1,
        scores=rows["score"].cast(pl.Float64).to_numpy().copy(),
        patients=patients,
        patient_count=int(patients.max()) + 1 if len(patients) else 0,
    )


def checked(predictions: pl.DataFrame) -> pl.DataFrame:
    """Return the predictions unchanged if they can be evaluated.

    Raises:
        SourceError: A column is missing; there is no test row; a part, label or score is not allowed (null, NaN,
            outside [0, 1]); an image stands twice; a patient is in several parts. The text names the rows.
    """
    missing = [name for name in NEEDED if name not in predictions.columns]
    scored = [name for name in predictions.columns if name.startswith("score_")]
    if "score" in missing and scored:
        raise SourceError(
            f"predictions: hold several classes ({', '.join(scored)}), and this is for yes or no, one column score. "
            "Of several classes there are evaluate, report, compare, leaderboard and robustness"
        )
    if missing:
        raise SourceError(f"predictions: columns {missing} are missing. Needed are {', '.join(NEEDED)}")
    for name in ("patient_id", "image_id"):
        empty = pl.col(name).is_null() | (pl.col(name).cast(pl.String) == "")
        _refuse(predictions, empty, name, "is empty. Fill the cell")
    part, label, score = pl.col("part").cast(pl.String), pl.col("label"), pl.col("score").cast(pl.Float64)
    allowed = [member.value for member in Part]
    _refuse(predictions, ~part.is_in(allowed).fill_null(value=False), "part", f"is not one of {', '.join(allowed)}")
    _refuse(predictions, ~label.is_in([0, 1]).fill_null(value=False), "label", "is not 0 or 1. Leave unlabelled out")
    inside = (score.is_finite() & score.is_between(0.0, 1.0)).fill_null(value=False)
    _refuse(predictions, ~inside, "score", "is not a number in [0, 1]. Predict again, or rescale the scores")
    keys = [name for name in ("source", "image_id") if name in predictions.columns]
    _refuse(predictions, pl.struct(keys).is_duplicated(), "image_id", "stands twice. Keep one row an image")
    refuse_leak(predictions)
    if predictions.filter(part == Part.TEST.value).is_empty():
        raise SourceError("predictions: no row of part 'test'. Predict the test part, then evaluate again")
    return predictions


def refuse_leak(rows: pl.DataFrame) -> None:
    """Refuse a table in which one patient is in several parts.

    Raises:
        SourceError: The text names the patients.
    """
    keys = [name for name in ("source", "patient_id") if name in rows.columns]
    spread = (
        rows.group_by(keys, maintain_order=True)
        .agg(pl.col("part").cast(pl.String).unique().sort().alias("parts"))
        .filter(pl.col("parts").list.len() > 1)
    )
    if spread.is_empty():
        return
    named = ", ".join(f"{row['patient_id']} ({' and '.join(row['parts'])})" for row in spread.head(5).to_dicts())
    more = f" and {spread.height - 5} more" if spread.height > 5 else ""
    raise SourceError(f"predictions: patients in several parts: {named}{more}. Split by patient, then train again")


@runtime_checkable
class Rows(Protocol):
    """What a sample of any kind has, of yes or no or of several classes."""

    @property
    def labels(self) -> np.ndarray:
        """One a row."""

    @property
    def patients(self) -> np.ndarray:
        """Number of each row's patient."""

    @property
    def patient_count(self) -> int:
        """Patients."""

    @property
    def positives(self) -> int:
        """Rows with a positive label; of several classes all rows."""


def refuse_other_rows(first: Rows, second: Rows) -> None:
    """Refuse to compare what was not measured on the same rows of the same patients, in the same order.

    Raises:
        SourceError: Labels or patients differ.
    """
    if not (np.array_equal(first.labels, second.labels) and np.array_equal(first.patients, second.patients)):
        raise SourceError(
            f"comparison: the two sets of predictions ({len(first.labels)} and {len(second.labels)} rows) are not of "
            "the same rows. Predict the same test part"
        )


def unit_rows(rows: pl.DataFrame, *, unit: Unit, aggregation: Aggregation = AGGREGATION) -> pl.DataFrame:
    """Put image rows together to one row a unit.

    Args:
        rows: Image rows, checked. Rows whose `breast_id` (`exam_id`) is unknown are left out of the units that need it.
        unit: What one row shall stand for.
        aggregation: How; also what a row of the table is, where it is not an image.

    Returns:
        Columns `part`, the keys of the unit, `label`, `score`; sorted by the keys.

    Raises:
        SourceError: The unit needs a column that is missing or nowhere filled, or is smaller than a row of the table.

    Example:
        >>> rows = pl.DataFrame({"part": ["test"] * 2, "image_id": ["a", "b"], "patient_id": ["1"] * 2,
        ...                      "breast_id": ["1_L"] * 2, "label": [0, 1], "score": [0.5, 1.0]})
        >>> unit_rows(rows, unit="breast").select("breast_id", "label", "score").rows()
        [('1_L', 1, 0.75)]
    """
    patient: list[str] = [name for name in ("source", "patient_id") if name in rows.columns]
    if not aggregation.allows(unit):
        raise SourceError(f"predictions: a row is one {aggregation.row}, so there is no result per {unit}")
    if unit == aggregation.row:
        keys = [*patient, "image_id"]
        return rows.select("part", *keys, "label", "score").sort(keys)
    needed = ["breast_id"] if unit == "breast" or aggregation.through_breasts else []
    needed += ["exam_id"] if unit == "exam" else []
    for name in needed:
        if name not in rows.columns or rows[name].is_null().all():
            raise SourceError(f"predictions: {name} is unknown for every image, so there is no result per {unit}")
    known = rows.drop_nulls(needed)
    views, breasts = (_REDUCED[rule] for rule in (aggregation.views, aggregation.breasts))
    outer = [*patient, "exam_id"] if unit == "exam" else patient
    if unit == "breast":
        return _together(known, keys=[*patient, "breast_id"], score=views)
    if aggregation.through_breasts:
        known = _together(known, keys=[*outer, "breast_id"], score=views)
    return _together(known, keys=outer, score=breasts)


_REDUCED = {"mean": pl.col("score").mean(), "max": pl.col("score").max()}


def _together(rows: pl.DataFrame, *, keys: list[str], score: pl.Expr) -> pl.DataFrame:
    """Sort first: a mean of floats must not depend on the order of the rows."""
    return (
        rows.sort(*keys, "score")
        .group_by(keys, maintain_order=True)
        .agg(pl.col("part").first(), pl.col("label").max(), score)
        .select("part", *keys, "label", "score")
    )


def _refuse(rows: pl.DataFrame, wrong: pl.Expr, column: str, what: str) -> None:
    bad = rows.with_row_index("_row").filter(wrong)
    if bad.is_empty():
        return
    first = bad.row(0, named=True)
    more = f" (and {bad.height - 1} more rows)" if bad.height > 1 else ""
    where = f"predictions: row {first['_row'] + 1}, image {first['image_id']!r}"
    raise SourceError(f"{where}: {column} {first[column]!r} {what}{more}")
