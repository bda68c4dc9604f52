"""Comma-separated tables whose rows know the file and line they come from."""

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TextIO, TypeVar, overload

from mammoscope.errors import SourceError, nearest

Value = TypeVar("Value")
Code = TypeVar("Code", bound=StrEnum)

FLAGS = {"1": True, "1.0": True, "True": True, "true": True, "0": False, "0.0": False, "False": False, "false": False}
SEPARATORS = (",", ";", "\t")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_TEXT = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table. An empty cell is `None`: the data set does not say.

    Attributes:
        file: Name of the table, without its folder.
        line: Line on which the row begins, counted from 1 with the header.
        cells: Stripped text of each cell by column; an optional column that the table lacks has no entry.
        known: Columns that may be asked for.
    """

    file: str
    line: int
    cells: Mapping[str, str]
    known: frozenset[str]

    def __getitem__(self, column: str) -> str:
        """Text of a cell that must be filled."""
        value = self.text(column)
        if value is None:
            raise self.refusal(f"{column} is empty. Fill the cell")
        return value

    def text(self, column: str) -> str | None:
        """Text of a cell, stripped."""
        if column not in self.known:
            raise KeyError(column)  # a mistake in the source's code, not in the table
        return self.cells.get(column) or None

    @overload
    def code(self, column: str, allowed: type[Code]) -> Code | None: ...

    @overload
    def code(self, column: str, allowed: Mapping[str, Value]) -> Value | None: ...

    def code(self, column: str, allowed: type[Code] | Mapping[str, Value]) -> Code | Value | None:
        """The value that a cell stands for: exactly an enum's value, or exactly a key of a mapping."""
        value = self.text(column)
        if value is None:
            return None
        try:
            found: Code | Value = allowed(value) if isinstance(allowed, type) else allowed[value]
        except (KeyError, ValueError):
            choices = ", ".join(str(one) for one in allowed)
            raise self.refusal(
                f"{column} {value!r} is not one of {choices}. Correct the cell, or map the value in this source"
            ) from None
        return found

    def flag(self, column: str) -> bool | None:
        """True for 1, False for 0; also True, False and what pandas makes of a column with gaps, 1.0."""
        return self.code(column, FLAGS)

    def number(self, column: str) -> float | None:
        """A finite decimal number."""
        value = self.text(column)
        if value is None:
            return None
        if not NUMBER.fullmatch(value) or not math.isfinite(float(value)):
            raise self.refusal(f"{column} {value!r} is not a number. Write digits with a decimal point")
        return float(value)

    def integer(self, column: str) -> int | None:
        """A whole number; 71.0 is one."""
        value = self.number(column)
        if value is None:
            return None
        if not value.is_integer():
            raise self.refusal(f"{column} {self.cells[column]!r} is not a whole number. Correct the cell")
        return int(value)

    def refusal(self, what: str) -> SourceError:
        """An error about this row, to raise."""
        return SourceError(f"{self.file}:{self.line}: {what}")


def once(rows: Iterable[Row], *, columns: tuple[str, ...]) -> Iterator[Row]:
    """Yield rows, and refuse the second that has the same values in some columns.

    Raises:
        SourceError: A row repeats an earlier one; the text names both lines.
    """
    lines: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = tuple(row[column] for column in columns)
        if key in lines:
            named = ", ".join(f"{column} {value!r}" for column, value in zip(columns, key, strict=True))
            raise row.refusal(f"{named} stands in line {lines[key]}, too. Keep one of the rows, or correct the cell")
        lines[key] = row.line
        yield row


def read_table(
    path: Path, *, needs: tuple[str, ...], may: tuple[str, ...] = (), spell: Callable[[str], str] = str
) -> Iterator[Row]:
    r"""Yield the rows of a CSV file in order.

    UTF-8 with or without a mark. The separator (comma, semicolon or tab) is the one under
    which the header holds the needed columns; a decimal comma is refused where it is met.

    Args:
        path: The file.
        needs: Columns that must be there.
        may: Columns that are read if they are there, and unknown if not.
        spell: Maps a header as found to the column's name, for editions that spell it otherwise.

    Returns:
        An iterator of rows; blank lines are passed over.

    Raises:
        SourceError: The file is missing, not text, not UTF-8, lacks a column, has none or torn rows.

    Source:
        RFC 4180 for quoting: a quoted cell may hold separators and line ends.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "own.csv"
        ...     _ = file.write_text("image,cancer\na.png,1\nb.png,\n")
        ...     [(row["image"], row.flag("cancer"), row.line) for row in read_table(file, needs=("image", "cancer"))]
        [('a.png', True, 2), ('b.png', None, 3)]
    """
    _refuse_what_is_no_text(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from _rows(file, path.name, needs, may, spell)
        except UnicodeDecodeError:
            raise SourceError(_undecodable(path)) from None


def _rows(
    file: TextIO, name: str, needs: tuple[str, ...], may: tuple[str, ...], spell: Callable[[str], str]
) -> Iterator[Row]:
    header, separator = _header(file, name, needs, spell)
    known = frozenset((*needs, *may))
    wanted = [(at, column) for at, column in enumerate(header) if column in known]
    file.seek(0)
    reader = csv.reader(file, delimiter=separator, strict=True)
    line, count = 1, 0
    try:
        next(reader)
        while True:
            line = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                break
            if not any(cells):
                continue
            if len(cells) < len(header) or any(cells[len(header) :]):
                raise SourceError(
                    f"{name}:{line}: {len(cells)} cells, but the header has {len(header)}. "
                    "Quote cells that hold the separator, and fill up torn rows"
                )
            count += 1
            yield Row(name, line, {column: cells[at].strip() for at, column in wanted}, known)
    except csv.Error as error:
        raise SourceError(f"{name}:{line}: not a sound CSV row ({error}). Correct its quotes") from None
    if not count:
        raise SourceError(f"{name}: has a header but no rows. Download the table again")


def _header(file: TextIO, name: str, needs: tuple[str, ...], spell: Callable[[str], str]) -> tuple[list[str], str]:
    """Column names, and the separator under which most of the needed ones are found."""

    def columns(separator: str) -> list[str]:
        file.seek(0)
        try:
            return [spell(cell.strip()) for cell in next(csv.reader(file, delimiter=separator), [])]
        except csv.Error as error:
            raise SourceError(f"{name}:1: not a CSV header ({error}). Save the table as CSV") from None

    separator = max(SEPARATORS, key=lambda one: len(set(columns(one)) & set(needs)))
    header = columns(separator)
    if not header:
        raise SourceError(f"{name}: is empty. Download the table again")
    for column in needs:
        if column not in header:
            raise SourceError(
                f"{name}:1: no column {column!r}{nearest(column, header)}. "
                f"The header has {', '.join(header[:20])}. Rename the column, or choose another source"
            )
        if header.count(column) > 1:
            raise SourceError(f"{name}:1: column {column!r} occurs {header.count(column)} times. Keep one")
    return header, separator


def _refuse_what_is_no_text(path: Path) -> None:
    if path.is_dir():
        raise SourceError(f"{path.name}: is a folder, not a table")
    if not path.is_file():
        there = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        folder = path.resolve().parent.name
        raise SourceError(f"{path.name}: no such file in folder {folder}{nearest(path.name, there)}")
    with path.open("rb") as file:
        start = file.read(4)
    for magic, what in NOT_TEXT.items():
        if start.startswith(magic):
            raise SourceError(f"{path.name}: is {what}, not CSV text. Save it as 'CSV UTF-8'")


def _undecodable(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return (
                    f"{path.name}:{number}: byte 0x{line[error.start]:02x} is not UTF-8. Save the table as 'CSV UTF-8'"
                )
    return f"{path.name}: is not UTF-8. Save the table as 'CSV UTF-8'"
