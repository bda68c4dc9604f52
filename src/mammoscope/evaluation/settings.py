"""How a table is measured: the same for a model and for the baselines beside it."""

from dataclasses import dataclass

from mammoscope.errors import RecipeError
from mammoscope.evaluation.calibration import check_calibration
from mammoscope.evaluation.calibration_values import Method
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.thresholds import check_rule, choose_threshold
from mammoscope.evaluation.values import AGGREGATION, TARGETS, Aggregation, Rule, Targets, Threshold

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
        if self.threshold is not None and not 0.0 <= self.threshold <= 1.0:
            raise RecipeError(f"threshold must be in [0, 1] as the scores are, got {self.threshold}")
        if self.replicates < 1:
            raise RecipeError(f"replicates must be at least 1, got {self.replicates}. 2000 is usual")
        if not 0.0 < self.confidence < 1.0:
            raise RecipeError(f"confidence must be between 0 and 1, got {self.confidence}. 0.95 is usual")
        if self.seed < 0:
            raise RecipeError(f"seed must be 0 or more, got {self.seed}")


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
