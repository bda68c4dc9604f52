"""What an evaluation of several classes says: values with intervals, ready for JSON."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from mammoscope.evaluation.calibration_values import CalibrationResult, ClassCalibration
from mammoscope.evaluation.conformal_values import ClassConformalResult
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.values import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """The same answers with the classes put into two groups, such as dense (C, D) and not dense (A, B).

    Attributes:
        positive: Classes of the first group; their scores are added.
        test: Metric to estimate; positive rows are those of the first group.
    """

    positive: tuple[str, ...]
    test: dict[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEvaluation:
    """Everything that was measured of predictions among several classes.

    Attributes:
        classes: In their order, which the weighted kappas read.
        unit: What one row stands for.
        aggregation: How rows of the table were put together to it.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.
        test: Metric to estimate, over all classes.
        per_class: Class to metric to estimate; positive rows are those of the class.
        confusion: Counts; one row a true class, one column a called class.
        confusion_normalised: Shares of each true class; None in a row of a class that does not occur.
        majority: The class that most rows have, and which answering always would give `majority_accuracy`.
        collapse: With the classes in two groups; None where no groups were stated.
        calibration: Of the scores, and of the probabilities made of them; None where it was not asked for, or only
            calls are known.
        conformal: Answers with a stated coverage; None where none was asked for.
        warnings: What a reader should know before quoting a number.
    """

    classes: tuple[str, ...]
    unit: Unit
    aggregation: str
    replicates: int
    confidence: float
    seed: int
    test: dict[str, Estimate]
    per_class: dict[str, dict[str, Estimate]]
    confusion: tuple[tuple[int, ...], ...]
    confusion_normalised: tuple[tuple[float | None, ...], ...]
    majority: str
    collapse: Collapse | None
    calibration: CalibrationResult[ClassCalibration] | None = None
    conformal: ClassConformalResult | None = None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain
