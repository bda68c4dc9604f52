"""The line of a TOML text on which a key stands, and the key that a refusal speaks of."""

import re
from collections.abc import Iterator

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_ENTRY = re.compile(r"^\s*([\w.\"'-]+)\s*=")
_STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'""")
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
        >>> line_of('stages = [\n  { lr = 1 },\n  { lr = 2 },\n]', ["stages", "1", "lr"])
        3
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
        >>> keys_named("classes = ['A', 'B']: B does not occur. Widen [select]")
        ['classes']
    """
    found = [match for form in (_TABLE, _SPLIT, _KEY) if (match := form.search(message))]
    first = min(found, key=lambda match: match.start(), default=None)
    if first is None:
        return []
    if first.re is _SPLIT:
        return ["split", "kind"]
    if first.re is _KEY:
        return [first[1]]
    tables = first[1].split(".")
    if first[1] == "stages":
        number = _STAGE.search(message)
        tables = ["stages", str(int(number[1]) - 1 if number else 0)]
    return [*tables, *([first[2]] if first[2] else [])]


def line_meant(text: str, message: str) -> int | None:
    """The line that a refusal speaks of: where it quotes a stage without its number, the first that says so."""
    keys = keys_named(message)
    quoted = None if _STAGE.search(message) else _QUOTED.search(message)
    if quoted:
        said = re.compile(rf"(?:^|[{{,])\s*{quoted[1]}\s*=\s*[\"']?{re.escape(quoted[2])}\b")
        lines = enumerate(map(_bare, text.splitlines()), start=1)
        return next((number for number, line in lines if said.search(line)), line_of(text, keys))
    return line_of(text, keys)


def _places(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every table and key with its line, and the tables of a list that is written over several lines."""
    within: list[str] = []
    listed: list[str] = []
    seen: dict[str, int] = {}
    depth = items = 0  # brackets of a list that are open, and tables seen in it
    for number, line in enumerate(text.splitlines(), start=1):
        bare = _bare(line)
        if not depth and (header := _HEADER.match(line)):
            within = _words(header[2])
            if header[1] == "[[":
                seen[header[2]] = seen.get(header[2], -1) + 1
                within = [*within, str(seen[header[2]])]
            yield number, within
            continue
        if not depth and (entry := _ENTRY.match(line)):
            listed, items = [*within, *_words(entry[1])], 0
            yield number, listed
        if depth or bare.count("[") > bare.count("]"):
            yield from ((number, [*listed, str(items + one)]) for one in range(bare.count("{")))
            items += bare.count("{")
        depth = max(0, depth + bare.count("[") - bare.count("]"))


def _bare(line: str) -> str:
    """A line without its strings' brackets, braces and number signs, and without its comment."""
    return _STRING.sub(lambda text: re.sub(r"[\[\]{}#,]", "_", text[0]), line).partition("#")[0]


def _words(dotted: str) -> list[str]:
    return [word.strip("\"' ") for word in dotted.split(".")]
