"""What the recipes that come with mammoscope say of themselves in their first lines."""

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from mammoscope.errors import RecipeError
from mammoscope.training.shelf import ENSEMBLES, shelf

KEYS = ("Run", "Cost", "Expect")
_LINE = re.compile(r"^#\s*(?:(\w+):\s+)?(.*?)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeHeader:
    """One recipe in a table of recipes.

    Attributes:
        name: Of the recipe.
        about: What it is, in a sentence or two.
        source: Data set that it is written for.
        target: What is asked.
        unit: Of what.
        run: The command.
        cost: Time and machine; None where nothing is said.
        expect: The known result; None where nothing is said.
    """

    name: str
    about: str
    source: str
    target: str
    unit: str
    run: str | None = None
    cost: str | None = None
    expect: str | None = None


def recipe_headers(folder: Path | None = None) -> list[RecipeHeader]:
    """The headers of all recipes of a folder, and of its ensembles.

    Args:
        folder: Of TOML files; those that come with mammoscope when not given.

    Returns:
        In the order of their names; what is asked of an ensemble is what is asked of its first member.

    Raises:
        RecipeError: A file is not a recipe.

    Example:
        >>> next(one.source for one in recipe_headers() if one.name == "mias-resnet18")
        'mini_mias'
    """
    files = folder or shelf()
    single = [recipe_header(file) for file in sorted(files.glob("*.toml"))]
    asked = {header.name: header for header in single}
    several = [_ensemble_header(file, asked) for file in sorted((files / ENSEMBLES).glob("*.toml"))]
    return sorted([*single, *several], key=lambda header: header.name)


def _ensemble_header(file: Path, asked: dict[str, RecipeHeader]) -> RecipeHeader:
    text = file.read_text(encoding="utf-8-sig")
    found = tomllib.loads(text)
    said = _said(text)
    return replace(
        asked[found["members"][0]],
        name=found["name"],
        about=said.get("", ""),
        run=said.get("Run"),
        cost=said.get("Cost"),
        expect=said.get("Expect"),
    )


def recipe_header(file: Path) -> RecipeHeader:
    """The header of one recipe; lines that begin with spaces go on with the line before.

    Raises:
        RecipeError: It is not TOML, or lacks a name or a source.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        found = tomllib.loads(text)
        name, source = str(found["name"]), str(found["source"])
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise RecipeError(f"{file.name}: not a recipe ({error}). Correct it, or move it elsewhere") from error
    said = _said(text)
    return RecipeHeader(
        name=name,
        about=said.get("", ""),
        source=source,
        target=str(found.get("target", "malignant")),
        unit=str(found.get("input", {}).get("unit", "image")),
        run=said.get("Run"),
        cost=said.get("Cost"),
        expect=said.get("Expect"),
    )


def _said(text: str) -> dict[str, str]:
    """Key to text, of the comment lines before anything else; what has no key comes under the empty one."""
    parts: dict[str, list[str]] = {}
    key = ""
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            break
        key = found[1] if found[1] in KEYS else key
        words = found[2] if found[1] in KEYS or not found[1] else f"{found[1]}: {found[2]}"
        parts.setdefault(key, []).append(words)
    return {key: " ".join(word for word in words if word) for key, words in parts.items() if any(words)}
