"""Which input became which file and patient: the only place where both are told, run after run."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from mammoscope.deid.file import Outcome
from mammoscope.deid.key import write_private
from mammoscope.errors import RecipeError, StorageError

COLUMNS = ("run", "input", "path", "patient_id", "output", "pseudonym", "refused")
Row = list[str]


def rows_of(table: Path) -> list[Row]:
    """The rows that a table has; none if there is no such file.

    Raises:
        RecipeError: It is something else, which must not be written into.
        StorageError: It cannot be read.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file)) or [[]]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{table.name}: could not be read, {error.strerror}. Check its permissions") from error
    except (UnicodeDecodeError, csv.Error):
        head, rows = [], [[]]
    if (head or rows) and (head != list(COLUMNS) or any(len(row) != len(COLUMNS) for row in rows)):
        what = f"holds something else than a table of {', '.join(COLUMNS)}. Name another file"
        raise RecipeError(f"{table.name}: {what}")
    return rows


def add_run(table: Path, files: Sequence[Path], outcomes: Sequence[Outcome]) -> None:
    """Add a run to a table, below those before it; a run that says what the last one said adds nothing.

    Raises:
        RecipeError: The file is something else.
        StorageError: The file system refused.
    """
    before = rows_of(table)
    last = before[-1][0] if before else "0"
    rows = [_row(path, one) for path, one in zip(files, outcomes, strict=True)]
    if before and rows == [row[1:] for row in before if row[0] == last]:
        return
    run = str(1 + max((int(row[0]) for row in before if row[0].isdecimal()), default=0))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([*([] if before else [COLUMNS]), *([run, *row] for row in rows)])
    write_private(table, text.getvalue())


def _row(path: Path, one: Outcome) -> Row:
    said = (one.number, path, one.patient or "", one.output or "", one.pseudonym or "", one.code or "")
    return [str(value).encode("utf-8", "backslashreplace").decode() for value in said]
