"""What follows from reading scores as probabilities: calibration, net benefit, and a thousand women screened."""

from dataclasses import dataclass
from typing import Any

from mammoscope.evaluation.calibration import calibrated, fit_calibrator
from mammoscope.evaluation.calibration_values import CalibrationResult
from mammoscope.evaluation.clinical_values import DecisionCurve, PerThousand
from mammoscope.evaluation.conformal import fit_conformal, measure_coverage
from mammoscope.evaluation.conformal_values import ConformalResult
from mammoscope.evaluation.net_benefit import decision_curve
from mammoscope.evaluation.reliability import measure_calibration
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.screening import per_thousand
from mammoscope.evaluation.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Probabilities:
    """The three of them, on the test part.

    Attributes:
        calibration: Of the scores, and of the probabilities made of them.
        decision_curve: None without a stated prevalence or with a single class.
        per_thousand: None without a stated prevalence or a threshold.
        conformal: None where no coverage was asked for.
    """

    calibration: CalibrationResult
    decision_curve: DecisionCurve | None
    per_thousand: PerThousand | None
    conformal: ConformalResult | None = None


def probabilities(tune: Sample, *, test: Sample, threshold: float | None, settings: Settings) -> Probabilities:
    """Fit a calibrator on the tune part, and measure the test part with it.

    Args:
        tune: Nothing is fitted on anything else.
        test: Nothing is fitted on it.
        threshold: Score from which on a row is called positive.
        settings: Of the evaluation; `calibration`, and the prevalence among the targets.

    Returns:
        What was measured.
    """
    drawn: dict[str, Any] = {
        "replicates": settings.replicates,
        "seed": settings.seed,
        "confidence": settings.confidence,
    }
    bins = settings.calibration_bins
    before = measure_calibration(test, bins=bins, **drawn)
    fitted = None if settings.calibration == "none" else fit_calibrator(tune, kind=settings.calibration)
    calibrator = None if fitted is None else fitted.calibrator
    told = test if calibrator is None else calibrated(test, calibrator=calibrator)
    at, prevalence = None if tune.single_class else float(tune.labels.mean()), settings.targets.prevalence
    screened = None
    if prevalence is not None and threshold is not None:
        screened = per_thousand(test, threshold=threshold, prevalence=prevalence, **drawn)
    curve = None
    if prevalence is not None and not test.single_class:
        curve = decision_curve(told, prevalence=prevalence, calibrated_at=at, **drawn)
    return Probabilities(
        calibration=CalibrationResult(
            method=settings.calibration,
            calibrator=None if calibrator is None else calibrator.model_dump(mode="json"),
            n=len(tune.labels),
            positives=tune.positives,
            patients=tune.patient_count,
            prevalence=at,
            scores=before,
            probabilities=None if calibrator is None else measure_calibration(told, bins=bins, **drawn),
            warnings=() if fitted is None else fitted.warnings,
            reason="no calibration was asked for" if fitted is None else fitted.reason,
        ),
        decision_curve=curve,
        per_thousand=screened,
        conformal=_conformal(tune, test=test, settings=settings, drawn=drawn),
    )


def _conformal(tune: Sample, *, test: Sample, settings: Settings, drawn: dict[str, Any]) -> ConformalResult | None:
    """The cuts of the tune part and what they do on the test part; without tune rows the reason why there are none."""
    if settings.coverage is None:
        return None
    if not len(tune.labels):
        reason = "there is no tune part: no cuts can be fitted"
        return ConformalResult(stated=settings.coverage, reason=reason)
    cuts = fit_conformal(tune, coverage=settings.coverage, seed=settings.seed)
    return ConformalResult(
        stated=settings.coverage,
        rows=cuts.rows,
        positive_from=max(0.0, 1.0 - cuts.positive_limit),
        negative_to=min(1.0, cuts.negative_limit),
        patients=cuts.patients,
        coverage=measure_coverage(test, conformal=cuts, **drawn),
        reason=cuts.reason,
    )
