"""The line of a TOML text on which a key stands, and the key that a refusal speaks of."""

import re
from collections.abc import Iterator

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_ENTRY = re.compile(r"^\s*([\w.\"'-]+)\s*=")
_TABLE = re.compile(r"\[+([a-z_.]+)\]+(?: ([a-z_]+)\b)?")
_KEY = re.compile(r"(?:^|: )([a-z_]+) = ")
_STAGE = re.compile(r"\bstage (\d+)\b")
_SPLIT = re.compile(r"(?:^|: )split [a-z-]+: ")
_QUOTED = re.compile(r"\[\[stages\]\] ([a-z_]+) = '?([\w.-]+)")


def line_of(text: str, keys: list[str]) -> int | None:
    r"""The line of a key, or of the nearest table around it.

    Args:
        text: TOML.
        keys: From the outside in; a table of a list by its number, from 0.

    Example:
        >>> line_of('name = "a"\n[[stages]]\n[[stages]]\nlr = 1', ["stages", "1", "lr"])
        4
    """
    bare = [key.partition("[")[0] for key in keys]
    places = list(_places(text))
    for depth in range(len(bare), 0, -1):
        for number, place in places:
            if place[:depth] == bare[:depth]:
                return number
    return None


def keys_named(message: str) -> list[str]:
    """The table and key that a refusal names first; of several stages the one with that number.

    Example:
        >>> keys_named("[[stages]] lr = 3: stage 2 ..."), keys_named("target = 'x': ...")
        (['stages', '1', 'lr'], ['target'])
    """
    if table := _TABLE.search(message):
        tables = table[1].split(".")
        if table[1] == "stages":
            number = _STAGE.search(message)
            tables = ["stages", str(int(number[1]) - 1 if number else 0)]
        return [*tables, *([table[2]] if table[2] else [])]
    if _SPLIT.search(message):
        return ["split", "kind"]
    key = _KEY.search(message)
    return [key[1]] if key else []


def line_meant(text: str, message: str) -> int | None:
    """The line that a refusal speaks of: where it quotes a stage without its number, the first that says so."""
    keys = keys_named(message)
    quoted = None if _STAGE.search(message) else _QUOTED.search(message)
    if quoted:
        said = re.compile(rf"^\s*{quoted[1]}\s*=\s*[\"']?{re.escape(quoted[2])}\b")
        lines = enumerate(text.splitlines(), start=1)
        return next((number for number, line in lines if said.match(line)), line_of(text, keys))
    return line_of(text, keys)


def _places(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every table and key with its line."""
    within: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            within = _words(header[2])
            if header[1] == "[[":
                seen[header[2]] = seen.get(header[2], -1) + 1
                within = [*within, str(seen[header[2]])]
            yield number, within
        elif entry := _ENTRY.match(line):
            yield number, [*within, *_words(entry[1])]


def _words(dotted: str) -> list[str]:
    return [word.strip("\"' ") for word in dotted.split(".")]
