"""The figures of one run, each from the files of its folder."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mammoscope.report.beside import NOTES
from mammoscope.report.drawing import BLUE, GREEN, INK, LINE, MUTED, OCHRE, RUST, Drawing, draw, unit_square
from mammoscope.report.words import PLURAL, interval, number, percent, size_words
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Axes = Figure = Any

Facts = Mapping[str, Any]
SQUARE = (3.6, 3.5)  # three beside one another on a page, at about their own size


def roc_figure(result: Facts, *, confidence: float) -> Drawing | None:
    """ROC curve of one unit with its pointwise band and the operating point; None without both classes."""
    roc, unit = result["roc"], result["unit"]
    if not roc:
        return None
    auc = result["test"]["auc"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        unit_square(axes, x="1 \N{MINUS SIGN} specificity", y="Sensitivity")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        _band(axes, roc)
        axes.plot(roc["x"], roc["y"], color=BLUE, label=f"AUC {number(auc['value'])} ({interval(auc)})")
        cells = result["confusion"]
        point = _operating_point(cells) if cells else None
        if point:
            axes.plot(*point, "o", color=RUST, markersize=7, label="threshold", clip_on=False)
        axes.legend(loc="lower right")

    return draw(
        f"roc-{unit}",
        title=f"ROC per {unit}",
        alt=f"AUC {number(auc['value'])} ({interval(auc)}); {size_words(auc, unit=unit)}. Shaded: pointwise "
        f"{percent(confidence)} band. Dot: the threshold chosen on tune.",
        size=SQUARE,
        paint=paint,
    )


def precision_recall_figure(result: Facts, *, confidence: float) -> Drawing | None:
    """Precision against recall with its band and the share of positives; None without both classes."""
    curve, unit = result["precision_recall"], result["unit"]
    if not curve:
        return None
    found = result["test"]["average_precision"]
    share = found["positives"] / found["n"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        unit_square(axes, x="Recall (sensitivity)", y="Precision (PPV)")
        axes.axhline(share, color=MUTED, linewidth=1, linestyle=(0, (3, 3)), label=f"positives {share:.2f}")
        _band(axes, curve)
        label = f"AP {number(found['value'])} ({interval(found)})"
        axes.step([0, *curve["x"]], [curve["y"][0], *curve["y"]], where="pre", color=BLUE, label=label)
        axes.legend(loc="lower left" if found["value"] > 0.5 else "upper right")

    return draw(
        f"precision-recall-{unit}",
        title=f"Precision and recall per {unit}",
        alt=f"Average precision {number(found['value'])} ({interval(found)}). Shaded: pointwise {percent(confidence)} "
        f"band. Dashed: share of positives, {share:.2f}.",
        size=SQUARE,
        paint=paint,
    )


def score_figure(predictions: pl.DataFrame, *, threshold: float | None) -> Drawing | None:
    """How scores of positive and negative test images are spread; None without test rows."""
    test = predictions.filter(pl.col("part") == Part.TEST.value).drop_nulls(["score", "label"])
    if test.is_empty():
        return None
    groups = [
        ("positive", RUST, test.filter(pl.col("label") == 1)["score"].to_numpy()),
        ("negative", BLUE, test.filter(pl.col("label") == 0)["score"].to_numpy()),
    ]

    def paint(figure: Figure) -> None:
        panels = figure.subplots(2, 1, sharex=True)
        for axes, (name, colour, scores) in zip(panels, groups, strict=True):
            axes.hist(scores, bins=np.linspace(0, 1, 41).tolist(), color=colour, alpha=0.85, rwidth=0.92)
            axes.set_ylabel("images")
            axes.set_title(f"{name} (n = {len(scores)})", fontsize=9.5, fontweight="normal", pad=4)
            axes.grid(visible=False, axis="x")
            axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
            if threshold is not None:
                axes.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        panels[1].set(xlim=(0, 1), xlabel="score" + ("" if threshold is None else " (dashed: threshold)"))

    halves = "; ".join(f"{name.capitalize()}: {len(s)} images, median score {_median(s)}" for name, _, s in groups)
    return draw(
        "scores", title="Scores of the test images", alt=f"Histograms by class. {halves}.", size=(9.6, 3.2), paint=paint
    )


def confusion_figure(result: Facts) -> Drawing | None:
    """Counts and shares at the threshold; None without a threshold."""
    cells, unit = result["confusion"], result["unit"]
    if not cells:
        return None
    counts = np.array(
        [[cells["true_positive"], cells["false_negative"]], [cells["false_positive"], cells["true_negative"]]]
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.grid(visible=False)
        for row, column in np.ndindex(2, 2):
            share = float(shares[row, column])
            axes.fill_between([column, column + 1], row, row + 1, color=BLUE, alpha=0.06 + 0.5 * share, linewidth=0)
            axes.text(column + 0.5, row + 0.46, f"{counts[row, column]:,}", ha="center", fontsize=17)
            axes.text(column + 0.5, row + 0.68, f"{share:.0%} of the row", ha="center", fontsize=9)
        axes.set(xlim=(0, 2), ylim=(2, 0), aspect="equal", xlabel="called", ylabel="truth")
        axes.set_xticks([0.5, 1.5], ["positive", "negative"])
        axes.set_yticks([0.5, 1.5], ["positive", "negative"], rotation=90, va="center")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    said = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in cells.items())
    return draw(
        f"confusion-{unit}",
        title=f"Confusion matrix per {unit}",
        alt=f"{PLURAL[unit].capitalize()} of the test part at the threshold: {said}.",
        size=(4.0, 3.9),
        paint=paint,
    )


CALLS = {
    "train_accuracy": ("train", BLUE, "-"),
    "tune_accuracy": ("tune", RUST, "--"),
    "tune_sensitivity": ("sensitivity, tune", GREEN, "-."),
}
"""Columns of the history that are drawn as shares of right calls: name, colour, dashes."""


def training_figure(history: Sequence[Facts], *, events: Sequence[Facts] = ()) -> Drawing:
    """Loss, AUC on tune, accuracy where the history has it, and learning rate by epoch.

    The chosen epoch is marked, and so are the first epochs of later stages and the epochs of events.
    """
    epochs = [row["epoch"] for row in history]
    best = [row["epoch"] for row in history if row.get("best")]
    accuracy = {name: style for name, style in CALLS.items() if any(row.get(name) is not None for row in history)}
    loud = [row for row in events if row.get("kind") not in NOTES]
    alarms = sorted({row["epoch"] for row in loud if isinstance(row.get("epoch"), int)})
    stages = [row["epoch"] for before, row in pairwise(history) if row.get("stage") != before.get("stage")]

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 4 if accuracy else 3)
        _lines(panels[0], epochs, history, {"train_loss": ("train", BLUE, "-"), "tune_loss": ("tune", RUST, "--")})
        panels[0].set(title="Loss", ylim=(0, None))
        panels[0].legend(loc="best")
        _lines(panels[1], epochs, history, {"tune_auc": ("tune", RUST, "-")})
        panels[1].set(title="ROC AUC on the tune part" if not accuracy else "AUC on tune")
        if accuracy:
            _lines(panels[2], epochs, history, accuracy)
            panels[2].set(title="Accuracy", ylim=(min(0.4, *_values(history, accuracy)), 1.02))
            panels[2].legend(loc="best")
        _lines(panels[-1], epochs, history, {"lr": ("learning rate", INK, "-")})
        panels[-1].set(title="Learning rate", ylim=(0, None))
        panels[-1].yaxis.set_major_formatter("{x:g}")
        for axes in panels:
            axes.set_xlabel("epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
            for epoch in stages:
                axes.axvline(epoch - 0.5, color=LINE, linewidth=1.2)
            if alarms:
                ends = axes.get_ylim()
                axes.plot(alarms, [ends[0]] * len(alarms), "^", color=OCHRE, markersize=6, clip_on=False, zorder=3)
                axes.set_ylim(ends)
            if best:
                axes.axvline(best[-1], color=MUTED, linewidth=1.2, linestyle=(0, (3, 3)))

    chosen = f"epoch {best[-1]} was chosen (dashed line)" if best else "no epoch is marked as chosen"
    return draw(
        "training",
        title="Training",
        alt=f"Loss, AUC on the tune part{', accuracy' if accuracy else ''} and learning rate "
        f"over {len(history)} epochs; {chosen}. "
        f"{f'Triangles: alarms, listed below (epochs {_listed(alarms)}). ' if alarms else ''}"
        "The loss on train is what is minimised, class weights included; on tune it is the plain log loss.",
        size=(9.6, 2.9),
        paint=paint,
    )


def cohort_figure(cohort: pl.DataFrame) -> Drawing | None:
    """Images by view and by density, positive and negative apart; None if neither is known."""
    known = [
        (name, counts)
        for name in ("view", "density")
        if name in cohort.columns and not (counts := class_counts(cohort, name)).is_empty()
    ]
    if not known:
        return None

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(known), squeeze=False)[0]
        for axes, (name, counts) in zip(panels, known, strict=True):
            places = np.arange(counts.height)
            for offset, (column, colour) in enumerate((("negative", BLUE), ("positive", RUST))):
                bars = axes.bar(
                    places + 0.38 * (offset - 0.5), counts[column].to_numpy(), 0.36, color=colour, label=column
                )
                axes.bar_label(bars, fontsize=8, padding=2, color=MUTED)
            axes.set_xticks(places, counts[name].to_list())
            axes.set(title=f"Images by {name}", ylabel="images")
            axes.grid(visible=False, axis="x")
            axes.margins(y=0.14)
        figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside upper right", ncols=2)

    said = "; ".join(
        f"{name} " + ", ".join(f"{r[name]}: {r['positive']} positive, {r['negative']} negative" for r in c.to_dicts())
        for name, c in known
    )
    return draw("cohort", title="Images by class", alt=said + ".", size=(9.6, 3.1), paint=paint)


def class_counts(cohort: pl.DataFrame, name: str) -> pl.DataFrame:
    """Images by a column and class; empty if the column is unknown everywhere.

    Example:
        >>> class_counts(pl.DataFrame({"view": ["CC", None, "CC"], "malignant": [True, False, False]}), "view").rows()
        [('CC', 1, 1), ('unknown', 0, 1)]
    """
    if cohort[name].is_null().all():
        return pl.DataFrame()
    return (
        cohort.drop_nulls("malignant")
        .with_columns(pl.col(name).cast(pl.String).fill_null("unknown"))
        .group_by(name)
        .agg(pl.col("malignant").sum().alias("positive"), (~pl.col("malignant")).sum().alias("negative"))
        .sort(pl.col(name) == "unknown", name)
    )


def lead_figure(metrics: Facts) -> Drawing:
    """AUC of the model and of each baseline with their intervals, at the headline's unit."""
    unit = metrics["headline"]
    rows = [("model", metrics["units"][unit]["test"]["auc"], BLUE)]
    rows += [(b["name"], b["units"][unit]["test"]["auc"], MUTED) for b in metrics["baselines"] if unit in b["units"]]
    shown = [(name, auc, colour) for name, auc, colour in rows if auc["value"] is not None]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0.5, color=LINE, linewidth=1.2)
        for place, (_, auc, colour) in enumerate(shown):
            if auc["low"] is not None:
                axes.plot([auc["low"], auc["high"]], [place, place], color=colour, linewidth=2.4)
            axes.plot(auc["value"], place, "o", color=colour, markersize=7)
        axes.set_yticks(range(len(shown)), [name for name, _, _ in shown])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel=f"ROC AUC per {unit}, {percent(metrics['confidence'])} interval")
        low = min([auc["low"] if auc["low"] is not None else auc["value"] for _, auc, _ in shown] + [0.45])
        axes.set_xlim(max(0.0, low - 0.03), 1.01)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)

    said = "; ".join(f"{name} {number(auc['value'])} ({interval(auc)})" for name, auc, _ in shown)
    return draw(
        "baselines",
        title="Model and baselines",
        alt=f"ROC AUC per {unit}: {said or 'not defined'}.",
        size=(4.9, 0.36 * max(len(shown), 1) + 0.7),
        paint=paint,
    )


def _band(axes: Axes, curve: Facts) -> None:
    if curve["grid"]:
        axes.fill_between(curve["grid"], curve["low"], curve["high"], color=BLUE, alpha=0.16, linewidth=0)


def _lines(axes: Axes, epochs: list[int], history: Sequence[Facts], columns: dict[str, tuple[str, str, str]]) -> None:
    for column, (label, colour, dash) in columns.items():
        values = [np.nan if row.get(column) is None else row[column] for row in history]
        marker = "o" if len(epochs) < 25 else ""
        axes.plot(epochs, values, color=colour, linestyle=dash, marker=marker, markersize=3, label=label)


def _values(history: Sequence[Facts], columns: dict[str, tuple[str, str, str]]) -> list[float]:
    return [row[name] for row in history for name in columns if row.get(name) is not None]


def _listed(epochs: Sequence[int]) -> str:
    return ", ".join(str(epoch) for epoch in epochs)


def _operating_point(cells: Facts) -> tuple[float, float] | None:
    positives = cells["true_positive"] + cells["false_negative"]
    negatives = cells["false_positive"] + cells["true_negative"]
    if not positives or not negatives:
        return None
    return cells["false_positive"] / negatives, cells["true_positive"] / positives


def _median(scores: np.ndarray) -> str:
    return number(float(np.median(scores)) if len(scores) else None, digits=2)
