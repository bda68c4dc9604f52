"""What `mammoscope inspect` prints: the trail of one file in words, or a line a file."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from mammoscope.images.captions import (
    oddities,
    printable,
    shape_words,
    side_and_view,
    size_words,
    spacing_words,
    stored_words,
    window_words,
)
from mammoscope.images.inspection import Inspected, Inspection
from mammoscope.trail import Step

PIPED_WIDTH = 110  # of wrapped text that no terminal shows
WIDEST = 1000  # of a line of the table that no terminal shows: nothing is cut off
HEADS = ("side", "view", "size", "spacing", "stored as", "window", "chest", "odd", "traits", "code", "file")


def print_trail(inspected: Inspected) -> None:
    """One file: what it is in a line, then each decision with what caused it."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    name = printable(inspected.label)
    found = inspected.inspection
    if found is None:
        line, message = name, printable(str(inspected.message))
        grid = _grid(
            [(str(inspected.code), message.removeprefix(f"{printable(Path(inspected.file).name)}: "), "")],
            odd=str(inspected.code),
        )
    else:
        line, grid = "   ".join([name, *_facts(found)]), _grid(_lines(found.trail), odd="oddity")
    _print(console, Text(line, style="bold"), grid)


def print_table(rows: list[tuple[str, ...]]) -> None:
    """A line a file, as `table_row` gives them; what failed is counted by code below."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDEST
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in HEADS:
        table.add_column(head, overflow="fold", justify="right" if head == "odd" else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    _print(console, table, Text(_counted(rows)))


def _print(console: Console, *parts: RenderableType) -> None:
    """Without the blanks that fill a line."""
    with console.capture() as printed:
        for part in parts:
            console.print(part)
    for line in printed.get().splitlines():
        typer.echo(line.rstrip())


def table_row(inspected: Inspected) -> tuple[str, ...]:
    """One file, in the order of `HEADS`."""
    found, name = inspected.inspection, printable(inspected.label)
    if found is None:
        return (*[""] * (len(HEADS) - 2), str(inspected.code), name)
    return (
        found.laterality or "?",
        found.view or "?",
        shape_words(found.geometry.original_shape),
        spacing_words(found.geometry.original_spacing_mm),
        stored_words(found.trail),
        window_words(found.trail),
        found.chest or "?",
        str(len(oddities(found.trail)) or ""),
        ", ".join(found.traits),
        "",
        name,
    )


def _facts(found: Inspection) -> Iterator[str]:
    geometry = found.geometry
    yield side_and_view(found.laterality, found.view)
    if geometry.original_spacing_mm is None:
        yield "spacing unknown"
    else:
        yield spacing_words(geometry.original_spacing_mm)
        yield size_words(geometry.original_shape, geometry.original_spacing_mm)
    yield f"{shape_words(geometry.original_shape)} -> {shape_words(geometry.shape)} px"
    if found.traits:
        yield ", ".join(found.traits)


def _lines(trail: Iterable[Step]) -> Iterator[tuple[str, str, str]]:
    """Name, decision and cause; what is the same as in the line above is not said again."""
    name = cause = ""
    for step in trail:
        again = step.name == name
        yield "" if again else step.name, printable(step.detail), "" if again and step.cause == cause else step.cause
        name, cause = step.name, step.cause


def _grid(lines: Iterable[tuple[str, str, str]], *, odd: str) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(min_width=12, no_wrap=True)
    grid.add_column(ratio=5, overflow="fold")
    lines = list(lines)
    if any(cause for _, _, cause in lines):
        grid.add_column(ratio=6, overflow="fold")
    grid.expand = True
    for name, detail, cause in lines:
        strange = "yellow" if name == odd else ""
        because = f"by {printable(cause)}" if cause else ""
        grid.add_row(
            Text(f"  {name}", style=strange or "cyan"), Text(detail, style=strange), Text(because, style="dim")
        )
    return grid


def _counted(rows: list[tuple[str, ...]]) -> str:
    codes = Counter(code for row in rows if (code := row[HEADS.index("code")]))
    odd = sum(bool(row[HEADS.index("odd")]) for row in rows)
    files = f"{len(rows):,} files" if len(rows) != 1 else "1 file"
    failed = ", ".join(f"{n:,} {code}" for code, n in codes.most_common())
    told = f"{files}: {len(rows) - codes.total():,} read, {odd:,} of them with oddities; "
    return told + (f"{codes.total():,} failed ({failed})" if failed else "none failed")
