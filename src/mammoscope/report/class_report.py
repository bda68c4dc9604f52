"""Precision, recall and F1 score of both classes of yes or no, with their means: counted, not resampled again."""

from collections.abc import Iterator, Mapping
from typing import Any

from mammoscope.report.sections import estimate_cell

Facts = Mapping[str, Any]
Row = dict[str, Any]
SHOWN = ("precision", "recall", "f1")
KNOWN = {"negative": ("npv", "specificity", None), "positive": ("ppv", "sensitivity", "f1")}
"""The metric of the run that is the same number, with an interval; F1 of the negative class has none."""


def class_report(result: Facts) -> list[Row]:
    """What `classification_report` of scikit-learn says of the calls of one unit.

    Args:
        result: Of one unit, as `metrics.json` holds it.

    Returns:
        Rows with `name`, `precision`, `recall`, `f1`, `support`: both classes, accuracy (as `f1`), mean of both, mean
        by support. A quotient by 0, and what rests on one, is None. Empty without a threshold.

    Example:
        >>> cells = {"true_positive": 3, "false_negative": 1, "false_positive": 2, "true_negative": 4}
        >>> [(row["name"], row["precision"], row["support"]) for row in class_report({"confusion": cells})][:2]
        [('negative', 0.8, 6), ('positive', 0.6, 4)]
    """
    cells = result["confusion"]
    if not cells:
        return []
    hit, missed, false, cleared = (
        cells[key] for key in ("true_positive", "false_negative", "false_positive", "true_negative")
    )
    both = [
        _row("negative", right=cleared, called=cleared + missed, support=cleared + false),
        _row("positive", right=hit, called=hit + false, support=hit + missed),
    ]
    rows = hit + missed + false + cleared
    return [
        *both,
        {"name": "accuracy", "precision": None, "recall": None, "f1": _share(hit + cleared, rows), "support": rows},
        _mean("mean of both", both, weights=[1, 1]),
        _mean("mean by count", both, weights=[row["support"] for row in both]),
    ]


def class_report_table(result: Facts) -> list[Row]:
    """The rows of `class_report` as cells for the page, with the interval where the run has measured one."""
    return [
        {"name": row["name"], "support": row["support"], "cells": list(_cells(row, result["test"]))}
        for row in class_report(result)
    ]


def _cells(row: Row, test: Facts) -> Iterator[Row]:
    known = {"accuracy": (None, None, "accuracy")} | KNOWN
    for metric, same in zip(SHOWN, known.get(row["name"], (None, None, None)), strict=True):
        yield estimate_cell(test[same] if same else {"value": row[metric], "low": None, "high": None})


def _row(name: str, *, right: int, called: int, support: int) -> Row:
    return {
        "name": name,
        "precision": _share(right, called),
        "recall": _share(right, support),
        "f1": _share(2 * right, called + support),
        "support": support,
    }


def _mean(name: str, rows: list[Row], *, weights: list[int]) -> Row:
    found: Row = {"name": name}
    for metric in SHOWN:
        values = [row[metric] for row in rows]
        known = None not in values and sum(weights) > 0
        pairs = zip(values, weights, strict=True)
        found[metric] = sum(value * weight for value, weight in pairs) / sum(weights) if known else None
    return found | {"support": sum(row["support"] for row in rows)}


def _share(top: int, bottom: int) -> float | None:
    return top / bottom if bottom else None
