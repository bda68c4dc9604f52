"""The tables of a run's report as CSV, for a spreadsheet or another program."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from mammoscope.report.class_page import class_tables
from mammoscope.report.class_report import class_report
from mammoscope.report.class_words import is_classes
from mammoscope.report.sections import Row
from mammoscope.report.words import metric_words

Facts = Mapping[str, Any]

ESTIMATE = ("value", "low", "high", "n", "positives", "patients", "undefined", "method", "reason")
"""Columns of a number, as `metrics.json` calls them."""


def run_tables(
    metrics: Facts | None,
    *,
    hardest: Sequence[Row] | None = None,
    history: Sequence[Facts] = (),
    parts: Sequence[Row] = (),
    flow: Sequence[tuple[str, int]] = (),
) -> dict[str, str]:
    """Every table of a run that its files allow.

    Args:
        metrics: What `metrics.json` holds; None where it cannot be used.
        hardest: Of `sections.hardest`.
        history: Of `history.jsonl`.
        parts: Of `sections.part_table`.
        flow: Of `sections.flow`.

    Returns:
        Name without ending to CSV; a table without a row is left out. Values are not rounded.

    Example:
        >>> print(run_tables(None, flow=[("records", 3), ("images", 2)])["flow"])
        step,count
        records,3
        images,2
        <BLANKLINE>
    """
    rows: dict[str, list[Row]] = {}
    if metrics is not None:
        rows = class_tables(metrics) if is_classes(metrics) else _measured(metrics)
        units = metrics["units"].items()
        rows["calibration"] = [row for unit, result in units for row in _calibration(unit, result)]
        rows["reliability"] = [row for unit, result in units for row in _reliability(unit, result)]
        rows["subgroups"], rows["gaps"] = (
            list(_subgroups(metrics.get("subgroups"))),
            list(_gaps(metrics.get("subgroups"))),
        )
        rows["members"] = list(_members(metrics.get("members")))
        rows["tasks"] = list(_tasks(metrics.get("tasks", {})))
    rows |= {
        "hardest": list(hardest or ()),
        "history": [dict(row) for row in history],
        "parts": list(parts),
        "flow": [{"step": what, "count": count} for what, count in flow],
    }
    return {name: as_csv(found) for name, found in rows.items() if found}


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV; lists and mappings within a cell are left out."""
    plain = [{key: value for key, value in row.items() if not isinstance(value, (list, dict))} for row in rows]
    return pl.DataFrame(plain, infer_schema_length=None, strict=False).write_csv()


def _measured(metrics: Facts) -> dict[str, list[Row]]:
    units, targets = metrics["units"], metrics.get("targets")
    return {
        "metrics": [
            {"unit": unit, "part": part, "metric": name, "name": metric_words(name, targets=targets), **_number(found)}
            for unit, result in units.items()
            for part in ("test", "tune")
            for name, found in result[part].items()
        ],
        "confusion": [row for unit, result in units.items() for row in _confusion(unit, result)],
        "class-report": [{"unit": unit, **row} for unit, result in units.items() for row in class_report(result)],
        "curves": [
            {"unit": unit, "curve": name, "x": x, "y": y}
            for unit, result in units.items()
            for name in ("roc", "precision_recall")
            if result[name]
            for x, y in zip(result[name]["x"], result[name]["y"], strict=True)
        ],
        "baselines": [
            {"baseline": baseline["name"], "unit": unit, "metric": name, **_number(found)}
            for baseline in metrics["baselines"]
            for unit, result in baseline["units"].items()
            for name, found in (*result["test"].items(), ("auc, model minus baseline", result["difference"]["auc"]))
        ],
        "decision-curve": [row for unit, result in units.items() for row in _decision(unit, result)],
        "per-thousand": [
            {"unit": unit, "prevalence": found["prevalence"], "what": what, **_number(found[what])}
            for unit, result in units.items()
            if (found := result.get("per_thousand"))
            for what in ("recalled", "found", "false_recalls", "missed")
        ],
        "sealed": [
            {
                "sealed": seal["fingerprint"],
                **look,
                **{k: (look["result"] or {}).get(k) for k in ("auc", "low", "high")},
            }
            for seal in metrics.get("sealed", [])
            for look in seal["looks"]
        ],
    }


def _members(found: Facts | None) -> Iterator[Row]:
    if not found:
        return
    answers = [("this run", found["own"]), *((one["name"], one["test"]) for one in found["members"])]
    for name, test in answers:
        for key, one in test.items():
            yield {"answer": name, "metric": key, **_number(one)}
    for one in found["members"]:
        told = {key: one[key] for key in ("p_value", "p_adjusted", "verdict")}
        yield (
            {"answer": one["name"], "metric": f"{found['metric']}, this run minus it"}
            | _number(one["difference"])
            | told
        )


def _tasks(tasks: Mapping[str, Facts]) -> Iterator[Row]:
    for name, found in tasks.items():
        for unit, result in found.get("units", {}).items():
            for key, one in result["test"].items():
                yield {"task": name, "unit": unit, "metric": key, **_number(one)}


def _number(found: Facts) -> Row:
    return {name: found.get(name) for name in ESTIMATE}


def _confusion(unit: str, result: Facts) -> Iterator[Row]:
    cells = result["confusion"]
    for truth, keys in (
        ("positive", ("true_positive", "false_negative")),
        ("negative", ("false_positive", "true_negative")),
    ):
        if cells:
            total = sum(cells[key] for key in keys)
            called = ("positive", "negative")
            for name, key in zip(called, keys, strict=True):
                share = cells[key] / total if total else None
                yield {"unit": unit, "truth": truth, "called": name, "count": cells[key], "share_of_truth": share}


def _sides(result: Facts) -> Iterator[tuple[str, str, Facts]]:
    """Scores and probabilities; of several classes also of the called class and of each."""
    found = result.get("calibration") or {}
    for of in ("scores", "probabilities"):
        if side := found.get(of):
            yield of, "all", side
            if "call" in side:
                yield of, "called class", side["call"]
                yield from ((of, name, one) for name, one in side["classes"].items())


def _calibration(unit: str, result: Facts) -> Iterator[Row]:
    for of, group, side in _sides(result):
        about = {"unit": unit, "of": of, "group": group}
        for name, found in side.items():
            if isinstance(found, Mapping) and "value" in found:
                yield {**about, "metric": name, **_number(found)}
        for name in ("equal_width", "equal_mass"):
            found, error = side[name], side[name]["error"]
            told = _number(error) if isinstance(error, Mapping) else _number({"value": error})
            yield {**about, "metric": f"ece, {found['asked']} bins {name}", **told}


def _reliability(unit: str, result: Facts) -> Iterator[Row]:
    for of, group, side in _sides(result):
        for one in side.get("curve", ()):
            bounds = {"from": one["low"], "to": one["high"], "mean_score": one["mean_score"]}
            yield {"unit": unit, "of": of, "group": group, **bounds, **_number(one["share_positive"])}


def _decision(unit: str, result: Facts) -> Iterator[Row]:
    found = result.get("decision_curve")
    names = ("thresholds", "model", "low", "high", "recall_all", "recall_none")
    if found:
        for values in zip(*(found[name] for name in names), strict=True):
            yield {"unit": unit, "prevalence": found["prevalence"], **dict(zip(names, values, strict=True))}


def _subgroups(found: Facts | None) -> Iterator[Row]:
    for factor in (found or {}).get("factors", ()):
        for group in factor["groups"]:
            for name, one in group["metrics"].items():
                yield {"factor": factor["name"], "group": group["name"], "metric": name, **_number(one)}


def _gaps(found: Facts | None) -> Iterator[Row]:
    for factor in (found or {}).get("factors", ()):
        for name, gap in factor["gaps"].items():
            ends = {key: (gap["gap"] or {}).get(key) for key in ("value", "low", "high")}
            told = {key: gap[key] for key in ("worst", "best", "p_value", "p_adjusted", "differs", "reason")}
            yield {"factor": factor["name"], "metric": name, **ends, **told}
