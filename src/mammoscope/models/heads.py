"""From one vector a sample to the logits of every task."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from mammoscope.models.tasks import Task

GAP = 3.0
"""Between neighbouring steps at the start, in logits. Below 2 ln 2 = 1.39 no inner class could be the likeliest."""


class Ordered(nn.Module):
    """One direction and rising steps on it: the logits of P(class > k) fall with k, whatever is learned.

    Source:
        Proportional odds: McCullagh, J. R. Stat. Soc. B 42 (1980), equation 2.1. The steps are kept in order by
        adding softplus of free numbers.
    """

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.direction = nn.Linear(width, 1, bias=False)
        self.first = nn.Parameter(torch.full((1,), -GAP * (steps - 1) / 2))
        self.gaps = nn.Parameter(torch.full((steps - 1,), math.log(math.expm1(GAP))))  # softplus of it is GAP

    def forward(self, vectors: Float[Tensor, "batch width"]) -> Float[Tensor, "batch steps"]:
        """Logits of P(class > k)."""
        steps = torch.cat([self.first, self.first + functional.softplus(self.gaps).cumsum(0)])
        logits: Tensor = self.direction(vectors) - steps
        return logits


class Head(nn.Module):
    """Dense layers that all tasks share, dropout, and a last layer for each task."""

    def __init__(
        self, width: int, *, tasks: Sequence[Task], hidden: Sequence[int] = (), drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        layers = [layer for into, out in pairwise((width, *hidden)) for layer in (nn.Linear(into, out), nn.ReLU())]
        self.shared = nn.Sequential(*layers)
        self.dropout = nn.Dropout(drop_rate)
        last = hidden[-1] if hidden else width
        self.last = nn.ModuleList(
            Ordered(last, task.outputs) if task.kind == "ordinal" else nn.Linear(last, task.outputs) for task in tasks
        )

    def hidden(self, vectors: Float[Tensor, "batch width"]) -> Float[Tensor, "batch hidden"]:
        """What the last layers read, before dropout."""
        shared: Tensor = self.shared(vectors)
        return shared

    def forward(self, vectors: Float[Tensor, "batch width"]) -> Float[Tensor, "batch outputs"]:
        """Logits of all tasks, side by side."""
        read = self.dropout(self.hidden(vectors))
        return torch.cat([layer(read) for layer in self.last], dim=1)
