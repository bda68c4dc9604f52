"""What a subgroup analysis says: groups with their numbers, gaps with their tests, ready for JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mammoscope.evaluation.values import Estimate, Unit

Divides = Literal["rows", "positives", "negatives"]
SubgroupMetric = Literal["auc", "sensitivity", "specificity", "kappa_quadratic", "macro_auc", "accuracy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The numbers of one group.

    Attributes:
        name: The value that its rows share, or the band it lies in.
        n: Rows it rests on; where only positives (negatives) are divided, all negatives (positives) are among them.
        positives: Positive rows among them; of several classes all.
        patients: Patients of these rows.
        metrics: Metric to estimate; one that rests on too few patients has no value, and `reason` says so.
        against_rest: Metric to its value here minus its value in the other groups together, patients resampled once
            for both.
    """

    name: str
    n: int
    positives: int
    patients: int
    metrics: dict[SubgroupMetric, Estimate]
    against_rest: dict[SubgroupMetric, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Whether the groups of one factor differ in one metric.

    Attributes:
        worst: Group with the lowest value; None with fewer than two groups that have one.
        best: Group with the highest value.
        worst_value: Of the worst group, with its own interval.
        gap: Value of the best minus value of the worst group. Its interval takes the two groups as given, so it is too
            narrow where many groups compete to be the worst; `p_value` allows for that.
        p_value: Chance of so large a difference between any two groups if none differed.
        p_adjusted: The same after Holm's correction over all tests of the analysis.
        differs: `p_adjusted` is below 1 - confidence; None without a test.
        reason: Why there is no test.
    """

    worst: str | None = None
    best: str | None = None
    worst_value: Estimate | None = None
    gap: Estimate | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    differs: bool | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorResult:
    """The groups that one property of a patient, an image or a lesion makes.

    Attributes:
        name: Of the factor, such as `density`.
        says: What it is and how its groups are bounded, in a few words.
        divides: `rows`: a group's positives stand against its own negatives. `positives`: against all negatives, which
            have no such property (an image without a lesion has no kind of lesion). `negatives`: the reverse.
        groups: In the order of their values.
        unknown: Rows that the data set says nothing of; they are in no group.
        gaps: Metric to its test.
    """

    name: str
    says: str
    divides: Divides
    groups: tuple[Group, ...]
    unknown: int
    gaps: dict[SubgroupMetric, Gap]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgroups:
    """A whole subgroup analysis.

    Attributes:
        unit: What one row is.
        primary: The metric that is quoted first.
        threshold: From which score on a row is called positive; None without sensitivity and specificity.
        few: Patients with a positive (negative) row that a group must have for a number; of several classes patients.
        factors: With at least two groups.
        unavailable: Factor to the reason why it has no groups.
        tests: Number of tests that Holm's correction is for.
        replicates: Of the bootstrap over patients.
        confidence: Level of the intervals; 1 - confidence is the level of the tests.
        seed: Of the replicates.
        warnings: What a reader must know.
    """

    unit: Unit
    primary: SubgroupMetric
    threshold: float | None
    few: int
    factors: tuple[FactorResult, ...]
    unavailable: dict[str, str]
    tests: int
    replicates: int
    confidence: float
    seed: int
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None: the block `subgroups` of `metrics.json`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain
