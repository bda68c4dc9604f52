"""What a threshold would do to a thousand women screened."""

import numpy as np
from jaxtyping import Float
from scipy import sparse

from mammoscope.errors import RecipeError
from mammoscope.evaluation.clinical_values import PerThousand
from mammoscope.evaluation.decisions import cells, share
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.resampled import resampled
from mammoscope.evaluation.samples import Sample


def per_thousand(
    sample: Sample,
    *,
    threshold: float,
    prevalence: float,
    women: int = 1000,
    replicates: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PerThousand:
    """Women recalled, found and missed if so many were screened at a stated prevalence.

    Sensitivity and specificity of the rows are carried over to the stated prevalence: test sets are enriched, so
    counting their own rows would tell nothing of screening. It holds if cancers and other women there are like these.

    Args:
        sample: One row a woman (unit `patient`), or an exam; labels, scores and patients.
        threshold: A woman is recalled if her score is at it or above.
        prevalence: Share of women with the disease, in (0, 1); screening finds about 0.005 to 0.01.
        women: Screened.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the intervals.

    Returns:
        The four numbers with their intervals over patients, and a sentence; without numbers, and with the reason,
        where a class is missing. The prevalence counts as known: the intervals do not include an error in it.

    Raises:
        RecipeError: `prevalence` is not in (0, 1), or `women` is below 1.

    Source:
        Sensitivity and specificity to expected counts by Bayes' theorem, as in Vickers and Elkin, Medical Decision
        Making 26 (2006), for a population of another prevalence.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import sample_of
        >>> rows = pl.DataFrame({"label": [0, 0, 0, 0, 1, 1], "score": [0.1, 0.2, 0.3, 0.6, 0.4, 0.9],
        ...                      "patient_id": list("abcdef")})
        >>> found = per_thousand(sample_of(rows), threshold=0.5, prevalence=0.01, replicates=50)
        >>> found.recalled.value, found.found.value, found.missed.value
        (252.5, 5.0, 5.0)
    """
    if not 0.0 < prevalence < 1.0:
        raise RecipeError(f"prevalence must be in (0, 1), got {prevalence}. Screening finds about 0.005 to 0.01")
    if women < 1:
        raise RecipeError(f"women must be at least 1, got {women}")
    counts = sparse.csr_matrix(cells(sample, threshold=threshold))
    ill = women * prevalence

    def statistic(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        true, false, missed, passed = counts @ weights
        found, wrong = ill * share(true, true + missed), (women - ill) * share(false, false + passed)
        return {"recalled": found + wrong, "found": found, "false_recalls": wrong, "missed": ill - found}

    why = f"single class: {sample.positives} positive of {len(sample.labels)} rows"
    numbers = resampled(
        sample,
        statistic,
        replicates=replicates,
        seed=seed,
        confidence=confidence,
        reasons=dict.fromkeys(("recalled", "found", "false_recalls", "missed"), why),
    )
    return PerThousand(
        women=women,
        prevalence=prevalence,
        threshold=threshold,
        sentence=_sentence(numbers, women=women, ill=ill, confidence=confidence),
        **numbers,
    )


def _sentence(numbers: dict[str, Estimate], *, women: int, ill: float, confidence: float) -> str:
    recalled, found, missed = (numbers[name] for name in ("recalled", "found", "missed"))
    if recalled.value is None or found.value is None or missed.value is None:
        return f"Of {women:,} women screened nothing can be said: {recalled.reason or found.reason}."
    return (
        f"Of {women:,} women screened, {ill:.3g} of them with cancer, {_told(recalled, 0)} would be recalled, "
        f"{_told(found, 1)} of the cancers found and {_told(missed, 1)} missed "
        f"({100 * confidence:g} % intervals over patients; the prevalence is stated, not measured)."
    )


def _told(number: Estimate, digits: int) -> str:
    inside = "no interval" if number.low is None else f"{number.low:.{digits}f} to {number.high:.{digits}f}"
    return f"{number.value:.{digits}f} ({inside})"
