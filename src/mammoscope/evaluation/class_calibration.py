"""Whether probabilities among several classes come true: over all of them, class by class, and of the call."""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from mammoscope.calibrators import Temperature, checked, clipped
from mammoscope.evaluation.calibration import FEW, NO_ERROR, WRONG_WAY, FittedCalibrator
from mammoscope.evaluation.calibration_values import BinKind, Calibration, ClassCalibration, ClasswiseError
from mammoscope.evaluation.class_samples import ClassSample
from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.reliability import measure_calibration
from mammoscope.evaluation.resampled import resampled
from mammoscope.evaluation.samples import Sample


def fit_temperature(tune: ClassSample) -> FittedCalibrator:
    """Fit one temperature on the tune part, for scores among several classes.

    It makes every row surer or less sure of itself and changes no call. Other calibrators (Platt, beta, isotonic) are
    of yes or no: class by class they would change calls, and their values would no longer sum to 1.

    Args:
        tune: The tune part, with scores. The test part must never be given here.

    Returns:
        The calibrator with rows, patients and warnings; without one, and with the reason, where the part has a single
        class, no scores, scores that call without error, or scores that do not favour the label.

    Raises:
        SourceError: A score is not in [0, 1].

    Source:
        Guo et al., On calibration of modern neural networks, ICML (2017), section 4.2; the log likelihood is concave in
        1 / temperature, so its slope is 0 at one place. With two classes equal to `fit_calibrator`.

    Example:
        >>> rows = np.array([[0.9, 0.05, 0.05], [0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
        >>> tune = ClassSample(classes=("A", "B", "C"), labels=np.array([0, 1, 1, 2]), calls=np.array([0, 0, 1, 2]),
        ...     scores=rows, patients=np.arange(4), patient_count=4)
        >>> round(fit_temperature(tune).calibrator.temperature, 2)
        1.61
    """
    found = _temperature(tune)
    rows = len(tune.labels)
    few = min((int((tune.labels == at).sum()), name) for at, name in enumerate(tune.classes)) if rows else (0, "")
    warnings = (
        (f"fitted on {few[0]} rows of class {few[1]} among {rows}: fewer than {FEW} of a class carry little",)
        if few[0] < FEW and isinstance(found, Temperature)
        else ()
    )
    return FittedCalibrator(
        kind="temperature",
        calibrator=found if isinstance(found, Temperature) else None,
        n=rows,
        positives=rows,
        patients=tune.patient_count,
        prevalence=None,
        warnings=warnings,
        reason=None if isinstance(found, Temperature) else f"not calibrated: {found}",
    )


def _temperature(tune: ClassSample) -> Temperature | str:
    if tune.scores is None:
        return "only calls are known, no scores"
    if len(np.unique(tune.labels)) < 2:
        return "the tune part has a single class"
    logs = np.log(clipped(tune.scores))
    given = logs[np.arange(len(logs)), tune.labels]

    def slope(steepness: float) -> float:
        powers = np.exp(steepness * (logs - logs.max(axis=1, keepdims=True)))
        mean = (powers * logs).sum(axis=1) / powers.sum(axis=1)
        return float((given - mean).sum())

    if (given >= logs.max(axis=1)).all():
        return NO_ERROR
    if slope(0.0) <= 0.0:
        return WRONG_WAY
    high = 1.0
    while slope(high) > 0.0:  # ends: without bound every row called otherwise than labelled counts against it
        high *= 2.0
    return Temperature(temperature=1.0 / float(brentq(slope, 0.0, high, xtol=1e-12, rtol=1e-12)))


def tempered(sample: ClassSample, *, calibrator: Temperature) -> ClassSample:
    """The same rows with probabilities for scores; calls stay."""
    if sample.scores is None:
        return sample
    return replace(sample, scores=calibrator.among_classes(sample.scores))


def measure_class_calibration(
    sample: ClassSample, *, bins: int = 10, replicates: int = 2000, seed: int = 0, confidence: float = 0.95
) -> ClassCalibration:
    """Measure scores among several classes as probabilities, resampling patients.

    Args:
        sample: Labels, calls, scores in [0, 1] and patients; a calibrator, if any, already applied.
        bins: Bins of the curves and of the calibration errors.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the intervals.

    Returns:
        Brier score and log loss over all classes; each class against the rest, and the call, as `measure_calibration`
        has them.

    Raises:
        RecipeError: `bins` is below 2.
        SourceError: A score is not in [0, 1].

    Source:
        Brier, Monthly Weather Review 78 (1950): the sum over classes; Kull et al., Beyond temperature scaling, NeurIPS
        (2019), section 2: classwise and confidence calibration, classwise ECE.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import class_sample
        >>> rows = pl.DataFrame({"label": list("AABB"), "score_A": [0.8, 0.6, 0.3, 0.5], "score_B": [0.2, 0.4, 0.7, 0.5],
        ...     "patient_id": list("wxyz")})
        >>> found = measure_class_calibration(class_sample(rows, classes="AB"), bins=2, replicates=50)
        >>> round(found.brier.value, 3), round(found.call.prevalence, 2), sorted(found.classes)
        (0.27, 0.75, ['A', 'B'])
    """  # noqa: E501 a table of numbers
    scores = checked(np.empty((0, len(sample.classes))) if sample.scores is None else sample.scores)
    drawn: dict[str, Any] = {"bins": bins, "replicates": replicates, "seed": seed, "confidence": confidence}
    rows = np.arange(len(scores))
    classes = {
        name: measure_calibration(_against(sample, sample.labels == at, scores[:, at]), **drawn)
        for at, name in enumerate(sample.classes)
    }
    told = resampled(
        sample,
        _losses(sample, scores),
        replicates=replicates,
        seed=seed,
        confidence=confidence,
        reasons={"log_loss": "infinite: a row gives its label a score of 0"},
    )
    return ClassCalibration(
        n=len(scores),
        brier=told["brier"],
        brier_skill=told["brier_skill"],
        log_loss=told["log_loss"],
        equal_width=_classwise(classes, "equal_width", kind="equal width", bins=bins),
        equal_mass=_classwise(classes, "equal_mass", kind="equal mass", bins=bins),
        call=measure_calibration(_against(sample, sample.labels == sample.calls, scores[rows, sample.calls]), **drawn),
        classes=classes,
    )


def _against(sample: ClassSample, labels: np.ndarray, scores: Float[np.ndarray, " rows"]) -> Sample:
    return Sample(labels=labels, scores=scores, patients=sample.patients, patient_count=sample.patient_count)


def _losses(sample: ClassSample, scores: Float[np.ndarray, "rows classes"]) -> Any:
    truth = np.eye(len(sample.classes))[sample.labels]
    given = scores[np.arange(len(scores)), sample.labels]
    with np.errstate(divide="ignore"):
        surprise = -np.log(given)
    certain = np.isinf(surprise)
    per_row = [((scores - truth) ** 2).sum(axis=1), np.where(certain, 0.0, surprise), certain, np.ones(len(given))]
    columns = np.column_stack([*per_row, truth])
    sums = np.zeros((columns.shape[1], sample.patient_count))
    np.add.at(sums.T, sample.patients, columns)

    def statistic(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        squared, surprised, impossible, rows, *counts = sums @ weights
        brier = share(squared, rows)
        said = 1.0 - np.sum([share(count, rows) ** 2 for count in counts], axis=0)
        log_loss = np.where(impossible > 0, np.nan, share(surprised, rows))
        return {"brier": brier, "brier_skill": 1.0 - share(brier, said), "log_loss": log_loss}

    return statistic


def _classwise(classes: dict[str, Calibration], name: str, *, kind: BinKind, bins: int) -> ClasswiseError:
    found = [getattr(one, name) for one in classes.values()]
    values = [one.error.value for one in found if one.error.value is not None]
    expected = [one.expected for one in found if one.expected is not None]
    return ClasswiseError(
        bins=kind,
        asked=bins,
        error=float(np.mean(values)) if values else None,
        expected=float(np.mean(expected)) if expected else None,
    )
