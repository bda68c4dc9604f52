"""Single values of a recipe by their place, such as `stages.0.lr`; and a recipe as TOML, with reasons."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from mammoscope.errors import RecipeError, nearest
from mammoscope.training.recipe import Recipe


def value_at(recipe: Recipe, key: str) -> Any:
    """The value of a recipe at a dotted place, defaults filled in.

    Raises:
        RecipeError: There is no such place.

    Example:
        >>> value_at(Recipe(name="one", source="rsna"), "stages.0.lr")
        0.0003
    """
    found: Any = recipe.model_dump(mode="json")
    for word in key.split("."):
        found = _inside(found, word, key=key)
    return found


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with other values at dotted places.

    Args:
        recipe: What all else is taken from.
        values: Dotted place to plain value.

    Raises:
        RecipeError: There is no such place, or the recipe does not describe a run any more. The text names the place.

    Example:
        >>> with_values(Recipe(name="one", source="rsna"), {"stages.0.lr": 0.01}).stages[0].lr
        0.01
    """
    plain = recipe.model_dump(mode="json")
    for key, value in values.items():
        *before, last = key.split(".")
        place: Any = plain
        for word in before:
            place = _inside(place, word, key=key)
        _inside(place, last, key=key)
        place[int(last) if isinstance(place, list) else last] = value
    try:
        return Recipe.model_validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        said = ", ".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
        where = ".".join(str(word) for word in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"{said}: {where}: {told}" if where else f"{said}: {told}") from error


def _inside(place: Any, word: str, *, key: str) -> Any:
    if isinstance(place, list):
        if not word.isdecimal() or int(word) >= len(place):
            raise RecipeError(
                f"{key}: {word!r} is not a number from 0 to {len(place) - 1}: there are {len(place)} there"
            )
        return place[int(word)]
    if not isinstance(place, dict):
        raise RecipeError(f"{key}: {word!r} lies in a single value. Name a key of a recipe")
    if word not in place:
        raise RecipeError(
            f"{key}: {word!r} is not a key there{nearest(word, list(place))}. See docs/reference/recipe.md"
        )
    return place[word]


def recipe_toml(recipe: Recipe, *, header: Sequence[str] = (), reasons: Mapping[str, str] | None = None) -> str:
    """A recipe as TOML that `read_recipe` reads back to the same; values that are defaults are left out.

    Args:
        recipe: The recipe.
        header: Lines of comment at the top.
        reasons: Dotted place to the comment at the end of its line; such a value is written though it is a default.

    Example:
        >>> print(recipe_toml(Recipe(name="one", source="rsna"), reasons={"stages.0.lr": "usual"}))
        name = "one"
        source = "rsna"
        <BLANKLINE>
        [[stages]]
        lr = 0.0003  # usual
    """
    told = reasons or {}
    lines = [f"# {line}".rstrip() for line in header]
    lines += _table(recipe, path="", told=told)
    return "\n".join(lines).strip() + "\n"


def _table(model: BaseModel, *, path: str, told: Mapping[str, str]) -> list[str]:
    """Plain values first, tables after them, as TOML wants."""
    plain, tables = [], []
    for name, info in type(model).model_fields.items():
        value, place = getattr(model, name), f"{path}{name}"
        asked = place in told or any(key.startswith(f"{place}.") for key in told)
        if value == info.get_default(call_default_factory=True) and not asked and name != "kind":
            continue
        if value is None:
            continue  # it is a default: TOML has no word for it
        if isinstance(value, BaseModel):
            tables += ["", f"[{place}]", *_table(value, path=f"{place}.", told=told)]
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for at, one in enumerate(value):
                tables += ["", f"[[{place}]]", *_table(one, path=f"{place}.{at}.", told=told)]
        else:
            reason = f"  # {told[place]}" if place in told else ""
            plain.append(f"{name} = {_word(model.model_dump(mode='json')[name])}{reason}")
    return plain + tables


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_word, value))}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)
