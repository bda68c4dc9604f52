"""Whether a probability of 0.02 comes true two times in a hundred: calibration measured, with intervals."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from mammoscope.calibrators import checked, log_odds
from mammoscope.errors import RecipeError
from mammoscope.evaluation.calibration_values import Bin, BinKind, Calibration, CalibrationError
from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.logistic import fit_logistic
from mammoscope.evaluation.resampled import resampled
from mammoscope.evaluation.samples import Sample

SIMULATIONS = 200  # of labels under perfect calibration
_LINE = ("slope", "intercept", "in_the_large")
STEPS = 32  # in one log odds, to which replicates of slope and intercept put rows together


def measure_calibration(
    sample: Sample, *, bins: int = 10, replicates: int = 2000, seed: int = 0, confidence: float = 0.95
) -> Calibration:
    """Measure scores as probabilities, resampling patients.

    Args:
        sample: Labels, scores in [0, 1] and patients; a calibrator, if any, already applied.
        bins: Bins of the curve and of the calibration errors.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the intervals.

    Returns:
        Every number with its interval; those that are not defined with their reason.

    Raises:
        RecipeError: `bins` is below 2.
        SourceError: A score is not in [0, 1].

    Source:
        Cox, Biometrika 45 (1958): slope and intercept; Van Calster et al., BMC Medicine 17 (2019): how to report
        them. Murphy, J. Appl. Meteorology 12 (1973): parts of the Brier score; Stephenson et al., Weather and
        Forecasting 23 (2008): the part within bins. Naeini et al., AAAI (2015): expected calibration error;
        Nixon et al. (2019): bins of equally many rows. Checked against statsmodels, scikit-learn and netcal.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import sample_of
        >>> rows = pl.DataFrame({"label": [0, 0, 1, 0, 1, 1], "score": [0.1, 0.2, 0.3, 0.6, 0.7, 0.9],
        ...                      "patient_id": list("abcdef")})
        >>> found = measure_calibration(sample_of(rows), bins=2, replicates=50)
        >>> round(found.observed_to_expected.value, 3), round(found.brier.value, 4)
        (1.071, 0.1667)
        >>> [(round(b.mean_score, 3), round(b.share_positive.value, 3)) for b in found.curve]
        [(0.2, 0.333), (0.733, 0.667)]
    """
    if bins < 2:
        raise RecipeError(f"bins must be at least 2, got {bins}. 10 is usual")
    scores = checked(sample.scores)
    width, mass = _places(scores, kind="equal width", bins=bins), _places(scores, kind="equal mass", bins=bins)
    linear = _sums(sample, scores, mass)
    cox = _Cox(sample, scores)

    def statistic(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        return {**cox.of(weights), **_scores_of(linear @ weights)}

    reasons = _reasons(sample, scores)
    found = resampled(
        sample, statistic, replicates=replicates, seed=seed, confidence=confidence, reasons=reasons, exact=cox.exact
    )
    shares = {name: value for name, value in found.items() if name.startswith("bin ")}
    return Calibration(
        n=len(scores),
        prevalence=float(sample.labels.mean()) if len(scores) else None,
        equal_width=_error(sample, scores, width, asked=bins, seed=seed),
        equal_mass=_error(sample, scores, mass, asked=bins, seed=seed),
        curve=_curve(scores, mass, tuple(shares.values())),
        **{name: value for name, value in found.items() if name not in shares},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    kind: BinKind
    edges: Float[np.ndarray, " edges"]
    number: Int[np.ndarray, " rows"]  # of each row's bin, empty bins not numbered
    filled: int


def _places(scores: Float[np.ndarray, " rows"], *, kind: BinKind, bins: int) -> _Places:
    """Edges as scikit-learn's `calibration_curve` has them: a score at an edge belongs to the bin below."""
    even = np.linspace(0.0, 1.0, bins + 1)
    edges = even if kind == "equal width" or not len(scores) else np.quantile(scores, even)
    raw = np.searchsorted(edges[1:-1], scores)
    used, number = np.unique(raw, return_inverse=True)
    kept = np.append(edges[used], edges[used[-1] + 1] if len(used) else 1.0)
    return _Places(kind=kind, edges=kept, number=number.astype(np.int64), filled=len(used))


class _Cox:
    """The recalibration line: exact on the rows as they are; replicates put rows together to steps of log odds."""

    def __init__(self, sample: Sample, scores: Float[np.ndarray, " rows"]) -> None:
        odds, labels = log_odds(scores), sample.labels.astype(np.float64)
        self.value = _lines(odds, hits=labels[:, None], weights=np.ones((len(odds), 1)), start=None)
        steps, number = np.unique(np.floor(odds * STEPS), return_inverse=True)
        place, shape = (number, sample.patients), (len(steps), sample.patient_count)
        self.rows = sparse.csr_matrix((np.ones_like(odds), place), shape=shape)
        self.hits = sparse.csr_matrix((labels, place), shape=shape)
        self.odds = np.bincount(number, weights=odds) / np.bincount(number) if len(odds) else odds

    @property
    def exact(self) -> dict[str, float]:
        """On the rows as they are."""
        return dict(zip(_LINE, (float(value) for value in self.value[:, 0]), strict=True))

    def of(self, weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        found = _lines(self.odds, hits=self.hits @ weights, weights=self.rows @ weights, start=self.value[:, 0])
        return dict(zip(_LINE, found, strict=True))


def _lines(
    odds: Float[np.ndarray, " rows"],
    *,
    hits: Float[np.ndarray, "rows columns"],
    weights: Float[np.ndarray, "rows columns"],
    start: Float[np.ndarray, "3"] | None,
) -> Float[np.ndarray, "3 columns"]:
    """Slope and intercept, and the intercept with the slope held at 1."""
    line, level = (None, None) if start is None else (start[:2], start[2:])
    one = np.ones((len(odds), 1))
    both = fit_logistic(np.column_stack([odds, one]), hits=hits, weights=weights, start=line)
    return np.concatenate([both, fit_logistic(one, hits=hits, weights=weights, offset=odds, start=level)])


def _sums(sample: Sample, scores: Float[np.ndarray, " rows"], places: _Places) -> Any:
    """What each patient adds to rows, scores and positives of each bin, and to the two mean losses."""
    labels = sample.labels.astype(np.float64)
    size, filled = sample.patient_count, places.filled
    place = (places.number, sample.patients)
    per_bin = [
        sparse.csr_matrix((values, place), shape=(filled, size)) for values in (np.ones_like(scores), scores, labels)
    ]
    given = np.where(sample.labels, scores, 1.0 - scores)
    with np.errstate(divide="ignore"):
        surprise = -np.log(given)
    certain = np.isinf(surprise)
    totals = np.zeros((3, size))
    for at, values in enumerate(((scores - labels) ** 2, np.where(certain, 0.0, surprise), certain)):
        np.add.at(totals[at], sample.patients, values)
    return sparse.vstack([*per_bin, sparse.csr_matrix(totals)]).tocsr()


def _scores_of(totals: Float[np.ndarray, "sums columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
    filled = (len(totals) - 3) // 3
    rows, told, true = (totals[at * filled : (at + 1) * filled] for at in range(3))
    n, positive = rows.sum(axis=0), true.sum(axis=0)
    mean_told, mean_true = np.nan_to_num(share(told, rows)), share(true, rows)
    known = np.nan_to_num(mean_true)
    base = share(positive, n)
    brier = share(totals[-3], n)
    reliability = share((rows * (mean_told - known) ** 2).sum(axis=0), n)
    resolution = share((rows * (known - base) ** 2).sum(axis=0), n)
    uncertainty = base * (1.0 - base)
    log_loss = share(totals[-2], n)
    return {
        "observed_to_expected": share(positive, told.sum(axis=0)),
        "brier": brier,
        "brier_skill": 1.0 - share(brier, uncertainty),
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": uncertainty,
        "within": brier - reliability + resolution - uncertainty,
        "log_loss": np.where(totals[-1] > 0, np.nan, log_loss),
        **{f"bin {at}": mean_true[at] for at in range(filled)},
    }


def _reasons(sample: Sample, scores: Float[np.ndarray, " rows"]) -> dict[str, str]:
    if not len(scores):
        why = "no rows"
    elif sample.single_class:
        why = f"single class: {sample.positives} positive of {len(scores)} rows"
    elif np.ptp(scores) == 0.0:
        why = "every score is the same"
    else:
        why = "the scores tell the two classes apart without error"
    names = ("slope", "intercept", "in_the_large", "brier_skill")
    return {
        **dict.fromkeys(names, why),
        "log_loss": "infinite: a row is scored 0 or 1 and is of the other class" if len(scores) else "no rows",
    }


def _error(
    sample: Sample, scores: Float[np.ndarray, " rows"], places: _Places, *, asked: int, seed: int
) -> CalibrationError:
    rows = len(scores)
    told = np.bincount(places.number, weights=scores, minlength=places.filled)
    true = np.bincount(places.number, weights=sample.labels, minlength=places.filled)
    perfect = _perfect(scores, places, told, seed=seed) if rows else np.empty(0)
    estimate = Estimate(
        value=float(np.abs(true - told).sum() / rows) if rows else None,
        low=None,
        high=None,
        n=rows,
        positives=sample.positives,
        patients=sample.patient_count,
        replicates=0,
        method="none",
        reason="biased upwards: compare it with what perfect scores would show on these rows" if rows else "no rows",
    )
    return CalibrationError(
        bins=places.kind,
        asked=asked,
        filled=places.filled,
        error=estimate,
        expected=float(perfect.mean()) if rows else None,
        expected_high=float(np.quantile(perfect, 0.95)) if rows else None,
    )


def _perfect(
    scores: Float[np.ndarray, " rows"], places: _Places, told: Float[np.ndarray, " bins"], *, seed: int
) -> Float[np.ndarray, " simulations"]:
    """Calibration errors of labels drawn with the scores for chances, rows independent."""
    generator = np.random.default_rng(seed)
    found = np.empty(SIMULATIONS)
    for at in range(SIMULATIONS):
        true = np.bincount(places.number, weights=generator.random(len(scores)) < scores, minlength=places.filled)
        found[at] = np.abs(true - told).sum() / len(scores)
    return found


def _curve(scores: Float[np.ndarray, " rows"], places: _Places, shares: tuple[Estimate, ...]) -> tuple[Bin, ...]:
    rows = np.bincount(places.number, minlength=places.filled)
    told = np.bincount(places.number, weights=scores, minlength=places.filled)
    return tuple(
        Bin(
            low=float(places.edges[at]),
            high=float(places.edges[at + 1]),
            n=int(rows[at]),
            mean_score=float(told[at] / rows[at]),
            share_positive=estimate,
        )
        for at, estimate in enumerate(shares)
    )
