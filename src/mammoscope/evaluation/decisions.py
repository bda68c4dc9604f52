"""Metrics of yes-or-no calls at a threshold, and of the scores themselves, for many weightings of the patients."""

import numpy as np
from jaxtyping import Float

from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.values import Confusion


def cells(sample: Sample, *, threshold: float) -> Float[np.ndarray, "4 patients"]:
    """Each patient's true positives, false positives, false negatives and true negatives."""
    called = sample.scores >= threshold
    each = (called & sample.labels, called & ~sample.labels, ~called & sample.labels, ~called & ~sample.labels)
    return np.stack([_per_patient(sample, cell.astype(np.float64)) for cell in each])


def confusion(sample: Sample, *, threshold: float) -> Confusion:
    """Counts at a threshold; positive means `score >= threshold`."""
    counts = [int(count) for count in cells(sample, threshold=threshold).sum(axis=1)]
    return Confusion(
        true_positive=counts[0], false_positive=counts[1], false_negative=counts[2], true_negative=counts[3]
    )


def rates(counts: Float[np.ndarray, "4 columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
    """Metrics of counts (true positive, false positive, false negative, true negative); NaN where not defined.

    Source:
        `recall_rate` is the share called back, positive calls among all rows (BI-RADS 5th edition, follow-up and
        outcome monitoring); `ppv` and `npv` are at the prevalence of these very rows.
    """
    tp, fp, fn, tn = counts
    sensitivity, specificity = share(tp, tp + fn), share(tn, tn + fp)
    everything = tp + fp + fn + tn
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "accuracy": share(tp + tn, everything),
        "balanced_accuracy": (sensitivity + specificity) / 2.0,
        "ppv": share(tp, tp + fp),
        "npv": share(tn, tn + fn),
        "f1": share(2.0 * tp, 2.0 * tp + fp + fn),
        "recall_rate": share(tp + fp, everything),
    }


def squared_errors(sample: Sample) -> Float[np.ndarray, "2 patients"]:
    """Each patient's summed squared error of the scores, and rows: their quotient is the Brier score.

    Source:
        Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950).
    """
    error = (sample.scores - sample.labels) ** 2
    return np.stack([_per_patient(sample, error), _per_patient(sample, np.ones_like(error))])


def _per_patient(sample: Sample, values: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " patients"]:
    counts = np.bincount(sample.patients, weights=values, minlength=sample.patient_count)
    return counts.astype(np.float64)  # bincount of no rows gives integers


def share(top: Float[np.ndarray, "*shape"], bottom: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Quotient; NaN where the denominator is 0."""
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
