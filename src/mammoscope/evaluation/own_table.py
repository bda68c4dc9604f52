"""Anybody's table of scores, with anybody's column names, as rows that can be evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import polars as pl

from mammoscope.errors import RecipeError, SourceError, nearest
from mammoscope.evaluation.values import UNITS, Unit
from mammoscope.vocabulary import Part

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")

PARTS = {
    "train": Part.TRAIN,
    "training": Part.TRAIN,
    "tune": Part.TUNE,
    "val": Part.TUNE,
    "valid": Part.TUNE,
    "validation": Part.TUNE,
    "test": Part.TEST,
}
"""What may stand in a column of parts, in lower case."""

_YES_NO = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column of a table says what; None: the one that bears our own name, where there is one.

    Attributes:
        score: `score`: a number in [0, 1], higher is more suspicious.
        label: `label`: 0 or 1, true or false, or any words of which some are said to be positive.
        patient: `patient_id`: what is resampled.
        image: `image_id`: must not repeat; without one the rows are numbered.
        breast: `breast_id`; within a patient, so `L` and `R` are enough.
        exam: `exam_id`; within a patient.
        part: `part`: one of `PARTS`; without one every row is a test row.
        source: `source`: the data set, where several are merged; the same patient id in two is two patients.
    """

    score: str | None = None
    label: str | None = None
    patient: str | None = None
    image: str | None = None
    breast: str | None = None
    exam: str | None = None
    part: str | None = None
    source: str | None = None


OUR_COLUMNS = Columns()
"""Our own names."""

_OURS = {"patient": "patient_id", "image": "image_id", "breast": "breast_id", "exam": "exam_id"}
_NEEDED = ("score", "label", "patient")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnTable:
    """Rows that can be evaluated, and what was made of the table.

    Attributes:
        rows: As `evaluate` takes them; columns that nobody asked for are kept under their names.
        used: Role to the column that was read for it.
        notes: What a reader should know before quoting a number.
    """

    rows: pl.DataFrame
    used: dict[str, str]
    notes: tuple[str, ...]


def read_own_table(
    file: Path, *, columns: Columns = OUR_COLUMNS, positive: Sequence[str] = (), row: Unit = "image"
) -> OwnTable:
    r"""Read a table of scores that some program wrote.

    Args:
        file: CSV (comma, semicolon or tab, as its first line shows) or Parquet.
        columns: Which column says what.
        positive: Words of the label column that mean positive; every other word is negative. Empty: it holds 0 and 1,
            or false and true.
        row: What one row stands for.

    Returns:
        The rows under our names.

    Raises:
        SourceError: The file cannot be read, a column is missing, or a cell is not what its column must hold; the
            text names the row (the first below the head is 1).
        RecipeError: `row` is not a unit.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "mine.csv"
        ...     _ = file.write_text("prob,truth,woman\n0.9,cancer,a\n0.2,normal,b\n")
        ...     found = read_own_table(
        ...         file, columns=Columns(score="prob", label="truth", patient="woman"), positive=["cancer"])
        >>> found.rows.select("part", "label", "score", "patient_id").rows()
        [('test', 1, 0.9, 'a'), ('test', 0, 0.2, 'b')]
    """
    if row not in UNITS:
        raise RecipeError(f"row {row!r} is not one of {', '.join(UNITS)}")
    raw = read_any_table(file)
    used = _resolved(raw, columns, where=file.name)
    notes: list[str] = []
    text = {role: raw[name].cast(pl.String).str.strip_chars() for role, name in used.items()}
    made = {
        "score": _scores(raw[used["score"]], where=f"{file.name}: column {used['score']!r}"),
        "label": _labels(text["label"], positive=positive, where=f"{file.name}: column {used['label']!r}"),
        **{_OURS[role]: _filled(text[role]) for role in ("patient", "breast", "exam") if role in text},
    }
    if "source" in text:
        made["source"] = text["source"]
    if "part" in text:
        made["part"] = _parts(text["part"], where=f"{file.name}: column {used['part']!r}")
    else:
        made["part"] = pl.Series([Part.TEST.value] * raw.height)
        notes.append("no column of parts: every row is taken for a test row, and a threshold cannot be chosen")
    if "image" in text:
        made["image_id"] = _filled(text["image"])
    else:
        made["image_id"] = pl.Series([f"row {number}" for number in range(1, raw.height + 1)])
        notes += _equal_rows(raw)
    rows = raw.with_columns(series.alias(name) for name, series in made.items())
    if row != "image":
        _refuse_repeated(rows, row=row, where=file.name)
    return OwnTable(rows=rows, used=used, notes=tuple(notes))


def read_class_table(
    file: Path,
    *,
    classes: Sequence[str],
    columns: Columns = OUR_COLUMNS,
    prediction: str | None = None,
) -> OwnTable:
    """Read a table of predictions among several classes.

    Args:
        file: As for `read_own_table`.
        classes: Their names, as they stand in the label column.
        columns: Which column says what; `score` holds `{}` where the name of the class stands (ours: `score_{}`).
        prediction: The column of the called class (ours: `prediction`).

    Returns:
        Rows as `evaluate_classes` takes them.

    Raises:
        SourceError: The file cannot be read, or a column is missing.
        RecipeError: `columns.score` does not hold `{}`.
    """
    template = columns.score or "score_{}"
    if "{}" not in template:
        raise RecipeError(f"score column {template!r}: holds no {{}} for the name of the class, such as score_{{}}")
    raw = read_any_table(file)
    used = _resolved(raw, replace(columns, score=None), where=file.name, needed=("label", "patient"))
    used.pop("score", None)
    made = {_OURS.get(role, role): _filled(raw[name].cast(pl.String).str.strip_chars()) for role, name in used.items()}
    notes = [] if "part" in used else ["no column of parts: every row is taken for a test row"]
    if "part" in used:
        made["part"] = _parts(made["part"], where=f"{file.name}: column {used['part']!r}")
    for name in classes:
        if template.format(name) in raw.columns:
            column = template.format(name)
            made[f"score_{name}"] = _scores(raw[column], where=f"{file.name}: column {column!r}")
    if prediction is not None and prediction not in raw.columns:
        raise SourceError(
            f"{file.name}: has no column {prediction!r} for the prediction{nearest(prediction, raw.columns)}"
        )
    if (prediction or "prediction") in raw.columns:
        made["prediction"] = raw[prediction or "prediction"].cast(pl.String).str.strip_chars()
    return OwnTable(
        rows=raw.with_columns(series.alias(name) for name, series in made.items()), used=used, notes=tuple(notes)
    )


def read_any_table(file: Path) -> pl.DataFrame:
    """Read CSV, every cell as text, or Parquet.

    Args:
        file: Its suffix says what it is.

    Returns:
        The table, at least one row.

    Raises:
        SourceError: There is no such file, it is of another kind, damaged, or empty.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise SourceError(f"{file.name}: is not one of {', '.join(SUFFIXES)}. Save the table as CSV or Parquet")
    try:
        if file.suffix.lower() == ".parquet":
            table = pl.read_parquet(file)
        else:
            with file.open(encoding="utf-8-sig") as lines:
                head = lines.readline()
            separator = max(",;\t", key=head.count)
            table = pl.read_csv(file, separator=separator, infer_schema=False)
    except FileNotFoundError:
        raise SourceError(f"{file.name}: no such file") from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{file.name}: is not a readable table ({reason}). Save it again as UTF-8 CSV") from error
    if table.is_empty():
        raise SourceError(f"{file.name}: has no rows below its head. Export the scores again")
    return table


def _resolved(raw: pl.DataFrame, columns: Columns, *, where: str, needed: Sequence[str] = _NEEDED) -> dict[str, str]:
    used: dict[str, str] = {}
    for field in fields(columns):
        stated: str | None = getattr(columns, field.name)
        name = _OURS.get(field.name, field.name) if stated is None else stated
        if name in raw.columns:
            used[field.name] = name
        elif stated is not None or field.name in needed:
            there = ", ".join(raw.columns[:20])
            raise SourceError(
                f"{where}: has no column {name!r} for the {field.name}{nearest(name, raw.columns)}. "
                f"It has {there}. Name the column (on the command line --{field.name})"
            )
    return used


def _scores(column: pl.Series, *, where: str) -> pl.Series:
    numbers = column.cast(pl.Float64, strict=False)
    bad = (numbers.is_null() | ~numbers.is_between(0.0, 1.0)).fill_null(value=True)
    _refuse(
        column, bad, where, "is not a number in [0, 1]. Leave the row out, or bring the scores to [0, 1] (a logistic "
        "function of logits keeps every ranking metric)"
    )  # fmt: skip
    return numbers


def _labels(text: pl.Series, *, positive: Sequence[str], where: str) -> pl.Series:
    empty = text.is_null() | (text == "")
    _refuse(text, empty, where, "is no label. Leave unlabelled rows out")
    if positive:
        words = text.unique().to_list()
        absent = [word for word in positive if word not in words]
        if absent:
            raise SourceError(
                f"{where}: no row holds {absent[0]!r}{nearest(absent[0], words)}. It holds "
                f"{', '.join(sorted(words)[:10])}. State a word that occurs"
            )
        return text.is_in(list(positive)).cast(pl.Int8)
    known = text.str.to_lowercase().replace_strict(_YES_NO, default=None, return_dtype=pl.Int8)
    _refuse(text, known.is_null(), where, "is not 0 or 1, true or false. Say which words are positive (--positive)")
    return known


def _parts(text: pl.Series, *, where: str) -> pl.Series:
    words = {word: part.value for word, part in PARTS.items()}
    known = text.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.String)
    _refuse(text, known.is_null(), where, f"is not one of {', '.join(PARTS)}")
    return known


def _filled(text: pl.Series) -> pl.Series:
    """Empty cells are unknown."""
    return text.set(text == "", None)


def _equal_rows(raw: pl.DataFrame) -> list[str]:
    copies = raw.height - raw.unique().height
    if not copies:
        return []
    said = (
        f"{copies} rows equal another row in every column: if they are copies they count twice. "
        "Name the column that tells images apart (on the command line --image), or leave the copies out"
    )
    return [said]


def _refuse_repeated(rows: pl.DataFrame, *, row: Unit, where: str) -> None:
    keys = {"breast": ["exam_id", "breast_id"], "exam": ["exam_id"], "patient": []}[row]
    needed = keys[-1:]
    if any(name not in rows.columns for name in needed):
        return  # nothing says which rows are of the same one
    unique = [name for name in ("source", "part", "patient_id", *keys) if name in rows.columns]
    again = rows.filter(pl.struct(unique).is_duplicated())
    if not again.is_empty():
        raise SourceError(
            f"{where}: a row is said to be one {row}, but the {row} of {again['image_id'][0]!r} has several rows. "
            "Keep one, or say that a row is an image"
        )


def _refuse(column: pl.Series, bad: pl.Series, where: str, what: str) -> None:
    wrong = bad.arg_true()
    if not len(wrong):
        return
    first = int(wrong[0])
    more = f" (and {len(wrong) - 1} more rows)" if len(wrong) > 1 else ""
    raise SourceError(f"{where}: row {first + 1}: {column[first]!r} {what}{more}")
