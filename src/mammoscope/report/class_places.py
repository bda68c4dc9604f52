"""Several runs of the same classes in the order of what is quoted first, and their paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mammoscope.evaluation import MeasuredClasses, class_difference, class_sample, holm, measure_classes
from mammoscope.report.class_sections import matrix
from mammoscope.report.class_words import SHORT, class_metrics, label_words, lower, rows_words
from mammoscope.report.drawing import INK, MUTED, Drawing, broken, draw, line_style
from mammoscope.report.sections import estimate_cell
from mammoscope.report.words import interval, number, p_words, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Figure = Any

Facts = Mapping[str, Any]
Row = dict[str, Any]
PAIRED = ("accuracy", "balanced_accuracy", "macro_auc", "kappa_quadratic", "kappa")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassContest:
    """One run of several classes.

    Attributes:
        name: Of the run on the page.
        metrics: What its `metrics.json` holds.
        test: Its test rows.
    """

    name: str
    metrics: Facts
    test: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassComparison:
    """What the page of a comparison shows.

    Attributes:
        context: Values of the template.
        drawings: Figures by name.
        tables: CSV tables by name.
    """

    context: Row
    drawings: dict[str, Drawing]
    tables: dict[str, list[Row]]


def class_comparison(runs: Sequence[ClassContest]) -> ClassComparison:
    """Compare runs on the same rows: each pair by what is quoted first, p values of the bootstrap corrected by Holm.

    Args:
        runs: Of the same classes, rows and settings.

    Returns:
        Values, figures and tables of the page.

    Raises:
        SourceError: They are not of the same rows.
    """
    first = runs[0].metrics
    unit, key, level = first["headline"], first["primary"], first["confidence"]
    measured = [_measured(run) for run in runs]
    pairs = _pairs(runs, measured, metric=key, confidence=level)
    order = sorted(runs, key=lambda run: -(_headline(run)[key]["value"] or 0.0))
    others = [name for name in PAIRED if name in class_metrics(first) and name != key and name in measured[0].values]
    test = first["units"][unit]["test"]["accuracy"]
    context = {
        "summary": _summary(order, pairs, metric=key, unit=unit),
        "task": label_words(first["task"]),
        "classes": first["classes"],
        "size": rows_words(test, unit=unit),
        "unit": unit,
        "first": SHORT[key],
        "first_lower": lower(SHORT[key]),
        "confidence": level,
        "replicates": first["replicates"],
        "seed": first["seed"],
        "note": _too_few_replicates(len(pairs), first),
        "places": [_place(run, order, pairs, metric=key) for run in order],
        "pairs": [_cells(pair) for pair in pairs],
        "others": _others(runs, measured, others, confidence=level),
        "other_heads": [SHORT[name] for name in others],
        "tables": [_numbers(runs, one) for one in first["units"] if all(one in run.metrics["units"] for run in runs)],
        "matrices": [{"name": run.name, **matrix(run.metrics["units"][unit])} for run in runs],
    }
    return ClassComparison(
        context=context,
        drawings={"forest": _forest(runs, order, metric=key)},
        tables={"differences": [{"unit": unit, "metric": key, **pair} for pair in pairs]},
    )


def _headline(run: ClassContest) -> Facts:
    found: Facts = run.metrics["units"][run.metrics["headline"]]["test"]
    return found


def _measured(run: ClassContest) -> MeasuredClasses:
    metrics = run.metrics
    rows = run.test.sort([name for name in ("source", "patient_id", "image_id") if name in run.test.columns])
    unit: Any = "image" if metrics["headline"] == metrics["row"] else metrics["headline"]
    sample = class_sample(rows, classes=metrics["classes"], unit=unit)
    return measure_classes(sample, replicates=metrics["replicates"], seed=metrics["seed"])


def _pairs(
    runs: Sequence[ClassContest], measured: Sequence[MeasuredClasses], *, metric: str, confidence: float
) -> list[Row]:
    places = list(combinations(range(len(runs)), 2))
    found = [class_difference(measured[a], measured[b], metric=metric, confidence=confidence) for a, b in places]
    known = np.array([one.p_value for one in found if one.p_value is not None], dtype=np.float64)
    corrected = iter(holm(known).tolist()) if len(known) else iter(())
    rows = []
    for (one, other), told in zip(places, found, strict=True):
        adjusted = None if told.p_value is None else float(next(corrected))
        agreed = adjusted is None or adjusted < 1.0 - confidence
        verdict = told.verdict if agreed or told.verdict is None else "not distinguishable"
        difference = told.difference
        rows.append(
            {
                "first": runs[one].name,
                "second": runs[other].name,
                **{name: getattr(difference, name) for name in ("value", "low", "high", "reason")},
                "p_value": told.p_value,
                "p_adjusted": adjusted,
                "verdict": verdict,
            }
        )
    return rows


def _cells(pair: Row) -> Row:
    shown = {"value": number(pair["value"]), "ends": interval(pair), "reason": pair["reason"]}
    p = {"p": p_words(pair["p_value"]), "p_adjusted": p_words(pair["p_adjusted"])}
    return {"first": pair["first"], "second": pair["second"], "cell": shown, "verdict": pair["verdict"], **p}


def _behind(best: ClassContest, other: ClassContest, pairs: Sequence[Row]) -> Row:
    """The best minus another one, whichever way round the pair stands."""
    for pair in pairs:
        if (pair["first"], pair["second"]) == (best.name, other.name):
            return pair
    pair = next(pair for pair in pairs if (pair["first"], pair["second"]) == (other.name, best.name))
    turned = {"above": "below", "below": "above"}
    swapped = {"value": "value", "low": "high", "high": "low"}
    minus = {name: None if pair[source] is None else -pair[source] for name, source in swapped.items()}
    return {**pair, **minus, "verdict": turned.get(pair["verdict"] or "", pair["verdict"])}


def _place(run: ClassContest, order: Sequence[ClassContest], pairs: Sequence[Row], *, metric: str) -> Row:
    values = [_headline(one)[metric]["value"] for one in order]
    test, best = _headline(run), order[0]
    pair = None if run is best else _behind(best, run, pairs)
    return {
        "place": values.index(test[metric]["value"]) + 1,
        "name": run.name,
        "cell": estimate_cell(test[metric]),
        "accuracy": estimate_cell(test["accuracy"]),
        "behind": None if pair is None else {"value": number(pair["value"]), "ends": interval(pair), "reason": None},
        "p": p_words(None if pair is None else pair["p_adjusted"]),
        "verdict": None if pair is None else pair["verdict"],
    }


def _summary(order: Sequence[ClassContest], pairs: Sequence[Row], *, metric: str, unit: str) -> str:
    best = order[0]
    found = _headline(best)[metric]
    name = lower(SHORT[metric])
    said = [f"{best.name} has the highest {name} per {unit}, {number(found['value'])} ({interval(found)})."]
    verdicts = [(run.name, _behind(best, run, pairs)["verdict"]) for run in order[1:]]
    together = [name for name, verdict in verdicts if verdict != "above"]
    behind = [name for name, verdict in verdicts if verdict == "above"]
    said += [f"Not distinguishable from it: {', '.join(together)}."] if together else []
    said += [f"Shown to be below it: {', '.join(behind)}."] if behind else []
    return " ".join(said)


def _too_few_replicates(pairs: int, metrics: Facts) -> str | None:
    """Whether no pair can be told apart, whatever the runs are: a p value is 2 / (replicates + 1) at least."""
    least = 2.0 * pairs / (metrics["replicates"] + 1)
    level = 1.0 - metrics["confidence"]
    if least < level:
        return None
    needed = int(np.ceil(2.0 * pairs / level))
    return (
        f"with {metrics['replicates']:,} replicates no corrected p of {pairs} pairs can fall below {number(least)}: no "
        f"two runs can be told apart. Measure with {needed:,} replicates or more, under [measure] in the recipes"
    )


def _others(
    runs: Sequence[ClassContest], measured: Sequence[MeasuredClasses], names: Sequence[str], *, confidence: float
) -> list[Row]:
    rows = []
    for one, other in combinations(range(len(runs)), 2):
        found = [
            class_difference(measured[one], measured[other], metric=name, confidence=confidence).difference
            for name in names
        ]
        cells = [
            {"value": number(told.value), "ends": interval({"low": told.low, "high": told.high}), "reason": told.reason}
            for told in found
        ]
        rows.append({"first": runs[one].name, "second": runs[other].name, "cells": cells})
    return rows


def _numbers(runs: Sequence[ClassContest], unit: str) -> Row:
    tests = [run.metrics["units"][unit]["test"] for run in runs]
    rows = [
        {
            "name": name,
            "first": key == runs[0].metrics["primary"],
            "cells": [estimate_cell(test.get(key)) for test in tests],
        }
        for key, name in class_metrics(runs[0].metrics).items()
    ]
    return {"unit": unit, "size": rows_words(tests[0]["accuracy"], unit=unit), "rows": rows}


def _forest(runs: Sequence[ClassContest], order: Sequence[ClassContest], *, metric: str) -> Drawing:
    shown = list(dict.fromkeys([metric, "accuracy"]))
    colours = {run.name: line_style(place)["color"] for place, run in enumerate(runs)}
    majority = _headline(runs[0])["majority_accuracy"]["value"]

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, key in zip(panels, shown, strict=True):
            for place, run in enumerate(order):
                found = _headline(run)[key]
                if found["low"] is not None:
                    axes.plot([found["low"], found["high"]], [place, place], color=colours[run.name], linewidth=2.4)
                if found["value"] is not None:
                    axes.plot(found["value"], place, "o", color=colours[run.name], markersize=6)
            if key == "accuracy":
                axes.axvline(majority, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
            axes.set(xlabel=SHORT[key], ylim=(len(order) - 0.4, -0.6))
            axes.grid(visible=False, axis="y")
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0, labelcolor=INK)
        panels[0].set_yticks(range(len(order)), [broken(run.name) for run in order])

    said = "; ".join(
        f"{run.name} {number(_headline(run)[metric]['value'])} ({interval(_headline(run)[metric])})" for run in order
    )
    return draw(
        "forest",
        title="Runs side by side",
        alt=f"{SHORT[metric]}, {percent(runs[0].metrics['confidence'])} intervals: {said}. Dashed: accuracy of always "
        "the commonest class.",
        size=(9.6, 0.36 * len(order) + 0.8),
        paint=paint,
    )
