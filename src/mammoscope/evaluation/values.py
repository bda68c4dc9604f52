"""What an evaluation says: values with intervals, ready for JSON."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Literal, TypeVar

from mammoscope.errors import RecipeError
from mammoscope.evaluation.calibration_values import Calibration, CalibrationResult
from mammoscope.evaluation.clinical_values import DecisionCurve, PerThousand
from mammoscope.evaluation.conformal_values import ConformalResult
from mammoscope.evaluation.estimate import Estimate as Estimate  # noqa: PLC0414 - also found here
from mammoscope.evaluation.size_values import SampleSize

Rule = Literal["youden", "sensitivity", "specificity", "recall_rate", "cost", "fixed"]
Unit = Literal["image", "breast", "exam", "patient"]
Verdict = Literal["above", "below", "not distinguishable"]

UNITS: tuple[Unit, ...] = ("image", "breast", "exam", "patient")
"""What one row of a result stands for, from the smallest to the largest."""

Axis = Literal["sensitivity", "specificity"]
Reduction = Literal["mean", "max"]

_REDUCTIONS: dict[Reduction, str] = {"mean": "mean", "max": "highest"}

RANKING_METRICS = (
    *("auc", "partial_auc", "average_precision", "sensitivity_at_specificity", "specificity_at_sensitivity"),
)
"""Metrics of the order of the scores alone: no threshold, and no change under an increasing transform."""

PROBABILITY_METRICS = ("brier", "log_loss", "probabilistic_f1")
"""Metrics that read a score as a probability."""

THRESHOLD_METRICS = (
    *("sensitivity", "specificity", "accuracy", "balanced_accuracy", "ppv", "npv", "f1", "mcc", "recall_rate"),
    *("ppv_at_prevalence", "npv_at_prevalence"),
)
"""Metrics of yes-or-no calls at a threshold; the last two also need a stated prevalence."""

METRICS = (*RANKING_METRICS, *PROBABILITY_METRICS, *THRESHOLD_METRICS)
"""Names of all metrics of yes-or-no labels; `docs/reference/metrics.md` defines each."""

SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What the metrics that take a number are asked for.

    Attributes:
        specificity: Of `sensitivity_at_specificity`, in [0, 1].
        sensitivity: Of `specificity_at_sensitivity`, in (0, 1].
        partial_axis: What the range of `partial_auc` is a range of.
        partial_range: Its two ends, in [0, 1].
        prevalence: Share of positive rows where a model shall be used, in (0, 1), for `ppv_at_prevalence` and
            `npv_at_prevalence`; None leaves these two undefined.

    Raises:
        RecipeError: One of them is out of its range.

    Source:
        Schaffter et al., JAMA Network Open 3 (2020), the DREAM challenge on mammograms, for the range of
        sensitivities from 0.8 to 1.
    """

    specificity: float = 0.9
    sensitivity: float = 0.9
    partial_axis: Axis = "sensitivity"
    partial_range: tuple[float, float] = (0.8, 1.0)
    prevalence: float | None = None

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        low, high = self.partial_range
        if not 0.0 <= self.specificity <= 1.0:
            raise RecipeError(f"targets: specificity must be in [0, 1], got {self.specificity}")
        if not 0.0 < self.sensitivity <= 1.0:
            raise RecipeError(f"targets: sensitivity must be in (0, 1], got {self.sensitivity}")
        if not 0.0 <= low < high <= 1.0:
            raise RecipeError(f"targets: partial_range must be two rising numbers in [0, 1], got {low} and {high}")
        if self.prevalence is not None and not 0.0 < self.prevalence < 1.0:
            raise RecipeError(
                f"targets: prevalence must be between 0 and 1, got {self.prevalence}. 0.005 is 5 in 1,000"
            )


TARGETS = Targets()
"""What is asked for where nothing else is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """How scores are put together; a unit is positive if any of its rows is.

    Attributes:
        row: What one row of the table stands for. Units smaller than it have no result.
        views: Of the images of a breast.
        breasts: Of the breasts of an exam or a patient.

    Example:
        >>> Aggregation(views="max").words("exam")
        "highest score of the exam's images; positive if any of them is"
    """

    row: Unit = "image"
    views: Reduction = "mean"
    breasts: Reduction = "max"

    @property
    def through_breasts(self) -> bool:
        """Whether it matters which images are of the same breast: the highest of highest ones is the highest."""
        return self.row == "image" and not self.views == self.breasts == "max"

    def words(self, unit: Unit) -> str:
        """The rule of a unit in words, as it stands in `metrics.json` and the report.

        Args:
            unit: One that is not smaller than `row`.

        Returns:
            A clause.
        """
        if unit == self.row:
            return f"each {unit} by itself"
        if self.row != "image":
            return f"{_REDUCTIONS[self.breasts]} {self.row} score of the {unit}; positive if any {self.row} is"
        if unit == "breast":
            return f"{_REDUCTIONS[self.views]} score of the breast's images; positive if any of them is"
        if not self.through_breasts:
            return f"highest score of the {unit}'s images; positive if any of them is"
        views, breasts = _REDUCTIONS[self.views], _REDUCTIONS[self.breasts]
        return (
            f"{breasts} breast score of the {unit}, a breast being the {views} of its images; positive if any image is"
        )

    def allows(self, unit: Unit) -> bool:
        """Whether rows can be put together to this unit."""
        return UNITS.index(unit) >= UNITS.index(self.row)


AGGREGATION = Aggregation()
"""The rule where nothing else is stated: mean of views, max of breasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The score from which on a row is called positive, and how it was chosen.

    Attributes:
        value: Positive means `score >= value`; None where no threshold could be chosen.
        rule: The rule; `fixed` where it was stated beforehand.
        at_least: The bound of `sensitivity` and `specificity`.
        at_most: The bound of `recall_rate`.
        miss_cost: How many false recalls are as bad as one miss, for `cost`.
        prevalence: Where it shall be used, as stated.
        chosen_on: The part it was chosen on: never the test part. A baseline's may be fixed beforehand.
        sensitivity: Reached on that part (optimistic: chosen there).
        specificity: Reached on that part.
        recall_rate: Reached on that part, at the stated prevalence if there is one.
        reason: Why there is no value.
    """

    value: float | None
    rule: Rule
    at_least: float | None = None
    at_most: float | None = None
    miss_cost: float | None = None
    prevalence: float | None = None
    chosen_on: str = "tune"
    sensitivity: float | None = None
    specificity: float | None = None
    recall_rate: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Counts at the threshold, on the test part."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A curve and its pointwise bootstrap band, for drawing.

    Attributes:
        x: Abscissae of the curve: 1 - specificity for ROC, recall for precision-recall.
        y: Ordinates.
        grid: Abscissae of the band.
        low: Lower edge of the band.
        high: Upper edge.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    grid: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """All numbers of one unit (image, breast ...).

    Attributes:
        unit: What one row stands for.
        aggregation: How scores and labels of its images were put together.
        threshold: Chosen on the tune part, at this unit.
        test: Metric name to estimate, on the test part: the result.
        tune: The same on the tune part: optimistic, checkpoint and threshold were chosen there.
        confusion: Counts on the test part; None without a threshold.
        roc: None where not defined.
        precision_recall: None where not defined.
        calibration: Of the scores on the test part, and of the probabilities made of them; None in a table written
            before it was measured.
        decision_curve: Of the probabilities; None without a stated prevalence, or where not defined.
        per_thousand: Women recalled, found and missed at the threshold; None without a stated prevalence.
        auc_intervals: The AUC of the test part with other kinds of interval, by their name.
        conformal: Answers with a stated coverage; None where none was asked for.
        needed: Patients for an interval of AUC of the wished width; None where none was wished for.
    """

    unit: Unit
    aggregation: str
    threshold: Threshold
    test: dict[str, Estimate]
    tune: dict[str, Estimate]
    confusion: Confusion | None
    roc: Curve | None
    precision_recall: Curve | None
    calibration: CalibrationResult[Calibration] | None = None
    decision_curve: DecisionCurve | None = None
    per_thousand: PerThousand | None = None
    auc_intervals: dict[str, Estimate] = field(default_factory=dict)
    conformal: ConformalResult | None = None
    needed: SampleSize | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """AUC of the first minus AUC of the second on the same rows, patients resampled together.

    Attributes:
        auc: The difference with its interval.
        verdict: `not distinguishable` where the interval contains 0; None where not defined.
    """

    auc: Estimate
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineUnit:
    """One baseline at one unit."""

    threshold: Threshold
    test: dict[str, Estimate]
    difference: Difference  # model minus baseline


AtUnit = TypeVar("AtUnit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline(Generic[AtUnit]):
    """What a trivial predictor reaches on the same rows, of yes or no (`BaselineUnit`) or of classes.

    Attributes:
        name: `majority class`, `metadata only` or `mean intensity`.
        what: How it predicts, in one sentence.
        units: Unit to result; empty where the baseline is not defined.
        used: Columns it looked at.
        dropped: Column to the reason why it was left out.
        reason: Why it is not defined.
    """

    name: str
    what: str
    units: dict[Unit, AtUnit]
    used: tuple[str, ...] = ()
    dropped: dict[str, str]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that was measured from one table of predictions.

    Attributes:
        headline: The unit whose AUC is quoted first.
        rule: How thresholds were chosen.
        at_least: The bound of `sensitivity` and `specificity`.
        at_most: The bound of `recall_rate`.
        miss_cost: How many false recalls are as bad as one miss, for `cost`.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.
        targets: What the metrics that take a number were asked for.
        aggregation: What a row of the table was, and how rows were put together to units.
        units: Unit to result.
        unavailable: Unit to the reason why it has no result.
        baselines: Beside them.
        warnings: What a reader should know before quoting a number.
    """

    headline: Unit
    rule: Rule
    at_least: float | None
    at_most: float | None = None
    miss_cost: float | None = None
    replicates: int
    confidence: float
    seed: int
    targets: Targets
    aggregation: Aggregation
    units: dict[Unit, UnitResult]
    unavailable: dict[Unit, str]
    baselines: tuple[Baseline[BaselineUnit], ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None, as written to `metrics.json`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return {"schema": SCHEMA_VERSION, **plain}
