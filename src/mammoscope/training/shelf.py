"""The recipes that come with mammoscope."""

from pathlib import Path

from mammoscope.errors import RecipeError, nearest
from mammoscope.training.recipe import Recipe, read_recipe

PACKAGE = Path(__file__).parents[1]
ENSEMBLES = "ensembles"
"""Folder on the shelf of the recipes that name members."""


def shelf() -> Path:
    """The folder of the recipes that come with mammoscope: in the package, or in the checkout it runs from."""
    packaged = PACKAGE / "recipes"
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / "recipes"


def find_recipe(name: str) -> Recipe:
    """Read a recipe by the path of its file, or by the name of one that comes with mammoscope.

    Raises:
        RecipeError: There is no such recipe, or it does not describe a run.

    Example:
        >>> find_recipe("phantom-max-pool").source
        'cbis_ddsm'
    """
    path = Path(name)
    if path.suffix in {".toml", ".json"}:
        return read_recipe(path)
    known = {file.stem: file for file in sorted(shelf().glob("*.toml"))}
    if (shelf() / ENSEMBLES / f"{name}.toml").is_file():
        raise RecipeError(f"{name} is an ensemble of recipes: only `mammoscope run` takes it. Name one of its members")
    if name not in known:
        raise RecipeError(
            f"no recipe {name!r}. Give a .toml file, or one of {', '.join(known)}{nearest(name, list(known))}"
        )
    return read_recipe(known[name])
