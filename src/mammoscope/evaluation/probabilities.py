"""What follows from reading scores as probabilities: calibration, net benefit, a thousand women, answers to refer."""

from dataclasses import dataclass
from typing import Any

from mammoscope.calibrators import Temperature
from mammoscope.evaluation.calibration import calibrated, fit_calibrator
from mammoscope.evaluation.calibration_values import Calibration, CalibrationResult, ClassCalibration, Method
from mammoscope.evaluation.class_calibration import fit_temperature, measure_class_calibration, tempered
from mammoscope.evaluation.class_samples import ClassSample
from mammoscope.evaluation.clinical_values import DecisionCurve, PerThousand
from mammoscope.evaluation.conformal import fit_conformal, measure_class_coverage, measure_coverage
from mammoscope.evaluation.conformal_values import ClassConformalResult, ConformalResult
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

    calibration: CalibrationResult[Calibration]
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


def class_probabilities(
    tune: ClassSample | None,
    *,
    test: ClassSample,
    method: Method,
    bins: int,
    coverage: float | None,
    drawn: dict[str, Any],
) -> tuple[CalibrationResult[ClassCalibration], ClassConformalResult | None]:
    """Fit a temperature and the cuts of conformal sets on the tune part, and measure the test part with them.

    Args:
        tune: Nothing is fitted on anything else; None where there is none.
        test: With scores; nothing is fitted on it.
        method: `temperature` or `none`.
        bins: Of the calibration errors.
        coverage: Of the sets; None to make none.
        drawn: replicates, seed, confidence.

    Returns:
        Calibration before and after, and the sets.
    """
    fitted = None if method == "none" or tune is None else fit_temperature(tune)
    calibrator = None if fitted is None else fitted.calibrator
    told = tempered(test, calibrator=calibrator) if isinstance(calibrator, Temperature) else None
    reason = "no calibration was asked for" if method == "none" else "there is no tune part" if tune is None else None
    rows = 0 if tune is None else len(tune.labels)
    calibration = CalibrationResult(
        method=method,
        calibrator=None if calibrator is None else calibrator.model_dump(mode="json"),
        n=rows,
        positives=rows,
        patients=0 if tune is None else tune.patient_count,
        prevalence=None,
        scores=measure_class_calibration(test, bins=bins, **drawn),
        probabilities=None if told is None else measure_class_calibration(told, bins=bins, **drawn),
        warnings=() if fitted is None else fitted.warnings,
        reason=reason if fitted is None else fitted.reason,
    )
    if coverage is None:
        return calibration, None
    return calibration, _class_conformal(tune, test=test, coverage=coverage, drawn=drawn)


def _class_conformal(
    tune: ClassSample | None, *, test: ClassSample, coverage: float, drawn: dict[str, Any]
) -> ClassConformalResult:
    if tune is None:
        reason = "there is no tune part: no cuts can be fitted"
        return ClassConformalResult(stated=coverage, possible_from={}, patients={}, reason=reason)
    cuts = fit_conformal(tune, coverage=coverage, seed=drawn["seed"])
    return ClassConformalResult(
        stated=coverage,
        rows=cuts.rows,
        possible_from={name: max(0.0, 1.0 - at) for name, at in zip(cuts.classes, cuts.limits, strict=True)},
        patients=dict(zip(cuts.classes, cuts.patients, strict=True)),
        coverage=measure_class_coverage(test, conformal=cuts, **drawn),
        reason=cuts.reason,
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
        positive_from=max(0.0, 1.0 - cuts.limits[1]),
        negative_to=min(1.0, cuts.limits[0]),
        patients=cuts.patients[::-1],
        coverage=measure_coverage(test, conformal=cuts, **drawn),
        reason=cuts.reason,
    )
