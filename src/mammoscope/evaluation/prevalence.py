"""From the share of cancers a model was calibrated at to the share where it is used."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from mammoscope.calibrators import Platt, checked, log_odds
from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.logistic import fit_logistic
from mammoscope.evaluation.resampled import resampled
from mammoscope.evaluation.samples import Sample

FEW = 10  # of either class: even an intercept alone is a guess
ENOUGH = 100  # of either class for slope and intercept: Vergouwe et al., J. Clin. Epidemiology 58 (2005)
ROUNDS = 200  # of the search for a prevalence, at most
STEPS = 256  # in one log odds, to which replicates put rows together


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """A correction of probabilities for one site.

    Attributes:
        what: `intercept`, `slope and intercept`, or `prevalence` (from an unlabelled batch).
        calibrator: To apply to probabilities that are calibrated elsewhere; None where none could be fitted.
        slope: Of the log odds; held at 1 where only an intercept was fitted.
        intercept: With its interval over patients.
        prevalence: Of the site, as estimated; for a labelled batch, its share of positive rows.
        warnings: What to know before using it.
        reason: Why there is no calibrator.
    """

    what: Literal["intercept", "slope and intercept", "prevalence"]
    calibrator: Platt | None
    slope: Estimate | None
    intercept: Estimate | None
    prevalence: Estimate
    warnings: tuple[str, ...] = ()
    reason: str | None = None


def adjust_prevalence(*, calibrated_at: float, site: float) -> Platt:
    """The correction from one prevalence to another: odds times a constant.

    It holds if cancers look like cancers and the others like the others at both places, and only their shares differ.

    Args:
        calibrated_at: Share of positive rows the probabilities are calibrated at, in (0, 1): usually that of the tune
            part.
        site: Share where they shall be used, in (0, 1).

    Returns:
        A calibrator of slope 1, to apply to the probabilities.

    Raises:
        RecipeError: A prevalence is not in (0, 1).

    Source:
        Saerens, Latinne and Decaestecker, Neural Computation 14 (2002), equation 2.4; Elkan, IJCAI (2001), theorem 2.

    Example:
        >>> adjust_prevalence(calibrated_at=0.5, site=0.006).apply(np.array([0.5, 0.9])).round(4)
        array([0.006 , 0.0515])
    """
    for name, value in (("calibrated_at", calibrated_at), ("site", site)):
        if not 0.0 < value < 1.0:
            raise RecipeError(f"prevalence {name} must be in (0, 1), got {value}")
    return Platt(slope=1.0, intercept=_logit(site) - _logit(calibrated_at))


def recalibrate(
    sample: Sample,
    *,
    slope: bool = False,
    replicates: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Recalibration:
    """Correct probabilities with a small labelled batch of a site.

    Args:
        sample: The batch: probabilities that are calibrated elsewhere, labels, patients. Never the rows that the
            result is then measured on.
        slope: Whether to fit the slope, too; it takes about a hundred of each class, the intercept alone fewer.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the intervals.

    Returns:
        The correction; without a calibrator, and with the reason, where the batch has a single class, its
        probabilities are constant, rank the wrong way round, or without error (the last three only with `slope`).

    Raises:
        SourceError: A probability is not in [0, 1].

    Source:
        Steyerberg et al., Statistics in Medicine 23 (2004): updating methods 1 (intercept) and 2 (slope and
        intercept). Vergouwe et al., J. Clin. Epidemiology 58 (2005): a hundred events. Checked against statsmodels.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import sample_of
        >>> rows = pl.DataFrame({"label": [0, 0, 1, 0], "score": [0.5, 0.5, 0.5, 0.5], "patient_id": list("abcd")})
        >>> found = recalibrate(sample_of(rows), replicates=20)
        >>> found.calibrator.apply(np.array([0.5]))
        array([0.25])
        >>> found.warnings
        ('1 positive of 4 rows: fewer than 10 of either class. Label more before using it',)
    """
    odds, labels = log_odds(sample.scores), sample.labels.astype(np.float64)
    exact = _line(odds, hits=labels[:, None], weights=np.ones((len(odds), 1)), slope=slope)
    steps, number = np.unique(np.round(odds * STEPS), return_inverse=True)
    place, shape = (number, sample.patients), (len(steps), sample.patient_count)
    rows, hits = (sparse.csr_matrix((values, place), shape=shape) for values in (np.ones_like(odds), labels))

    def statistic(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        drawn, true = rows @ weights, hits @ weights
        return _line(steps / STEPS, hits=true, weights=drawn, slope=slope)

    why = _why(sample, odds, slope=slope)
    found = resampled(
        sample,
        statistic,
        replicates=replicates,
        seed=seed,
        confidence=confidence,
        reasons={"intercept": why, "slope": why, "prevalence": "no rows"},
        exact={name: float(value[0]) for name, value in exact.items()},
    )
    intercept, line = found["intercept"].value, found["slope"].value if slope else 1.0
    falling = line is not None and line <= 0.0
    fitted = intercept is not None and line is not None and not falling
    return Recalibration(
        what="slope and intercept" if slope else "intercept",
        calibrator=Platt(slope=line, intercept=intercept) if fitted and line and intercept is not None else None,
        slope=found.get("slope"),
        intercept=found["intercept"],
        prevalence=found["prevalence"],
        warnings=tuple(_warnings(sample, slope=slope)) if fitted else (),
        reason=None if fitted else "the probabilities rank the wrong way round" if falling else why,
    )


def recalibrate_unlabelled(
    probabilities: Float[np.ndarray, " rows"],
    *,
    patients: Int[np.ndarray, " given"] | list[str],
    calibrated_at: float,
    replicates: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Recalibration:
    """Estimate the prevalence of an unlabelled batch, and correct its probabilities to it.

    It holds only if the probabilities were calibrated and nothing but the share of cancers has changed; another
    scanner breaks it, and the batch itself cannot show that. At screening prevalences a batch of some thousand women
    is needed; look at the interval.

    Args:
        probabilities: Of the batch, calibrated at `calibrated_at`.
        patients: Whose each row is.
        calibrated_at: Share of positive rows they are calibrated at, in (0, 1).
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the interval.

    Returns:
        The estimated prevalence with its interval over patients, and the correction; without a calibrator, and with
        the reason, where the estimate runs into 0 or 1.

    Raises:
        SourceError: A probability is not in [0, 1], or there are not as many patients as probabilities.
        RecipeError: `calibrated_at` is not in (0, 1).

    Source:
        Saerens, Latinne and Decaestecker, Neural Computation 14 (2002), section 2.2: expectation and maximisation in
        turn. Checked against a direct search for the most likely share.

    Example:
        >>> batch = np.array([0.1] * 80 + [0.9] * 20)
        >>> found = recalibrate_unlabelled(batch, patients=np.arange(100), calibrated_at=0.5, replicates=50)
        >>> round(found.prevalence.value, 3)
        0.125
    """
    adjust_prevalence(calibrated_at=calibrated_at, site=0.5)
    scores = checked(probabilities)
    if len(patients) != len(scores):
        raise SourceError(f"batch: {len(scores)} probabilities and {len(patients)} patients. Give one patient a row")
    codes = np.unique(np.asarray(patients), return_inverse=True)[1].astype(np.int64)
    sample = Sample(
        labels=np.zeros(len(scores), dtype=np.bool_),
        scores=scores,
        patients=codes,
        patient_count=int(codes.max(initial=-1)) + 1,
    )
    ratio = np.exp(log_odds(scores) - _logit(calibrated_at))
    steps, number = np.unique(np.round(np.log(ratio) * STEPS), return_inverse=True)
    grouped = sparse.csr_matrix((np.ones_like(ratio), (number, codes)), shape=(len(steps), sample.patient_count))

    def statistic(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        return {"prevalence": _most_likely(np.exp(steps / STEPS), grouped @ weights, start=calibrated_at)}

    found = resampled(
        sample,
        statistic,
        replicates=replicates,
        seed=seed,
        confidence=confidence,
        reasons={"prevalence": "no rows"},
        exact={"prevalence": float(_most_likely(ratio, np.ones((len(ratio), 1)), start=calibrated_at)[0])},
    )["prevalence"]
    edge = found.value is None or not 1e-6 < found.value < 1.0 - 1e-6
    assumed = "it assumes that nothing but the share of positive rows has changed; an unlabelled batch cannot show that"
    return Recalibration(
        what="prevalence",
        calibrator=None
        if edge or found.value is None
        else adjust_prevalence(calibrated_at=calibrated_at, site=found.value),
        slope=None,
        intercept=None,
        prevalence=found,
        warnings=(assumed,),
        reason=f"the estimated prevalence is {found.value}: nothing to correct to" if edge else None,
    )


def _line(
    odds: Float[np.ndarray, " rows"],
    *,
    hits: Float[np.ndarray, "rows columns"],
    weights: Float[np.ndarray, "rows columns"],
    slope: bool,
) -> dict[str, Float[np.ndarray, " columns"]]:
    """Intercept, slope if asked for, and share of positive rows, of each weighting."""
    one = np.ones((len(odds), 1))
    terms = np.column_stack([odds, one]) if slope else one
    found = fit_logistic(terms, hits=hits, weights=weights, offset=None if slope else odds)
    total = weights.sum(axis=0)
    share = np.divide(hits.sum(axis=0), total, out=np.full_like(total, np.nan), where=total > 0)
    return {"intercept": found[-1], "prevalence": share, **({"slope": found[0]} if slope else {})}


def _most_likely(
    ratio: Float[np.ndarray, " rows"], weights: Float[np.ndarray, "rows columns"], *, start: float
) -> Float[np.ndarray, " columns"]:
    """The share whose mixture makes the batch most likely: expectation and maximisation, with safeguarded Newton steps.

    The log likelihood sum(w log(1 + share (ratio - 1))) is concave in the share, so its one top is where the slope
    is 0, or at an end.
    """
    gain = (ratio - 1.0)[:, None]
    total = weights.sum(axis=0)
    low, high = np.zeros(weights.shape[1]), np.ones(weights.shape[1])
    share = np.full(weights.shape[1], start)
    for _ in range(ROUNDS):
        part = gain / (1.0 + share * gain)
        slope = (weights * part).sum(axis=0)
        bend = -(weights * part**2).sum(axis=0)
        low, high = np.where(slope > 0, share, low), np.where(slope < 0, share, high)
        step = share - np.divide(slope, bend, out=np.zeros_like(slope), where=bend < 0)
        new = np.where((step > low) & (step < high), step, (low + high) / 2.0)
        new = np.where(slope == 0, share, new)
        if np.abs(new - share).max(initial=0.0) < 1e-12:
            share = new
            break
        share = new
    return np.where(total > 0, np.round(share, 9), np.nan)


def _logit(value: float) -> float:
    return math.log(value) - math.log1p(-value)


def _why(sample: Sample, odds: Float[np.ndarray, " rows"], *, slope: bool) -> str:
    if not len(odds):
        return "no rows"
    if sample.single_class:
        return f"single class: {sample.positives} positive of {len(odds)} rows"
    if slope and np.ptp(odds) == 0.0:
        return "every probability is the same"
    return "the probabilities tell the two classes apart without error"


def _warnings(sample: Sample, *, slope: bool) -> list[str]:
    rows, positives = len(sample.labels), sample.positives
    fewer = min(positives, rows - positives)
    if fewer < FEW:
        return [f"{positives} positive of {rows} rows: fewer than {FEW} of either class. Label more before using it"]
    if slope and fewer < ENOUGH:
        what = f"a slope takes about {ENOUGH} of either class"
        return [f"{positives} positive of {rows} rows: {what}. Fit the intercept alone"]
    return []
