"""What a robustness test says: the metrics at each severity of each corruption, and how far they fell."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from mammoscope.evaluation.class_measures import measure_classes, primary_metric
from mammoscope.evaluation.class_samples import class_sample
from mammoscope.evaluation.comparison import AnyMeasured, MetricDifference, measured_estimate, metric_difference
from mammoscope.evaluation.measures import Measured, measure
from mammoscope.evaluation.samples import sample_of
from mammoscope.evaluation.tasks import classes_of, is_ordered
from mammoscope.evaluation.values import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One corruption at one severity.

    Attributes:
        severity: In the unit of the corruption.
        metrics: What is quoted first; with a threshold sensitivity and specificity; of several classes accuracy and
            balanced accuracy.
        drop: What is quoted first on the clean pictures minus the same on these, patients resampled together; `above`
            is a real fall.
    """

    severity: float
    metrics: dict[str, Estimate]
    drop: MetricDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessCurve:
    """One corruption at all its severities, from mild to strong.

    Attributes:
        name: Of the corruption.
        says: What the severity is, with its unit.
        points: At each severity.
        first_fall: Least severity from which on the metric is below that of the clean pictures at every severity,
            beyond what the patients' variation explains; None if it is not at the last.
    """

    name: str
    says: str
    points: tuple[Point, ...]
    first_fall: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """A whole robustness test.

    Attributes:
        metric: What is quoted first: `auc` of yes or no, `kappa_quadratic` or `macro_auc` of several classes.
        clean: Metrics on the pictures as they are.
        curves: One a corruption.
        threshold: The run's own, from the tune part; None of several classes.
        images: Images tested.
        of: Images of the test part.
        seed: Of the corruptions, of the choice of patients and of the replicates.
        replicates: Of the bootstrap over patients.
        confidence: Level of the intervals.
        warnings: What a reader must know.
        sealed: Of the sealed test sets that this looked at.
    """

    metric: str
    clean: dict[str, Estimate]
    curves: tuple[RobustnessCurve, ...]
    threshold: float | None
    images: int
    of: int
    seed: int
    replicates: int
    confidence: float
    warnings: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None, as written to `robustness.json`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How rows are measured at every severity.

    Attributes:
        task: Name of the label.
        threshold: From which score on a row is called positive; None of several classes.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the intervals.
    """

    task: str
    threshold: float | None
    replicates: int
    seed: int
    confidence: float

    def measured(self, rows: pl.DataFrame) -> AnyMeasured:
        """Rows with label, scores and patient; the same rows in the same order are resampled alike."""
        times, seed = self.replicates, self.seed
        if classes := classes_of(rows):
            return measure_classes(class_sample(rows, classes=classes), replicates=times, seed=seed)
        return measure(sample_of(rows), threshold=self.threshold, replicates=times, seed=seed, curves=False)

    def metrics(self, found: AnyMeasured) -> tuple[str, ...]:
        """The few metrics that a curve is drawn of; the first is quoted first."""
        if isinstance(found, Measured):
            return ("auc",) if self.threshold is None else ("auc", "sensitivity", "specificity")
        first = primary_metric(ordered=is_ordered(self.task, classes=found.sample.classes), metrics=tuple(found.values))
        return tuple(dict.fromkeys((first, "accuracy", "balanced_accuracy")))

    def shown(self, found: AnyMeasured) -> dict[str, Estimate]:
        """Their values with intervals."""
        return {name: measured_estimate(found, name, confidence=self.confidence) for name in self.metrics(found)}

    def point(self, found: AnyMeasured, *, clean: AnyMeasured, severity: float) -> Point:
        """One severity beside the clean pictures.

        Raises:
            SourceError: The two are not of the same rows.
        """
        first = self.metrics(clean)[0]
        drop = metric_difference(clean, found, metric=first, confidence=self.confidence)
        return Point(severity=severity, metrics=self.shown(found), drop=drop)


def curve(points: tuple[Point, ...], *, name: str, says: str) -> RobustnessCurve:
    """Put points together, from mild to strong, and find where the metric falls for good.

    Example:
        >>> curve((), name="noise", says="of full scale").first_fall is None
        True
    """
    first: float | None = None
    for one in reversed(points):
        if one.drop.verdict != "above":
            break
        first = one.severity
    return RobustnessCurve(name=name, says=says, points=points, first_fall=first)
