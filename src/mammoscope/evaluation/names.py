"""Metrics in print, each with the number that it was asked for."""

from collections.abc import Mapping
from typing import Any

from mammoscope.evaluation.values import Targets

METRIC_NAMES = {
    "auc": "ROC AUC",
    "partial_auc": "Partial AUC",
    "average_precision": "Average precision",
    "sensitivity_at_specificity": "Sensitivity at fixed specificity",
    "specificity_at_sensitivity": "Specificity at fixed sensitivity",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "ppv_at_prevalence": "PPV at stated prevalence",
    "npv_at_prevalence": "NPV at stated prevalence",
    "f1": "F1 score",
    "mcc": "Matthews correlation",
    "recall_rate": "Recall rate",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "probabilistic_f1": "Probabilistic F1",
}
"""Metric to its name in print, in the order of the tables; `metric_words` adds the number it was asked for."""


def metric_words(metric: str, *, targets: Targets | Mapping[str, Any] | None = None) -> str:
    """The name of a metric in print, with the number that it was asked for.

    Args:
        metric: One of `METRICS`.
        targets: Of the evaluation, or the block `targets` of `metrics.json`; None where they are not known.

    Returns:
        Words; the metric itself where it has none.

    Example:
        >>> metric_words("sensitivity_at_specificity", targets=Targets())
        'Sensitivity at specificity 0.9'
        >>> metric_words("partial_auc", targets=Targets(partial_axis="specificity", partial_range=(0.8, 1.0)))
        'Partial AUC (specificity >= 0.8, standardised)'
        >>> metric_words("auc")
        'ROC AUC'
    """
    plain = METRIC_NAMES.get(metric, metric)
    if targets is None:
        return plain
    asked: Mapping[str, Any] = targets if isinstance(targets, Mapping) else _plain(targets)
    match metric:
        case "partial_auc":
            return f"{plain} ({asked['partial_axis']} {_range(*asked['partial_range'])}, standardised)"
        case "sensitivity_at_specificity":
            return f"Sensitivity at specificity {asked['specificity']:g}"
        case "specificity_at_sensitivity":
            return f"Specificity at sensitivity {asked['sensitivity']:g}"
        case "ppv_at_prevalence" | "npv_at_prevalence" if asked["prevalence"] is not None:
            return f"{metric[:3].upper()} at prevalence {asked['prevalence']:g}"
        case _:
            return plain


def _plain(targets: Targets) -> dict[str, Any]:
    names = ("specificity", "sensitivity", "partial_axis", "partial_range", "prevalence")
    return {name: getattr(targets, name) for name in names}


def _range(low: float, high: float) -> str:
    if high == 1.0:
        return f">= {low:g}"
    return f"<= {high:g}" if low == 0.0 else f"{low:g} to {high:g}"
