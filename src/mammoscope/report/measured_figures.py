"""The figures of a run beyond its curves: calibration, net benefit, subgroups, robustness."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mammoscope.report.class_words import SHORT
from mammoscope.report.drawing import BLUE, INK, LINE, MUTED, RUST, Drawing, draw, unit_square
from mammoscope.report.subgroups import name_of
from mammoscope.report.words import METHODS, PLURAL, interval, number, percent, size_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Axes = Figure = Any

Facts = Mapping[str, Any]
ROW = 0.235  # inches a line of a forest plot
ACROSS = 3  # panels beside one another


def calibration_figure(result: Facts) -> Drawing | None:
    """Share of positives against the score, by bin, with the band over patients; None without a bin."""
    found = result.get("calibration")
    if not found or not found["scores"]["curve"]:
        return None
    unit, scores = result["unit"], found["scores"]
    after = (found["probabilities"] or {}).get("curve") or []

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        unit_square(axes, x="Mean score of the bin", y="Share of positives")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        known = [one for one in scores["curve"] if one["share_positive"]["low"] is not None]
        axes.fill_between(
            [one["mean_score"] for one in known],
            [one["share_positive"]["low"] for one in known],
            [one["share_positive"]["high"] for one in known],
            color=BLUE,
            alpha=0.16,
            linewidth=0,
        )
        _bins(axes, scores["curve"], colour=BLUE, dash="-", label="scores")
        if after:
            _bins(axes, after, colour=RUST, dash="--", label=f"probabilities ({METHODS[found['method']]})")
        axes.legend(loc="upper left")

    ends = [scores["curve"][0], scores["curve"][-1]]
    said = " and ".join(f"{_share(b)} at a mean score of {number(b['mean_score'], digits=2)}" for b in ends)
    return draw(
        f"calibration-{unit}",
        title=f"Reliability per {unit}",
        alt=f"{size_words(scores['slope'], unit=unit)}, in {len(scores['curve'])} bins of about equally many rows. "
        f"Share of positives: {said}. On the dashed diagonal a score means what it says. "
        "Shaded: pointwise interval over patients.",
        size=(3.9, 3.8),
        paint=paint,
    )


def decision_figure(result: Facts) -> Drawing | None:
    """Net benefit of the model, of recalling all and of recalling none; None without a stated prevalence."""
    found = result.get("decision_curve")
    if not found:
        return None
    unit = result["unit"]
    x = 100 * np.array(found["thresholds"])
    model, low, high, everybody = (1000 * np.array(found[k]) for k in ("model", "low", "high", "recall_all"))
    top = max(float(high.max()), float(everybody.max()), 0.0) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.fill_between(x, low, high, color=BLUE, alpha=0.16, linewidth=0)
        axes.plot(x, model, color=BLUE, label="model")
        axes.plot(x, everybody, color=RUST, linestyle="--", label="recall all")
        axes.plot(x, np.zeros_like(x), color=INK, linewidth=1.2, linestyle=":", label="recall none")
        axes.set(xlabel="Probability from which on one recalls, %", ylabel=f"Net true recalls per 1,000 {PLURAL[unit]}")
        axes.set(xlim=(float(x[0]), float(x[-1])), ylim=(-0.35 * top, 1.08 * top))
        axes.legend(loc="upper right")

    at = max(range(len(x)), key=lambda place: float(model[place] - max(0.0, everybody[place])))
    return draw(
        f"decision-{unit}",
        title=f"Decision curve per {unit}",
        alt=f"{size_words(found, unit=unit)}, at a {'stated' if found['stated'] else 'measured'} prevalence of "
        f"{1000 * found['prevalence']:g} in 1,000. The model is farthest above both recall-all and recall-none at "
        f"{x[at]:g} %: {number(float(model[at]), digits=2)} net true recalls per 1,000. Where the recall-all line "
        "leaves the figure it goes on falling. Shaded: pointwise "
        f"{percent(found['confidence'])} band.",
        size=(4.9, 3.8),
        paint=paint,
    )


def forest_figure(groups: Facts, *, whole: Facts) -> Drawing | None:
    """Every group's metrics with intervals beside those of all rows; None where no factor has groups.

    Args:
        groups: The block `subgroups` of `metrics.json`.
        whole: Metric to its estimate over all rows of the same unit.
    """
    lines = _lines(groups)
    first = groups.get("primary", "auc")
    every = dict.fromkeys(key for f in groups["factors"] for g in f["groups"] for key in g["metrics"])
    names = [name for name in every if _known(groups, name)]
    if not lines:
        return None
    names = names or [first]

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            _forest(axes, lines, name, whole.get(name))
        panels[0].set_yticks(range(len(lines)), [text for text, _ in lines])
        for label, (_, group) in zip(panels[0].get_yticklabels(), lines, strict=True):
            label.set_fontweight("bold" if group is None else "normal")
            label.set_color(INK)
        panels[0].set_ylim(len(lines) - 0.4, -0.8)

    few = sum(group is not None and group["metrics"][first]["value"] is None for _, group in lines)
    return draw(
        "subgroups",
        title="Subgroups",
        alt=f"One line a group, with {percent(groups['confidence'])} intervals; in brackets "
        f"{PLURAL[groups['unit']]}{' and positives' if first == 'auc' else ''}. Vertical line: "
        "all rows together, shaded its interval. "
        + (f"{few} group{'s have' if few != 1 else ' has'} no {name_of(first)}. " if few else "")
        + "The numbers stand in the table below.",
        size=(9.6, ROW * len(lines) + 0.9),
        paint=paint,
    )


def robustness_figure(found: Facts) -> Drawing | None:
    """What is quoted first over the severity of each corruption, beside the clean pictures; None without one."""
    curves = [curve for curve in found["curves"] if curve["points"]]
    first = found["metric"]
    clean = found["clean"][first]
    if not curves or clean["value"] is None:
        return None
    down = -(-len(curves) // ACROSS)
    ends = [value for c in curves for p in c["points"] for value in (p["metrics"][first]["low"],) if value is not None]
    bottom = max(_least(first), min([*ends, 0.5]) - 0.03)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(down, ACROSS, sharey=True, squeeze=False).ravel()
        for axes in panels[len(curves) :]:
            axes.set_visible(False)
        for axes, curve in zip(panels, curves, strict=False):
            _fall(axes, curve, clean, metric=first)
            axes.set_ylim(bottom, 1.02)
        for axes in panels[::ACROSS]:
            axes.set_ylabel(SHORT[first])

    falls = ", ".join(f"{curve['name']} {_from(curve['first_fall'])}" for curve in curves)
    return draw(
        "robustness",
        title="Robustness",
        alt=f"{SHORT[first]} on the test part as it is {number(clean['value'])} ({interval(clean)}; dashed), and with "
        f"each corruption from mild to strong. By severity: {falls}. Filled: a fall beyond what the patients' "
        f"variation explains. Bars: {percent(found['confidence'])} intervals.",
        size=(9.6, 2.1 * down + 0.2),
        paint=paint,
    )


def _from(severity: float | None) -> str:
    return "has no lasting fall" if severity is None else f"falls from {severity:g} on"


def _bins(axes: Axes, curve: Sequence[Facts], *, colour: str, dash: str, label: str) -> None:
    shown = [one for one in curve if one["share_positive"]["value"] is not None]
    x = [one["mean_score"] for one in shown]
    y = [one["share_positive"]["value"] for one in shown]
    axes.plot(x, y, color=colour, linestyle=dash, marker="o", markersize=4, label=label, clip_on=False)


def _share(one: Facts) -> str:
    return number(one["share_positive"]["value"], digits=2)


def _lines(groups: Facts) -> list[tuple[str, Facts | None]]:
    """Heads of factors (None) and their groups, from top to bottom."""
    lines: list[tuple[str, Facts | None]] = []
    several = groups.get("primary", "auc") != "auc"
    for factor in groups["factors"]:
        lines.append((factor["name"], None))
        counts = [f"{g['n']:,}" if several else f"{g['n']:,}; {g['positives']:,}" for g in factor["groups"]]
        lines += [(f"{g['name']}  ({count})", g) for g, count in zip(factor["groups"], counts, strict=True)]
    return lines


def _known(groups: Facts, name: str) -> bool:
    return any(g["metrics"].get(name, {}).get("value") is not None for f in groups["factors"] for g in f["groups"])


def _forest(axes: Axes, lines: Sequence[tuple[str, Facts | None]], name: str, whole: Facts | None) -> None:
    found = [(place, g["metrics"].get(name)) for place, (_, g) in enumerate(lines) if g is not None]
    known = [(place, one) for place, one in found if one is not None and one["value"] is not None]
    if whole and whole["value"] is not None:
        if whole["low"] is not None:
            axes.axvspan(whole["low"], whole["high"], color=BLUE, alpha=0.1, linewidth=0)
        axes.axvline(whole["value"], color=BLUE, linewidth=1.2)
    for place, one in known:
        if one["low"] is not None:
            axes.plot([one["low"], one["high"]], [place, place], color=INK, linewidth=1.6)
        axes.plot(one["value"], place, "s", color=INK, markersize=4.5)
    low = min([one["low"] if one["low"] is not None else one["value"] for _, one in known], default=0.5)
    left = max(_least(name), min(low, 0.5) - 0.04)
    for place, one in found:
        if one is None or one["value"] is None:
            axes.text(left + 0.01, place, "too few", color=MUTED, fontsize=8.5, va="center", style="italic")
    for place, (_, group) in enumerate(lines):
        if group is None and place:
            axes.axhline(place - 0.5, color=LINE, linewidth=0.8)
    axes.set(xlim=(left, 1.02), title=SHORT[name])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def _least(metric: str) -> float:
    """A kappa may be below chance."""
    return -1.0 if metric.startswith("kappa") else 0.0


def _fall(axes: Axes, curve: Facts, clean: Facts, *, metric: str) -> None:
    axes.axhline(clean["value"], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    places = range(len(curve["points"]))
    values = [point["metrics"][metric]["value"] for point in curve["points"]]
    axes.plot(places, [np.nan if value is None else value for value in values], color=BLUE, linewidth=1.2)
    for place, point in zip(places, curve["points"], strict=True):
        quoted, fell = point["metrics"][metric], point["drop"]["verdict"] == "above"
        if quoted["low"] is not None:
            axes.plot([place, place], [quoted["low"], quoted["high"]], color=BLUE, linewidth=1.2)
        if quoted["value"] is not None:
            axes.plot(
                place,
                quoted["value"],
                "o",
                color=RUST if fell else BLUE,
                markersize=5,
                fillstyle="full" if fell else "none",
            )
    axes.set_xticks(places, [f"{point['severity']:g}" for point in curve["points"]])
    axes.set(title=curve["name"], xlim=(-0.4, len(places) - 0.6))
    axes.grid(visible=False, axis="x")
