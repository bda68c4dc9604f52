"""Which trained weights a run begins with, and whether it may."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from mammoscope.errors import BundleError, RecipeError
from mammoscope.pipeline.folder import read_json, read_table

if TYPE_CHECKING:
    from mammoscope.training import Recipe, Start


def starting(
    recipe: "Recipe", *, run: Path, start: Path | None, split: str, sources: Collection[str]
) -> "Start | None":
    """The weights that a recipe begins with.

    Args:
        recipe: Its `start` is the name of the recipe that was trained before.
        run: The run folder.
        start: Where that run or bundle lies; `../<start>` from the run when not given. Of a run without a bundle yet
            the best weights so far are taken.
        split: Fingerprint of the run's split.
        sources: Data sets of its cohort.

    Returns:
        The weights; None where the recipe starts from nothing.

    Raises:
        RecipeError: It is not there, is the run of another recipe, or was trained on another split of the same data:
            patients of this test part may have trained it.
    """
    if recipe.start is None:
        if start is not None:
            raise RecipeError(f"--start: {recipe.name} begins from nothing. Add start to the recipe, or leave it out")
        return None
    folder = start or run.absolute().parent / recipe.start
    try:
        found = _read(folder)
    except BundleError as error:
        raise RecipeError(
            f"start = {recipe.start!r}: {error}. Train that recipe first into {folder.name} beside this run, or name "
            "its run with --start"
        ) from error
    if found.name != recipe.start:
        raise RecipeError(f"start = {recipe.start!r}: {folder.name} is a run of {found.name!r}. Name another --start")
    shared = sorted(set(sources) & set(found.sources))
    if shared and found.split != split:
        raise RecipeError(
            f"start = {recipe.start!r}: {folder.name} was trained on another split of {', '.join(shared)}: its train "
            "patients may be tested here. Use the same split, seed and data in both recipes"
        )
    return found


def _read(folder: Path) -> "Start":
    """The bundle of a finished run, or the best weights so far of one that was stopped or goes on."""
    from mammoscope.training import Start, read_recipe, read_start
    from mammoscope.training.start import clinical_names

    best = folder / "checkpoints" / "best.safetensors"
    if (folder / "bundle" / "bundle.json").is_file() or not best.is_file():
        return read_start(folder)
    cohort = read_table(folder, "cohort.parquet", made_by="mammoscope split")
    recipe = read_recipe(folder / "recipe.json")
    return Start(
        name=recipe.name,
        weights=best,
        fingerprint=hashlib.sha256(best.read_bytes()).hexdigest(),
        split=read_json(folder, "split.json", made_by="mammoscope split")["fingerprint"],
        sources=tuple(sorted(cohort["source"].unique())),
        clinical=clinical_names(recipe, cohort),
        finished=False,
    )
