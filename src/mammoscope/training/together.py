"""A recipe of recipes: several that are run in turn and answer together."""

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from mammoscope.errors import RecipeError, nearest
from mammoscope.training.places import line_of
from mammoscope.training.recipe import Recipe
from mammoscope.training.shelf import ENSEMBLES, find_recipe, shelf
from mammoscope.training.stages import Strict


class EnsembleRecipe(Strict):
    """Several recipes, and how their answers are put together."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="lower-case letters, digits, hyphens")
    members: tuple[str, ...] = Field(
        min_length=2, description="names of recipes that come with mammoscope, or TOML files beside this one"
    )
    by: Literal["mean", "rank", "weighted", "stacking"] = Field(
        default="mean", description="the rule; all but the mean are fitted on the tune part"
    )

    @field_validator("members")
    @classmethod
    def _each_once(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(members)) < len(members):
            raise ValueError("each member may stand once")
        return members


def find_ensemble(name: str) -> EnsembleRecipe | None:
    """Read a recipe of recipes by the path of its file, or by the name of one that comes with mammoscope.

    Returns:
        None where the file is a recipe of one network, and where there is none of that name.

    Raises:
        RecipeError: It names members, and does not describe an ensemble.

    Example:
        >>> find_ensemble("four-cnn-ensemble").members[0], find_ensemble("vgg16")
        ('vgg16', None)
    """
    path = _file(name)
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None  # whoever reads it as a recipe says what is wrong
    if "members" not in found:
        return None
    try:
        return EnsembleRecipe.model_validate(found)
    except ValidationError as error:
        raise RecipeError("\n".join(_sentences(path.name, text, error))) from error


def members_of(group: EnsembleRecipe, name: str) -> list[Recipe]:
    """The recipes of an ensemble.

    Args:
        group: It.
        name: What `find_ensemble` found it by: files of members lie beside its own.

    Raises:
        RecipeError: There is no such recipe, or two are called alike.
    """
    beside = _file(name).parent
    found = [find_recipe(str(beside / one) if one.endswith(".toml") else one) for one in group.members]
    names = [one.name for one in found]
    if len({*names, group.name}) <= len(names):
        raise RecipeError(
            f"{group.name}: its members are called {', '.join(names)}. Give each, and the ensemble, a name of its own"
        )
    return found


def _file(name: str) -> Path:
    return Path(name) if Path(name).suffix == ".toml" else shelf() / ENSEMBLES / f"{name}.toml"


def _sentences(file: str, text: str, error: ValidationError) -> list[str]:
    said = []
    for problem in error.errors():
        key = str(problem["loc"][0])
        line = line_of(text, [key])
        place = f"{file}:{line}" if line else file
        if problem["type"] == "extra_forbidden":
            said.append(f"{place}: unknown key {key!r}{nearest(key, list(EnsembleRecipe.model_fields))}")
        else:
            said.append(f"{place}: {key} is {problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}")
    return said
