"""What an epoch shows that a person should know: events, never silent fixes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from mammoscope.training.stages import Training

Kind = Literal[
    "class-collapse",
    "low-sensitivity",
    "overfitting",
    "exploding-loss",
    "statistics-apart",
    "stopped-early",
    "begun-anew",
]

ONE_CLASS = 0.98  # share of calls that one class takes
SPREAD = 1e-3  # standard deviation of scores below which the model answers the same to everything
GROWN = 1.2  # tune loss over its best so far
FALLING = 3  # epochs in a row
EXPLODED = 100.0  # times the first loss of the run
COIN = math.log(2)  # a first loss below it, of weights that were trained before, counts as this


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened while training.

    Attributes:
        kind: What.
        epoch: When, from 1.
        text: In words, with the numbers.
    """

    kind: Kind
    epoch: int
    text: str


def alarms(
    row: dict[str, Any],
    *,
    history: Sequence[dict[str, Any]],
    chances: Float[np.ndarray, "samples classes"],
    labels: Int[np.ndarray, " samples"],
    classes: Sequence[str],
    training: Training,
) -> list[Event]:
    """What is noted of an epoch.

    Args:
        row: Its history row: `epoch`, `train_loss`, `tune_loss`, and `tune_sensitivity` where there are two classes.
        history: Rows of the epochs before it.
        chances: Of the tune samples, for each class of the main task.
        labels: Their classes.
        classes: Their names.
        training: `least_sensitivity` is used here.

    Returns:
        Events: one class takes nearly all calls though no class has nearly all samples, or the scores hardly differ
        (`class-collapse`); sensitivity at 0.5 is below the floor (`low-sensitivity`); the tune loss has grown by a
        fifth over its best while the train loss fell for three epochs (`overfitting`).

    Example:
        >>> found = alarms({"epoch": 1, "train_loss": 0.7, "tune_loss": 0.7}, history=[],
        ...     chances=np.full((4, 2), 0.5), labels=np.array([0, 1, 0, 1]), classes=("no", "yes"), training=Training())
        >>> [event.kind for event in found]
        ['class-collapse']
    """
    found: list[tuple[Kind, str]] = []
    calls = np.bincount(chances.argmax(axis=1), minlength=len(classes)) / max(len(chances), 1)
    held = np.bincount(labels, minlength=len(classes)) / max(len(labels), 1)
    spread = float(chances.std(axis=0).max()) if len(chances) else 0.0
    if spread < SPREAD:
        found.append(("class-collapse", f"the scores of all tune samples are alike: they spread by {spread:.1g}"))
    elif calls.max() >= ONE_CLASS and held.max() < ONE_CLASS:
        most = int(calls.argmax())
        found.append(
            ("class-collapse", f"{calls[most]:.0%} of tune samples are called {classes[most]!r}, {held[most]:.0%} are")
        )
    floor, reached = training.least_sensitivity, row.get("tune_sensitivity")
    if floor is not None and reached is not None and reached < floor:
        found.append(("low-sensitivity", f"tune sensitivity at a score of 0.5 is {reached:.2f}, below {floor:g}"))
    if _overfits(row, history):
        best = min(one["tune_loss"] for one in history)
        found.append(("overfitting", f"the tune loss is {row['tune_loss']:.3g}, {best:.3g} at its best; train falls"))
    return [Event(kind=kind, epoch=row["epoch"], text=text) for kind, text in found]


def exploded(value: float, *, first: float) -> bool:
    """Whether a loss is no number, or a hundred times what it was before anything was learned.

    A network that has learned its samples by heart is not called exploded for one that it gets wrong: its loss is
    compared with the first one, not with the last ones.

    Args:
        value: The loss of a step.
        first: That of the run's first step.

    Example:
        >>> exploded(0.9, first=0.7), exploded(900.0, first=0.7), exploded(2.0, first=0.01), exploded(math.nan, first=1)
        (False, True, False, True)
    """
    return not math.isfinite(value) or value > EXPLODED * max(first, COIN)


def _overfits(row: dict[str, Any], history: Sequence[dict[str, Any]]) -> bool:
    stretch = [*history[-FALLING:], row]
    if len(stretch) <= FALLING or len({one.get("on") for one in stretch}) > 1:
        return False
    falls = all(later["train_loss"] < earlier["train_loss"] for earlier, later in pairwise(stretch))
    return falls and row["tune_loss"] > GROWN * min(one["tune_loss"] for one in history)
