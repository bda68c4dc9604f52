"""Do groups differ? The largest studentised difference of any two, against what resampled patients show."""

from itertools import combinations

import numpy as np
from jaxtyping import Float


def gap_p_value(
    values: Float[np.ndarray, " groups"], *, replicates: Float[np.ndarray, "groups replicates"]
) -> float | None:
    """Chance of so large a difference between any two groups, if all had the same value.

    The statistic is the largest |difference| / standard error over all pairs of groups. Its distribution without
    differences comes from the replicates, each shifted by what was observed; so groups may share patients (two views
    of one breast), and searching for the worst group is paid for.

    Args:
        values: One a group.
        replicates: The same in each bootstrap replicate of the patients; NaN where not defined.

    Returns:
        In (0, 1]; None where no pair of groups has a standard error.

    Source:
        Beran, Balanced simultaneous confidence sets, JASA 83 (1988); Hall and Wilson, Two guidelines for bootstrap
        hypothesis testing, Biometrics 47 (1991): resample the centred, studentised difference.

    Example:
        >>> draws = np.random.default_rng(0).normal([[0.5], [0.9]], 0.05, size=(2, 999))
        >>> gap_p_value(np.array([0.5, 0.9]), replicates=draws) < 0.01
        True
        >>> gap_p_value(np.array([0.5, 0.51]), replicates=draws - [[0.0], [0.39]]) > 0.5
        True
    """
    observed = 0.0
    largest = np.full(replicates.shape[1], np.nan)
    for one, other in combinations(range(len(values)), 2):
        difference = values[one] - values[other]
        draws = replicates[one] - replicates[other]
        if np.isnan(draws).all():
            continue
        error = float(np.nanstd(draws))
        if not error > 0:
            continue
        observed = max(observed, abs(difference) / error)
        largest = np.fmax(largest, np.abs(draws - difference) / error)
    defined = largest[~np.isnan(largest)]
    if not len(defined):
        return None
    return float((1 + np.count_nonzero(defined >= observed - 1e-12)) / (1 + len(defined)))


def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Adjust p-values so that the chance of any false alarm among the tests stays below the level.

    Source:
        Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statistics 6 (1979).

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(3)
        array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p_values, kind="stable")
    left = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * left), 1.0)
    return adjusted
