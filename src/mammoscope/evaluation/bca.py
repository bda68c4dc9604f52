"""BCa: the bootstrap interval corrected for bias and for a spread that changes with the value."""

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from mammoscope.evaluation.delong import refuse_confidence
from mammoscope.evaluation.measures import Measured, drawn_estimate, jackknife
from mammoscope.evaluation.values import METRICS, Estimate

METHOD = "BCa bootstrap over patients"


def bca_interval(
    replicates: Float[np.ndarray, " replicates"],
    *,
    value: float,
    left_out: Float[np.ndarray, " patients"],
    confidence: float = 0.95,
) -> tuple[float | None, float | None, str | None]:
    """Bias-corrected and accelerated interval of one number.

    Args:
        replicates: The number in each bootstrap replicate; NaN where it was not defined.
        value: The number on the rows as they are.
        left_out: The number with one patient left out, for each patient; NaN where not defined.
        confidence: Level, in (0, 1).

    Returns:
        Lower end, upper end, and the reason where there is none: all replicates on one side of the value, or a number
        that no patient changes.

    Raises:
        RecipeError: The confidence is not between 0 and 1.

    Source:
        Efron, Better bootstrap confidence intervals, J. Am. Stat. Assoc. 82 (1987) 171; Efron and Tibshirani (1993),
        equations 14.9 to 14.15. Replicates equal to the value count half towards the bias.

    Example:
        >>> draws = np.random.default_rng(0).exponential(size=(2000, 20)).mean(axis=1)
        >>> low, high, why = bca_interval(draws, value=1.0, left_out=np.linspace(0.9, 1.1, 20) ** 2)
        >>> round(low, 1), round(high, 1), why
        (0.6, 1.5, None)
    """
    refuse_confidence(confidence)
    drawn, left = (values[~np.isnan(values)] for values in (replicates, left_out))
    if np.isnan(value) or not len(drawn) or len(left) < 2:
        return None, None, "not defined, or defined in no replicate"
    below = float(((drawn < value) + 0.5 * (drawn == value)).mean())
    if not 0.0 < below < 1.0:
        return None, None, "every replicate lies on one side of the value: BCa cannot correct that"
    away = left.mean() - left
    spread = float((away**2).sum())
    if spread <= 0.0:
        return None, None, "the same whichever patient is left out: BCa has nothing to go by"
    acceleration = float((away**3).sum()) / (6.0 * spread**1.5)
    bias = norm.ppf(below)
    shifted = bias + norm.ppf([(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    levels = norm.cdf(bias + shifted / (1.0 - acceleration * shifted))
    low, high = np.quantile(drawn, levels)
    return float(low), float(high), None


def bca_estimates(measured: Measured, *, confidence: float = 0.95) -> dict[str, Estimate]:
    """Every metric with its BCa interval.

    Args:
        measured: Values and replicates of a sample; each patient is left out once more here.
        confidence: Level of the intervals.

    Returns:
        Metric name to estimate, its `method` saying so; without an interval, and with the reason, where BCa has none.

    Raises:
        RecipeError: The confidence is not between 0 and 1.

    Source:
        Efron, J. Am. Stat. Assoc. 82 (1987) 171, patients being what is resampled and left out.
    """
    left = jackknife(measured.sample, threshold=measured.threshold, targets=measured.targets)
    return {
        name: _corrected(
            drawn_estimate(measured, name, confidence=confidence),
            measured=measured,
            name=name,
            left_out=left[name],
            confidence=confidence,
        )
        for name in METRICS
    }


def _corrected(
    found: Estimate,
    *,
    measured: Measured,
    name: str,
    left_out: Float[np.ndarray, " patients"],
    confidence: float,
) -> Estimate:
    low, high, why = None, None, found.reason
    if found.value is not None and found.low is not None:
        low, high, why = bca_interval(
            measured.replicates[name], value=measured.values[name], left_out=left_out, confidence=confidence
        )
    return Estimate(
        value=found.value,
        low=low,
        high=high,
        n=found.n,
        positives=found.positives,
        patients=found.patients,
        replicates=found.replicates,
        undefined=found.undefined,
        method=METHOD,
        reason=why,
    )
