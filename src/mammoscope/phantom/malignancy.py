"""What the look of a lesion says of its malignancy, and how well the best observer can do."""

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from mammoscope.errors import RecipeError


def draw_suspicion(random: np.random.Generator) -> float:
    """Draw how suspicious a lesion looks. Clear-cut ones are the most frequent: the arcsine law, Beta(1/2, 1/2)."""
    return float(_quantile(np.asarray(random.uniform())))


def malignancy_probability(suspicion: float, *, difficulty: float) -> float:
    """Probability that a lesion that looks like this is malignant: the model the labels are drawn from.

    Args:
        suspicion: Spiculation of a mass or pleomorphism of a cluster, 0 to 1.
        difficulty: 0 to 1. At 0 the look decides, at 1 it says nothing.

    Returns:
        1 / (1 + exp(-slope (suspicion - 1/2))), slope = 4 (1 / difficulty - 1).

    Example:
        >>> malignancy_probability(0.5, difficulty=0.3)
        0.5
        >>> round(malignancy_probability(1.0, difficulty=0.5), 3)
        0.881
    """
    return float(_probability(np.asarray(suspicion), difficulty))


def ideal_auc(difficulty: float, *, steps: int = 20_000) -> float:
    """Area under the ROC curve of an observer who reads every lesion's look without error.

    No classifier can be better in expectation, because the label depends on nothing but
    the look; one that falls short of it has something left to learn from the pictures.

    Args:
        difficulty: As in `malignancy_probability`.
        steps: Points of the midpoint rule over the quantiles of the suspicion.

    Returns:
        P(score of a malignant mass > score of a benign one), ties counted half.

    Source:
        Bamber, The area above the ordinal dominance graph and the area below the receiver operating
        characteristic graph, Journal of Mathematical Psychology 12:387-415 (1975).

    Example:
        >>> ideal_auc(0.0), ideal_auc(1.0)
        (1.0, 0.5)
    """
    suspicion = _quantile((np.arange(steps) + 0.5) / steps)
    malignant = _probability(suspicion, difficulty)
    benign = 1 - malignant
    if np.ptp(malignant) == 0:
        return 0.5
    below = np.cumsum(benign) - 0.5 * benign
    return float((malignant * below).sum() / (malignant.sum() * benign.sum()))


def difficulty_for(auc: float) -> float:
    """Difficulty at which the best observer of lesions has a given AUC.

    Args:
        auc: From 0.5 to 1, as `ideal_auc` gives it.

    Returns:
        The difficulty, found by bisection to 1e-6; `ideal_auc` falls with it.

    Raises:
        RecipeError: No difficulty has this AUC.

    Example:
        >>> round(difficulty_for(0.9), 3), round(ideal_auc(difficulty_for(0.9)), 4)
        (0.406, 0.9)
    """
    if not 0.5 <= auc <= 1:
        raise RecipeError(f"auc {auc} is not from 0.5 to 1. The best observer is no worse than chance")
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if ideal_auc(middle, steps=2_000) > auc else (low, middle)
    return 0.5 * (low + high)


def _quantile(share: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.asarray(np.sin(0.5 * np.pi * share) ** 2)


def _probability(suspicion: Float[np.ndarray, "..."], difficulty: float) -> Float[np.ndarray, "..."]:
    if difficulty == 0:
        return np.asarray(np.heaviside(suspicion - 0.5, 0.5))
    return np.asarray(expit(4 * (1 / difficulty - 1) * (suspicion - 0.5)))
