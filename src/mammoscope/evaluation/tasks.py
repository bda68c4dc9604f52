"""From a table of predictions among several classes to every number of a run's task."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.calibration_values import Method
from mammoscope.evaluation.class_baselines import class_baselines
from mammoscope.evaluation.class_measures import MeasuredClasses, measure_classes, primary_metric
from mammoscope.evaluation.class_samples import ClassSample, class_sample
from mammoscope.evaluation.class_values import ClassEvaluation
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.multiclass import evaluate_classes
from mammoscope.evaluation.ranking import counted, ranked, roc_points
from mammoscope.evaluation.samples import Sample, refuse_leak
from mammoscope.evaluation.task_values import ClassBaselineUnit, TaskEvaluation
from mammoscope.evaluation.values import UNITS, Baseline, Curve, Unit
from mammoscope.vocabulary import Part

ORDERED = ("density", "tissue")
"""Labels whose classes stand in an order, so that a weighted kappa means something; see `is_ordered`."""

GROUPS: dict[str, tuple[str, ...]] = {"density": ("C", "D")}
"""Label to the classes that are put together: dense against not dense."""

MAX_POINTS = 400  # of a drawn curve
PREFIX = "score_"


def classes_of(predictions: pl.DataFrame) -> tuple[str, ...]:
    """The classes that a table of predictions has scores of, in the order of its columns; none if it is of yes or no.

    Example:
        >>> classes_of(pl.DataFrame({"label": ["A"], "score_A": [0.7], "score_B": [0.3]}))
        ('A', 'B')
    """
    if "score" in predictions.columns:
        return ()
    return tuple(name.removeprefix(PREFIX) for name in predictions.columns if name.startswith(PREFIX))


def is_ordered(task: str, *, classes: Sequence[str]) -> bool:
    """Whether the order of the classes means something; of assessments only without 0, which is "incomplete".

    Example:
        >>> is_ordered("assessment", classes="12345"), is_ordered("assessment", classes="012")
        (True, False)
    """
    return task in ORDERED or (task == "assessment" and "0" not in classes)


def evaluate_task(
    predictions: pl.DataFrame,
    *,
    task: str,
    classes: Sequence[str] = (),
    cohort: pl.DataFrame | None = None,
    headline: Unit | None = None,
    row: Unit = "image",
    calibration: Method = "none",
    calibration_bins: int = 10,
    coverage: float | None = None,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> TaskEvaluation:
    """Measure a task of several classes on the test part, at every unit, with intervals over patients.

    Args:
        predictions: Columns `part`, `label` (name of the class), `score_<class>`, `patient_id`, `image_id`;
            `prediction` where the call is not the highest score; `source`, `breast_id`, `exam_id` where they are known.
        task: Name of the label; of `density` the dense classes are also put together.
        classes: In their order; empty: those of the columns, in their order.
        cohort: The cohort table, train part included, with a column named like the task: for the baselines.
        headline: The unit that is quoted first; None: what a row stands for.
        row: What one row stands for.
        calibration: `none` or `temperature`; measured at the headline.
        calibration_bins: Of the calibration errors.
        coverage: Of conformal sets at the headline, in (0, 1); None to make none.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.

    Returns:
        Every number with its interval, n and patients, and what to know before quoting it.

    Raises:
        SourceError: The table cannot be evaluated; the text names the row.
        RecipeError: A setting is not allowed.

    Example:
        >>> rows = pl.DataFrame({"part": "test", "label": list("ABAB"), "score_A": [0.9, 0.2, 0.6, 0.7],
        ...     "score_B": [0.1, 0.8, 0.4, 0.3], "patient_id": list("wxyz"), "image_id": list("1234")})
        >>> found = evaluate_task(rows, task="lesion_kind", replicates=20)
        >>> found.units["image"].test["accuracy"].value, found.primary
        (0.75, 'macro_auc')
    """
    names = tuple(classes) or classes_of(predictions)
    first = headline or row
    if row not in UNITS or first not in UNITS:
        raise RecipeError(f"unit {row if row not in UNITS else first!r} is not one of {', '.join(UNITS)}")
    rows = _ready(predictions, cohort)
    how: dict[str, Any] = {"replicates": replicates, "confidence": confidence, "seed": seed}
    told: dict[str, Any] = {"calibration": calibration, "calibration_bins": calibration_bins, "coverage": coverage}
    positive = GROUPS.get(task, ())
    group = positive if set(positive) < set(names) else ()
    units: dict[Unit, ClassEvaluation] = {}
    samples: dict[Unit, ClassSample] = {}
    unavailable: dict[Unit, str] = {}
    for unit in UNITS:
        try:
            samples[unit] = class_sample(rows, classes=names, unit=_asked(unit, row))
            more = told if unit == first else {}
            units[unit] = _at_unit(rows, unit=unit, row=row, classes=names, positive=group, how=how | more)
        except SourceError as error:
            unavailable[unit] = str(error)
    if first not in units:
        raise SourceError(unavailable[first])
    measured = {unit: measure_classes(sample, replicates=replicates, seed=seed) for unit, sample in samples.items()}
    ordered = is_ordered(task, classes=names)
    return TaskEvaluation(
        task=task,
        classes=names,
        ordered=ordered,
        primary=primary_metric(ordered=ordered, metrics=tuple(units[first].test)),
        headline=first,
        row=row,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        units=units,
        curves={unit: roc_of_classes(sample) for unit, sample in samples.items()},
        tune=_tune(rows, classes=names, unit=_asked(first, row), how=how),
        unavailable=unavailable,
        baselines=_beside(rows, cohort, measured, task=task, classes=names, row=row, how=how),
        warnings=tuple(_warnings(units, first)),
    )


def roc_of_classes(sample: ClassSample) -> dict[str, Curve]:
    """ROC curve of each class against the rest; those without both are left out."""
    if sample.scores is None:
        return {}
    found = {}
    for number, name in enumerate(sample.classes):
        one = Sample(
            labels=sample.labels == number,
            scores=sample.scores[:, number],
            patients=sample.patients,
            patient_count=sample.patient_count,
        )
        if one.single_class:
            continue
        x, y = roc_points(counted(ranked(one), weights=np.ones((one.patient_count, 1))), column=0)
        keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(np.int64))
        found[name] = Curve(x=_floats(x[keep]), y=_floats(y[keep]))
    return found


def _ready(predictions: pl.DataFrame, cohort: pl.DataFrame | None) -> pl.DataFrame:
    """Tune and test rows in an order of their own; refused where a patient is in several parts."""
    missing = [name for name in ("part", "label", "patient_id", "image_id") if name not in predictions.columns]
    if missing:
        raise SourceError(f"predictions: columns {missing} are missing. Predict again: mammoscope train")
    rows = predictions.with_columns(pl.col("part", "label", "patient_id", "image_id").cast(pl.String))
    if cohort is not None and {"part", "patient_id"} <= set(cohort.columns):
        keys = [name for name in ("source", "patient_id", "part") if name in rows.columns and name in cohort.columns]
        columns = [pl.col(name).cast(pl.String) for name in keys]
        refuse_leak(pl.concat([rows.select(columns), cohort.select(columns).drop_nulls("part")]))
    kept = [name for name in ("source", "patient_id", "image_id") if name in rows.columns]
    return rows.filter(pl.col("part") != Part.TRAIN.value).sort(kept)


def _asked(unit: Unit, row: Unit) -> Unit:
    """How `class_sample` calls a unit: a row by itself is its `image`."""
    if UNITS.index(unit) < UNITS.index(row):
        raise SourceError(f"predictions: a row is one {row}, so there is no result per {unit}")
    return "image" if unit == row else unit


def _at_unit(
    rows: pl.DataFrame,
    *,
    unit: Unit,
    row: Unit,
    classes: tuple[str, ...],
    positive: tuple[str, ...],
    how: dict[str, Any],
) -> ClassEvaluation:
    found = evaluate_classes(rows, classes=classes, positive=positive, unit=_asked(unit, row), **how)
    if row == "image":
        return found
    rule = f"each {unit} by itself" if unit == row else f"mean of the {unit}'s {row}s, class by class"
    return replace(found, unit=unit, aggregation=rule)


def _tune(rows: pl.DataFrame, *, classes: tuple[str, ...], unit: Unit, how: dict[str, Any]) -> dict[str, Estimate]:
    tune = rows.filter(pl.col("part") == Part.TUNE.value)
    if tune.is_empty():
        return {}
    as_test = tune.with_columns(pl.lit(Part.TEST.value).alias("part"))
    return evaluate_classes(as_test, classes=classes, unit=unit, **how).test


def _beside(
    rows: pl.DataFrame,
    cohort: pl.DataFrame | None,
    measured: dict[Unit, MeasuredClasses],
    *,
    task: str,
    classes: tuple[str, ...],
    row: Unit,
    how: dict[str, Any],
) -> tuple[Baseline[ClassBaselineUnit], ...]:
    return class_baselines(
        rows,
        cohort=cohort,
        models=measured,
        units={unit: _asked(unit, row) for unit in measured},
        task=task,
        classes=classes,
        how=how,
    )


def _warnings(units: dict[Unit, ClassEvaluation], headline: Unit) -> list[str]:
    """Those of the headline as they are; those of other units that it does not have, too, with their unit."""
    found = [f"per {headline}: {text}" for text in units[headline].warnings]
    for unit, result in units.items():
        new = [text for text in result.warnings if text not in units[headline].warnings]
        found += [f"per {unit}: {text}" for text in new]
    return found


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in np.round(values, 6))
