"""Fitting calibrators on the tune part, so that a score of 0.02 comes to mean two in a hundred."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.isotonic import IsotonicRegression

from mammoscope.calibrators import Beta, Calibrator, CalibratorKind, Isotonic, Platt, Temperature, checked, log_odds
from mammoscope.calibrators import clipped as inside
from mammoscope.errors import RecipeError, nearest
from mammoscope.evaluation.calibration_values import Method
from mammoscope.evaluation.logistic import fit_logistic
from mammoscope.evaluation.samples import Sample

CALIBRATIONS: tuple[Method, ...] = ("none", "temperature", "platt", "isotonic", "beta")
"""How scores can be turned into probabilities."""

FEW = 10  # of either class: fewer carry no curve at all
FEW_ISOTONIC = 1000  # rows: Niculescu-Mizil and Caruana, ICML (2005), figure 8: below, isotonic overfits


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedCalibrator:
    """A calibrator and what it rests on.

    Attributes:
        kind: Which one.
        calibrator: To apply to scores; None where none could be fitted.
        fitted_on: The part: never the test part.
        n: Rows it was fitted on.
        positives: Of them.
        patients: Of them.
        prevalence: Share of positive rows it was fitted on; None without rows. Its probabilities hold at this share.
        warnings: What to know before using it.
        reason: Why there is no calibrator.
    """

    kind: CalibratorKind
    calibrator: Calibrator | None
    fitted_on: str = "tune"
    n: int
    positives: int
    patients: int
    prevalence: float | None
    warnings: tuple[str, ...] = ()
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "calibrator"}
        return {**plain, "calibrator": None if self.calibrator is None else self.calibrator.model_dump(mode="json")}


def fit_calibrator(tune: Sample, *, kind: CalibratorKind = "platt") -> FittedCalibrator:
    """Fit a calibrator on the tune part.

    - `temperature`: one number; cannot repair scores that are all too high.
    - `platt`: slope and intercept of the log odds; enough for most networks, and safe with few positives.
    - `beta`: three numbers; for scores whose two ends are off differently.
    - `isotonic`: any rising map; ties what it cannot tell apart, and needs about a thousand rows.

    Args:
        tune: The tune part. The test part must never be given here.
        kind: Which one.

    Returns:
        The calibrator with rows, positives, patients and warnings; without one, and with the reason, where the part
        has a single class, scores are constant, rank the wrong way round, or rank without any error.

    Raises:
        RecipeError: The kind is unknown.
        SourceError: A score is not in [0, 1].

    Source:
        Guo et al., ICML (2017); Platt (1999), whose targets (n+ + 1)/(n+ + 2) and 1/(n- + 2) keep the fit finite;
        Zadrozny and Elkan, KDD (2002); Kull et al., AISTATS (2017). Equal to scikit-learn's
        `CalibratedClassifierCV` (temperature, sigmoid, isotonic) and to the `betacal` package in the tests.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import sample_of
        >>> rows = pl.DataFrame({"label": [0, 0, 1, 0, 1], "score": [0.1, 0.2, 0.3, 0.6, 0.9],
        ...                      "patient_id": list("abcde")})
        >>> fitted = fit_calibrator(sample_of(rows))
        >>> fitted.calibrator.apply(np.array([0.1, 0.9])).round(2)
        array([0.25, 0.67])
        >>> fitted.warnings
        ('fitted on 2 positive of 5 rows: fewer than 10 of either class carry no curve. Do not rely on it',)
    """
    check_calibration(kind, allowed=CALIBRATIONS[1:])
    scores, labels = checked(tune.scores), tune.labels.astype(np.float64)
    calibrator: Calibrator | str
    if tune.single_class:
        calibrator = f"the tune part has a single class ({tune.positives} positive of {len(labels)} rows)"
    elif np.ptp(scores) == 0.0:
        calibrator = "every score of the tune part is the same"
    else:
        match kind:
            case "temperature":
                calibrator = _temperature(scores, labels)
            case "platt":
                calibrator = _platt(scores, labels)
            case "beta":
                calibrator = _beta(scores, labels)
            case "isotonic":
                calibrator = _isotonic(scores, labels)
    failed = isinstance(calibrator, str)
    return FittedCalibrator(
        kind=kind,
        calibrator=None if isinstance(calibrator, str) else calibrator,
        n=len(labels),
        positives=tune.positives,
        patients=tune.patient_count,
        prevalence=float(labels.mean()) if len(labels) else None,
        warnings=() if failed else tuple(_warnings(tune, kind=kind)),
        reason=f"not calibrated: {calibrator}" if isinstance(calibrator, str) else None,
    )


def calibrated(sample: Sample, *, calibrator: Calibrator) -> Sample:
    """The same rows with probabilities for scores.

    Args:
        sample: The rows.
        calibrator: Fitted on another part.

    Returns:
        A new sample.
    """
    return Sample(
        labels=sample.labels,
        scores=calibrator.apply(sample.scores),
        patients=sample.patients,
        patient_count=sample.patient_count,
    )


def check_calibration(kind: str, *, allowed: tuple[str, ...] = CALIBRATIONS) -> None:
    """Refuse a kind of calibration that does not exist.

    Raises:
        RecipeError: The text names the nearest one that does.
    """
    if kind not in allowed:
        raise RecipeError(f"calibration {kind!r} is not one of {', '.join(allowed)}{nearest(kind, allowed)}")


NO_ERROR = "the scores tell the two classes of the tune part apart without error: any steepness would do"
WRONG_WAY = "the scores of the tune part rank the wrong way round: higher scores are less often positive"


def _fit(terms: Float[np.ndarray, "rows terms"], targets: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " terms"]:
    return fit_logistic(terms, hits=targets[:, None], weights=np.ones((len(targets), 1)))[:, 0]


def _temperature(scores: Float[np.ndarray, " rows"], labels: Float[np.ndarray, " rows"]) -> Calibrator | str:
    slope = float(_fit(log_odds(scores)[:, None], labels)[0])
    if np.isnan(slope):
        return NO_ERROR
    return Temperature(temperature=1.0 / slope) if slope > 0.0 else WRONG_WAY


def _platt(scores: Float[np.ndarray, " rows"], labels: Float[np.ndarray, " rows"]) -> Calibrator | str:
    positive = labels.sum()
    high, low = (positive + 1.0) / (positive + 2.0), 1.0 / (len(labels) - positive + 2.0)
    terms = np.column_stack([log_odds(scores), np.ones_like(scores)])
    slope, intercept = (float(value) for value in _fit(terms, np.where(labels == 1.0, high, low)))
    if np.isnan(slope):
        return NO_ERROR
    return Platt(slope=slope, intercept=intercept) if slope > 0.0 else WRONG_WAY


def _beta(scores: Float[np.ndarray, " rows"], labels: Float[np.ndarray, " rows"]) -> Calibrator | str:
    """A coefficient that comes out below 0 is left out, as its authors do, so that the map never falls."""
    clear = inside(scores)
    terms = np.column_stack([np.log(clear), -np.log1p(-clear), np.ones_like(clear)])
    kept = [0, 1, 2]
    found = _fit(terms, labels)
    while not np.isnan(found).any() and len(kept) > 1 and found[:-1].min() < 0.0:
        kept.pop(int(np.argmin(found[:-1])))
        found = _fit(terms[:, kept], labels)
    if np.isnan(found).any():
        return NO_ERROR
    if len(kept) == 1:
        return WRONG_WAY
    full = np.zeros(3)
    full[kept] = found
    return Beta(a=float(full[0]), b=float(full[1]), c=float(full[2]))


def _isotonic(scores: Float[np.ndarray, " rows"], labels: Float[np.ndarray, " rows"]) -> Calibrator | str:
    found = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    knots, values = (np.asarray(array, dtype=np.float64) for array in (found.X_thresholds_, found.y_thresholds_))
    if values[0] == values[-1]:
        return WRONG_WAY
    return Isotonic(scores=tuple(map(float, knots)), probabilities=tuple(map(float, np.clip(values, 0.0, 1.0))))


def _warnings(tune: Sample, *, kind: CalibratorKind) -> list[str]:
    found = []
    rows, positives = len(tune.labels), tune.positives
    if min(positives, rows - positives) < FEW:
        found.append(
            f"fitted on {positives} positive of {rows} rows: fewer than {FEW} of either class carry no curve. "
            "Do not rely on it"
        )
    if kind == "isotonic" and rows < FEW_ISOTONIC:
        found.append(
            f"isotonic calibration was fitted on {rows} rows; with fewer than {FEW_ISOTONIC} it follows chance. "
            "Take platt or beta"
        )
    return found
