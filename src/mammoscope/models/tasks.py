"""What is asked of a picture: classes, and how logits become their probabilities."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor
from torch.nn import functional

from mammoscope.errors import RecipeError

UNKNOWN = -1
"""Label of a sample of which the data set does not say it; no loss is taken there."""


class Task(BaseModel):
    """One question and its possible answers.

    Attributes:
        name: Also of the label column.
        classes: In their order; of two, the second is the positive one.
        kind: `binary` has one logit; `nominal` one a class; `ordinal` one a step between neighbours: that the class is
            above it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    classes: tuple[str, ...]
    kind: Literal["binary", "nominal", "ordinal"]

    @model_validator(mode="after")
    def _sound(self) -> "Task":
        if len(set(self.classes)) < max(2, len(self.classes)):
            raise ValueError(f"classes of {self.name} must be two or more different names, got {self.classes}")
        if (self.kind == "binary") != (len(self.classes) == 2):
            raise ValueError(f"{self.name} has {len(self.classes)} classes: it cannot be {self.kind}")
        return self

    @property
    def outputs(self) -> int:
        """How many logits it takes."""
        return len(self.classes) - (self.kind != "nominal")


def probabilities(logits: Float[Tensor, "batch outputs"], task: Task) -> Float[Tensor, "batch classes"]:
    """From the logits of one task to the probability of each class.

    Source:
        Ordinal: the logit of step k is that of P(class > k), McCullagh, J. R. Stat. Soc. B 42 (1980); neighbours'
        differences are the classes.

    Example:
        >>> probabilities(torch.zeros(1, 1), Task(name="malignant", classes=("no", "yes"), kind="binary"))
        tensor([[0.5000, 0.5000]])
    """
    match task.kind:
        case "nominal":
            return functional.softmax(logits, dim=1)
        case "binary" | "ordinal":
            above = torch.sigmoid(logits)
            edges = functional.pad(functional.pad(above, (1, 0), value=1.0), (0, 1), value=0.0)
            return (edges[:, :-1] - edges[:, 1:]).clamp_min(0)


def spans(tasks: Sequence[Task]) -> list[slice]:
    """The columns of each task among the logits of all.

    Example:
        >>> spans([Task(name="a", classes=("no", "yes"), kind="binary"),
        ...        Task(name="b", classes=("x", "y", "z"), kind="nominal")])
        [slice(0, 1, None), slice(1, 4, None)]
    """
    found, first = [], 0
    for task in tasks:
        found.append(slice(first, first + task.outputs))
        first += task.outputs
    return found


def task_named(name: str, *, classes: tuple[str, ...], ordinal: bool = False) -> Task:
    """A task with its kind: binary of two classes, else ordinal if asked for, else nominal.

    Raises:
        RecipeError: It has fewer than two classes.
    """
    if len(classes) < 2:
        raise RecipeError(f"task {name!r}: has {len(classes)} classes, and two or more are needed. Choose another task")
    return Task(name=name, classes=classes, kind="binary" if len(classes) == 2 else "ordinal" if ordinal else "nominal")
