"""How a table is measured: the same for a model and for the baselines beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mammoscope.errors import RecipeError
from mammoscope.evaluation.calibration import check_calibration
from mammoscope.evaluation.calibration_values import Method
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.thresholds import check_rule, choose_threshold
from mammoscope.evaluation.values import AGGREGATION, TARGETS, Aggregation, Rule, Targets, Threshold, Unit

FIXED = "nothing: fixed"
"""Where a threshold was chosen that was stated beforehand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a table is measured.

    Attributes:
        rule: How thresholds are chosen on the tune part.
        at_least: The bound of `sensitivity` and `specificity`.
        at_most: The bound of `recall_rate`.
        miss_cost: How many false recalls are as bad as one miss, for `cost`.
        calibration: How scores are turned into probabilities.
        calibration_bins: Bins of the calibration curve and of the calibration errors.
        coverage: Of the answers of split conformal prediction, in (0, 1); None to make none.
        wished_width: Of the interval of AUC, end to end, for which patients are counted; None to count none.
        threshold: The model's, where it is stated beforehand; None to choose it.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.
        targets: What the metrics that take a number are asked for.
        aggregation: What a row is, and how rows become units.
    """

    rule: Rule
    at_least: float | None
    at_most: float | None = None
    miss_cost: float | None = None
    calibration: Method = "none"
    calibration_bins: int = 10
    coverage: float | None = None
    wished_width: float | None = None
    threshold: float | None = None
    replicates: int
    confidence: float
    seed: int
    targets: Targets = TARGETS
    aggregation: Aggregation = AGGREGATION

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        check_rule(
            self.rule,
            at_least=self.at_least,
            at_most=self.at_most,
            miss_cost=self.miss_cost,
            prevalence=self.targets.prevalence,
        )
        check_calibration(self.calibration)
        if self.calibration_bins < 2:
            raise RecipeError(f"calibration_bins must be at least 2, got {self.calibration_bins}. 10 is usual")
        for name in ("coverage", "wished_width"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < 1.0:
                raise RecipeError(f"{name} must be between 0 and 1, got {value}. {_USUAL[name]}")
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            raise RecipeError(f"threshold must be in [0, 1] as the scores are, got {self.threshold}")
        if self.replicates < 1:
            raise RecipeError(f"replicates must be at least 1, got {self.replicates}. 2000 is usual")
        if not 0.0 < self.confidence < 1.0:
            raise RecipeError(f"confidence must be between 0 and 1, got {self.confidence}. 0.95 is usual")
        if self.seed < 0:
            raise RecipeError(f"seed must be 0 or more, got {self.seed}")


_USUAL = {
    "coverage": "0.9 is usual",
    "wished_width": "It is end to end: 0.10 for plus or minus 0.05",
}

BOUNDS: dict[str, str] = {
    "sensitivity": "at_least",
    "specificity": "at_least",
    "recall_rate": "at_most",
    "cost": "miss_cost",
}
"""The number that a rule takes."""


def evaluation_options(measure: Mapping[str, Any], *, row: Unit = "image") -> dict[str, Any]:
    """What `evaluate` is told, from the table [measure] of a recipe.

    Args:
        measure: Keys of [measure]; of the bounds only that which the rule takes is read, and a key that is absent
            has the default of `evaluate`.
        row: What one row of the predictions stands for.

    Returns:
        Keyword arguments of `evaluate`, targets and aggregation among them.

    Raises:
        RecipeError: A target is out of its range.

    Example:
        >>> found = evaluation_options({"threshold": "sensitivity", "at_least": 0.8, "at_most": 0.1, "views": "max"})
        >>> found["rule"], found["at_least"], "at_most" in found, found["aggregation"].words("breast")
        ('sensitivity', 0.8, False, "highest score of the breast's images; positive if any of them is")
    """
    rule = measure.get("threshold", "youden")
    told: dict[str, Any] = {"rule": rule}
    if rule in BOUNDS:
        told[BOUNDS[rule]] = measure.get(BOUNDS[rule])
    for name in ("calibration", "calibration_bins", "coverage", "wished_width", "replicates", "confidence"):
        if name in measure:
            told[name] = measure[name]
    targets = {name: measure[name] for name in _TARGETS if name in measure}
    if "partial_range" in targets:
        targets["partial_range"] = tuple(targets["partial_range"])
    reductions = {name: measure[name] for name in ("views", "breasts") if name in measure}
    return told | {"targets": Targets(**targets), "aggregation": Aggregation(row=row, **reductions)}


_TARGETS = ("specificity", "sensitivity", "partial_axis", "partial_range", "prevalence")


def threshold_on(tune: Sample, *, settings: Settings) -> Threshold:
    """Choose a threshold on the tune part; without one there is none, and the reason says so."""
    if len(tune.labels):
        return choose_threshold(
            tune,
            rule=settings.rule,
            at_least=settings.at_least,
            at_most=settings.at_most,
            miss_cost=settings.miss_cost,
            prevalence=settings.targets.prevalence,
        )
    reason = "there is no tune part: no threshold can be chosen. State one that was fixed beforehand, or add tune rows"
    return Threshold(value=None, rule=settings.rule, at_least=settings.at_least, reason=reason)
