"""Recipes that ask what the data do not answer, refused before a picture is read."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mammoscope.cohort import TASK_CLASSES, label_codes, unit_rows
from mammoscope.errors import RecipeError
from mammoscope.records import Index, image_table

if TYPE_CHECKING:
    from mammoscope.training import Recipe


def refuse_unanswered(recipe: "Recipe", labelled: pl.DataFrame, *, index: Index, flow: list[tuple[str, int]]) -> None:
    """Refuse a recipe that asks for labels that the index lacks, or for more classes than are seen.

    Args:
        recipe: Asks.
        labelled: The samples that take part, with the columns of all tasks.
        index: Where they come from.
        flow: How many each condition left.

    Raises:
        RecipeError: No sample is left; a task has no known label; or a class does not occur.
    """
    if labelled.is_empty():
        _refuse_empty(recipe, index, flow)
    for name in recipe.also:
        if (label_codes(labelled, name) < 0).all():
            raise RecipeError(
                f"also = {list(recipe.also)}: {name!r} is stated of none of {labelled.height} samples. Leave it out; "
                f"{_answered(labelled)}"
            )
    codes, every = label_codes(labelled, recipe.target), recipe.every_class
    seen = {every[code] for code in np.unique(codes) if code >= 0}
    wanted = recipe.tasks[0].classes
    lacking = [name for name in wanted if name not in seen]
    if not lacking:
        return
    left = [name for name in wanted if name in seen]
    what = f"classes = {list(wanted)}" if recipe.classes else f"target = {recipe.target!r}"
    many = f" Name those that do: classes = {left}" if len(left) > 1 else " Take data that have both, or widen [select]"
    raise RecipeError(f"{what}: {', '.join(lacking)} does not occur among {labelled.height} samples.{many}")


def _refuse_empty(recipe: "Recipe", index: Index, flow: list[tuple[str, int]]) -> None:
    counts = ", ".join(f"{count} {what}" for what, count in flow)
    names = [what for what, _ in flow]
    at = names.index("with a label")
    if at and flow[at - 1][1]:
        rows, _ = unit_rows(image_table(index), records=index.table, settings=recipe.input)
        raise RecipeError(
            f"target = {recipe.target!r}: it is stated of none of {flow[at - 1][1]} samples ({counts}); "
            f"{_answered(rows)}"
        )
    raise RecipeError(f"{recipe.name}: no image is left to take part: {counts}. Widen [select], or index other data")


def _answered(rows: pl.DataFrame) -> str:
    known = [name for name in TASK_CLASSES if (label_codes(rows, name) >= 0).any()]
    return f"these data answer {', '.join(known)}" if known else "these data answer nothing"
