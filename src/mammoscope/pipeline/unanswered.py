"""Recipes that ask what the data do not answer, refused before a picture is read."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mammoscope.cohort import TASK_CLASSES, label_codes, unit_rows
from mammoscope.errors import RecipeError
from mammoscope.records import Index, image_table

if TYPE_CHECKING:
    from mammoscope.training import Recipe

SELECTED = {
    "with a lesion of the kinds asked for": "lesion_kinds",
    "of the views asked for": "views",
    "without implants": "implants",
}
"""Steps to their keys in `[select]`."""

LOCATED = "Set unit = 'image', or take data that locate their lesions"
UNIT = {
    "lesions on them": ("unit", "the data name no lesion", LOCATED),
    "lesions with a place": ("unit", "the data say of no lesion where it lies", LOCATED),
    "lesions with a crop of the data set's own": (
        "crop",
        "the data have none",
        "Leave crop out, or set unit = 'image'",
    ),
    "of a known side": ("unit", "of no picture is the side known", "Set unit = 'image'"),
}
"""Steps of a unit to the key in `[input]`, what is wrong with it, and what to do."""


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
    """Name the key of the step that left nothing."""
    counts = ", ".join(f"{count} {what}" for what, count in flow)
    at = next(number for number, (_, count) in enumerate(flow) if not count)
    emptied = flow[at][0]
    if emptied == "with a label":
        rows, _ = unit_rows(image_table(index), records=index.table, settings=recipe.input)
        raise RecipeError(
            f"target = {recipe.target!r}: it is stated of none of {flow[at - 1][1]} samples ({counts}); "
            f"{_answered(rows)}"
        )
    if emptied == "of the classes asked for":
        raise RecipeError(
            f"classes = {list(recipe.classes or ())}: no sample has one of them ({counts}). Name classes that the data "
            "have, or leave classes out"
        )
    if emptied in SELECTED:
        value = recipe.select.model_dump(mode="json")[SELECTED[emptied]]
        raise RecipeError(
            f"[select] {SELECTED[emptied]} = {value!r}: no image is left ({counts}). Widen it, or index other data"
        )
    if emptied in UNIT:
        key, reason, advice = UNIT[emptied]
        raise RecipeError(f"[input] {key} = {getattr(recipe.input, key)!r}: {reason} ({counts}). {advice}")
    raise RecipeError(f"{recipe.name}: no image is left to take part: {counts}. Index other data")


def _answered(rows: pl.DataFrame) -> str:
    known = [name for name in TASK_CLASSES if (label_codes(rows, name) >= 0).any()]
    return f"these data answer {', '.join(known)}" if known else "these data answer nothing"
