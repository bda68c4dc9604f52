"""Which epoch is the best, and when a stage has waited long enough for a better one."""

from collections.abc import Sequence
from typing import Any

from mammoscope.training.alarms import Event
from mammoscope.training.recipe import Recipe

Row = dict[str, Any]

WORDS = {"auc": "tune AUC", "loss": "tune loss"}
"""What `select` looks at, in print."""


def is_best(recipe: Recipe, row: Row, history: Sequence[Row]) -> bool:
    """Whether an epoch is better than all before it; one on patches never is.

    Args:
        recipe: Its `select` says what is better.
        row: Of the epoch.
        history: Rows of the epochs before it.
    """
    ranks = [_rank(recipe, one) for one in history if one["on"] == "samples"]
    return row["on"] == "samples" and all(_rank(recipe, row) > rank for rank in ranks)


def is_over(recipe: Recipe, number: int, history: Sequence[Row]) -> bool:
    """Whether a stage has done its epochs, or waited long enough for a better one.

    Args:
        recipe: Its stages and `patience`.
        number: Of the stage, from 0.
        history: Rows of all epochs so far.
    """
    own = _of_stage(history, number)
    return len(own) >= recipe.stages[number].epochs or _best_if_waited(recipe, own) is not None


def early_end(recipe: Recipe, number: int, history: Sequence[Row]) -> Event | None:
    """The event of a stage whose last epochs patience leaves out; None where it does not.

    Args:
        recipe: Its stages and `patience`.
        number: Of the stage, from 0.
        history: Rows of all epochs so far, the last one of this stage.
    """
    own, epochs = _of_stage(history, number), recipe.stages[number].epochs
    best = _best_if_waited(recipe, own)
    if best is None or len(own) == epochs:
        return None
    text = (
        f"stage {number + 1} of {len(recipe.stages)} ended after {len(own)} of its {epochs} epochs: none had a better "
        f"{WORDS[recipe.training.select]} than epoch {best}, and patience is {recipe.training.patience}"
    )
    return Event(kind="stopped-early", epoch=own[-1]["epoch"], text=text)


def _of_stage(history: Sequence[Row], number: int) -> list[Row]:
    return [row for row in history if row["stage"] == number + 1]


def _best_if_waited(recipe: Recipe, own: Sequence[Row]) -> int | None:
    """The best epoch of a stage that is long past; None where it is not, or where epochs are on patches.

    What an earlier stage reached does not count: a backbone that begins to learn may be worse at first.
    """
    patience = recipe.training.patience
    if patience is None or not own or own[0]["on"] != "samples":
        return None
    best: int = max(own, key=lambda row: _rank(recipe, row))["epoch"]  # the first of several
    return best if own[-1]["epoch"] - best >= patience else None


def _rank(recipe: Recipe, row: Row) -> tuple[float, float]:
    by_auc = (row["tune_auc"], -row["tune_loss"])
    return by_auc if recipe.training.select == "auc" else (by_auc[1], by_auc[0])
