"""What training minimises, and the step it takes."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from mammoscope.models import Classifier
from mammoscope.training.recipe import Stage, Training


def positive_weight(labels: Bool[np.ndarray, " samples"], *, training: Training) -> float:
    """Weight of a positive sample in the loss: negatives over positives, or 1.

    Example:
        >>> positive_weight(np.array([True, False, False, False]), training=Training(class_weight="balanced"))
        3.0
    """
    if training.class_weight == "none" or not labels.any():
        return 1.0
    return float((~labels).sum() / labels.sum())


def loss(
    logits: Float[Tensor, " batch"], labels: Float[Tensor, " batch"], *, training: Training, weight: float
) -> Float[Tensor, ""]:
    """Mean loss of a batch.

    Args:
        logits: Of the network.
        labels: 0 or 1.
        training: Which loss.
        weight: Of a positive sample.

    Source:
        Focal loss: Lin et al., ICCV 2017, equation 4, gamma = 2.

    Example:
        >>> one = loss(torch.zeros(1), torch.ones(1), training=Training(), weight=1.0)
        >>> round(one.item(), 4)  # ln 2
        0.6931
    """
    each = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    if training.loss == "focal":
        right = torch.exp(-each)  # probability given to the true class
        each = (1 - right) ** 2 * each
    return (each * torch.where(labels > 0, weight, 1.0)).mean()


def freeze(network: Classifier, stage: Stage) -> None:
    """Let a stage's parameters learn, and only those."""
    learning = stage.freeze == "nothing"
    for parameter in network.parameters():
        parameter.requires_grad_(learning)
    for parameter in network.parts.get_classifier().parameters():
        parameter.requires_grad_(True)  # noqa: FBT003  # it is torch's own positional argument


def training_mode(network: Classifier, stage: Stage) -> None:
    """Training mode, but frozen layers keep their statistics and pass everything through."""
    network.train(stage.freeze == "nothing")
    network.parts.get_classifier().train()


def optimizer_of(network: nn.Module, stage: Stage) -> torch.optim.Optimizer:
    """The optimiser of a stage, over the parameters that learn."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    match stage.optimizer:
        case "adamw":
            return torch.optim.AdamW(learning, lr=stage.lr, weight_decay=stage.weight_decay)
        case "adam":
            return torch.optim.Adam(learning, lr=stage.lr, weight_decay=stage.weight_decay)
        case "sgd":
            return torch.optim.SGD(learning, lr=stage.lr, weight_decay=stage.weight_decay, momentum=0.9)


def learning_rate(stage: Stage, *, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, a pure function of where the stage stands.

    Args:
        stage: Its peak, warm-up and schedule.
        step: From 0, within the stage.
        steps_per_epoch: Of the stage.

    Example:
        >>> stage = Stage(epochs=2, lr=1.0, warmup_epochs=1, schedule="cosine")
        >>> [round(learning_rate(stage, step=s, steps_per_epoch=2), 2) for s in range(4)]
        [0.5, 1.0, 1.0, 0.5]
    """
    warmup = round(stage.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return stage.lr * (step + 1) / warmup
    if stage.schedule == "constant":
        return stage.lr
    left = stage.epochs * steps_per_epoch - warmup
    return stage.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(left, 1)))
