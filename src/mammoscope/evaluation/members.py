"""Other answers to the same question on the same rows: a network beside its forest, the members of an ensemble."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from mammoscope.errors import SourceError
from mammoscope.evaluation.class_measures import (
    MeasuredClasses,
    measure_classes,
    primary_metric,
)
from mammoscope.evaluation.class_samples import class_sample
from mammoscope.evaluation.comparison import AnyMeasured, measured_estimate, metric_difference
from mammoscope.evaluation.delong import delong_difference
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.gaps import holm
from mammoscope.evaluation.measures import Measured, estimates, measure
from mammoscope.evaluation.samples import checked, sample_of, unit_rows
from mammoscope.evaluation.settings import Settings, threshold_on
from mammoscope.evaluation.tasks import classes_of, is_ordered
from mammoscope.evaluation.values import AGGREGATION, Aggregation, Rule, Unit, Verdict
from mammoscope.vocabulary import Part

SHOWN = ("auc", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "specificity", "brier")
"""Metrics of yes-or-no answers that are told of each member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One other answer, held against the run's own.

    Attributes:
        name: Of its table.
        test: Metric to estimate; calls are made at the member's own threshold, chosen on its tune rows.
        difference: The run's own value of the primary metric minus this one's, paired; None with a reason.
        p_value: That the two are equally good; None where there is none.
        p_adjusted: After Holm's correction for the number of members.
        verdict: Of the run's own answer: `above` or `below` only where the interval leaves out 0 and the corrected test
            agrees; None where not defined.
    """

    name: str
    test: dict[str, Estimate]
    difference: Estimate
    p_value: float | None
    p_adjusted: float | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """A run's own answer and the others beside it, all on the same test rows.

    Attributes:
        kind: Whether the question is one of yes or no, or of several classes.
        metric: The primary metric, of which differences are taken.
        unit: What a row stands for.
        test: The p values' kind, in words.
        own: Metric to estimate of the run's own answer.
        members: In the order of their names.
    """

    kind: Literal["binary", "classes"]
    metric: str
    unit: Unit
    test: str
    own: dict[str, Estimate]
    members: tuple[Member, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None: the block `members` of `metrics.json`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def compare_members(
    predictions: pl.DataFrame,
    *,
    members: Mapping[str, pl.DataFrame],
    unit: Unit = "image",
    aggregation: Aggregation = AGGREGATION,
    rule: Rule = "youden",
    at_least: float | None = None,
    at_most: float | None = None,
    miss_cost: float | None = None,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Members:
    """Hold other answers of yes or no against a run's own, by ROC AUC.

    Args:
        predictions: The run's own, as `evaluate` takes them.
        members: Name to predictions of the same rows.
        unit: What a row shall stand for.
        aggregation: What a row is, and how rows are put together.
        rule: How each threshold is chosen on its own tune rows.
        at_least: As in `evaluate`.
        at_most: As in `evaluate`.
        miss_cost: As in `evaluate`.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals; 1 - confidence is that of the tests.
        seed: Of the replicates.

    Returns:
        Each with its numbers and its paired difference; p values of the clustered DeLong test, corrected by Holm.

    Raises:
        SourceError: A member has other rows or labels, or cannot be evaluated; the text names it.

    Source:
        Obuchowski, Biometrics 53 (1997) 567; Holm, Scand. J. Statistics 6 (1979) 65.

    Example:
        >>> rows = pl.DataFrame({"part": "test", "patient_id": [str(n) for n in range(40)],
        ...     "image_id": [str(n) for n in range(40)], "label": [n % 2 for n in range(40)]})
        >>> good, poor = (rows.with_columns(pl.Series("score", [
        ...     (n % 2 * gain + n % 7) / 10 for n in range(40)])) for gain in (3, 1))
        >>> compare_members(good, members={"one": poor}, replicates=50).members[0].verdict
        'above'
    """
    settings = Settings(
        rule=rule,
        at_least=at_least,
        at_most=at_most,
        miss_cost=miss_cost,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        aggregation=aggregation,
    )
    own = _binary(predictions, unit=unit, settings=settings)
    tables = {name: _same_rows(name, members[name], predictions, score="score") for name in sorted(members)}
    found = {name: _named(name, _binary, table, unit=unit, settings=settings) for name, table in tables.items()}
    rows = []
    for name, one in found.items():
        p_value = delong_difference(own.sample, one.sample, confidence=confidence).p_value
        held = _member(name, own, one, test=_shown(one, confidence), metric="auc", confidence=confidence)
        rows.append(replace(held, p_value=p_value))
    return Members(
        kind="binary",
        metric="auc",
        unit=unit,
        test="paired clustered DeLong",
        own=_shown(own, confidence),
        members=_corrected(rows, level=1.0 - confidence),
    )


def compare_class_members(
    predictions: pl.DataFrame,
    *,
    members: Mapping[str, pl.DataFrame],
    task: str,
    row: Unit = "image",
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Members:
    """Hold other answers among several classes against a run's own.

    Args:
        predictions: The run's own, as `evaluate_task` takes them.
        members: Name to predictions of the same rows.
        task: Name of the label: classes in an order are compared by quadratic kappa, others by macro AUC.
        row: What one row stands for; each is measured by itself.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals; 1 - confidence is that of the tests.
        seed: Of the replicates.

    Returns:
        Each with its numbers and its paired difference; p values from the replicates, corrected by Holm.

    Raises:
        SourceError: A member has other rows, labels or classes; the text names it.
    """
    classes = classes_of(predictions)
    how = {"replicates": replicates, "confidence": confidence, "seed": seed}
    metric = primary_metric(ordered=is_ordered(task, classes=classes), metrics=("macro_auc",))
    own, shown = _classes(predictions, classes=classes, how=how)
    rows = []
    for name in sorted(members):
        table = _same_rows(name, members[name], predictions, score=f"score_{classes[0]}")
        one, test = _named(name, _classes, table, classes=classes, how=how)
        rows.append(_member(name, own, one, test=test, metric=metric, confidence=confidence))
    return Members(
        kind="classes",
        metric=metric,
        unit=row,
        test="paired bootstrap over patients",
        own=shown,
        members=_corrected(rows, level=1.0 - confidence),
    )


def _member(
    name: str, own: AnyMeasured, one: AnyMeasured, *, test: dict[str, Estimate], metric: str, confidence: float
) -> Member:
    told = metric_difference(own, one, metric=metric, confidence=confidence)
    return Member(
        name=name,
        test=test,
        difference=told.difference,
        p_value=told.p_value,
        p_adjusted=None,
        verdict=told.verdict,
    )


def _binary(predictions: pl.DataFrame, *, unit: Unit, settings: Settings) -> Measured:
    rows = unit_rows(_in_order(checked(predictions)), unit=unit, aggregation=settings.aggregation)
    part = pl.col("part").cast(pl.String)
    tune, test = (sample_of(rows.filter(part == name.value)) for name in (Part.TUNE, Part.TEST))
    return measure(
        test,
        threshold=threshold_on(tune, settings=settings).value,
        replicates=settings.replicates,
        seed=settings.seed,
        curves=False,
    )


def _shown(measured: Measured, confidence: float) -> dict[str, Estimate]:
    found = estimates(measured, confidence=confidence)
    return {name: found[name] for name in SHOWN}


def _classes(
    predictions: pl.DataFrame, *, classes: Sequence[str], how: dict[str, Any]
) -> tuple[MeasuredClasses, dict[str, Estimate]]:
    sample = class_sample(_in_order(predictions), classes=classes)
    measured = measure_classes(sample, replicates=how["replicates"], seed=how["seed"])
    return measured, {name: measured_estimate(measured, name, confidence=how["confidence"]) for name in measured.values}


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort([name for name in ("source", "patient_id", "image_id") if name in rows.columns])


def _same_rows(name: str, member: pl.DataFrame, own: pl.DataFrame, *, score: str) -> pl.DataFrame:
    """The member's table, if it is of the same rows with the same labels.

    Raises:
        SourceError: It is not; the text counts.
    """
    where = f"members/{name}"
    needed = ("part", "label", "patient_id", "image_id", score)
    if missing := [column for column in needed if column not in member.columns]:
        raise SourceError(f"{where}: columns {missing} are missing. Train the run again")
    keys = [key for key in ("source", "image_id") if key in member.columns and key in own.columns]
    columns = [pl.col(column).cast(pl.String) for column in (*keys, "part", "patient_id", "label")]
    theirs, ours = (table.select(columns).sort(keys) for table in (member, own))
    only = [one.join(other, on=keys, how="anti").height for one, other in ((ours, theirs), (theirs, ours))]
    if any(only) or theirs.height != ours.height:
        raise SourceError(
            f"{where}: is not of the run's own rows ({only[0]} only of the run, {only[1]} only of the member). "
            "Train the run again"
        )
    if not theirs.equals(ours):
        raise SourceError(f"{where}: has other labels, parts or patients than predictions.parquet. Train the run again")
    return member


def _named(name: str, measured: Any, table: pl.DataFrame, **how: Any) -> Any:
    try:
        return measured(table, **how)
    except SourceError as error:
        raise SourceError(f"members/{name}: {error}") from error


def _corrected(rows: Sequence[Member], *, level: float) -> tuple[Member, ...]:
    """P values after Holm; a verdict that the corrected test does not share becomes `not distinguishable`."""
    known = [row.p_value for row in rows if row.p_value is not None]
    adjusted = iter(holm(np.array(known, dtype=np.float64)).tolist()) if known else iter(())
    found = []
    for row in rows:
        p = None if row.p_value is None else float(next(adjusted))
        agreed = p is None or p < level
        verdict = row.verdict if agreed or row.verdict is None else "not distinguishable"
        found.append(replace(row, p_adjusted=p, verdict=verdict))
    return tuple(found)
