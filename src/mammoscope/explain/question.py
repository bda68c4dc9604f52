"""What a map is asked about: one class of one task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mammoscope.errors import BundleError, nearest
from mammoscope.models import Task, probabilities, spans

TINY = 1e-9  # of a chance whose logarithm is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One class of one task.

    Attributes:
        task: Whose class it is.
        span: Its columns among the logits.
        of: Number of the class; None: of each picture the class that is called, and of two classes the positive one.
    """

    task: Task
    span: slice
    of: int | None = None

    def numbers(self, logits: Float[Tensor, "batch outputs"]) -> Int[Tensor, " batch"]:
        """The class of each sample that the map is of."""
        if self.of is not None or self.task.kind == "binary":
            return torch.full((len(logits),), 1 if self.of is None else self.of, device=logits.device)
        return probabilities(logits[:, self.span], self.task).argmax(dim=1)

    def evidence(
        self, logits: Float[Tensor, "batch outputs"], numbers: Int[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """What speaks for the class: its logit; of classes in steps the logarithm of its chance."""
        own = logits[:, self.span]
        match self.task.kind:
            case "binary":
                return torch.where(numbers == 1, own[:, 0], -own[:, 0])
            case "nominal":
                return own.gather(1, numbers.unsqueeze(1)).squeeze(1)
            case "ordinal":
                return self.chance(logits, numbers).clamp_min(TINY).log()
            case _:
                assert_never(self.task.kind)

    def chance(self, logits: Float[Tensor, "batch outputs"], numbers: Int[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Probability of the class."""
        return probabilities(logits[:, self.span], self.task).gather(1, numbers.unsqueeze(1)).squeeze(1)


def question_of(tasks: Sequence[Task], *, task: str | None = None, of: str | int | None = None) -> Question:
    """Find a class by its name.

    Args:
        tasks: Of a network.
        task: Name of one of them; the first if None.
        of: Name or number of a class; None: the called one, of two classes the positive one.

    Returns:
        What a map can be asked about.

    Raises:
        BundleError: There is no such task or class.

    Example:
        >>> density = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")
        >>> question_of([density], of="C").of
        2
    """
    named = {one.name: at for at, one in enumerate(tasks)}
    if task is not None and task not in named:
        raise BundleError(
            f"task {task!r}: the model has {', '.join(named)}{nearest(task, list(named))}. Name one of them"
        )
    at = 0 if task is None else named[task]
    classes = tasks[at].classes
    found = classes.index(of) if isinstance(of, str) and of in classes else of
    if isinstance(found, str) or (found is not None and not 0 <= found < len(classes)):
        hint = nearest(str(of), classes)
        raise BundleError(f"class {of!r}: {tasks[at].name} has {', '.join(classes)}{hint}. Name one of them")
    return Question(task=tasks[at], span=spans(tasks)[at], of=found)
