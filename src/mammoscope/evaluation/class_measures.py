"""All metrics of one sample of several classes with their patient bootstrap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from mammoscope.errors import RecipeError
from mammoscope.evaluation.class_samples import ClassSample
from mammoscope.evaluation.multiclass import class_statistic
from mammoscope.evaluation.resampling import patient_draws

CLASS_METRICS = (
    *("accuracy", "balanced_accuracy", "macro_auc", "macro_f1", "kappa", "kappa_linear", "kappa_quadratic"),
)
"""Metrics over all classes; the weighted kappas mean something only where the classes stand in an order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredClasses:
    """Metrics of one sample of several classes: on the rows as they are, and in each replicate; NaN where not defined.

    Attributes:
        sample: Labels, calls, scores, patients.
        values: Those of `CLASS_METRICS` that the sample has, by name.
        replicates: The same in each bootstrap replicate.
    """

    sample: ClassSample
    values: Mapping[str, float]
    replicates: Mapping[str, Float[np.ndarray, " replicates"]]


def measure_classes(sample: ClassSample, *, replicates: int = 2000, seed: int = 0) -> MeasuredClasses:
    """Measure a sample of several classes, resampling its patients.

    Args:
        sample: Labels, calls, scores and patients.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        Values and replicates; `macro_auc` is missing where only calls are known.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import class_sample
        >>> rows = pl.DataFrame({"label": list("AABB"), "prediction": list("AABA"), "patient_id": list("wxyz")})
        >>> measure_classes(class_sample(rows, classes="AB"), replicates=20).values["accuracy"]
        0.75
    """
    if replicates < 1:
        raise RecipeError(f"replicates must be at least 1, got {replicates}. 2000 is usual")
    majority = int(np.bincount(sample.labels, minlength=len(sample.classes)).argmax())
    statistic = class_statistic(sample, group=np.zeros(len(sample.classes), dtype=np.bool_), majority=majority)
    whole = statistic(np.ones((sample.patient_count, 1)))
    names = [name for name in CLASS_METRICS if name in whole]
    blocks = [statistic(draws) for draws in patient_draws(sample.patient_count, replicates=replicates, seed=seed)]
    return MeasuredClasses(
        sample=sample,
        values={name: float(whole[name][0]) for name in names},
        replicates={name: np.concatenate([block[name] for block in blocks]) for name in names},
    )


Primary = Literal["kappa_quadratic", "macro_auc", "accuracy"]


def primary_metric(*, ordered: bool, metrics: Sequence[str]) -> Primary:
    """The metric that is quoted first: quadratic kappa of classes in an order, else the macro AUC, else accuracy."""
    if ordered:
        return "kappa_quadratic"
    return "macro_auc" if "macro_auc" in metrics else "accuracy"
