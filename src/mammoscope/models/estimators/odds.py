"""From probabilities of classes to the logits that a task reads."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mammoscope.models.estimators.base import DOUBLE

EDGE = 1e-7  # a probability of 0 or 1 counts as this far away, so that its logit is finite


def log_odds(chances: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch outputs"]:
    """One logit of two classes, else one a class, so that a sigmoid or softmax gives the probabilities back.

    Args:
        chances: Probabilities, each row with sum 1. Below 1e-7 and above 1 - 1e-7 they count as these.

    Example:
        >>> torch.sigmoid(log_odds(torch.tensor([[0.75, 0.25]])))
        tensor([[0.2500]])
        >>> torch.softmax(log_odds(torch.tensor([[0.5, 0.25, 0.25]])), dim=1)
        tensor([[0.5000, 0.2500, 0.2500]])
    """
    if chances.shape[1] == 2:
        return torch.logit(chances[:, 1:], eps=EDGE)
    return chances.clamp(EDGE, 1.0 - EDGE).log()


class Steps(nn.Module):
    """An estimator of single classes, asked for an ordinal task: logits of P(class > k).

    The estimator itself knows nothing of the order.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, vectors: Float[Tensor, "batch values"]) -> Float[Tensor, "batch steps"]:
        """Logits; probabilities of a step closer than 1e-7 to 0 or 1 count as that far away."""
        chances = functional.softmax(self.inner(vectors).to(DOUBLE), dim=1)
        above = chances.flip(1).cumsum(1).flip(1)[:, 1:]
        return torch.logit(above, eps=EDGE).to(torch.float32)


def is_stepped(tensors: Mapping[str, Tensor]) -> bool:
    """Whether tensors are those of `Steps`."""
    return all(name.startswith("inner.") for name in tensors)
