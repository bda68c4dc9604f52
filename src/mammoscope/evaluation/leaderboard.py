"""Several models on the same test patients: ranked, and told apart only where a paired test can."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.class_measures import measure_classes, primary_metric
from mammoscope.evaluation.class_samples import class_sample
from mammoscope.evaluation.comparison import MetricDifference, measured_estimate, metric_difference
from mammoscope.evaluation.contenders import (
    Contender,
    common_unit,
    contender_units,
    refuse_other_units,
    refuse_unlike,
)
from mammoscope.evaluation.delong import PairedTest, delong_difference
from mammoscope.evaluation.gaps import holm
from mammoscope.evaluation.intervals import IntervalMethod, auc_interval
from mammoscope.evaluation.sample_size import small_sample
from mammoscope.evaluation.samples import Sample, sample_of
from mammoscope.evaluation.tasks import classes_of, is_ordered
from mammoscope.evaluation.values import AGGREGATION, Aggregation, Estimate, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One line of the board.

    Attributes:
        place: From 1; equal values share a place.
        name: Of the contender.
        result: The metric of the board, with its interval over patients.
        behind: Value of the best minus this one, with its paired interval; None for the best.
        p_value: That the two are equally good; None for the best, or where not defined.
        p_adjusted: The same after Holm's correction for the number of comparisons with the best.
        distinguishable: Whether the best is shown to be better; None for the best, or where not defined.
    """

    place: int
    name: str
    result: Estimate
    behind: Estimate | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    distinguishable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Contenders in the order of one metric.

    Attributes:
        metric: `auc` of yes or no; of several classes `kappa_quadratic` where they stand in an order, else `macro_auc`
            (`accuracy` where only calls are known).
        classes: Of the answers; none for yes or no.
        unit: What a row stands for.
        aggregation: How images were put together to it, in words.
        n: Rows, the same of every contender.
        positives: Positive rows; of several classes all of them.
        patients: Patients.
        confidence: Level of the intervals.
        alpha: Level of the tests, over all of them together.
        standings: The best first.
        not_distinguishable: Names of the best and of all that are not shown to be worse.
        notes: What a reader must know.
    """

    metric: str
    classes: tuple[str, ...]
    unit: Unit
    aggregation: str
    n: int
    positives: int
    patients: int
    confidence: float
    alpha: float
    standings: tuple[Standing, ...]
    not_distinguishable: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def leaderboard(
    contenders: Sequence[Contender],
    *,
    unit: Unit | None = None,
    aggregation: Aggregation = AGGREGATION,
    interval: IntervalMethod = "delong-logit",
    replicates: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    alpha: float = 0.05,
) -> Leaderboard:
    """Rank models on the same test patients, and say which the best is not shown to beat.

    Answers of yes or no are ranked by ROC AUC, and the best is tested against each other by the paired clustered DeLong
    test. Answers among several classes are ranked by quadratic kappa where the classes stand in an order, else by the
    macro AUC, and tested by the paired bootstrap over patients. P values are corrected by Holm.

    Args:
        contenders: Two or more.
        unit: What a row shall stand for; None: the unit their runs quote first, `image` where none does.
        aggregation: How images are put together to larger units; the same for all. Of several classes it is always the
            mean of the scores.
        interval: How the interval of each AUC is made; of several classes it is always `percentile`.
        replicates: Of a bootstrap interval, and of the test of several classes.
        seed: Of the replicates.
        confidence: Level of the intervals.
        alpha: Chance of any false `distinguishable`, in (0, 1).

    Returns:
        The board.

    Raises:
        SourceError: Fewer than two, two of one name, other questions, or test patients, images or labels that differ;
            the text says how many and which.
        RecipeError: A setting is not allowed.

    Source:
        Obuchowski, Biometrics 53 (1997) 567; Holm, Scand. J. Statistics 6 (1979) 65.

    Example:
        >>> rows = pl.DataFrame({"part": "test", "patient_id": [str(n) for n in range(40)],
        ...     "image_id": [str(n) for n in range(40)], "label": [n % 2 for n in range(40)]})
        >>> good, poor = (rows.with_columns(pl.Series("score", [
        ...     (n % 2 * gain + n % 7) / 10 for n in range(40)])) for gain in (3, 1))
        >>> board = leaderboard([Contender(name="poor", rows=poor), Contender(name="good", rows=good)], replicates=50)
        >>> [(line.place, line.name, line.distinguishable) for line in board.standings]
        [(1, 'good', None), (2, 'poor', True)]
    """
    if not 0.0 < alpha < 1.0:
        raise RecipeError(f"alpha must be between 0 and 1, got {alpha}. 0.05 is usual")
    refuse_unlike(contenders)
    at = unit or common_unit(contenders)
    classes, task = classes_of(contenders[0].rows), next((one.task for one in contenders if one.task), "")
    tables = {one.name: contender_units(one, classes=classes, unit=at, aggregation=aggregation) for one in contenders}
    for other in contenders[1:]:
        refuse_other_units(contenders[0].name, other.name, tables=tables, unit=at)
    drawn: dict[str, Any] = {"replicates": replicates, "seed": seed, "confidence": confidence}
    if classes:
        field = _of_classes(tables, classes=classes, ordered=is_ordered(task, classes=classes), **drawn)
    else:
        field = _of_yes_or_no(tables, interval=interval, **drawn)
    undefined = next(((name, one.reason) for name, one in field.results.items() if one.value is None), None)
    if undefined:
        raise SourceError(f"leaderboard: {field.metric} of {undefined[0]} per {at} is not defined: {undefined[1]}")
    standings = _tested(field, alpha=alpha)
    best = standings[0].result
    return Leaderboard(
        metric=field.metric,
        classes=classes,
        unit=at,
        aggregation=_words(aggregation, contenders, classes=classes, unit=at),
        n=best.n,
        positives=best.positives,
        patients=best.patients,
        confidence=confidence,
        alpha=alpha,
        standings=standings,
        not_distinguishable=tuple(line.name for line in standings if not line.distinguishable),
        notes=tuple(_notes(standings, field, alpha=alpha)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Field:
    """All contenders measured, and how two of them are tested."""

    metric: str
    results: dict[str, Estimate]
    test: Callable[[str, str], PairedTest | MetricDifference]
    sample: Sample | None = None  # of yes or no


def _of_yes_or_no(
    tables: Mapping[str, pl.DataFrame], *, interval: IntervalMethod, replicates: int, seed: int, confidence: float
) -> _Field:
    samples = {name: sample_of(table) for name, table in tables.items()}
    return _Field(
        metric="auc",
        results={
            name: auc_interval(sample, method=interval, replicates=replicates, seed=seed, confidence=confidence)
            for name, sample in samples.items()
        },
        test=lambda best, other: delong_difference(samples[best], samples[other], confidence=confidence),
        sample=next(iter(samples.values())),
    )


def _of_classes(
    tables: Mapping[str, pl.DataFrame],
    *,
    classes: tuple[str, ...],
    ordered: bool,
    replicates: int,
    seed: int,
    confidence: float,
) -> _Field:
    measured = {
        name: measure_classes(class_sample(table, classes=classes), replicates=replicates, seed=seed)
        for name, table in tables.items()
    }
    known = set.intersection(*(set(one.values) for one in measured.values()))
    metric = primary_metric(ordered=ordered, metrics=tuple(known))
    return _Field(
        metric=metric,
        results={name: measured_estimate(one, metric, confidence=confidence) for name, one in measured.items()},
        test=lambda best, other: metric_difference(
            measured[best], measured[other], metric=metric, confidence=confidence
        ),
    )


def _words(aggregation: Aggregation, contenders: Sequence[Contender], *, classes: tuple[str, ...], unit: Unit) -> str:
    rows = {one.row or aggregation.row for one in contenders}
    if rows == {unit}:
        return f"each {unit} by itself"
    if classes:
        return f"mean of the scores of the {unit}, class by class"
    return aggregation.words(unit) if len(rows) == 1 else f"{aggregation.words(unit)}, or the {unit} by itself"


def _tested(field: _Field, *, alpha: float) -> tuple[Standing, ...]:
    results = field.results
    order = sorted(results, key=lambda name: (-(results[name].value or 0.0), name))
    best, others = order[0], order[1:]
    tests = {name: field.test(best, name) for name in others}
    known = [name for name in others if tests[name].p_value is not None]
    raw = np.array([tests[name].p_value for name in known], dtype=np.float64)
    adjusted = dict(zip(known, holm(raw).tolist(), strict=True))
    values = [results[name].value for name in order]
    beside = (
        Standing(
            place=values.index(results[name].value) + 1,
            name=name,
            result=results[name],
            behind=tests[name].difference,
            p_value=tests[name].p_value,
            p_adjusted=adjusted.get(name),
            distinguishable=adjusted[name] < alpha if name in adjusted else None,
        )
        for name in others
    )
    return (Standing(place=1, name=best, result=results[best]), *beside)


def _notes(standings: tuple[Standing, ...], field: _Field, *, alpha: float) -> list[str]:
    tests = len(standings) - 1
    found = [
        f"{tests} comparison{'s' if tests > 1 else ''} with the best, p values corrected by Holm",
        "the result of the best of several on one test part is optimistic: it was chosen there",
        "not distinguishable is not the same as equally good: state a margin to show that",
    ]
    few = None if field.sample is None else small_sample(field.sample)
    found += [few] if few else []
    replicates = standings[0].result.replicates
    if field.sample is None and 2.0 * tests / (replicates + 1) >= alpha:
        found.append(
            f"with {replicates:,} replicates no corrected p of {tests} comparisons can fall below {alpha:g}: nothing "
            f"can be told apart. Take {int(np.ceil(2.0 * tests / alpha)):,} replicates or more"
        )
    found += [
        f"{line.name}: not compared with the best ({line.behind.reason})"
        for line in standings
        if line.behind is not None and line.p_value is None
    ]
    return found
