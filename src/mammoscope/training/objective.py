"""What training minimises."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from mammoscope.models import UNKNOWN, Task, spans
from mammoscope.training.stages import Training


def class_weights(
    labels: Int[np.ndarray, " samples"], *, task: Task, training: Training
) -> Float[np.ndarray, " classes"]:
    """Weight of each class in the loss.

    Args:
        labels: Classes of the train samples; -1 where unknown.
        task: Whose classes they are.
        training: `class_weight` says whether there are weights.

    Returns:
        Ones; or, balanced, negatives over positives on the positive class of two, and the commonest class's count over
        each class's own where there are more. A class that does not occur has weight 1.

    Example:
        >>> task = Task(name="malignant", classes=("no", "yes"), kind="binary")
        >>> class_weights(np.array([1, 0, 0, 0]), task=task, training=Training(class_weight="balanced"))
        array([1., 3.])
    """
    ones = np.ones(len(task.classes))
    counts = np.bincount(labels[labels != UNKNOWN], minlength=len(task.classes))
    if training.class_weight == "none" or not counts.any():
        return ones
    most = counts[0] if task.kind == "binary" and counts[0] else counts.max()
    return np.where(counts > 0, most / np.maximum(counts, 1), ones)


def loss(
    logits: Float[Tensor, "batch outputs"],
    labels: Int[Tensor, "batch tasks"],
    *,
    tasks: Sequence[Task],
    training: Training,
    weights: Sequence[Float[Tensor, " _"]],
    also_weight: float = 1.0,
    known: Sequence[int] | None = None,
) -> Float[Tensor, ""]:
    """Mean loss of a batch, over the samples whose label is known, summed over tasks.

    Args:
        logits: Of the network, all tasks side by side.
        labels: Number of each sample's class; -1 where it is unknown, which adds nothing.
        tasks: What the columns are; the first is the main task.
        training: Which loss.
        weights: Of each task's classes.
        also_weight: Of every task but the first.
        known: Known labels of each task to divide by, where the batch is only part of a step.

    Source:
        Focal loss: Lin et al., ICCV 2017, equation 4. Ordinal: the sum of one binary cross-entropy a step, McCullagh,
        J. R. Stat. Soc. B 42 (1980). Label smoothing: Szegedy et al., CVPR 2016, section 7.

    Example:
        >>> task = Task(name="malignant", classes=("no", "yes"), kind="binary")
        >>> one = loss(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.int64), tasks=[task], training=Training(),
        ...            weights=[torch.ones(2)])
        >>> round(one.item(), 4)  # ln 2
        0.6931
    """
    total = logits.new_zeros(())
    for at, (task, span) in enumerate(zip(tasks, spans(tasks), strict=True)):
        column = labels[:, at]
        there = column != UNKNOWN
        each = _each(logits[there][:, span], column[there], task=task, training=training) * weights[at][column[there]]
        count = int(there.sum()) if known is None else known[at]
        total = total + each.sum() / max(count, 1) * (also_weight if at else 1.0)
    return total


def _each(logits: Tensor, labels: Tensor, *, task: Task, training: Training) -> Tensor:
    """Loss of each sample of one task."""
    smooth = training.label_smoothing
    gamma = training.focal_gamma if training.loss == "focal" else 0.0
    if task.kind == "nominal":
        each = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smooth)
        return _focused(each, functional.cross_entropy(logits, labels, reduction="none"), gamma)
    steps = torch.arange(logits.shape[1], device=logits.device)
    hard = (labels[:, None] > steps).to(logits.dtype)
    soft = hard * (1 - smooth) + smooth / 2
    each = functional.binary_cross_entropy_with_logits(logits, soft, reduction="none")
    plain = functional.binary_cross_entropy_with_logits(logits, hard, reduction="none") if smooth else each
    return _focused(each, plain, gamma).sum(dim=1)


def _focused(each: Tensor, plain: Tensor, gamma: float) -> Tensor:
    """Count what is right already less: `plain` is minus the log of the probability given to the true class."""
    return each if not gamma else (1 - torch.exp(-plain)) ** gamma * each
