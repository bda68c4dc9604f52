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
        "mcc": share(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
        "recall_rate": share(tp + fp, everything),
    }


def predictive_values(
    sensitivity: Float[np.ndarray, " columns"], specificity: Float[np.ndarray, " columns"], *, prevalence: float | None
) -> dict[str, Float[np.ndarray, " columns"]]:
    """What positive and negative calls would be worth at another share of positives; NaN without one.

    Args:
        sensitivity: At the threshold.
        specificity: At the threshold.
        prevalence: Share of positive rows there, in (0, 1).

    Returns:
        `ppv_at_prevalence` and `npv_at_prevalence`; NaN where nobody is called positive (negative).

    Source:
        Bayes' rule; Altman and Bland, Diagnostic tests 2: predictive values, BMJ 309 (1994). It takes sensitivity and
        specificity to be the same in both populations.

    Example:
        >>> found = predictive_values(np.array([0.90]), np.array([0.92]), prevalence=0.005)
        >>> round(float(found["ppv_at_prevalence"][0]), 4)
        0.0535
    """
    if prevalence is None:
        return dict.fromkeys(("ppv_at_prevalence", "npv_at_prevalence"), np.full_like(sensitivity, np.nan))
    true, false = sensitivity * prevalence, (1.0 - specificity) * (1.0 - prevalence)
    cleared, missed = specificity * (1.0 - prevalence), (1.0 - sensitivity) * prevalence
    return {"ppv_at_prevalence": share(true, true + false), "npv_at_prevalence": share(cleared, cleared + missed)}


def sums(sample: Sample) -> Float[np.ndarray, "6 patients"]:
    """Each patient's sums that the metrics of `score_metrics` are quotients of.

    They are: squared errors; logarithmic losses; scores; scores of positive rows, and positive rows; rows.
    """
    error = (sample.scores - sample.labels) ** 2
    each = (error, _log_losses(sample), sample.scores, sample.scores * sample.labels, sample.labels.astype(np.float64))
    return np.stack([_per_patient(sample, values) for values in (*each, np.ones_like(error))])


def score_metrics(totals: Float[np.ndarray, "6 columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
    """Metrics that read a score as a probability, of the sums over patients; NaN where not defined.

    Source:
        `brier`: Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950).
        `log_loss`: Good, Rational decisions, J. R. Stat. Soc. B 14 (1952); natural logarithm, nothing clipped.
        `probabilistic_f1`: Yacouby and Axman, Probabilistic extension of precision, recall, and F1 score, Eval4NLP
        (2020), as the RSNA screening mammography challenge (2022) scored: 2 p r / (p + r) with p the score on positive
        rows by all score, and r the score on positive rows by positive rows.
    """
    squared, lost, score, hit, positives, rows = totals
    return {
        "brier": share(squared, rows),
        "log_loss": share(lost, rows),
        "probabilistic_f1": np.where(positives > 0, share(2.0 * hit, score + positives), np.nan),
    }


def _log_losses(sample: Sample) -> Float[np.ndarray, " rows"]:
    """NaN for every row where one loss is infinite, or a score is no probability: then no mean is defined."""
    right = np.where(sample.labels, sample.scores, 1.0 - sample.scores)
    if not len(right) or right.min() <= 0.0 or right.max() > 1.0:
        return np.full(len(right), np.nan)
    return -np.log(right)


def _per_patient(sample: Sample, values: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " patients"]:
    counts = np.bincount(sample.patients, weights=values, minlength=sample.patient_count)
    return counts.astype(np.float64)  # bincount of no rows gives integers


def share(
    top: Float[np.ndarray, "*shape"], bottom: Float[np.ndarray, "*shape"], *, otherwise: float = np.nan
) -> Float[np.ndarray, "*shape"]:
    """Quotient; `otherwise` where the denominator is 0."""
    out = np.full(top.shape, otherwise)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
