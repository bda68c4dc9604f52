"""The patches of a run: those to train on and those to tune on, drawn from the lesions of their own part."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mammoscope.batches import Patches, patches_of
from mammoscope.errors import RecipeError, SourceError
from mammoscope.models import PatchToWhole
from mammoscope.training.recipe import Recipe
from mammoscope.vocabulary import Part

IMAGE = ["source", "image_id"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PatchParts:
    """Patches to train and tune on.

    Attributes:
        train: Drawn anew each epoch.
        tune: Drawn once: every epoch is measured on the same ones.
        classes: What a patch may show, background first.
    """

    train: Patches
    tune: Patches
    classes: tuple[str, ...]


def patch_parts(lesions: pl.DataFrame, *, cohort: pl.DataFrame, recipe: Recipe, cache: Path) -> PatchParts:
    """The patches that a recipe's stages on patches are trained and measured on.

    Args:
        lesions: What `patch_table` gave.
        cohort: With `part`; the lesions of the test part are not looked at.
        recipe: Its model says what the classes are, its `[patches]` how patches are drawn.
        cache: Folder of the prepared pictures.

    Raises:
        RecipeError: A part has no lesion with a place and a known class.
    """
    if not isinstance(recipe.model, PatchToWhole):
        raise RecipeError(f"[model] kind = {recipe.model.kind!r}: patches are for patch-to-whole")
    classes = recipe.model.patch_classes
    found: dict[Part, Patches] = {}
    for part in (Part.TRAIN, Part.TUNE):
        own = cohort.filter(pl.col("part").cast(pl.String) == part.value).select(IMAGE)
        rows = lesions.join(own, on=IMAGE, how="semi", maintain_order="left")
        try:
            found[part] = patches_of(rows, cache=cache, classes=classes, settings=recipe.patches)
        except SourceError as error:
            raise RecipeError(f"[[stages]] on = 'patches': {part.value}: {error}") from error
    return PatchParts(train=found[Part.TRAIN], tune=found[Part.TUNE], classes=classes)
