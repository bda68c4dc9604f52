"""Intervals of a proportion (sensitivity, specificity ...) without resampling, with or without clusters."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int
from scipy.stats import beta, norm, t

from mammoscope.errors import RecipeError
from mammoscope.evaluation.delong import refuse_confidence
from mammoscope.evaluation.samples import Sample

ProportionMethod = Literal["wilson", "clopper-pearson"]

FEW = 10  # rows of either answer below which the interval rests on too little


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """A share of rows with its interval.

    Attributes:
        value: None without rows.
        low: Lower end of the interval; None where there is none.
        high: Upper end.
        count: Rows that count.
        n: Rows.
        patients: Patients they are of.
        method: How the interval was made.
        design_effect: How many times the variance is that of independent rows; None where each patient has one row.
        warning: What a reader must know before quoting it.
        reason: Why there is no value.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int
    n: int
    patients: int
    method: str
    design_effect: float | None = None
    warning: str | None = None
    reason: str | None = None


def wilson_interval(count: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion of independent rows: on average it holds what it says.

    Args:
        count: Rows that count; a fraction for an effective number of rows.
        n: Rows, above 0.
        confidence: Level, in (0, 1).

    Returns:
        Lower and upper end.

    Raises:
        RecipeError: The count is not between 0 and n, or the confidence not between 0 and 1.

    Source:
        Wilson, J. Am. Stat. Assoc. 22 (1927) 209; recommended by Brown, Cai and DasGupta, Statistical Science 16
        (2001) 101, equation 4.

    Example:
        >>> low, high = wilson_interval(9, 10)
        >>> round(low, 4), round(high, 4)
        (0.5958, 0.9821)
    """
    _refuse_count(count, n, confidence)
    z = float(norm.ppf((1.0 + confidence) / 2.0))
    share = count / n
    middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n)
    reach = z / (1.0 + z * z / n) * sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n))
    low = 0.0 if count <= 0 else max(0.0, middle - reach)
    high = 1.0 if count >= n else min(1.0, middle + reach)
    return low, high


def clopper_pearson_interval(count: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion of independent rows: it never holds less than it says, mostly more.

    Args:
        count: Rows that count; a fraction for an effective number of rows.
        n: Rows, above 0.
        confidence: Level, in (0, 1).

    Returns:
        Lower and upper end.

    Raises:
        RecipeError: The count is not between 0 and n, or the confidence not between 0 and 1.

    Source:
        Clopper and Pearson, Biometrika 26 (1934) 404.

    Example:
        >>> low, high = clopper_pearson_interval(9, 10)
        >>> round(low, 4), round(high, 4)
        (0.555, 0.9975)
    """
    _refuse_count(count, n, confidence)
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if count <= 0 else float(beta.ppf(tail, count, n - count + 1.0))
    high = 1.0 if count >= n else float(beta.ppf(1.0 - tail, count + 1.0, n - count))
    return low, high


def proportion(
    hits: Bool[np.ndarray, " rows"],
    *,
    patients: Int[np.ndarray, " rows"],
    method: ProportionMethod = "wilson",
    confidence: float = 0.95,
) -> Proportion:
    """Share of rows that count, with an interval that knows which rows are of the same patient.

    One row a patient gives the textbook interval. With several, the rows are first counted down to as many independent
    ones as they are worth: rows divided by the design effect (never below 1), and by the quotient of t quantiles that
    pays for estimating it from few patients. Where all rows or none count the design effect cannot be seen, so each
    patient counts once: the cautious end.

    Args:
        hits: Whether each row counts.
        patients: Which patient each row is of.
        method: Which interval.
        confidence: Level of the interval.

    Returns:
        The share and its interval, with a warning where it rests on little.

    Raises:
        RecipeError: The method is unknown, or the confidence is not between 0 and 1.

    Source:
        Korn and Graubard, Survey Methodology 24 (1998) 193, for the effective number of rows in an exact interval;
        Rao and Scott, Biometrics 48 (1992) 577, for the design effect over clusters of unequal size.

    Example:
        >>> found = proportion(np.array([True, True, False, True]), patients=np.array([0, 0, 1, 2]))
        >>> found.value, found.patients, found.method
        (0.75, 3, 'Wilson on the effective number of rows')
    """
    refuse_confidence(confidence)
    if method not in {"wilson", "clopper-pearson"}:
        raise RecipeError(f"method {method!r} is not one of wilson, clopper-pearson")
    n, count = len(hits), int(hits.sum())
    own = len(np.unique(patients))
    name = "Wilson" if method == "wilson" else "Clopper-Pearson"
    if n == 0:
        return Proportion(
            value=None, low=None, high=None, count=0, n=0, patients=0, method=name, reason="no rows to take a share of"
        )
    effect, rows = None, float(n)
    if own < n:
        effect, rows = _effective(hits, patients, confidence=confidence)
        name += " on the effective number of rows"
    make = wilson_interval if method == "wilson" else clopper_pearson_interval
    low, high = make(count / n * rows, rows, confidence=confidence)
    few = min(count, n - count) < FEW
    return Proportion(
        value=count / n,
        low=low,
        high=high,
        count=count,
        n=n,
        patients=own,
        method=name,
        design_effect=effect,
        warning=f"{count} of {n} rows of {own} patients: with fewer than {FEW} of either answer read the interval, not "
        "the value"
        if few
        else None,
    )


def call_proportions(
    sample: Sample, *, threshold: float, method: ProportionMethod = "wilson", confidence: float = 0.95
) -> dict[str, Proportion]:
    """Sensitivity, specificity, predictive values, accuracy and recall rate as proportions.

    Args:
        sample: Labels, scores and patients.
        threshold: Positive means `score >= threshold`.
        method: Which interval.
        confidence: Level of the intervals.

    Returns:
        Metric name to proportion. The intervals of `ppv` and `npv` take the rows called positive (negative) as given.

    Raises:
        RecipeError: As `proportion`.

    Source:
        As `proportion`.

    Example:
        >>> sample = Sample(labels=np.array([True, True, False]), scores=np.array([0.9, 0.2, 0.1]),
        ...     patients=np.arange(3), patient_count=3)
        >>> call_proportions(sample, threshold=0.5)["sensitivity"].value
        0.5
    """
    called, labels = sample.scores >= threshold, sample.labels
    every = np.ones_like(labels)
    among = {
        "sensitivity": (called, labels),
        "specificity": (~called, ~labels),
        "accuracy": (called == labels, every),
        "ppv": (labels, called),
        "npv": (~labels, ~called),
        "recall_rate": (called, every),
    }
    return {
        name: proportion(hits[rows], patients=sample.patients[rows], method=method, confidence=confidence)
        for name, (hits, rows) in among.items()
    }


def _effective(
    hits: Bool[np.ndarray, " rows"], patients: Int[np.ndarray, " rows"], *, confidence: float
) -> tuple[float | None, float]:
    """The design effect, and the rows they are worth: at least one, at most as many as there are."""
    _, codes = np.unique(patients, return_inverse=True)
    sizes = np.bincount(codes).astype(np.float64)
    n, own = len(hits), len(sizes)
    share = float(hits.mean())
    if share in {0.0, 1.0} or own < 2:
        return None, float(own)
    away = np.bincount(codes, weights=hits.astype(np.float64)) - share * sizes
    variance = own / (own - 1) * float((away**2).sum()) / n**2
    effect = variance / (share * (1.0 - share) / n)
    tail = (1.0 + confidence) / 2.0
    few = float(t.ppf(tail, own - 1) / norm.ppf(tail)) ** 2
    return effect, max(1.0, n / (max(1.0, effect) * few))


def _refuse_count(count: float, n: float, confidence: float) -> None:
    refuse_confidence(confidence)
    if not 0 < n < float("inf") or not 0 <= count <= n:
        raise RecipeError(f"proportion: {count} of {n} rows; the count must be between 0 and the rows, and rows there")
