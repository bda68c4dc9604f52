"""Files of a run folder: each is whole, and one that is missing says which command makes it."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope.errors import RecipeError, SourceError
from mammoscope.records import Index, read_index
from mammoscope.storage import whole_file, write_text

if TYPE_CHECKING:
    from mammoscope.training import Recipe


def opened(index: Path, *, root: Path | None = None) -> Index:
    """Read an index, optionally of a data set that has moved to `root`.

    Raises:
        SourceError: It is not a sound index; `root` is not a folder, or given for an index of several sources.
    """
    found = read_index(index)
    if root is None:
        return found
    if not root.is_dir():
        raise SourceError(f"{root.name}: no such folder. Give --root the folder that the data set lies in now")
    if len(found.roots) > 1:
        raise SourceError(
            f"{index.name}: holds {sorted(found.roots)}; --root can move one source only. Index them apart"
        )
    return Index(table=found.table, roots=dict.fromkeys(found.roots, root))


def claim(run: Path, recipe: "Recipe") -> None:
    """Make the run folder this recipe's, or refuse."""
    from mammoscope.training import read_recipe

    file = run / "recipe.json"
    if file.is_file() and (known := read_recipe(file)) != recipe:
        key, there = _first_change(recipe.model_dump(mode="json"), known.model_dump(mode="json"))
        raise RecipeError(
            f"{key}: {run.name} is the run of another recipe, or of another version of {recipe.name}, which has "
            f"{_short(there)}. Choose another --out, or delete this folder"
        )
    write_text(file, recipe.model_dump_json(indent=2))


def _short(value: Any) -> str:
    return f"{len(value)} stages" if isinstance(value, list) and value and isinstance(value[0], dict) else repr(value)


def _first_change(plain: dict[str, Any], other: dict[str, Any], tables: str = "") -> tuple[str, Any]:
    """The first key of a recipe that another has with another value, as refusals name it, and that value."""
    name = next((name for name, value in plain.items() if value != other.get(name)), "name")
    value, there = plain[name], other.get(name)
    if isinstance(value, dict) and isinstance(there, dict):
        return _first_change(value, there, f"{tables}.{name}" if tables else name)
    if name == "stages" and isinstance(there, list) and len(value) == len(there):
        at = next(at for at, stage in enumerate(value) if stage != there[at])
        key, found = _first_change(value[at], there[at], "[stages]")
        return f"{key} in stage {at + 1}", found
    said = f"{len(value)} stages" if name == "stages" else repr(value)
    return f"[{tables}] {name} = {said}" if tables else f"{name} = {said}", there


def read_json(run: Path, name: str, *, made_by: str) -> Any:
    """A JSON file of a run folder.

    Raises:
        SourceError: It is not there or not JSON; the text says which command makes it.
    """
    try:
        return json.loads((run / name).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{run.name}: has no {name}. Make it with: {made_by}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{run.name}/{name}: is damaged ({error}). Make it again with: {made_by}") from error


def read_table(run: Path, name: str, *, made_by: str) -> pl.DataFrame:
    """A Parquet table of a run folder.

    Raises:
        SourceError: It is not there or not Parquet; the text says which command makes it.
    """
    try:
        return pl.read_parquet(run / name)
    except FileNotFoundError:
        raise SourceError(f"{run.name}: has no {name}. Make it with: {made_by}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{run.name}/{name}: is damaged ({reason}). Make it again with: {made_by}") from error


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a table whole; the bytes first, so that a full disk is told by the file system and not by Polars."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
