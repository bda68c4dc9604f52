"""The line of a recipe that a refusal speaks of."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mammoscope.errors import RecipeError
from mammoscope.training.recipe import line_of
from mammoscope.training.shelf import shelf

_TABLE = re.compile(r"\[+([a-z_.]+)\]+(?: ([a-z_]+)\b)?")
_STAGE = re.compile(r"\[\[stages\]\] ([a-z_]+) = '?([\w.-]+)")
_KEY = re.compile(r"(?:^|: )([a-z_]+) = ")


@contextmanager
def located(name: str) -> Iterator[None]:
    r"""Put the file and the line before what a recipe is refused for, where the text names a `[table] key`.

    Args:
        name: Path of the recipe, or the name of one that comes with mammoscope; of others nothing is added.

    Raises:
        RecipeError: That of the block, with its place.

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
    except RecipeError as error:
        place = _place(name, str(error))
        if place is None:
            raise
        raise RecipeError(f"{place} {error}") from error


def _place(name: str, message: str) -> str | None:
    path = Path(name) if Path(name).suffix == ".toml" else shelf() / f"{name}.toml"
    if not path.is_file() or message.startswith(path.name):
        return None
    text = path.read_text(encoding="utf-8-sig")
    keys = _keys(message)
    line = _said(message, text) or (line_of(text, keys) if keys else None)
    return None if line is None else f"{path.name}:{line}"


def _said(message: str, text: str) -> int | None:
    """Of several stages, the first line that says what the text quotes."""
    found = _STAGE.search(message)
    if found is None:
        return None
    said = re.compile(rf"^\s*{found[1]}\s*=\s*[\"']?{re.escape(found[2])}\b")
    return next((number for number, line in enumerate(text.splitlines(), start=1) if said.match(line)), None)


def _keys(message: str) -> list[str]:
    """The table and key that a message names first; of several stages the one with that number."""
    if table := _TABLE.search(message):
        tables = table[1].split(".")
        if table[1] == "stages":
            number = re.search(r"stage (\d+)", message)
            tables = ["stages", str(int(number[1]) - 1 if number else 0)]
        return [*tables, *([table[2]] if table[2] else [])]
    key = _KEY.search(message)
    return [key[1]] if key else []
