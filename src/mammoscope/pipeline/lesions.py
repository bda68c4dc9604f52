"""Where the lesions of a run lie, for recipes that train on patches around them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mammoscope.errors import RecipeError
from mammoscope.pipeline.folder import read_table, write_table
from mammoscope.records import Index
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.training import Recipe

FILE = "lesions.parquet"
MARKS = ("lesion_x0", "lesion_polygon", "mask_path")
"""Columns of the index any of which says where a lesion lies."""


def wants_patches(recipe: "Recipe") -> bool:
    """Whether a stage of a recipe trains on patches."""
    return any(stage.on == "patches" for stage in recipe.stages)


def is_placed(index: Index) -> bool:
    """Whether an index says of any lesion where it lies."""
    return not index.table.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in MARKS)).is_empty()


def refuse_unplaced(recipe: "Recipe", index: Index) -> None:
    """Refuse a stage on patches where the index does not say where any lesion lies.

    Raises:
        RecipeError: It does not.
    """
    if not wants_patches(recipe):
        return
    if not is_placed(index):
        raise RecipeError(
            f"[[stages]] on = 'patches': {recipe.source} gives neither box, outline nor mask of any lesion, so there "
            "is nothing to cut patches around. Leave the stage out, or take a data set that locates its lesions"
        )


def write_lesions(
    recipe: "Recipe", ready: pl.DataFrame, *, index: Index, run: Path, cache: Path, workers: int | None = None
) -> None:
    """Find the lesions of the train and tune part in their prepared pictures.

    Leaves `lesions.parquet` and `lesions.json` in the run; nothing where no stage is on patches.

    Args:
        recipe: Of the run.
        ready: The cohort, with `file`.
        index: Whose records have the lesions.
        run: The run folder.
        cache: Folder of the prepared pictures.
        workers: Processes that read masks.

    Raises:
        RecipeError: None of them has a place.
    """
    if not wants_patches(recipe):
        return
    from mammoscope.batches import patch_table

    refuse_unplaced(recipe, index)
    seen = ready.filter(pl.col("part").cast(pl.String) != Part.TEST.value)
    lesions, left_out = patch_table(seen, index=index, cache=cache, workers=workers)
    write_table(lesions, run / FILE)
    facts = {"lesions": lesions.height, "pictures": lesions["file"].n_unique(), "pictures_left_out": left_out}
    write_text(run / "lesions.json", json.dumps(facts, indent=2))


def read_lesions(recipe: "Recipe", *, run: Path) -> pl.DataFrame | None:
    """What `write_lesions` left; None where no stage is on patches.

    Raises:
        SourceError: The run was not prepared.
    """
    return read_table(run, FILE, made_by="mammoscope train") if wants_patches(recipe) else None
