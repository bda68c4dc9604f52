"""An evaluation as flat tables and files that other programs read."""

import json
from pathlib import Path

import polars as pl

from mammoscope.evaluation.values import Estimate, Evaluation
from mammoscope.storage import write_text

ESTIMATE = {
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "positives": pl.Int64,
    "patients": pl.Int64,
    "undefined": pl.Int64,
    "reason": pl.String,
}
"""Columns of an estimate in a table."""


def metric_table(evaluation: Evaluation) -> pl.DataFrame:
    """Every number of an evaluation, one row a unit, part and metric.

    Args:
        evaluation: Of `evaluate`.

    Returns:
        Columns `unit`, `part`, `metric`, then those of the estimate; a number that is not defined is empty and has a
        reason.
    """
    rows = [
        {"unit": unit, "part": part, "metric": name, **estimate_cells(estimate)}
        for unit, result in evaluation.units.items()
        for part, found in (("test", result.test), ("tune", result.tune))
        for name, estimate in found.items()
        if estimate.n
    ]
    return pl.DataFrame(rows, schema={"unit": pl.String, "part": pl.String, "metric": pl.String, **ESTIMATE})


def estimate_cells(estimate: Estimate) -> dict[str, object]:
    """The cells of one estimate, in the order of `ESTIMATE`."""
    return {name: getattr(estimate, name) for name in ESTIMATE}


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write an evaluation as `metrics.json`, and as CSV tables of numbers, confusion counts and curves.

    Args:
        evaluation: Of `evaluate`.
        folder: Made if missing.

    Returns:
        The files.

    Raises:
        StorageError: The file system refused.
    """
    confusion = [
        {"unit": unit, "threshold": result.threshold.value, **_cells(result.confusion)}
        for unit, result in evaluation.units.items()
        if result.confusion is not None
    ]
    curves = [
        {"unit": unit, "curve": name, "x": x, "y": y}
        for unit, result in evaluation.units.items()
        for name, curve in (("roc", result.roc), ("precision_recall", result.precision_recall))
        if curve is not None
        for x, y in zip(curve.x, curve.y, strict=True)
    ]
    counts = ("true_positive", "false_positive", "false_negative", "true_negative")
    tables = {
        "metrics.csv": metric_table(evaluation),
        "confusion.csv": pl.DataFrame(
            confusion, schema={"unit": pl.String, "threshold": pl.Float64, **dict.fromkeys(counts, pl.Int64)}
        ),
        "curves.csv": pl.DataFrame(
            curves, schema={"unit": pl.String, "curve": pl.String, "x": pl.Float64, "y": pl.Float64}
        ),
    }
    write_text(folder / "metrics.json", json.dumps(evaluation.to_json(), indent=2, allow_nan=False) + "\n")
    for name, table in tables.items():
        write_text(folder / name, table.write_csv())
    return [folder / name for name in ("metrics.json", *tables)]


def _cells(confusion: object) -> dict[str, int]:
    names = ("true_positive", "false_positive", "false_negative", "true_negative")
    return {name: getattr(confusion, name) for name in names}
