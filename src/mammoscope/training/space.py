"""What a sweep may change: ranges and choices at dotted places of a recipe, checked before anything runs."""

import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from mammoscope.errors import RecipeError, nearest
from mammoscope.training.dotted import value_at, with_values
from mammoscope.training.recipe import Recipe
from mammoscope.training.stages import Strict

FIXED = ("name", "source", "target", "classes", "ordinal", "also", "start", "seed", "split_seed", "input", "select")
FIXED_TABLES = ("split", "measure")
"""Places that decide who is tuned on or how it is measured: trials that differ in them cannot be compared."""

WORDS = {"low", "high", "log", "step", "choices"}


class Range(Strict):
    """Numbers from low to high; whole ones where both are whole and the recipe's value is."""

    kind: Literal["range"] = "range"
    low: float
    high: float
    log: bool = Field(default=False, description="drawn evenly in the logarithm")
    step: float | None = Field(default=None, gt=0, description="only low, low + step, ...")
    whole: bool = Field(default=False, description="only whole numbers")

    @model_validator(mode="after")
    def _sound(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithm needs low above 0, got {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step do not go together. Leave one out")
        return self

    @property
    def ends(self) -> list[Any]:
        """The two values that must both make a recipe."""
        return [int(end) if self.whole else end for end in (self.low, self.high)]

    def holds(self, value: Any) -> bool:
        """Whether a value could be drawn."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


class Choices(Strict):
    """One of several values, of any kind."""

    kind: Literal["choices"] = "choices"
    choices: tuple[Any, ...] = Field(min_length=2)

    @property
    def ends(self) -> list[Any]:
        """Each must make a recipe."""
        return list(self.choices)

    def holds(self, value: Any) -> bool:
        """Whether a value could be drawn."""
        return value in self.choices


Space = dict[str, Range | Choices]
"""Dotted place to what may stand there."""


def read_space(path: Path, *, recipe: Recipe) -> Space:
    r"""Read a space from TOML, for a recipe: each end and each choice alone must make a recipe that can be read.

    Args:
        path: Tables or inline tables with `low`, `high`, `log`, `step`, or with `choices`.
        recipe: What all else is taken from.

    Returns:
        Place to range or choices, in the order of the file.

    Raises:
        RecipeError: It is not TOML, names a place that the recipe has not or that must stay, or a value that does not
            make a recipe.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "space.toml"
        ...     _ = file.write_text('stages.0.lr = { low = 1e-4, high = 1e-2, log = true }')
        ...     read_space(file, recipe=Recipe(name="one", source="rsna"))["stages.0.lr"].high
        0.01
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, IsADirectoryError):
        raise RecipeError(
            f"{path.name}: no such file. A space says what a sweep may change: docs/how-to/sweep.md"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path.name}: not TOML: {error}. Correct the line") from error
    found = {key: _dimension(value, key=key, recipe=recipe, file=path.name) for key, value in _flat(tables, path.name)}
    if not found:
        raise RecipeError(
            f"{path.name}: names nothing to change. Add a line such as stages.0.lr = {{low = 1e-4, high = 1e-2}}"
        )
    for key, dimension in found.items():
        for value in dimension.ends:
            try:
                with_values(recipe, {key: value})
            except RecipeError as error:
                raise RecipeError(f"{path.name}: {error}") from error
    return found


def _flat(tables: dict[str, Any], file: str, path: str = "") -> list[tuple[str, Any]]:
    """Dotted place and what stands there, for tables within tables and for quoted dotted keys alike."""
    found: list[tuple[str, Any]] = []
    for name, value in tables.items():
        place = f"{path}{name}"
        if not isinstance(value, dict):
            raise RecipeError(f"{file}: {place} is {value!r}: should be {{low, high}} or {{choices}}")
        found += [(place, value)] if WORDS & set(value) else _flat(value, file, f"{place}.")
    return found


def _dimension(value: dict[str, Any], *, key: str, recipe: Recipe, file: str) -> Range | Choices:
    strange = [word for word in value if word not in WORDS]
    if strange:
        raise RecipeError(f"{file}: {key}: unknown key {strange[0]!r}{nearest(strange[0], sorted(WORDS))}")
    if key in FIXED or key.partition(".")[0] in (*FIXED, *FIXED_TABLES):
        raise RecipeError(
            f"{file}: {key} decides what is asked, or on whom: trials that differ in it cannot be compared. "
            "Leave it out, and sweep once for each"
        )
    try:
        now = value_at(recipe, key)
    except RecipeError as error:
        raise RecipeError(f"{file}: {error}") from error
    try:
        if "choices" in value:
            return Choices.model_validate_json(json.dumps(value, default=str))
        ends = value.get("low"), value.get("high")
        whole = all(isinstance(one, int) for one in ends) and (now is None or isinstance(now, int))
        return Range.model_validate({**value, "whole": whole})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(word) for word in (key, *first["loc"]))
        raise RecipeError(f"{file}: {where}: {first['msg'].removeprefix('Value error, ')}") from error
