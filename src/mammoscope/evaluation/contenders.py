"""Models that are held against each other: their test rows, put together alike, and refused where they are not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from mammoscope.errors import SourceError
from mammoscope.evaluation.class_samples import class_rows
from mammoscope.evaluation.own_table import read_any_table, read_class_table, read_own_table
from mammoscope.evaluation.protocol import read_table
from mammoscope.evaluation.samples import checked, unit_rows
from mammoscope.evaluation.tasks import classes_of
from mammoscope.evaluation.values import UNITS, Aggregation, Unit
from mammoscope.vocabulary import Part

NAMED = 3  # patients named in a refusal


KEYS: dict[Unit, str] = {"image": "image_id", "breast": "breast_id", "exam": "exam_id", "patient": "patient_id"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """One model's predictions.

    Attributes:
        name: What it is called on the board.
        rows: Its test rows, checked; of several classes with a column `score_<class>` for each.
        headline: The unit its run quotes first; None where nothing says so.
        task: Name of the label, of several classes; None where nothing says so, or for yes or no.
        row: What one of its rows stands for; None where nothing says so.
    """

    name: str
    rows: pl.DataFrame
    headline: Unit | None = None
    task: str | None = None
    row: Unit | None = None


def read_contender(path: Path, *, name: str | None = None) -> Contender:
    """Read the test rows of a run folder, or of a table of predictions (CSV or Parquet).

    Args:
        path: A run folder with `predictions.parquet`, or a file with our column names.
        name: What to call it; None: the folder's or the file's own name.

    Returns:
        The contender.

    Raises:
        SourceError: There is nothing to read, or the rows cannot be evaluated.
    """
    about: dict[str, Any] = {}
    if path.is_dir():
        table, called, about = read_table(path / "predictions.parquet"), path.resolve().name, _quoted(path)
    elif path.is_file():
        classes = classes_of(read_any_table(path))
        table = (read_class_table(path, classes=classes) if classes else read_own_table(path)).rows
        called = path.stem
    else:
        raise SourceError(f"{path.name}: no such run folder or file")
    try:
        classes = classes_of(table)
        rows = class_rows(table, classes=classes) if classes else checked(table)
    except SourceError as error:
        raise SourceError(f"{path.name}: {error}") from error
    if "part" in rows.columns:
        rows = rows.filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    return Contender(name=name or called, rows=rows, **about)


def contender_units(one: Contender, *, classes: tuple[str, ...], unit: Unit, aggregation: Aggregation) -> pl.DataFrame:
    """One row a unit, in the order of its keys, under the unit's own key."""
    row = one.row or aggregation.row
    if not classes:
        made = unit_rows(one.rows, unit=unit, aggregation=replace(aggregation, row=row))
        table = made.with_columns(pl.col("label").cast(pl.Int64))
    elif UNITS.index(unit) < UNITS.index(row):
        raise SourceError(f"leaderboard: a row of {one.name} is one {row}, so there is no result per {unit}")
    else:
        made = class_rows(one.rows, classes=classes, unit="image" if unit == row else unit)
        table = made.sort([name for name in ("source", "patient_id", *KEYS.values()) if name in made.columns])
    if unit == row and unit not in {"image", "patient"}:
        return table.drop(KEYS[unit], strict=False).rename({"image_id": KEYS[unit]})
    return table


def refuse_unlike(contenders: Sequence[Contender]) -> None:
    """Refuse fewer than two, two of one name, and answers to different questions.

    Raises:
        SourceError: The text says what is wrong.
    """
    if len(contenders) < 2:
        raise SourceError(f"leaderboard: {len(contenders)} contender given, at least 2 are needed")
    names = [one.name for one in contenders]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SourceError(f"leaderboard: two contenders are called {', '.join(twice)}. Name their folders differently")
    first, asked = contenders[0], _asked(contenders[0])
    for other in contenders[1:]:
        if _asked(other) != asked or (first.task and other.task and first.task != other.task):
            said = [f"{_asked(one)}{f' ({one.task})' if one.task else ''}" for one in (first, other)]
            raise SourceError(
                f"leaderboard: {first.name} and {other.name} answer different questions: {said[0]}, and {said[1]}. "
                "Rank them apart"
            )


def _asked(one: Contender) -> str:
    return f"among {', '.join(classes)}" if (classes := classes_of(one.rows)) else "yes or no"


def refuse_other_units(first: str, other: str, *, tables: Mapping[str, pl.DataFrame], unit: Unit) -> None:
    """Same patients, same units, same labels; the first of these that differs is told.

    Per breast, exam or patient, models may have read other pictures of it: CC views alone, or crops of its lesions.

    Raises:
        SourceError: The text says how many differ and names some.
    """
    both = f"leaderboard: {first} and {other}"
    shared = [name for name in ("source",) if all(name in tables[one].columns for one in (first, other))]
    key = KEYS[unit]
    columns = list(dict.fromkeys((*shared, "patient_id", key, "label")))
    told = [tables[one].select(pl.col(name).cast(pl.String) for name in columns) for one in (first, other)]
    words = {"image": "images", "breast": "breasts", "exam": "exams", "patient": "patients"}[unit]
    for what, keys in (("patients", [*shared, "patient_id"]), (words, [*shared, key])):
        sets = [table.select(keys).unique() for table in told]
        only = [one.join(two, on=keys, how="anti").sort(keys) for one, two in (sets, sets[::-1])]
        if only[0].height or only[1].height:
            raise SourceError(
                f"{both} were tested on other {what}: {_which(only[0], keys[-1])} only by the first, "
                f"{_which(only[1], keys[-1])} only by the second, {sets[0].height - only[0].height} by both. "
                "Rank only what was tested alike: the same [select], [split] and seed"
            )
    keys = [*shared, key]
    joined = told[0].join(told[1], on=keys, suffix="_other")
    for name, said in (("label", "labels"), ("patient_id", "patients")):
        if name in keys:
            continue
        wrong = joined.filter(pl.col(name) != pl.col(f"{name}_other")).sort(keys)
        if wrong.height:
            raise SourceError(
                f"{both} have other {said} for the same {words}: {_which(wrong, key)}. Predict from the same index"
            )


def _which(rows: pl.DataFrame, column: str) -> str:
    if not rows.height:
        return "0"
    named = ", ".join(str(value) for value in rows[column].head(NAMED).to_list())
    return f"{rows.height} ({named}{' ...' if rows.height > NAMED else ''})"


def common_unit(contenders: Sequence[Contender]) -> Unit:
    """The unit that their runs quote first, `image` where none says so.

    Raises:
        SourceError: They quote different ones.
    """
    known = {one.name: one.headline for one in contenders if one.headline is not None}
    if len(set(known.values())) > 1:
        said = ", ".join(f"{name} per {headline}" for name, headline in known.items())
        raise SourceError(f"leaderboard: the runs quote other units first ({said}). Choose one unit for all")
    return next(iter(known.values()), "image")


def _quoted(run: Path) -> dict[str, Any]:
    """What `metrics.json` says of a run; damaged or missing metrics are no reason not to rank."""
    try:
        found = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    row = found.get("row") or (found.get("aggregation") or {}).get("row")
    task = found.get("task")
    return {
        "headline": next((unit for unit in UNITS if unit == found.get("headline")), None),
        "row": next((unit for unit in UNITS if unit == row), None),
        "task": task if isinstance(task, str) else None,
    }
