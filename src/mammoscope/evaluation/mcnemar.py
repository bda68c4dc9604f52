"""McNemar: whether two sets of calls on the same rows are right equally often, patients being clusters."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from jaxtyping import Bool
from scipy.stats import binomtest, norm

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.delong import refuse_confidence
from mammoscope.evaluation.samples import Sample

Among = Literal["positive", "negative", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Two sets of calls on the same rows.

    Attributes:
        among: Which rows: `positive` compares sensitivities, `negative` specificities, `all` accuracies.
        difference: Share right by the first minus share right by the second; None without rows.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
        p_value: Two-sided; None where there is none.
        first_only: Rows that only the first calls right.
        second_only: Rows that only the second calls right.
        n: Rows.
        patients: Patients they are of.
        method: Which test.
        reason: Why there is no p value.
    """

    among: Among
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    first_only: int
    second_only: int
    n: int
    patients: int
    method: str
    reason: str | None = None


def mcnemar(
    sample: Sample,
    *,
    first: Bool[np.ndarray, " rows"],
    second: Bool[np.ndarray, " rows"],
    among: Among,
    confidence: float = 0.95,
) -> McNemar:
    """Compare two sets of calls by the rows on which they disagree.

    With one row a patient the test is exact (binomial). With several it is Obuchowski's: the sum of each patient's
    disagreements against their spread over patients; it is conservative for few patients.

    Args:
        sample: Labels and patients; its scores are not looked at.
        first: Whether each row is called positive, by the one.
        second: The same by the other.
        among: Which rows count; see `McNemar`.
        confidence: Level of the interval of the difference.

    Returns:
        Difference, interval and p value. Where they never disagree p is 1.

    Raises:
        SourceError: A set of calls is not of these rows.
        RecipeError: `among` is unknown, or the confidence is not between 0 and 1.

    Source:
        McNemar, Psychometrika 12 (1947) 153, exact as a sign test; Obuchowski, Statistics in Medicine 17 (1998) 1495,
        equation 6, in the form of Yang et al., Biometrical Journal 52 (2010) 638: with d the differences of the K
        patients, (K - 1) / K times the squared sum of d, by the sum of squared d.

    Example:
        >>> sample = Sample(labels=np.ones(8, dtype=bool), scores=np.zeros(8), patients=np.arange(8), patient_count=8)
        >>> right, wrong = np.ones(8, dtype=bool), np.arange(8) < 2
        >>> found = mcnemar(sample, first=right, second=wrong, among="positive")
        >>> found.difference, found.first_only, found.p_value
        (0.75, 6, 0.03125)
    """
    refuse_confidence(confidence)
    if among not in {"positive", "negative", "all"}:
        raise RecipeError(f"among {among!r} is not one of positive, negative, all")
    if not len(first) == len(second) == len(sample.labels):
        raise SourceError(
            f"mcnemar: {len(first)} and {len(second)} calls for {len(sample.labels)} rows. Call the same rows"
        )
    rows = {"positive": sample.labels, "negative": ~sample.labels, "all": np.ones_like(sample.labels)}[among]
    right = [(called == sample.labels)[rows] for called in (first, second)]
    only = [int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())]
    codes = sample.patients[rows]
    n, patients = int(rows.sum()), len(np.unique(codes))
    method = "McNemar, exact" if patients == n else "McNemar, clustered (Obuchowski)"
    difference = (only[0] - only[1]) / n if n else None
    p, ends, why = _tested(right[0].astype(np.float64) - right[1], codes, only=only, confidence=confidence)
    return McNemar(
        among=among,
        difference=difference,
        low=ends[0],
        high=ends[1],
        p_value=p,
        first_only=only[0],
        second_only=only[1],
        n=n,
        patients=patients,
        method=method,
        reason=why,
    )


def _tested(
    away: np.ndarray, codes: np.ndarray, *, only: list[int], confidence: float
) -> tuple[float | None, tuple[float | None, float | None], str | None]:
    """P value, interval, reason."""
    n = len(away)
    _, own = np.unique(codes, return_inverse=True)
    sizes = np.bincount(own) if n else np.empty(0)
    count = len(sizes)
    if count < 2:
        return None, (None, None), f"{n} rows of {count} patients: nothing to compare"
    each = np.bincount(own, weights=away)
    total = float(each.sum())
    error = sqrt(count / (count - 1) * float(((each - total / n * sizes) ** 2).sum())) / n
    reach = float(norm.ppf((1.0 + confidence) / 2.0)) * error
    ends = (max(-1.0, total / n - reach), min(1.0, total / n + reach))
    if not sum(only):
        return 1.0, (0.0, 0.0), None
    if count == n:
        return float(binomtest(only[0], sum(only)).pvalue), ends, None
    squares = float((each**2).sum())
    if not squares:
        return 1.0, ends, None
    return float(2.0 * norm.sf(sqrt((count - 1) / count * total**2 / squares))), ends, None
