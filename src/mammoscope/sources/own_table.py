"""A table of one's own: CSV or Parquet, with its columns declared in mammoscope.toml beside it."""

import json
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import polars as pl

from mammoscope.errors import SourceError, nearest
from mammoscope.records import Record
from mammoscope.sources.declared import NAMES, TableDeclaration, read_declaration
from mammoscope.sources.regions import boxed, outlined
from mammoscope.sources.source import Source
from mammoscope.sources.table import Row, read_table
from mammoscope.sources.tree import inside

CORNERS = ("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1")
PATHS = ("path", "mask_path", "crop_path")


def _kind(annotation: Any) -> type:
    options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    found = next(option for option in options if option is not type(None))
    return found if isinstance(found, type) else tuple


KINDS = {name: _kind(field.type) for name, field in Record.__dataclass_fields__.items()}
"""Type of each column of the index; tuple for an outline."""


def _read(root: Path) -> Iterator[Record]:
    declared = read_declaration(root, TableDeclaration)
    if declared is None:
        raise SourceError(
            f"{root.name}: holds no {NAMES[0]} that declares the columns. See the page of the source 'table'"
        )
    if declared.missing():
        raise SourceError(f"{NAMES[0]}: columns: nothing gives {', '.join(declared.missing())}. Declare the column")
    given = {*declared.columns, *declared.constants}
    if "malignant" in given and "label_origin" not in given:
        what = "columns: malignant without label_origin. Say who says so: biopsy, reader or derived"
        raise SourceError(f"{NAMES[0]}: {what}")
    constants = {name: _constant(name, value) for name, value in declared.constants.items()}
    readers = {name: _reader(name, column, declared) for name, column in declared.columns.items()}
    for row in _rows(root, declared):
        yield _record(row, {name: reader(row) for name, reader in readers.items()} | constants, declared)


def _record(row: Row, values: dict[str, Any], declared: TableDeclaration) -> Record:
    where = f"{row.file}:{row.line}"
    for name in ("patient_id", "image_id", "path"):
        if values[name] is None:
            raise row.refusal(f"{declared.columns[name]} is empty. Fill the cell")
    for name in PATHS:
        if values.get(name) is not None:
            prefix = f"{declared.folder.rstrip('/')}/" if declared.folder else ""
            values[name] = inside(f"{prefix}{values[name]}{declared.suffix}", where=where)
    outline = values.get("lesion_polygon")
    if outline is not None:
        region = outlined(list(zip(outline[::2], outline[1::2], strict=True)), where=where)
        if all(values.get(name) is None for name in CORNERS):
            values |= dict(zip(CORNERS, region.box, strict=True))
    corners = [values.get(name) for name in CORNERS]
    if any(corner is not None for corner in corners):
        known = [corner for corner in corners if corner is not None]
        if len(known) < 4:
            raise row.refusal("a box without all of its corners. Fill the cells")
        values |= dict(zip(CORNERS, boxed(known, where=where), strict=True))
    category = values.get("assessment")
    if category is not None and not 0 <= category <= 6:
        raise row.refusal(f"assessment {category} is not a BI-RADS category 0 to 6. Correct the cell")
    return Record(source="table", **values)


def _constant(name: str, value: object) -> object:
    try:
        return _converted(name, value)
    except ValueError:
        raise SourceError(f"{NAMES[0]}: constants.{name}: {value!r} is not {_allowed(name)}. Correct it") from None


def _reader(name: str, column: str, declared: TableDeclaration) -> Callable[[Row], Any]:
    """What makes a value of the index of a cell: the declared values, else the type's own spelling."""
    if name in declared.values:
        meaning = {}
        for cell, value in declared.values[name].items():
            try:
                meaning[cell] = _converted(name, value)
            except ValueError:
                what = f"values.{name}.{cell}: {value!r} is not {_allowed(name)}"
                raise SourceError(f"{NAMES[0]}: {what}. Correct it") from None
        return lambda row: row.code(column, meaning)
    kind = KINDS[name]
    if issubclass(kind, StrEnum):
        return lambda row: row.code(column, {member.value: member for member in kind})
    if kind is tuple:
        return lambda row: _outline(row, column)
    plain: dict[type, Callable[[Row], Any]] = {
        bool: lambda row: row.flag(column),
        int: lambda row: row.integer(column),
        float: lambda row: row.number(column),
        str: lambda row: row.text(column),
    }
    return plain[kind]


def _converted(name: str, value: object) -> object:
    kind = KINDS[name]
    if issubclass(kind, StrEnum):
        return kind(str(value))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple or type(value) is not kind:
        raise ValueError(name)
    return value


def _allowed(name: str) -> str:
    kind = KINDS[name]
    if issubclass(kind, StrEnum):
        return f"one of {', '.join(member.value for member in kind)}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}.get(kind, "a single value")


def _outline(row: Row, column: str) -> tuple[float, ...] | None:
    """An outline, written as [x, y, x, y ...]."""
    text = row.text(column)
    if text is None:
        return None
    try:
        numbers = tuple(float(number) for number in json.loads(text))
    except (ValueError, TypeError):
        numbers = ()
    if len(numbers) < 6 or len(numbers) % 2:
        raise row.refusal(f"{column} is not [x, y, x, y ...] of three points or more. Correct the cell")
    return numbers


def _rows(root: Path, declared: TableDeclaration) -> Iterator[Row]:
    path = root / inside(declared.table, where=NAMES[0])
    needs = tuple(dict.fromkeys(declared.columns.values()))
    if path.suffix.lower() not in {".parquet", ".pq"}:
        return read_table(path, needs=needs)
    return _parquet_rows(path, needs)


def _parquet_rows(path: Path, needs: tuple[str, ...]) -> Iterator[Row]:
    if not path.is_file():
        raise SourceError(f"{path.name}: no such file in {path.parent.name}. Correct {NAMES[0]}: table")
    try:
        found = pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(
            f"{path.name}: not a readable Parquet file ({type(error).__name__}). Write it again"
        ) from None
    for column in needs:
        if column not in found:
            known = list(found)
            raise SourceError(
                f"{path.name}: no column {column!r}{nearest(column, known)}. It has {', '.join(known[:20])}. "
                f"Correct {NAMES[0]}: columns"
            )
    for number, cells in enumerate(pl.read_parquet(path, columns=list(needs)).iter_rows(named=True), start=1):
        texts = {name: _text(value) for name, value in cells.items()}
        yield Row(path.name, number, texts, frozenset(needs))


def _text(value: object) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list) else str(value).strip()


TABLE = Source(
    name="table",
    read=_read,
    layout=f"{NAMES[0]}\nthe CSV or Parquet table that it names, and the pictures that this lists",
    labels="as declared; label_origin says who says so",
    licence="that of your data",
    cite="your data's own paper",
    url="",
)
