"""The file and line of a recipe beside what it is refused for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mammoscope.errors import RecipeError, SourceError
from mammoscope.training.places import keys_named, line_meant, line_of
from mammoscope.training.recipe import Recipe
from mammoscope.training.shelf import shelf

_PLACED = re.compile(r"[\w.-]+\.toml\b")
_VALUE = re.compile(r"([\w.]+) = ")


@contextmanager
def located(name: str) -> Iterator[None]:
    r"""Put the file and the line before what a recipe is refused for, where the text names a `[table] key`.

    Of what is wrong with the data only a split that cannot be made is the recipe's affair, too. Where the key is not
    in the file, since its default is meant, the text gets the file alone.

    Args:
        name: Path of the recipe, or the name of one that comes with mammoscope; of others nothing is added.

    Raises:
        RecipeError: That of the block, with its place.
        SourceError: That of the block, with its place.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "mine.toml"
        ...     _ = file.write_text('name = "mine"\n[training]\nbatch_size = 64\n')
        ...     try:
        ...         with located(str(file)):
        ...             raise RecipeError("[training] batch_size = 64: too large")
        ...     except RecipeError as error:
        ...         print(error)
        mine.toml:3 [training] batch_size = 64: too large
    """
    try:
        yield
    except (RecipeError, SourceError) as error:
        place = _place(name, error)
        if place is None:
            raise
        raise type(error)(f"{place} {error}") from error


@contextmanager
def located_in_space(path: Path) -> Iterator[None]:
    """Put the file and the line of a sweep's space before what one of its values is refused for.

    Args:
        path: Of the space.

    Raises:
        RecipeError: That of the block, with its place.
    """
    try:
        yield
    except RecipeError as error:
        text = path.read_text(encoding="utf-8-sig") if path.is_file() else ""
        key = _VALUE.match(str(error))
        line = line_of(text, key[1].split(".")) if key else None
        if line is None:
            raise
        raise RecipeError(f"{path.name}:{line} {error}") from error


def _place(name: str, error: RecipeError | SourceError) -> str | None:
    message = str(error)
    path = Path(name) if Path(name).suffix == ".toml" else shelf() / f"{name}.toml"
    if not path.is_file() or _PLACED.match(message):
        return None
    keys = keys_named(message)
    of_recipe = keys[:1] == ["split"] if isinstance(error, SourceError) else keys and keys[0] in Recipe.model_fields
    if not of_recipe:
        return None
    line = line_meant(path.read_text(encoding="utf-8-sig"), message)
    return f"{path.name}:{line}" if line else f"{path.name}:"
