"""Numbers with intervals from any function of how often each patient counts."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.resampling import patient_draws, percentile_interval
from mammoscope.evaluation.samples import Rows

Weights = Float[np.ndarray, "patients columns"]
Statistic = Callable[[Weights], dict[str, Float[np.ndarray, " columns"]]]


def resampled(
    sample: Rows,
    statistic: Statistic,
    *,
    replicates: int,
    seed: int,
    confidence: float,
    reasons: dict[str, str] | None = None,
    exact: dict[str, float] | None = None,
) -> dict[str, Estimate]:
    """Values of a statistic on the rows as they are, each with its interval over resampled patients.

    Args:
        sample: The rows.
        statistic: From patients' weights, one column a weighting, to values by name; NaN where not defined.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the intervals.
        reasons: Name to why its value is not defined, should it not be.
        exact: Name to value on the rows as they are, where the statistic is a little coarser than that.

    Returns:
        Name to number.

    Source:
        Field and Welsh, J. R. Stat. Soc. B 69 (2007): the cluster bootstrap.
    """
    values = {name: float(found[0]) for name, found in statistic(np.ones((sample.patient_count, 1))).items()}
    values |= exact or {}
    draws: dict[str, list[Float[np.ndarray, " columns"]]] = {name: [] for name in values}
    for weights in patient_draws(sample.patient_count, replicates=replicates, seed=seed):
        for name, found in statistic(weights).items():
            draws[name].append(found)
    told = reasons or {}
    return {
        name: estimate_of(
            sample,
            value,
            np.concatenate(draws[name] or [np.empty(0)]),
            confidence=confidence,
            reason=told.get(name, "not defined on these rows"),
        )
        for name, value in values.items()
    }


def estimate_of(
    sample: Rows, value: float, draws: Float[np.ndarray, " replicates"], *, confidence: float, reason: str
) -> Estimate:
    """Put a value and its replicates together to a number with an interval; `reason` says why it has none."""
    undefined = int(np.isnan(draws).sum())
    low, high, why = None, None, None
    if np.isnan(value):
        why = reason
    elif sample.patient_count < 2:
        why = "one patient: there is nothing to resample"
    elif undefined == len(draws):
        why = "defined in no replicate"
    else:
        low, high = percentile_interval(draws, confidence=confidence)
    return Estimate(
        value=None if np.isnan(value) else float(value),
        low=low,
        high=high,
        n=len(sample.labels),
        positives=sample.positives,
        patients=sample.patient_count,
        replicates=len(draws),
        undefined=undefined,
        reason=why,
    )
