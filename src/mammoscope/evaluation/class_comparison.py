"""Comparing two models of several classes on the same rows: paired differences, patients resampled together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.class_samples import ClassSample
from mammoscope.evaluation.comparison import MetricDifference
from mammoscope.evaluation.multiclass import class_statistic
from mammoscope.evaluation.resampling import patient_draws, percentile_interval
from mammoscope.evaluation.values import Estimate, Verdict

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


def class_difference(
    first: MeasuredClasses, second: MeasuredClasses, *, metric: str = "accuracy", confidence: float = 0.95
) -> MetricDifference:
    """A metric over all classes of the first minus that of the second, replicate by replicate.

    Args:
        first: Measured with the same seed and replicates as the second.
        second: On the same rows of the same patients, in the same order.
        metric: One of `CLASS_METRICS`.
        confidence: Level of the interval.

    Returns:
        Difference, interval, p value out of the replicates, verdict.

    Raises:
        SourceError: The two are not on the same rows, or not resampled alike.
        RecipeError: There is no such metric.

    Source:
        As `metric_difference`.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import class_sample
        >>> rows = pl.DataFrame({"label": list("AB") * 20, "patient_id": [str(n) for n in range(40)]})
        >>> right, never = (measure_classes(class_sample(rows.with_columns(prediction=pl.Series(called)), classes="AB"))
        ...     for called in (list("AB") * 20, ["A"] * 40))
        >>> found = class_difference(right, never)
        >>> found.difference.value, found.verdict
        (0.5, 'above')
    """
    if metric not in CLASS_METRICS:
        raise RecipeError(f"metric {metric!r} is not one of {', '.join(CLASS_METRICS)}")
    refuse_other_class_rows(first.sample, second.sample)
    one, other = (found.replicates.get(metric, np.empty(0)) for found in (first, second))
    value = first.values.get(metric, np.nan) - second.values.get(metric, np.nan)
    if np.isnan(value):
        told = _told(first.sample, None, replicates=len(one), undefined=0)
        why = f"{metric} of one of the two is not defined"
        return MetricDifference(metric=metric, difference=replace(told, reason=why), p_value=None, verdict=None)
    if len(one) != len(other):
        raise SourceError(
            f"comparison: {len(one)} and {len(other)} replicates. Measure both with the same replicates and seed"
        )
    draws = one - other
    defined = draws[~np.isnan(draws)]
    told = _told(first.sample, float(value), replicates=len(draws), undefined=len(draws) - len(defined))
    if not len(defined) or first.sample.patient_count < 2:
        why = "defined in no replicate" if not len(defined) else "one patient: there is nothing to resample"
        return MetricDifference(metric=metric, difference=replace(told, reason=why), p_value=None, verdict=None)
    low, high = percentile_interval(defined, confidence=confidence)
    tail = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return MetricDifference(
        metric=metric,
        difference=replace(told, low=low, high=high),
        p_value=min(1.0, 2.0 * (1 + tail) / (len(defined) + 1)),
        verdict=_verdict(low, high),
    )


def refuse_other_class_rows(first: ClassSample, second: ClassSample) -> None:
    """Refuse to compare what was not measured on the same rows and classes.

    Raises:
        SourceError: Classes, labels or patients differ.
    """
    if first.classes != second.classes:
        raise SourceError(
            f"comparison: the classes are {', '.join(first.classes)} and {', '.join(second.classes)}. "
            "Compare answers to the same question"
        )
    if not (np.array_equal(first.labels, second.labels) and np.array_equal(first.patients, second.patients)):
        raise SourceError(
            f"comparison: the two sets of predictions ({len(first.labels)} and {len(second.labels)} rows) are not of "
            "the same rows. Predict the same test part"
        )


def primary_metric(*, ordered: bool, metrics: Sequence[str]) -> str:
    """The metric that is quoted first: quadratic kappa of classes in an order, else the macro AUC, else accuracy."""
    if ordered:
        return "kappa_quadratic"
    return "macro_auc" if "macro_auc" in metrics else "accuracy"


def _verdict(low: float | None, high: float | None) -> Verdict:
    if low is None or high is None:
        return "not distinguishable"
    return "above" if low > 0 else "below" if high < 0 else "not distinguishable"


def _told(sample: ClassSample, value: float | None, *, replicates: int, undefined: int) -> Estimate:
    return Estimate(
        value=value,
        low=None,
        high=None,
        n=len(sample.labels),
        positives=len(sample.labels),
        patients=sample.patient_count,
        replicates=replicates,
        undefined=undefined,
        method="paired percentile bootstrap over patients",
    )
