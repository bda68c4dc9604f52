"""Decision curves: whether acting on a model does more good than recalling everybody, or nobody."""

import numpy as np
from jaxtyping import Float
from scipy import sparse

from mammoscope.calibrators import checked
from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.clinical_values import DecisionCurve
from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.prevalence import adjust_prevalence
from mammoscope.evaluation.resampling import patient_draws
from mammoscope.evaluation.samples import Sample

THRESHOLDS = tuple(float(value) for value in np.round(np.linspace(0.001, 0.1, 100), 6))
"""Probabilities at which recalling for screening mammography is weighed: 0.1 to 10 %, about what recalls rest on."""


def decision_curve(
    sample: Sample,
    *,
    thresholds: tuple[float, ...] = THRESHOLDS,
    prevalence: float | None = None,
    calibrated_at: float | None = None,
    replicates: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> DecisionCurve:
    """Net benefit of recalling at each threshold probability, against recalling all and none.

    Net benefit counts true recalls and takes off false ones at the rate that the threshold implies: who recalls at
    0.02 holds one cancer found to be worth 49 false recalls.

    Test sets hold far more cancers than a screened population. With a stated prevalence, both classes are weighted to
    it, and the probabilities are moved to it from the one they are calibrated at. Without one the curve holds for a
    population as enriched as these rows.

    Args:
        sample: Probabilities (calibrated: an uncalibrated model may show harm that calibration would take away),
            labels and patients.
        thresholds: In (0, 1).
        prevalence: Share of positive rows where the model shall be used, in (0, 1); None for that of the rows.
        calibrated_at: Share that the probabilities are calibrated at; that of these rows if None. Not looked at
            without a stated prevalence.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the pointwise band.

    Returns:
        The curve with its band over patients.

    Raises:
        RecipeError: A threshold or prevalence is not in (0, 1).
        SourceError: There is a single class, or a probability is not in [0, 1].

    Source:
        Vickers and Elkin, Medical Decision Making 26 (2006), equation for net benefit; Vickers et al., Diagnostic and
        Prognostic Research 3 (2019); weighting to a prevalence as in Pfeiffer and Gail (2020) and the `dcurves`
        package, whose numbers the tests hold.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import sample_of
        >>> rows = pl.DataFrame({"label": [0, 0, 1, 1], "score": [0.1, 0.4, 0.3, 0.9], "patient_id": list("abcd")})
        >>> curve = decision_curve(sample_of(rows), thresholds=(0.2, 0.5), replicates=20)
        >>> [round(value, 4) for value in (*curve.model, *curve.recall_all)]
        [0.4375, 0.25, 0.375, 0.0]
    """
    if not thresholds or not all(0.0 < value < 1.0 for value in thresholds):
        raise RecipeError(f"thresholds of a decision curve must be in (0, 1), got {thresholds}")
    if sample.single_class:
        found = f"{sample.positives} positive of {len(sample.labels)} rows"
        raise SourceError(f"decision curve: a single class ({found}): no net benefit is defined. Add rows of the other")
    own = float(sample.labels.mean())
    at = own if prevalence is None else prevalence
    scores = checked(sample.scores)
    if prevalence is not None:
        begin = own if calibrated_at is None else calibrated_at
        scores = adjust_prevalence(calibrated_at=begin, site=prevalence).apply(scores)
    cuts = np.array(thresholds)
    recalled = [_recalled(sample, scores, cuts, positive=positive) for positive in (True, False)]
    odds = (cuts / (1.0 - cuts))[:, None]

    def benefit(weights: Float[np.ndarray, "patients columns"]) -> Float[np.ndarray, "thresholds columns"]:
        true, false = (counts @ weights for counts in recalled)
        if prevalence is None:
            rows = np.broadcast_to(true[-1:] + false[-1:], true[:-1].shape)
            return np.asarray(share(true[:-1], rows) - odds * share(false[:-1], rows))
        sensitivity = share(true[:-1], np.broadcast_to(true[-1:], true[:-1].shape))
        fallout = share(false[:-1], np.broadcast_to(false[-1:], false[:-1].shape))
        return np.asarray(at * sensitivity - odds * (1.0 - at) * fallout)

    model = benefit(np.ones((sample.patient_count, 1)))[:, 0]
    blocks = [benefit(w) for w in patient_draws(sample.patient_count, replicates=replicates, seed=seed)]
    draws = np.concatenate(blocks, axis=1)
    tail = (1.0 - confidence) / 2.0
    low, high = np.nanquantile(draws, [tail, 1.0 - tail], axis=1)
    return DecisionCurve(
        thresholds=thresholds,
        model=_floats(model),
        low=_floats(low),
        high=_floats(high),
        recall_all=_floats(at - (1.0 - at) * odds[:, 0]),
        recall_none=(0.0,) * len(thresholds),
        prevalence=at,
        stated=prevalence is not None,
        n=len(scores),
        positives=sample.positives,
        patients=sample.patient_count,
        replicates=replicates,
        confidence=confidence,
    )


def _recalled(
    sample: Sample, scores: Float[np.ndarray, " rows"], cuts: Float[np.ndarray, " thresholds"], *, positive: bool
) -> sparse.csr_matrix:
    """Each patient's rows of one class at or above each threshold, and in the last line all of them."""
    chosen = sample.labels if positive else ~sample.labels
    counts = np.zeros((len(cuts) + 1, sample.patient_count))
    for at, cut in enumerate([*cuts, -1.0]):
        np.add.at(counts[at], sample.patients[chosen & (scores >= cut)], 1.0)
    return sparse.csr_matrix(counts)


def _floats(values: Float[np.ndarray, " thresholds"]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
