"""What is said of scores as probabilities, ready for JSON."""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from mammoscope.evaluation.estimate import Estimate

BinKind = Literal["equal width", "equal mass"]
Method = Literal["none", "temperature", "platt", "isotonic", "beta"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One point of a reliability curve.

    Attributes:
        low: Scores of the bin are above it (at it, in the first bin).
        high: And not above this.
        n: Rows.
        mean_score: Of its rows.
        share_positive: With its interval over patients.
    """

    low: float
    high: float
    n: int
    mean_score: float
    share_positive: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationError:
    """Expected calibration error over stated bins.

    Attributes:
        bins: How they were made.
        asked: How many were asked for.
        filled: How many hold a row.
        error: Mean of |share positive - mean score| over bins, weighted by rows. Without an interval: the number is
            biased upwards, its replicates are more so, and an interval of them would not hold it.
        expected: What it would be, on average, if the scores of these rows were perfect.
        expected_high: What it would exceed once in twenty times if they were perfect.
    """

    bins: BinKind
    asked: int
    filled: int
    error: Estimate
    expected: float | None
    expected_high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Everything about scores as probabilities, on the rows of one sample.

    Attributes:
        n: Rows.
        prevalence: Share of positive rows; the numbers hold at this share.
        slope: Of the log odds: 1 is right, below 1 the scores are too far apart.
        intercept: Beside that slope.
        in_the_large: Intercept with the slope held at 1: 0 is right, below 0 the scores are too high on average.
        observed_to_expected: Positive rows divided by the sum of the scores: 1 is right.
        brier: Mean squared error.
        brier_skill: 1 - Brier / that of always saying the prevalence: above 0 is better than saying it.
        reliability: Part of the Brier score due to wrong probabilities; 0 is right.
        resolution: What telling rows apart takes off it.
        uncertainty: What the prevalence alone gives it.
        within: What is left of it inside the bins: brier = reliability - resolution + uncertainty + within.
        log_loss: Mean of -log of the probability given to what was true; not defined if that was 0.
        equal_width: Expected calibration error over bins of equal width.
        equal_mass: Over bins of equally many rows (adaptive calibration error).
        curve: Reliability curve over the bins of equally many rows; the four parts of the Brier score use them, too.
    """

    n: int
    prevalence: float | None
    slope: Estimate
    intercept: Estimate
    in_the_large: Estimate
    observed_to_expected: Estimate
    brier: Estimate
    brier_skill: Estimate
    reliability: Estimate
    resolution: Estimate
    uncertainty: Estimate
    within: Estimate
    log_loss: Estimate
    equal_width: CalibrationError
    equal_mass: CalibrationError
    curve: tuple[Bin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClasswiseError:
    """Mean over the classes of each one's expected calibration error against the rest.

    Attributes:
        bins: How they were made.
        asked: How many were asked for.
        error: The mean; biased upwards, as each of them is.
        expected: What it would be, on average, if the scores of these rows were perfect.
    """

    bins: BinKind
    asked: int
    error: float | None
    expected: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCalibration:
    """Everything about scores among several classes as probabilities, on the rows of one sample.

    Attributes:
        n: Rows.
        brier: Mean over rows of the squared errors summed over classes, in [0, 2].
        brier_skill: 1 - Brier / that of always saying the share of each class: above 0 is better than saying them.
        log_loss: Mean of -log of the score given to the label; not defined if that was 0.
        equal_width: Classwise expected calibration error over bins of equal width.
        equal_mass: Over bins of equally many rows.
        call: Whether the called class is right as often as its score says.
        classes: Each class against the rest.
    """

    n: int
    brier: Estimate
    brier_skill: Estimate
    log_loss: Estimate
    equal_width: ClasswiseError
    equal_mass: ClasswiseError
    call: Calibration
    classes: dict[str, Calibration]


Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationResult(Generic[Measured]):
    """Calibration before and after, on the test part, and the calibrator between them.

    Of yes or no it holds `Calibration`, of several classes `ClassCalibration`.

    Attributes:
        method: The calibrator that was asked for.
        calibrator: As JSON, to be read as a `mammoscope.calibrators.Calibrator`; None where there is none.
        fitted_on: The part: never the test part.
        n: Rows it was fitted on.
        positives: Of them; of several classes all.
        patients: Of them.
        prevalence: Share of positive rows it was fitted on: its probabilities hold there, and not at a clinic with
            another one (see `adjust_prevalence`); None of several classes.
        scores: The scores as they are, read as probabilities.
        probabilities: After the calibrator; None where there is none.
        warnings: What to know before using the probabilities.
        reason: Why there is no calibrator.
    """

    method: Method
    calibrator: dict[str, Any] | None
    fitted_on: str = "tune"
    n: int
    positives: int
    patients: int
    prevalence: float | None
    scores: Measured
    probabilities: Measured | None
    warnings: tuple[str, ...] = ()
    reason: str | None = None
