"""The figures of a run of several classes, each from the files of its folder."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mammoscope.report.class_words import CLASS_NAMES, SHORT
from mammoscope.report.drawing import BLUE, DASHES, INK, MUTED, SERIES, Drawing, draw, unit_square
from mammoscope.report.words import PLURAL, interval, number, percent
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Axes = Figure = Any

Facts = Mapping[str, Any]
LONG = 6  # letters of a class name that still fit under a column upright


def class_confusion_figure(result: Facts) -> Drawing:
    """Counts, and shares of each true class, beside one another."""
    unit, names = result["unit"], result["classes"]
    counts = np.array(result["confusion"])
    shares = np.array([[np.nan if one is None else one for one in row] for row in result["confusion_normalised"]])
    side = max(2.6, 0.62 * len(names) + 1.0)

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        _cells(left, names, shares, [[f"{count:,}" for count in row] for row in counts])
        _cells(right, names, shares, [["" if np.isnan(s) else f"{s:.0%}" for s in row] for row in shares])
        left.set(title=PLURAL[unit].capitalize(), ylabel="label")
        right.set(title="Share of the label")

    right_ones = int(np.trace(counts))
    rows = "; ".join(
        f"{name}: " + ", ".join(f"{count} {other}" for other, count in zip(names, row, strict=True) if count)
        for name, row in zip(names, counts.tolist(), strict=True)
    )
    return draw(
        f"confusion-{unit}",
        title=f"Confusion matrix per {unit}",
        alt=f"{right_ones:,} of {int(counts.sum()):,} {PLURAL[unit]} of the test part are called rightly. By label: "
        f"{rows}.",
        size=(2 * side + 0.9, side + 0.2),
        paint=paint,
    )


def class_roc_figure(result: Facts, curves: Mapping[str, Facts]) -> Drawing | None:
    """ROC curve of each class against the rest; None without scores."""
    known = [name for name in result["classes"] if name in curves]
    if not known:
        return None
    unit = result["unit"]
    aucs = {name: result["per_class"][name]["auc"] for name in known}

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        unit_square(axes, x="1 \N{MINUS SIGN} specificity", y="Sensitivity")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        for at, name in enumerate(known):
            colour, dash = SERIES[at % len(SERIES)], DASHES[at % len(DASHES)]
            label = f"{name}: {number(aucs[name]['value'])}"
            axes.plot(curves[name]["x"], curves[name]["y"], color=colour, linestyle=dash, label=label)
        axes.legend(loc="lower right")

    said = "; ".join(f"{name} {number(auc['value'])} ({interval(auc)})" for name, auc in aucs.items())
    return draw(
        f"roc-{unit}",
        title=f"ROC of each class per {unit}",
        alt=f"Each class against all others, AUC with intervals over patients: {said}.",
        size=(4.2, 4.1),
        paint=paint,
    )


def class_lead_figure(metrics: Facts) -> Drawing:
    """What is quoted first, and the accuracy, of the model and of each baseline with their intervals."""
    unit, first = metrics["headline"], metrics["primary"]
    shown = list(dict.fromkeys([first, "accuracy"]))
    rows = [("model", metrics["units"][unit]["test"])]
    rows += [(b["name"], b["units"][unit]["test"]) for b in metrics["baselines"] if unit in b["units"]]

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, key in zip(panels, shown, strict=True):
            for place, (name, test) in enumerate(rows):
                _point(axes, test.get(key), place, colour=BLUE if name == "model" else MUTED)
            axes.set(xlabel=SHORT[key])
            axes.set_ylim(len(rows) - 0.4, -0.6)
            axes.grid(visible=False, axis="y")
            axes.spines["left"].set_visible(False)
        panels[0].set_yticks(range(len(rows)), [name for name, _ in rows])
        for axes in panels:
            axes.tick_params(axis="y", length=0, labelcolor=INK)

    said = "; ".join(f"{name} {number(test[first]['value'])} ({interval(test[first])})" for name, test in rows)
    return draw(
        "baselines",
        title="Model and baselines",
        alt=f"{CLASS_NAMES[first]} per {unit}, {percent(metrics['confidence'])} intervals: {said}.",
        size=(7.6, 0.36 * len(rows) + 0.7),
        paint=paint,
    )


def class_parts_figure(parts: Facts | None) -> Drawing | None:
    """How the classes are spread in each part; None where the cohort does not say."""
    if not parts:
        return None
    rows, names = [row for row in parts["rows"] if row["part"] != "all" and sum(row["counts"])], parts["classes"]
    if not rows:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(len(names))
        width = 0.82 / len(rows)
        for at, row in enumerate(rows):
            share = np.array(row["counts"]) / sum(row["counts"])
            offset = (at - (len(rows) - 1) / 2) * width
            bars = axes.bar(places + offset, 100 * share, 0.94 * width, color=SERIES[at], label=row["part"])
            axes.bar_label(bars, [f"{count:,}" for count in row["counts"]], fontsize=8, padding=2, color=MUTED)
        axes.set_xticks(places, names, rotation=_turn(names), ha="right" if _turn(names) else "center")
        axes.set(ylabel="% of the part")
        axes.grid(visible=False, axis="x")
        axes.margins(y=0.14)
        axes.legend(loc="best", ncols=len(rows))

    said = "; ".join(
        f"{row['part']} " + ", ".join(f"{name} {count:,}" for name, count in zip(names, row["counts"], strict=True))
        for row in rows
    )
    return draw(
        "classes",
        title=f"Images by {parts['task']} and part",
        alt=f"Share of each class, with counts: {said}.",
        size=(9.6, 3.2),
        paint=paint,
    )


def chance_figure(predictions: pl.DataFrame, *, classes: Sequence[str], unit: str) -> Drawing | None:
    """Which chance the model gives to the label, class by class; None without test rows."""
    test = predictions.filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    groups = [(name, test.filter(pl.col("label").cast(pl.String) == name)) for name in classes]
    found = [(name, rows[f"score_{name}"].to_numpy()) for name, rows in groups if rows.height]
    if not found:
        return None

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, (name, chances) in zip(panels, found, strict=True):
            axes.hist(chances, bins=np.linspace(0, 1, 21).tolist(), color=BLUE, alpha=0.85, rwidth=0.9)
            axes.set(title=f"{name} (n = {len(chances):,})", xlim=(0, 1), xlabel="score of the label")
            axes.grid(visible=False, axis="x")
            axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
        panels[0].set_ylabel(PLURAL[unit])

    said = "; ".join(f"{name}: median {number(float(np.median(chances)), digits=2)}" for name, chances in found)
    return draw(
        "scores",
        title="Scores of the true class",
        alt=f"Histograms by label of the score that the true class got on the test part. {said}.",
        size=(9.6, 2.6),
        paint=paint,
    )


def _cells(axes: Axes, names: Sequence[str], shares: np.ndarray, texts: Sequence[Sequence[str]]) -> None:
    axes.grid(visible=False)
    for row, column in np.ndindex(*shares.shape):
        share = shares[row, column]
        tint = 0.04 + 0.55 * (0.0 if np.isnan(share) else float(share))
        axes.fill_between([column + 0.02, column + 0.98], row + 0.02, row + 0.98, color=BLUE, alpha=tint, linewidth=0)
        axes.text(column + 0.5, row + 0.5, texts[row][column], ha="center", va="center", fontsize=10)
    places = [at + 0.5 for at in range(len(names))]
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0), aspect="equal", xlabel="called")
    axes.set_xticks(places, names, rotation=_turn(names), ha="right" if _turn(names) else "center")
    axes.set_yticks(places, names)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _turn(names: Sequence[str]) -> int:
    return 35 if max(len(name) for name in names) > LONG else 0


def _point(axes: Axes, found: Facts | None, place: int, *, colour: str) -> None:
    if found is None or found["value"] is None:
        return
    if found["low"] is not None:
        axes.plot([found["low"], found["high"]], [place, place], color=colour, linewidth=2.4)
    axes.plot(found["value"], place, "o", color=colour, markersize=7)
