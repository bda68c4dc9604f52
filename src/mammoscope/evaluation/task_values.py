"""What is measured of a task of several classes in a run: at each unit, with trivial baselines beside it."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mammoscope.evaluation.class_values import ClassEvaluation
from mammoscope.evaluation.comparison import MetricDifference
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.values import SCHEMA_VERSION, Baseline, Curve, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBaselineUnit:
    """One baseline at one unit.

    Attributes:
        test: Metric to estimate, over all classes.
        differences: Metric to the model's value minus the baseline's.
    """

    test: dict[str, Estimate]
    differences: dict[str, MetricDifference]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvaluation:
    """Everything that was measured of a task of several classes.

    Attributes:
        kind: Tells it from an evaluation of yes-or-no labels.
        task: Name of the label, such as `density`.
        classes: In their order.
        ordered: Whether that order means something: then the weighted kappas do.
        primary: The metric that is quoted first.
        headline: The unit whose numbers are quoted first.
        row: What one row of the table stands for.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.
        units: Unit to result on the test part.
        curves: Unit to class to its ROC curve, one against the rest; empty where only calls are known.
        tune: Metric to estimate at the headline on the tune part: optimistic, the checkpoint was chosen there.
        unavailable: Unit to the reason why it has no result.
        baselines: Beside them.
        warnings: What a reader should know before quoting a number.
    """

    kind: Literal["classes"] = "classes"
    task: str
    classes: tuple[str, ...]
    ordered: bool
    primary: str
    headline: Unit
    row: Unit
    replicates: int
    confidence: float
    seed: int
    units: dict[Unit, ClassEvaluation]
    curves: dict[Unit, dict[str, Curve]]
    tune: dict[str, Estimate]
    unavailable: dict[Unit, str]
    baselines: tuple[Baseline[ClassBaselineUnit], ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None, as written to `metrics.json`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return {"schema": SCHEMA_VERSION, **plain}
