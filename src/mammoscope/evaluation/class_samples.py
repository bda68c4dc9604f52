"""Predictions among several classes as the statistics see them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.samples import refuse_leak, sample_of
from mammoscope.evaluation.values import Unit
from mammoscope.vocabulary import Part

KEYS: dict[Unit, tuple[str, ...]] = {
    "image": ("image_id",),
    "breast": ("breast_id",),
    "exam": ("exam_id",),
    "patient": (),
}
"""Columns that tell units apart within a patient."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassSample:
    """Labels and calls of rows that come in clusters.

    Attributes:
        classes: In their order.
        labels: Number of each row's true class.
        calls: Number of each row's called class.
        scores: One column a class; None where only calls are known.
        patients: Number of each row's patient, in the order of sorted patient ids.
        patient_count: Patients.
    """

    classes: tuple[str, ...]
    labels: Int[np.ndarray, " rows"]
    calls: Int[np.ndarray, " rows"]
    scores: Float[np.ndarray, "rows classes"] | None
    patients: Int[np.ndarray, " rows"]
    patient_count: int

    @property
    def positives(self) -> int:
        """All rows: each is of one of the classes."""
        return len(self.labels)


def class_sample(
    rows: pl.DataFrame, *, classes: Sequence[str], unit: Unit = "image", part: Part = Part.TEST
) -> ClassSample:
    """Take classes, scores and patients out of a table.

    Args:
        rows: Columns `label`, `patient_id`, and `score_<class>` for every class, or `prediction`, or both; `image_id`,
            `breast_id`, `exam_id` for the units that need them; of a column `part` only one part counts.
        classes: Names, in their order. The highest score is the call, of equal ones the first.
        unit: What a row shall stand for: the mean of its images' scores, class by class.
        part: Which part.

    Returns:
        The sample.

    Raises:
        SourceError: A column is missing, a cell is not allowed, an image stands twice, a patient is in several parts,
            or images of one unit have several labels; the text names the row.
        RecipeError: There are fewer than two classes, or one is named twice.

    Example:
        >>> rows = pl.DataFrame({"label": ["A", "B"], "patient_id": ["x", "y"],
        ...                      "score_A": [0.7, 0.6], "score_B": [0.3, 0.4]})
        >>> class_sample(rows, classes=("A", "B")).calls
        array([0, 0])
    """
    names = tuple(classes)
    table = class_rows(rows, classes=names, unit=unit, part=part)
    scored = [f"score_{name}" for name in names]
    scores = table.select(scored).to_numpy().astype(np.float64) if scored[0] in table.columns else None
    calls = scores.argmax(axis=1) if scores is not None else None
    if "prediction" in table.columns:
        calls = _codes(table["prediction"], names)
    if calls is None:
        raise SourceError("predictions: neither columns score_<class> nor a column prediction. Write one of them")
    people = sample_of(table.with_columns(pl.lit(0).alias("label"), pl.lit(0.0).alias("score")))
    return ClassSample(
        classes=names,
        labels=_codes(table["label"], names),
        calls=calls,
        scores=scores,
        patients=people.patients,
        patient_count=people.patient_count,
    )


def class_rows(
    rows: pl.DataFrame, *, classes: Sequence[str], unit: Unit = "image", part: Part = Part.TEST
) -> pl.DataFrame:
    """The rows of one part of a table of several classes, put together to one a unit.

    Args:
        rows: As `class_sample` takes them.
        classes: Names, in their order.
        unit: As in `class_sample`.
        part: As in `class_sample`.

    Returns:
        Rows in their order per image, else sorted by the keys of the unit, with the mean scores and the label.

    Raises:
        SourceError: As `class_sample`.
        RecipeError: As `class_sample`.

    Example:
        >>> rows = pl.DataFrame({"label": ["A", "A"], "patient_id": ["x", "x"], "image_id": ["1", "2"],
        ...                      "score_A": [0.7, 0.5], "score_B": [0.3, 0.5]})
        >>> class_rows(rows, classes="AB", unit="patient").select("patient_id", "label", "score_A").rows()
        [('x', 'A', 0.6)]
    """
    names = tuple(classes)
    if len(names) < 2 or len(set(names)) < len(names):
        raise RecipeError(f"classes must be two or more different names, got {', '.join(names) or 'none'}")
    table = _checked(rows, names, part)
    return table if unit == "image" else _together(table, [f"score_{name}" for name in names], unit=unit)


def _checked(rows: pl.DataFrame, classes: tuple[str, ...], part: Part) -> pl.DataFrame:
    missing = [name for name in ("label", "patient_id") if name not in rows.columns]
    scored = [f"score_{name}" for name in classes]
    there = [name for name in scored if name in rows.columns]
    missing += [name for name in scored if there and name not in there]
    if missing:
        raise SourceError(f"predictions: columns {missing} are missing. Write them, or leave all scores out")
    if "part" in rows.columns:
        refuse_leak(rows)
        rows = rows.filter(pl.col("part").cast(pl.String) == part.value)
    if rows.is_empty():
        raise SourceError(f"predictions: no row of part '{part}'. Predict the {part} part, then evaluate again")
    rows = rows.with_columns(pl.col("label", "patient_id").cast(pl.String), pl.col(there).cast(pl.Float64))
    _refuse(rows["patient_id"], rows["patient_id"].fill_null("") == "", "patient_id", "is empty. Fill the cell")
    _refuse(rows["label"], ~rows["label"].is_in(classes).fill_null(value=False), "label", _allowed(classes))
    if "prediction" in rows.columns:
        called = rows["prediction"].cast(pl.String)
        _refuse(called, ~called.is_in(classes).fill_null(value=False), "prediction", _allowed(classes))
    for name in there:
        inside = (rows[name].is_finite() & rows[name].is_between(0.0, 1.0)).fill_null(value=False)
        _refuse(rows[name], ~inside, name, "is not a number in [0, 1]. Bring the scores there (softmax)")
    if "image_id" in rows.columns:
        keys = [name for name in ("source", "image_id") if name in rows.columns]
        twice = rows.select(pl.struct(keys).is_duplicated()).to_series()
        _refuse(rows["image_id"], twice, "image_id", "stands twice. Keep one row an image")
    return rows


def _allowed(classes: tuple[str, ...]) -> str:
    return f"is not one of {', '.join(classes)}. Leave unlabelled rows out, or name the class"


def _together(rows: pl.DataFrame, scored: list[str], *, unit: Unit) -> pl.DataFrame:
    needed = KEYS[unit]
    absent = [name for name in needed if name not in rows.columns or rows[name].is_null().all()]
    if absent:
        raise SourceError(f"predictions: {absent[0]} is unknown for every image, so there is no result per {unit}")
    if scored[0] not in rows.columns:
        raise SourceError(f"predictions: calls without scores cannot be put together to one a {unit}. Write the scores")
    keys = [name for name in ("source", "patient_id", *needed) if name in rows.columns]
    made = (
        rows.drop_nulls(list(needed))
        .sort(*keys, *scored)
        .group_by(keys, maintain_order=True)
        .agg(pl.col("label").unique().sort().alias("labels"), pl.col(scored).mean())
    )
    mixed = made.filter(pl.col("labels").list.len() > 1)
    if not mixed.is_empty():
        first = mixed.row(0, named=True)
        who = ", ".join(str(first[name]) for name in keys)
        raise SourceError(
            f"predictions: {unit} {who}: its images are labelled {' and '.join(first['labels'])}"
            f" ({mixed.height} such in all). Correct the labels, or measure per image"
        )
    return made.with_columns(pl.col("labels").list.first().alias("label"))


def _codes(column: pl.Series, classes: tuple[str, ...]) -> Int[np.ndarray, " rows"]:
    place = {name: number for number, name in enumerate(classes)}
    return np.array([place[name] for name in column.cast(pl.String)], dtype=np.int64)


def _refuse(column: pl.Series, bad: pl.Series, name: str, what: str) -> None:
    wrong = bad.arg_true()
    if len(wrong):
        first = int(wrong[0])
        more = f" (and {len(wrong) - 1} more rows)" if len(wrong) > 1 else ""
        raise SourceError(f"predictions: row {first + 1}: {name} {column[first]!r} {what}{more}")
