"""What a run folder holds, file by file; a file that is not there says which command makes it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

MADE_BY = {
    "recipe.json": "mammoscope train",
    "environment.json": "mammoscope train",
    "audit.json": "mammoscope audit",
    "split.json": "mammoscope split",
    "flow.json": "mammoscope split",
    "cohort.parquet": "mammoscope train",
    "prepare.json": "mammoscope train",
    "history.jsonl": "mammoscope train",
    "events.jsonl": "mammoscope train",
    "predictions.parquet": "mammoscope train",
    "metrics.json": "mammoscope evaluate",
    "explanations.json": "mammoscope explain",
    "robustness.json": "mammoscope robustness",
    "importance.json": "mammoscope importance",
}
"""File of a run folder to the command that makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A file that could not be used.

    Attributes:
        file: Its name.
        why: What was found.
        command: What makes it.
    """

    file: str
    why: str
    command: str


Json = dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """The files of one run folder, each read or `Missing`."""

    folder: Path
    recipe: Json | Missing
    environment: Json | Missing
    audit: Json | Missing
    split: Json | Missing
    flow: Json | Missing
    prepare: Json | Missing
    metrics: Json | Missing
    explanations: Json | Missing
    robustness: Json | Missing
    importance: Json | Missing
    history: list[dict[str, Any]] | Missing
    events: list[dict[str, Any]] | Missing
    cohort: pl.DataFrame | Missing
    predictions: pl.DataFrame | Missing


def read_run(folder: Path) -> RunFiles:
    """Read what there is of a run folder; nothing that is missing or damaged stops it.

    Args:
        folder: The run folder.

    Returns:
        Each file's content, or why it could not be used.
    """
    objects = {
        name.removesuffix(".json"): _json(
            folder, name, kind=list if name in {"explanations.json", "flow.json"} else dict
        )
        for name in MADE_BY
        if name.endswith(".json")
    }
    return RunFiles(
        folder=folder,
        history=_lines(folder, "history.jsonl"),
        events=_lines(folder, "events.jsonl", empty=True),
        cohort=_table(folder, "cohort.parquet", needs=("part", "malignant", "patient_id")),
        predictions=_table(
            folder, "predictions.parquet", needs=("part", "label", "patient_id", "image_id"), scored=True
        ),
        **objects,
    )


def missing(name: str, why: str = "not in the run folder") -> Missing:
    """Say that a file could not be used, and what makes it."""
    return Missing(file=name, why=why, command=MADE_BY[name])


def _json(folder: Path, name: str, *, kind: type) -> Json | Missing:
    try:
        found: Any = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return missing(name)
    except (OSError, ValueError):
        return missing(name, "damaged: not JSON")
    if name == "robustness.json" and isinstance(found, dict) and "metric" not in found:
        return missing(name, "written by another version")
    fits = isinstance(found, kind)
    if not fits:
        return missing(name, f"damaged: not a JSON {'array' if kind is list else 'object'}")
    sound: Json = found
    return sound


def _lines(folder: Path, name: str, *, empty: bool = False) -> list[dict[str, Any]] | Missing:
    """A file of one JSON object a line."""
    try:
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except FileNotFoundError:
        return missing(name)
    except (OSError, ValueError):
        return missing(name, "damaged: not one JSON object a line")
    if not (rows or empty) or not all(isinstance(row, dict) for row in rows):
        return missing(name, "damaged: no epoch in it")
    return rows


def _table(folder: Path, name: str, *, needs: tuple[str, ...], scored: bool = False) -> pl.DataFrame | Missing:
    if not (folder / name).is_file():
        return missing(name)
    try:
        table = pl.read_parquet(folder / name)
    except (pl.exceptions.PolarsError, OSError):
        return missing(name, "damaged: not a Parquet table")
    lacking = [column for column in needs if column not in table.columns]
    if scored and not any(column == "score" or column.startswith("score_") for column in table.columns):
        lacking.append("score")
    if lacking:
        return missing(name, f"damaged: no column {', '.join(lacking)}")
    return table.with_columns(pl.col("part").cast(pl.String))
