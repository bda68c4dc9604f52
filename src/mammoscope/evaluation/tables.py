"""An evaluation as flat tables and files that other programs read."""

import json
from pathlib import Path

import polars as pl

from mammoscope.evaluation.class_values import ClassEvaluation
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.values import Evaluation
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


def class_table(evaluation: ClassEvaluation) -> pl.DataFrame:
    """Every number of an evaluation of several classes, one row a group and metric.

    Args:
        evaluation: Of `evaluate_classes`.

    Returns:
        Columns `group` (`all`, the name of a class, or the classes of the collapse joined by `+`), `metric`, then those
        of the estimate.
    """
    groups = {"all": evaluation.test, **evaluation.per_class}
    if evaluation.collapse is not None:
        groups["+".join(evaluation.collapse.positive)] = evaluation.collapse.test
    rows = [
        {"group": group, "metric": name, **estimate_cells(estimate)}
        for group, found in groups.items()
        for name, estimate in found.items()
    ]
    return pl.DataFrame(rows, schema={"group": pl.String, "metric": pl.String, **ESTIMATE})


def write_class_evaluation(evaluation: ClassEvaluation, folder: Path) -> list[Path]:
    """Write an evaluation of several classes as `classes.json`, `classes.csv` and `confusion.csv`.

    Args:
        evaluation: Of `evaluate_classes`.
        folder: Made if missing.

    Returns:
        The files.

    Raises:
        StorageError: The file system refused.
    """
    confusion = pl.DataFrame(
        [
            {"label": label, "prediction": called, "count": count, "share": shares[column]}
            for label, counts, shares in zip(
                evaluation.classes, evaluation.confusion, evaluation.confusion_normalised, strict=True
            )
            for column, (called, count) in enumerate(zip(evaluation.classes, counts, strict=True))
        ],
        schema={"label": pl.String, "prediction": pl.String, "count": pl.Int64, "share": pl.Float64},
    )
    texts = {
        "classes.json": json.dumps(evaluation.to_json(), indent=2, allow_nan=False) + "\n",
        "classes.csv": class_table(evaluation).write_csv(),
        "confusion.csv": confusion.write_csv(),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _cells(confusion: object) -> dict[str, int]:
    names = ("true_positive", "false_positive", "false_negative", "true_negative")
    return {name: getattr(confusion, name) for name in names}
