"""What a robustness test says: the metrics at each severity of each corruption, and how far they fell."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from mammoscope.evaluation.measures import Measured, auc_difference, estimates, measure
from mammoscope.evaluation.samples import sample_of
from mammoscope.evaluation.values import Difference, Estimate

SHOWN = ("auc", "sensitivity", "specificity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One corruption at one severity.

    Attributes:
        severity: In the unit of the corruption.
        metrics: auc, and at the run's threshold sensitivity and specificity.
        drop: AUC on the clean pictures minus AUC on these, patients resampled together; `above` is a real fall.
    """

    severity: float
    metrics: dict[str, Estimate]
    drop: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessCurve:
    """One corruption at all its severities, from mild to strong.

    Attributes:
        name: Of the corruption.
        says: What the severity is, with its unit.
        points: At each severity.
        first_fall: Least severity from which on the AUC is below that of the clean pictures at every severity, beyond
            what the patients' variation explains; None if it is not at the last.
    """

    name: str
    says: str
    points: tuple[Point, ...]
    first_fall: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """A whole robustness test.

    Attributes:
        clean: Metrics on the pictures as they are.
        curves: One a corruption.
        threshold: The run's own, from the tune part.
        images: Images tested.
        of: Images of the test part.
        seed: Of the corruptions, of the choice of patients and of the replicates.
        replicates: Of the bootstrap over patients.
        confidence: Level of the intervals.
        warnings: What a reader must know.
        sealed: Of the sealed test sets that this looked at.
    """

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


def measured_rows(rows: pl.DataFrame, *, threshold: float | None, replicates: int, seed: int) -> Measured:
    """Measure rows with label, score and patient; the same rows in the same order are resampled alike."""
    return measure(sample_of(rows), threshold=threshold, replicates=replicates, seed=seed, curves=False)


def shown(measured: Measured, *, confidence: float, threshold: float | None) -> dict[str, Estimate]:
    """The few metrics that a curve is drawn of."""
    found = estimates(measured, confidence=confidence)
    return {name: found[name] for name in SHOWN if name == "auc" or threshold is not None}


def point(measured: Measured, *, clean: Measured, severity: float, confidence: float, threshold: float | None) -> Point:
    """One severity beside the clean pictures.

    Raises:
        SourceError: The two are not of the same rows.
    """
    return Point(
        severity=severity,
        metrics=shown(measured, confidence=confidence, threshold=threshold),
        drop=auc_difference(clean, measured, confidence=confidence),
    )


def curve(points: tuple[Point, ...], *, name: str, says: str) -> RobustnessCurve:
    """Put points together, from mild to strong, and find where the AUC falls for good.

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
