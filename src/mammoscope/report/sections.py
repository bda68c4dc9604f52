"""What each section of a report shows, taken from the files of the run: plain values for the template."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from mammoscope.report.words import METRIC_NAMES, NONE, PLURAL, interval, lead_words, metric_words, number, rule_words
from mammoscope.vocabulary import Part

Facts = Mapping[str, Any]
Row = dict[str, Any]

SHOWN = 20  # findings, failures: the files hold the rest


def number_table(metrics: Facts, *, part: str) -> Row:
    """Metrics by unit, each with its interval.

    Args:
        metrics: What `metrics.json` holds.
        part: `test`, or `tune` for reference.

    Returns:
        `units` (heads of the columns), and `rows` of cells with `value`, `ends` and `reason`.
    """
    units = metrics["units"]
    heads = [
        {
            "unit": unit,
            "plural": PLURAL[unit],
            "size": result[part]["auc"],
            "aggregation": result["aggregation"],
            "threshold": _threshold(result["threshold"]),
        }
        for unit, result in units.items()
    ]
    rows = [
        {
            "name": metric_words(key, targets=metrics.get("targets")),
            "key": key,
            "cells": [estimate_cell(result[part].get(key)) for result in units.values()],
        }
        for key in METRIC_NAMES
    ]
    return {"units": heads, "rows": rows}


def baseline_table(metrics: Facts) -> list[Row]:
    """One row a baseline, at the headline's unit: what it is, its AUC, and the model's lead over it."""
    unit = metrics["headline"]
    rows = []
    for baseline in metrics["baselines"]:
        found = baseline["units"].get(unit)
        rows.append(
            {
                "name": baseline["name"],
                "what": baseline["what"],
                "used": baseline["used"],
                "dropped": baseline["dropped"],
                "reason": baseline["reason"],
                "auc": estimate_cell(found["test"]["auc"]) if found else None,
                "average_precision": estimate_cell(found["test"]["average_precision"]) if found else None,
                "accuracy": estimate_cell(found["test"]["accuracy"]) if found else None,
                "difference": estimate_cell(found["difference"]["auc"]) if found else None,
                "verdict": found["difference"]["verdict"] if found else None,
                "words": lead_words(baseline, unit=unit),
            }
        )
    return rows


def confusion_table(result: Facts) -> Row | None:
    """Counts and shares of each row at the threshold; None without one."""
    cells = result["confusion"]
    if not cells:
        return None
    rows = []
    for truth, keys in (
        ("positive", ("true_positive", "false_negative")),
        ("negative", ("false_positive", "true_negative")),
    ):
        counts = [cells[key] for key in keys]
        total = sum(counts)
        rows.append({"truth": truth, "total": total, "cells": [(n, n / total if total else None) for n in counts]})
    return {"rows": rows, "plural": PLURAL[result["unit"]], "unit": result["unit"]}


def hardest(predictions: pl.DataFrame, *, threshold: float, each: int = 6) -> list[Row]:
    """Test images that are wrong by most: missed with the lowest score, called with the highest.

    Args:
        predictions: The run's predictions.
        threshold: Per image.
        each: Rows of each kind.

    Returns:
        Rows with `kind`, `image_id`, `patient_id`, `view`, `density`, `score`.

    Example:
        >>> table = pl.DataFrame({"part": ["test"] * 3, "image_id": list("abc"), "patient_id": list("xyz"),
        ...                       "label": [1, 0, 0], "score": [0.2, 0.9, 0.1]})
        >>> [(row["kind"], row["image_id"]) for row in hardest(table, threshold=0.5)]
        [('missed', 'a'), ('called', 'b')]
    """
    test = predictions.filter(pl.col("part") == Part.TEST.value)
    missed = test.filter((pl.col("label") == 1) & (pl.col("score") < threshold)).sort("score", "image_id")
    called = test.filter((pl.col("label") == 0) & (pl.col("score") >= threshold)).sort(
        "score", "image_id", descending=[True, False]
    )
    return [
        {"kind": kind, **{k: row.get(k) for k in ("image_id", "patient_id", "laterality", "view", "density", "score")}}
        for kind, rows in (("missed", missed), ("called", called))
        for row in rows.head(each).to_dicts()
    ]


def part_table(cohort: pl.DataFrame) -> list[Row]:
    """Patients, images and positives by part, and in all."""
    keys = [name for name in ("source", "patient_id") if name in cohort.columns]
    groups = [(part.value, cohort.filter(pl.col("part") == part.value)) for part in Part]
    return [
        {
            "part": name,
            "patients": rows.select(keys).n_unique(),
            "images": rows.height,
            "positives": int(rows["malignant"].cast(pl.Int64).sum() or 0),
        }
        for name, rows in [*groups, ("all", cohort)]
    ]


def flow(split: Sequence[Any] | None, prepare: Facts | None, predictions: pl.DataFrame | None) -> list[tuple[str, int]]:
    """How many records, then images, were left after each step."""
    steps = [(str(what), int(count)) for what, count in split or ()]
    if prepare is not None and "prepared" in prepare:
        steps.append(("read and prepared", int(prepare["prepared"])))
    if predictions is not None:
        scored = predictions.filter(pl.col("part") != Part.TRAIN.value).height
        steps.append(("scored (tune and test)", scored))
    return steps


def findings(audit: Facts) -> Row:
    """Findings of the audit, errors first, the first `SHOWN` of them."""
    order = {"error": 0, "warning": 1, "note": 2}
    rows = sorted(audit.get("findings", []), key=lambda row: order.get(row.get("severity", ""), 3))
    counts = Counter(str(row.get("severity")) for row in rows)
    keys = ("severity", "check", "image_id", "patient_id", "message")
    return {
        "counts": [(name, counts[name]) for name in order],
        "rows": [picked(row, *keys) for row in rows[:SHOWN]],
        "more": max(0, len(rows) - SHOWN),
    }


def failures(prepare: Facts) -> Row:
    """Images that could not be read, by code, the first `SHOWN` named."""
    rows = prepare.get("failed", [])
    codes = Counter(str(row.get("code")) for row in rows)
    named = [picked(row, "image_id", "code", "message") for row in rows[:SHOWN]]
    return {"count": len(rows), "codes": codes.most_common(), "rows": named, "more": max(0, len(rows) - SHOWN)}


def settings(values: Facts) -> list[tuple[str, list[tuple[str, str]]]]:
    """Nested settings as groups of name and value.

    Example:
        >>> settings({"name": "a", "model": {"kind": "cnn", "channels": [1, 2]}, "stages": [{"epochs": 3}]})
        [('', [('name', 'a')]), ('model', [('kind', 'cnn'), ('channels', '1, 2')]), ('stage 1', [('epochs', '3')])]
    """
    plain: list[tuple[str, str]] = []
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            groups.append((name, _flat(value)))
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            groups += [(f"{name.removesuffix('s')} {place}", _flat(item)) for place, item in enumerate(value, start=1)]
        else:
            plain.append((name, _plain(value)))
    return [("", plain), *groups] if plain else groups


def estimate_cell(estimate: Facts | None, *, digits: int = 3) -> Row:
    """One number for a table: its value, both ends, and why there is none."""
    if estimate is None:
        return {"value": NONE, "ends": "", "reason": "does not apply"}
    return {
        "value": number(estimate["value"], digits=digits),
        "ends": interval(estimate, digits=digits),
        "reason": estimate.get("reason"),
        "undefined": estimate.get("undefined", 0),
        "replicates": estimate.get("replicates"),
    }


def picked(values: Facts | None, *names: str) -> Row:
    """Some keys of a mapping, None for what it does not say."""
    return {name: (values or {}).get(name) for name in names}


def _flat(values: Facts, prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", _plain(value)))
    return rows


def _plain(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case list() if all(not isinstance(item, (list, dict)) for item in value):
            return ", ".join(_plain(item) for item in value) or "none"
        case str() | int():
            return str(value)
        case _:
            return json.dumps(value)


def _threshold(threshold: Facts) -> Row:
    return {**threshold, "words": rule_words(threshold)}
