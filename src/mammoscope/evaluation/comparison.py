"""Comparing two models on the same rows: paired differences of any metric, and a margin one can live with."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.class_measures import CLASS_METRICS, MeasuredClasses
from mammoscope.evaluation.class_samples import ClassSample
from mammoscope.evaluation.measures import Measured, estimates
from mammoscope.evaluation.resampled import estimate_of
from mammoscope.evaluation.samples import Sample, refuse_other_rows
from mammoscope.evaluation.values import METRICS, Estimate, Verdict

AnyMeasured = Measured | MeasuredClasses
"""Answers of yes or no, or among several classes."""

MarginVerdict = Literal["superior", "non-inferior", "inferior", "inconclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDifference:
    """One metric of the first minus the same of the second, patients resampled together.

    Attributes:
        metric: Its name.
        difference: With its interval; None with a reason where not defined.
        p_value: Two-sided, from the replicates: never below 2 / (replicates + 1).
        verdict: `not distinguishable` where the interval contains 0; None where not defined. For `brier` and `log_loss`
            `below` is the better one.
    """

    metric: str
    difference: Estimate
    p_value: float | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Whether a difference stays within a margin that was stated beforehand.

    Attributes:
        margin: How much worse is still acceptable.
        verdict: `superior` and `non-inferior` are shown; `inferior` is shown to be worse by more than the margin;
            `inconclusive` is none of it.
        one_sided_level: Chance of a false `non-inferior`.
        sentence: The verdict in words, with the numbers it rests on.
    """

    margin: float
    verdict: MarginVerdict
    one_sided_level: float
    sentence: str


def measured_estimate(found: AnyMeasured, metric: str, *, confidence: float = 0.95) -> Estimate:
    """One metric of what was measured, with the interval that a run by itself would have.

    Args:
        found: Of yes or no, or of several classes.
        metric: One that it has.
        confidence: Level of the interval.

    Returns:
        The number.
    """
    if isinstance(found, Measured):
        return estimates(found, confidence=confidence)[metric]
    value, draws = found.values[metric], found.replicates[metric]
    return estimate_of(found.sample, value, draws, confidence=confidence, reason="not defined on these rows")


def metric_difference(
    first: AnyMeasured, second: AnyMeasured, *, metric: str = "auc", confidence: float = 0.95
) -> MetricDifference:
    """Any metric of the first minus that of the second, replicate by replicate.

    Args:
        first: Measured with the same seed and replicates as the second.
        second: On the same rows of the same patients, in the same order; of the same classes.
        metric: One of `METRICS`, or of `CLASS_METRICS` for several classes.
        confidence: Level of the interval.

    Returns:
        Difference, interval, p value, verdict.

    Raises:
        SourceError: The two are not on the same rows and classes, or not resampled alike.
        RecipeError: There is no such metric.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 15.4, for a p value out of the
        percentile interval; one is added to either count, as Davison and Hinkley, Bootstrap Methods (1997), section
        4.2, do, so that it is never 0.

    Example:
        >>> from mammoscope.evaluation import Sample, measure
        >>> labels, rows = np.arange(40) % 2 == 0, np.arange(40)
        >>> good, bad = (measure(Sample(labels=labels, scores=scores, patients=rows, patient_count=40), replicates=200)
        ...     for scores in (np.where(labels, 0.8, 0.2) + rows % 7 / 10, rows / 40))
        >>> metric_difference(good, bad).verdict
        'above'
    """
    allowed = METRICS if isinstance(first, Measured) else CLASS_METRICS
    if metric not in allowed:
        raise RecipeError(f"metric {metric!r} is not one of {', '.join(allowed)}")
    sample = first.sample
    _refuse_other_answers(sample, second.sample)
    one, other = (found.replicates.get(metric, np.empty(0)) for found in (first, second))
    value = first.values.get(metric, np.nan) - second.values.get(metric, np.nan)
    if not np.isnan(value) and len(one) != len(other):
        raise SourceError(
            f"comparison: {len(one)} and {len(other)} replicates. Measure both with the same replicates and seed"
        )
    draws = one - other if len(one) == len(other) else np.empty(0)
    why = f"{metric} of one of the two is not defined"
    found = estimate_of(sample, value, draws, confidence=confidence, reason=why)
    told = replace(found, method="paired percentile bootstrap over patients")
    if told.low is None or told.high is None:
        return MetricDifference(metric=metric, difference=told, p_value=None, verdict=None)
    defined = draws[~np.isnan(draws)]
    tail = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return MetricDifference(
        metric=metric,
        difference=told,
        p_value=min(1.0, 2.0 * (1 + tail) / (len(defined) + 1)),
        verdict="above" if told.low > 0 else "below" if told.high < 0 else "not distinguishable",
    )


def _refuse_other_answers(first: Sample | ClassSample, second: Sample | ClassSample) -> None:
    """Refuse to compare answers to other questions, or on other rows."""
    said = [", ".join(one.classes) if isinstance(one, ClassSample) else "yes or no" for one in (first, second)]
    if said[0] != said[1]:
        raise SourceError(f"comparison: the classes are {said[0]} and {said[1]}. Compare answers to the same question")
    refuse_other_rows(first, second)


def non_inferiority(
    difference: Estimate, *, margin: float, confidence: float = 0.95, higher_is_better: bool = True
) -> Margin:
    """Hold the interval of a difference (new minus old) against a margin that was stated before looking.

    Args:
        difference: New minus old, with its two-sided interval of level `confidence`.
        margin: How much worse the new one may be, above 0, in the metric's own units.
        confidence: Level of the interval; the test is one-sided at half of what it leaves, 0.025 for 0.95.
        higher_is_better: False for `brier` and `log_loss`.

    Returns:
        The verdict and the sentence to print.

    Raises:
        RecipeError: The margin is not above 0.
        SourceError: The difference has no interval.

    Source:
        Piaggio et al., Reporting of noninferiority and equivalence randomized trials, JAMA 308 (2012) 2594, figure 1.

    Example:
        >>> found = Estimate(value=-0.004, low=-0.016, high=0.008, n=900, positives=90, patients=300, replicates=2000)
        >>> non_inferiority(found, margin=0.02).sentence
        'non-inferior: the difference is -0.004 (-0.016 to 0.008), above the margin of -0.020 (one-sided 0.025)'
    """
    if not 0.0 < margin < float("inf"):
        raise RecipeError(f"margin must be above 0, got {margin}. State how much worse is still acceptable")
    if difference.value is None or difference.low is None or difference.high is None:
        raise SourceError(f"non-inferiority: the difference has no interval ({difference.reason})")
    sign = 1.0 if higher_is_better else -1.0
    worst, best = sorted((sign * difference.low, sign * difference.high))
    level = (1.0 - confidence) / 2.0
    bound = -sign * margin
    beyond, short = ("above", "below") if higher_is_better else ("below", "above")
    verdict: MarginVerdict
    if worst > 0.0:
        verdict, said = "superior", f"{beyond} 0, so within the margin of {bound:.3f} too"
    elif worst > -margin:
        said = f"{beyond} the margin of {bound:.3f}"
        verdict, said = "non-inferior", said + (f", though {short} 0" if best < 0.0 else "")
    elif best < -margin:
        verdict, said = "inferior", f"{short} the margin of {bound:.3f}"
    else:
        verdict, said = "inconclusive", f"on both sides of the margin of {bound:.3f}"
    numbers = f"{difference.value:.3f} ({difference.low:.3f} to {difference.high:.3f})"
    return Margin(
        margin=margin,
        verdict=verdict,
        one_sided_level=round(level, 12),
        sentence=f"{verdict}: the difference is {numbers}, {said} (one-sided {level:.3g})",
    )
