"""What a group of rows is measured by: AUC and calls of yes or no, or agreement among several classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from mammoscope.evaluation.class_measures import primary_metric
from mammoscope.evaluation.class_samples import ClassSample
from mammoscope.evaluation.decisions import cells, share
from mammoscope.evaluation.multiclass import class_statistic
from mammoscope.evaluation.ranking import counted, ranked, roc_auc
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.subgroup_values import SubgroupMetric

Values = Float[np.ndarray, "metrics columns"]
Mask = Bool[np.ndarray, " rows"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """Some rows of a sample, made ready once for all draws.

    Attributes:
        rows: The patient of each row, by number in the whole sample.
        positives: Rows with a positive label; of several classes all of them.
        values: Metrics as a function of how often each patient of the whole sample counts.
        few: Metric to why it rests on too few patients, where it does.
        sample: Of yes or no, for the interval of its AUC; None of several classes.
    """

    rows: Int[np.ndarray, " rows"]
    positives: int
    values: Callable[[Float[np.ndarray, "patients columns"]], Values]
    few: Mapping[SubgroupMetric, str]
    sample: Sample | None = None

    @property
    def patients(self) -> int:
        """Patients of these rows."""
        return len(np.unique(self.rows))

    def beside(self, other: "Selection") -> "Selection":
        """For the counts of a difference; rows that both rest on are counted in each."""
        rows = np.concatenate([self.rows, other.rows])
        return replace(self, rows=rows, positives=self.positives + other.positives)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is asked of every group.

    Attributes:
        metrics: In the order of the values of a selection; the first is quoted first.
        patient_count: Patients of the whole sample.
        positive: Whether each row is positive; None of several classes.
        select: From chosen rows to their selection.
    """

    metrics: tuple[SubgroupMetric, ...]
    patient_count: int
    positive: Mask | None
    select: Callable[[Mask], Selection]


def yes_or_no(sample: Sample, *, threshold: float | None, few: int) -> Question:
    """Ask groups for their AUC, and with a threshold for sensitivity and specificity.

    Args:
        sample: All rows.
        threshold: From which score on a row is called positive.
        few: Patients with a positive (negative) row that a number needs at least.

    Returns:
        The question.
    """
    metrics: tuple[SubgroupMetric, ...] = ("auc",) if threshold is None else ("auc", "sensitivity", "specificity")

    def select(mask: Mask) -> Selection:
        part = Sample(
            labels=sample.labels[mask],
            scores=sample.scores[mask],
            patients=sample.patients[mask],
            patient_count=sample.patient_count,
        )
        ranking = ranked(part)
        called = np.zeros((4, part.patient_count)) if threshold is None else cells(part, threshold=threshold)
        calls = sparse.csr_matrix(called)

        def values(weights: Float[np.ndarray, "patients columns"]) -> Values:
            tp, fp, fn, tn = calls @ weights
            auc = roc_auc(counted(ranking, weights=weights))
            return np.stack([auc, share(tp, tp + fn), share(tn, tn + fp)][: len(metrics)])

        return Selection(
            rows=part.patients, positives=part.positives, values=values, few=_too_few(part, few), sample=part
        )

    return Question(metrics=metrics, patient_count=sample.patient_count, positive=sample.labels, select=select)


def among_classes(sample: ClassSample, *, ordered: bool, few: int) -> Question:
    """Ask groups for what several classes are quoted by first, and for their accuracy.

    Args:
        sample: All rows.
        ordered: Whether the classes stand in an order.
        few: Patients that a number needs at least; the macro AUC needs as many of each class.

    Returns:
        The question.
    """
    first = primary_metric(ordered=ordered, metrics=() if sample.scores is None else ("macro_auc",))
    metrics: tuple[SubgroupMetric, ...] = ("accuracy",) if first == "accuracy" else (first, "accuracy")
    nothing = np.zeros(len(sample.classes), dtype=np.bool_)

    def select(mask: Mask) -> Selection:
        scores = sample.scores[mask] if first == "macro_auc" and sample.scores is not None else None
        part = ClassSample(
            classes=sample.classes,
            labels=sample.labels[mask],
            calls=sample.calls[mask],
            scores=scores,
            patients=sample.patients[mask],
            patient_count=sample.patient_count,
        )
        statistic = class_statistic(part, group=nothing, majority=0)

        def values(weights: Float[np.ndarray, "patients columns"]) -> Values:
            found = statistic(weights)
            return np.stack([found[name] for name in metrics])

        reasons = _too_few_of_classes(part, few)
        return Selection(
            rows=part.patients,
            positives=part.positives,
            values=values,
            few={name: reasons[name] for name in metrics if name in reasons},
        )

    return Question(metrics=metrics, patient_count=sample.patient_count, positive=None, select=select)


def _too_few(part: Sample, few: int) -> dict[SubgroupMetric, str]:
    needed: dict[SubgroupMetric, Sequence[bool]] = {
        "auc": (True, False),
        "sensitivity": (True,),
        "specificity": (False,),
    }
    found: dict[SubgroupMetric, str] = {}
    for metric, classes in needed.items():
        for positive in classes:
            patients = len(np.unique(part.patients[part.labels == positive]))
            if patients < few and metric not in found:
                what = "positive" if positive else "negative"
                found[metric] = f"too few: {patients} patients with a {what} row, at least {few} are needed"
    return found


def _too_few_of_classes(part: ClassSample, few: int) -> dict[SubgroupMetric, str]:
    patients = len(np.unique(part.patients))
    names: tuple[SubgroupMetric, ...] = ("kappa_quadratic", "macro_auc", "accuracy")
    if patients < few:
        return dict.fromkeys(names, f"too few: {patients} patients, at least {few} are needed")
    found: dict[SubgroupMetric, str] = {}
    if len(np.unique(part.labels)) < 2:
        found["kappa_quadratic"] = "one class only: nothing to agree on beyond chance"
    for number, name in enumerate(part.classes):
        held = len(np.unique(part.patients[part.labels == number]))
        if held < few:
            found["macro_auc"] = f"too few: {held} patients with a row of class {name}, at least {few} are needed"
            break
    return found
