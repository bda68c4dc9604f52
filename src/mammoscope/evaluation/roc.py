"""Parts and points of the ROC curve, for many weightings of the patients at once."""

import numpy as np
from jaxtyping import Float

from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.ranking import Counts
from mammoscope.evaluation.values import Targets

ROUNDING = 1e-9  # rows; a share times a count is not exact


def curve_metrics(counts: Counts, *, targets: Targets) -> dict[str, Float[np.ndarray, " columns"]]:
    """`partial_auc`, `sensitivity_at_specificity` and `specificity_at_sensitivity`; NaN with a single class."""
    low, high = targets.partial_range
    area = area_over_sensitivity if targets.partial_axis == "sensitivity" else area_over_specificity
    return {
        "partial_auc": standardised(area(counts, low=low, high=high), low=low, high=high),
        "sensitivity_at_specificity": sensitivity_at(counts, specificity=targets.specificity),
        "specificity_at_sensitivity": specificity_at(counts, sensitivity=targets.sensitivity),
    }


def area_over_specificity(counts: Counts, *, low: float, high: float) -> Float[np.ndarray, " columns"]:
    """Area under the ROC curve between two specificities; NaN with a single class.

    Each positive row's part of the curve is 0, then a ramp as long as the negatives tied with it, then 1: its area up
    to any abscissa is known in closed form, and no point of the curve has to be interpolated.

    Args:
        counts: Rows per slot.
        low: Lower specificity, in [0, 1].
        high: Upper specificity, above `low`.

    Returns:
        An area of at most `high - low`.

    Source:
        McClish, Analyzing a portion of the ROC curve, Medical Decision Making 9 (1989).
    """
    negatives = np.broadcast_to(counts.negatives, counts.above.shape)
    above, ramp = share(counts.above, negatives), share(counts.tied, negatives)
    upto_high, upto_low = _ramp_area(above, ramp, 1.0 - low), _ramp_area(above, ramp, 1.0 - high)
    return share((counts.positive * (upto_high - upto_low)).sum(axis=0), counts.positive.sum(axis=0))


def area_over_sensitivity(counts: Counts, *, low: float, high: float) -> Float[np.ndarray, " columns"]:
    """Area between the ROC curve and the right-hand edge, between two sensitivities; NaN with a single class.

    It is the area over specificity with positive and negative rows, and the direction of the score, exchanged.

    Args:
        counts: Rows per slot.
        low: Lower sensitivity, in [0, 1].
        high: Upper sensitivity, above `low`.

    Returns:
        An area of at most `high - low`.

    Source:
        Jiang, Metz and Nishikawa, A receiver operating characteristic partial area index for highly sensitive
        diagnostic tests, Radiology 201 (1996), not divided by the range.
    """
    total = counts.positive.sum(axis=0)
    after = np.cumsum(counts.positive, axis=0)
    start, end = np.clip(after - counts.positive, low * total, high * total), np.clip(after, low * total, high * total)
    # within a group false positives grow linearly with true ones: the mean over a stretch is that at its middle
    middle = share((start + end) / 2.0 - (after - counts.positive), counts.positive)
    false = counts.above + counts.tied * np.nan_to_num(middle)
    area = ((end - start) * (counts.negatives - false)).sum(axis=0)
    return share(area, total * counts.negatives)


def standardised(area: Float[np.ndarray, " columns"], *, low: float, high: float) -> Float[np.ndarray, " columns"]:
    """A partial area brought to the scale of a whole one: 0.5 for chance, 1 for a perfect ranking.

    Args:
        area: Over specificity or over sensitivity.
        low: Lower end of the range.
        high: Upper end.

    Returns:
        (1 + (area - chance) / (largest - chance)) / 2.

    Source:
        McClish (1989), equation 2; scikit-learn's `roc_auc_score(max_fpr=...)` is the range (1 - max_fpr, 1).

    Example:
        >>> standardised(np.array([0.1, 0.02, 0.06]), low=0.8, high=1.0).round(3).tolist()
        [0.722, 0.5, 0.611]
    """
    chance = ((1.0 - low) ** 2 - (1.0 - high) ** 2) / 2.0
    return (1.0 + (area - chance) / (high - low - chance)) / 2.0


def sensitivity_at(counts: Counts, *, specificity: float) -> Float[np.ndarray, " columns"]:
    """The highest sensitivity of any threshold whose specificity is at least this; nothing is interpolated.

    Args:
        counts: Rows per slot.
        specificity: The bound, in [0, 1].

    Returns:
        0 where only calling nobody is specific enough; NaN with a single class.
    """
    called = counts.above + counts.tied <= (1.0 - specificity) * counts.negatives + ROUNDING
    found = (counts.positive * called).sum(axis=0)
    return np.where(counts.negatives > 0, share(found, counts.positive.sum(axis=0)), np.nan)


def specificity_at(counts: Counts, *, sensitivity: float) -> Float[np.ndarray, " columns"]:
    """The highest specificity of any threshold whose sensitivity is at least this; nothing is interpolated.

    Args:
        counts: Rows per slot.
        sensitivity: The bound, in (0, 1].

    Returns:
        A share; NaN with a single class.
    """
    if not len(counts.positive):
        return np.full(counts.negatives.shape, np.nan)
    total = counts.positive.sum(axis=0)
    reached = np.cumsum(counts.positive, axis=0) >= sensitivity * total - ROUNDING
    first = np.argmax(reached, axis=0)[None, :]
    false = np.take_along_axis(counts.above, first, axis=0)[0] + np.take_along_axis(counts.tied, first, axis=0)[0]
    return np.where(total > 0, share(counts.negatives - false, counts.negatives), np.nan)


def _ramp_area(
    start: Float[np.ndarray, "groups columns"], ramp: Float[np.ndarray, "groups columns"], upto: float
) -> Float[np.ndarray, "groups columns"]:
    """Area from 0 to `upto` under a step from 0 to 1 that begins at `start` and takes `ramp`."""
    into: Float[np.ndarray, "groups columns"] = np.clip(upto - start, 0.0, ramp)
    beyond: Float[np.ndarray, "groups columns"] = np.maximum(upto - start - ramp, 0.0)
    area: Float[np.ndarray, "groups columns"] = beyond + share(into * into, 2.0 * ramp, otherwise=0.0)
    return area
