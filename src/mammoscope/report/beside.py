"""What stands beside a run's main answer in its report: other tasks, members, and what happened while training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mammoscope.report.class_sections import matrix, per_class_table
from mammoscope.report.class_words import SHORT, class_metrics, is_classes, label_words, lower, rows_words, with_ends
from mammoscope.report.drawing import BLUE, INK, MUTED, Drawing, broken, draw
from mammoscope.report.sections import estimate_cell
from mammoscope.report.words import NONE, interval, number, p_words, percent, size_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Figure = Any

Facts = Mapping[str, Any]
Row = dict[str, Any]

OF_MEMBERS = {
    "binary": ("auc", "accuracy", "sensitivity", "specificity"),
    "classes": ("kappa_quadratic", "macro_auc", "accuracy", "balanced_accuracy", "kappa"),
}
"""Metrics of the table of members, by kind of question."""

OF_CLASS_TASKS = ("kappa_quadratic", "macro_auc", "accuracy", "balanced_accuracy", "majority_accuracy")
OF_TASKS = ("auc", "sensitivity", "specificity", "accuracy")

EVENTS = {
    "class-collapse": "one class takes nearly all answers",
    "low-sensitivity": "sensitivity below the floor",
    "exploding-loss": "the loss exploded",
    "overfitting": "the tune part falls behind",
    "statistics-apart": "batch normalisation per process",
    "begun-anew": "layers begun anew",
    "stopped-early": "a stage ended early",
    "returned": "went back to the last good weights",
}
"""Kind of an event to its name in print."""

NOTES = frozenset({"begun-anew", "returned", "stopped-early"})
"""Kinds that are no alarms."""

SHOWN = 30  # events; the file holds the rest


def members_block(metrics: Facts) -> Row | None:
    """The run's own answer and the others on the same rows; None without members."""
    found = metrics.get("members")
    if not found:
        return None
    ordered = metrics.get("ordered", True)
    keys = [
        key
        for key in OF_MEMBERS[found["kind"]]
        if key in found["own"] and (ordered or key != "kappa_quadratic") and key != found["metric"]
    ]
    keys = [found["metric"], *keys]
    rows = [
        {
            "name": one["name"],
            "cells": [estimate_cell(one["test"].get(key)) for key in keys],
            "difference": estimate_cell(one["difference"]),
            "p": p_words(one["p_adjusted"]),
            "verdict": one["verdict"],
            "reason": one["difference"]["reason"],
        }
        for one in found["members"]
    ]
    return {
        "unit": found["unit"],
        "heads": [SHORT[key] for key in keys],
        "first_lower": lower(SHORT[found["metric"]]),
        "own": [estimate_cell(found["own"].get(key)) for key in keys],
        "rows": rows,
        "test": found["test"],
        "binary": found["kind"] == "binary",
    }


def members_figure(metrics: Facts) -> Drawing | None:
    """The run's own answer and its members with their intervals, beside the paired differences; None without."""
    found = metrics.get("members")
    if not found:
        return None
    key, rows = found["metric"], found["members"]
    points = [("this run", found["own"][key]), *((one["name"], one["test"][key]) for one in rows)]

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        for place, (_, one) in enumerate(points):
            _line(left, one, place, colour=BLUE if not place else MUTED)
        for place, one in enumerate(rows, start=1):
            _line(right, one["difference"], place, colour=INK)
        right.axvline(0.0, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        left.set_yticks(range(len(points)), [broken(name) for name, _ in points])
        left.set(xlabel=SHORT[key], ylim=(len(points) - 0.4, -0.6))
        right.set(xlabel="this run minus the member")
        for axes in (left, right):
            axes.grid(visible=False, axis="y")
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0, labelcolor=INK)

    said = "; ".join(f"{name} {number(one['value'])} ({interval(one)})" for name, one in points)
    return draw(
        "members",
        title="Beside its members",
        alt=f"{SHORT[key]} per {found['unit']}, {percent(metrics['confidence'])} intervals: {said}. Right: paired "
        "differences; where one crosses 0 the two are not told apart.",
        size=(8.2, 0.34 * len(points) + 0.8),
        paint=paint,
    )


def _line(axes: Any, found: Facts, place: int, *, colour: str) -> None:
    if found["value"] is None:
        return
    if found["low"] is not None:
        axes.plot([found["low"], found["high"]], [place, place], color=colour, linewidth=2.4)
    axes.plot(found["value"], place, "o", color=colour, markersize=6)


def tasks_block(metrics: Facts) -> list[Row]:
    """The other tasks of the run, each with its numbers at its headline; empty without."""
    return [_task(name, found) for name, found in metrics.get("tasks", {}).items()]


def _task(name: str, found: Facts) -> Row:
    about: Row = {"name": label_words(name), "reason": found.get("reason"), "matrix": None, "classes": None}
    if found["kind"] == "none":
        return {**about, "kind": "none", "rows": [], "size": NONE, "unit": None, "warnings": []}
    unit = found["headline"]
    result = found["units"][unit]
    about |= {"kind": found["kind"], "unit": unit, "warnings": found["warnings"]}
    if is_classes(found):
        shown = [key for key in OF_CLASS_TASKS if key in class_metrics(found)]
        names = {key: SHORT[key] for key in shown if key in result["test"]}
        rows = [{"name": text, "cell": estimate_cell(result["test"][key])} for key, text in names.items()]
        size = rows_words(result["test"]["accuracy"], unit=unit)
        return {**about, "rows": rows, "size": size, "matrix": matrix(result), "classes": per_class_table(result)}
    rows = [{"name": SHORT[key], "cell": estimate_cell(result["test"][key])} for key in OF_TASKS]
    return {**about, "rows": rows, "size": size_words(result["test"]["auc"], unit=unit)}


def beside_lines(metrics: Facts) -> list[str]:
    """Other tasks and members, a line each, for a terminal.

    Example:
        >>> beside_lines({"warnings": []})
        []
    """
    lines = []
    for name, found in metrics.get("tasks", {}).items():
        if found["kind"] == "none":
            lines.append(f"task {label_words(name)}: not measured ({found['reason']})")
            continue
        unit, first = found["headline"], found.get("primary", "auc")
        told = found["units"][unit]["test"][first]
        size = rows_words(told, unit=unit) if is_classes(found) else size_words(told, unit=unit)
        lines.append(f"task {label_words(name)} per {unit}: {lower(SHORT[first])} {with_ends(told)}, {size}")
    beside: Facts = metrics.get("members") or {"members": ()}
    for one in beside["members"]:
        value, difference = one["test"][beside["metric"]], one["difference"]
        verdict = one["verdict"] or f"not compared ({difference['reason']})"
        between = " from" if verdict == "not distinguishable" else ""
        name = f"{lower(SHORT[beside['metric']])} of member {one['name']}"
        lines.append(
            f"{name}: {with_ends(value)}; this run is {verdict}{between}"
            f"{' it' if one['verdict'] else ''} (difference {with_ends(difference)}, p {p_words(one['p_adjusted'])} "
            "after Holm)"
        )
    return lines


def events_block(events: Sequence[Facts] | None) -> Row | None:
    """What happened while training, by epoch; None where nobody watched."""
    if events is None:
        return None
    counts = Counter(str(row.get("kind")) for row in events)
    rows = [
        {
            "epoch": row.get("epoch"),
            "kind": str(row.get("kind")),
            "name": EVENTS.get(str(row.get("kind")), str(row.get("kind")).replace("-", " ")),
            "text": str(row.get("text") or ""),
            "note": row.get("kind") in NOTES,
        }
        for row in events
    ]
    return {
        "rows": rows[:SHOWN],
        "more": max(0, len(rows) - SHOWN),
        "counts": [(EVENTS.get(kind, kind.replace("-", " ")), count) for kind, count in counts.most_common()],
    }


def events_words(events: Sequence[Facts] | None) -> str | None:
    """The events in a line for the head of a report; None where there is none."""
    found = events_block(events)
    if not found or not found["rows"]:
        return None
    told = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in found["counts"])
    return f"While training: {told}."


def beside_glance(metrics: Facts, events: Sequence[Facts] | None) -> list[tuple[str, str]]:
    """Members, other tasks and events in a line each, for the head of the page: anchor of the section, and words."""
    said: list[tuple[str, str]] = []
    found = metrics.get("members")
    if found:
        told = "; ".join(
            f"{one['verdict'] or 'not compared with'}{' from' if one['verdict'] == 'not distinguishable' else ''} "
            f"{one['name']} ({number(one['test'][found['metric']]['value'])})"
            for one in found["members"]
        )
        said.append(("members", f"By {lower(SHORT[found['metric']])}, on the same rows, this run is {told}."))
    if metrics.get("tasks"):
        names = ", ".join(label_words(name) for name in metrics["tasks"])
        said.append(("tasks", f"The same network also answers: {names}."))
    words = events_words(events)
    return [*said, ("training", words)] if words else said
