"""The bootstrap over patients: a replicate is how often each patient was drawn."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

CHUNK = 32  # replicates worked on together: wide enough for the vector units, narrow enough for the cache


def patient_draws(
    patient_count: int, *, replicates: int, seed: int, chunk: int = CHUNK
) -> Iterator[Float[np.ndarray, "patients chunk"]]:
    """Draw patients with replacement, as many as there are, again and again.

    The draws depend on `patient_count` and `seed` alone, not on `chunk`: two models evaluated on the same patients
    are resampled alike, which is what makes their difference a paired one.

    Args:
        patient_count: Patients to draw from.
        replicates: Bootstrap replicates.
        seed: Of the generator.
        chunk: Replicates handed out together; bounds the memory.

    Returns:
        Blocks with one column a replicate: how often each patient occurs in it.

    Source:
        Field and Welsh, Bootstrapping clustered data, J. R. Stat. Soc. B 69 (2007): the cluster bootstrap.

    Example:
        >>> next(patient_draws(3, replicates=2, seed=0)).sum(axis=0)
        array([3., 3.])
    """
    generator = np.random.default_rng(seed)
    if not patient_count:
        yield np.empty((0, replicates))
        return
    for start in range(0, replicates, chunk):
        width = min(chunk, replicates - start)
        block = np.empty((width, patient_count))
        for row in block:
            row[:] = np.bincount(generator.integers(patient_count, size=patient_count), minlength=patient_count)
        yield np.ascontiguousarray(block.T)


def percentile_interval(
    values: Float[np.ndarray, " replicates"], *, confidence: float
) -> tuple[float | None, float | None]:
    """Central interval of the replicates that are defined (not NaN); (None, None) if none is.

    Args:
        values: One value a replicate.
        confidence: Level, in (0, 1).

    Returns:
        Lower and upper end.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13: the percentile interval.

    Example:
        >>> percentile_interval(np.array([4.0, np.nan, 0.0, 2.0]), confidence=0.5)
        (1.0, 3.0)
    """
    defined = values[~np.isnan(values)]
    if not len(defined):
        return None, None
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(low), float(high)


def each_left_out(patient_count: int, *, chunk: int = CHUNK) -> Iterator[Float[np.ndarray, "patients chunk"]]:
    """Leave each patient out once: the jackknife, as weights like those of `patient_draws`.

    Args:
        patient_count: Patients.
        chunk: Columns handed out together.

    Returns:
        Blocks with one column a patient: 0 for that patient, 1 for the others.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11, over clusters.

    Example:
        >>> next(each_left_out(2))
        array([[0., 1.], [1., 0.]])
    """
    for start in range(0, patient_count, chunk):
        left = np.arange(start, min(start + chunk, patient_count))
        block = np.ones((patient_count, len(left)))
        block[left, np.arange(len(left))] = 0.0
        yield block
