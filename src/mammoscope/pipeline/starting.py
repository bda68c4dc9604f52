"""Which trained weights a run begins with, and whether it may."""

from pathlib import Path
from typing import TYPE_CHECKING

from mammoscope.errors import BundleError, RecipeError
from mammoscope.pipeline.folder import read_json, read_table

if TYPE_CHECKING:
    from mammoscope.training import Recipe, Start


def starting(recipe: "Recipe", *, run: Path, start: Path | None) -> "Start | None":
    """The bundle that a recipe begins with.

    Args:
        recipe: Its `start` is the name of the recipe that was trained before.
        run: The run folder, split.
        start: Where that run or bundle lies; `../<start>` from the run when not given.

    Returns:
        The bundle; None where the recipe starts from nothing.

    Raises:
        RecipeError: It is not there, is the run of another recipe, or was trained on another split of the same data:
            patients of this test part may have trained it.
    """
    if recipe.start is None:
        if start is not None:
            raise RecipeError(f"--start: {recipe.name} begins from nothing. Add start to the recipe, or leave it out")
        return None
    from mammoscope.training import read_start

    folder = start or run.absolute().parent / recipe.start
    try:
        found = read_start(folder)
    except BundleError as error:
        raise RecipeError(
            f"{recipe.name} starts from {recipe.start!r}: {error}. Train that recipe first into {folder.name} beside "
            "this run, or name its run with --start"
        ) from error
    if found.name != recipe.start:
        raise RecipeError(f"--start {folder.name}: is a run of {found.name!r}, not of {recipe.start!r}")
    own = set(read_table(run, "cohort.parquet", made_by="mammoscope split")["source"].unique())
    same_split = found.split == read_json(run, "split.json", made_by="mammoscope split")["fingerprint"]
    if own & set(found.sources) and not same_split:
        raise RecipeError(
            f"--start {folder.name}: was trained on another split of {', '.join(sorted(own & set(found.sources)))}: "
            "its train patients may be tested here. Use the same [split], seed and data in both recipes"
        )
    return found
