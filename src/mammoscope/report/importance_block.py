"""What is lost without each input, as tables: for the page of importance, the report of the run, a terminal."""

from collections.abc import Mapping
from typing import Any

from mammoscope.report.words import interval, number

Facts = Mapping[str, Any]
Row = dict[str, Any]

MEASURES = {"auc": "fall of AUC", "log_loss": "rise of log loss"}


def fall_tables(facts: Facts) -> list[Row]:
    """A table a task, class and measure: one row an input, that which is worth most first.

    Args:
        facts: What `importance.json` holds.

    Returns:
        `title`, `measure`, `before`, `ends` and `rows`, of which `sure` says that the interval lies above 0.
    """
    found = facts.get("permutation")
    if found is None:
        return []
    tables: dict[tuple[str, str, str], Row] = {}
    for fall in found["falls"]:
        key = (fall["task"], fall["of"], fall["measure"])
        told = f"{fall['task']}, {fall['of']}: {MEASURES[fall['measure']]}"
        table = tables.setdefault(key, {"title": told, "measure": fall["measure"], "rows": []})
        table |= {"before": number(fall["before"]["value"]), "ends": interval(fall["before"])}
        table["rows"].append(_row(fall))
    for table in tables.values():
        table["rows"].sort(key=lambda row: -row["order"])
    return list(tables.values())


def _row(fall: Facts) -> Row:
    value, low = fall["fall"]["value"], fall["fall"]["low"]
    return {
        "name": fall["name"],
        "value": number(value),
        "ends": interval(fall["fall"]),
        "spread": number(fall["spread"]),
        "sure": low is not None and low > 0,
        "reason": fall["fall"]["reason"],
        "order": -1e9 if value is None else value,
    }


def importance_block(facts: Facts) -> Row:
    """What the report of a run shows of its importance: the tables of AUC, and which part they are of."""
    tables = [table for table in fall_tables(facts) if table["measure"] == "auc"]
    return {"tables": tables, "part": facts["part"], "by": facts["by"], "permutation": facts.get("permutation")}
