"""Figures of importance: falls with intervals, mean shares as bars, and the share of every row as a swarm."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mammoscope.report.drawing import BLUE, INK, LINE, MUTED, RUST, SERIES, Drawing, broken, draw
from mammoscope.report.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Axes = Figure = Any

Facts = Mapping[str, Any]

BARS = 15  # inputs and values in a figure of bars
SWARMS = 10  # values in a swarm
DOTS = 120  # rows in a swarm; evenly taken where there are more
PANELS = 6
WIDE = 7.4  # inches


def importance_figures(facts: Facts) -> dict[str, Drawing]:
    """Every figure that the facts allow, by name."""
    found: list[Drawing] = []
    if facts.get("permutation"):
        found.append(fall_figure(facts))
    if facts.get("shap"):
        found.append(share_figure(facts["shap"]))
        found += [swarm_figure(facts["shap"], at=at) for at in range(min(len(facts["shap"]["outputs"]), PANELS))]
    return {drawing.name: drawing for drawing in found}


def fall_figure(facts: Facts) -> Drawing:
    """Fall of AUC for each input, a panel a class."""
    found = facts["permutation"]
    kinds = [(fall["task"], fall["of"]) for fall in found["falls"] if fall["measure"] == "auc"]
    panels = list(dict.fromkeys(kinds))[:PANELS]
    names = _ordered(found, panels[0])
    across = min(len(panels), 2 if len(panels) == 4 else 3)
    down = -(-len(panels) // across)

    def paint(figure: Figure) -> None:
        every = figure.subplots(down, across, squeeze=False, sharey=True, sharex=True)
        for at, axes in enumerate(every.ravel()):
            if at >= len(panels):
                axes.set_axis_off()
                continue
            rows = {one["name"]: one["fall"] for one in found["falls"] if _is(one, panels[at])}
            _falls(axes, [rows[name] for name in names], names)
            task, of = panels[at]
            axes.set_title(f"{task}: {of}", fontsize=9.5, loc="left")
            axes.set_xlabel("Fall of AUC" if at // across == down - 1 else "")

    return draw(
        "importance-falls",
        title="Fall of AUC when an input is taken from other patients",
        alt=f"Dot: mean over {found['repeats']} exchanges; line: {percent(found['confidence'])} interval over "
        "patients. Right of 0 the input helps.",
        size=(WIDE if across > 1 else 5.4, down * (0.7 + 0.34 * len(names))),
        paint=paint,
    )


def _is(fall: Facts, panel: tuple[str, str]) -> bool:
    return fall["measure"] == "auc" and (fall["task"], fall["of"]) == panel


def _ordered(found: Facts, panel: tuple[str, str]) -> list[str]:
    falls = {one["name"]: one["fall"]["value"] for one in found["falls"] if _is(one, panel)}
    return sorted(falls, key=lambda name: -(falls[name] if falls[name] is not None else -1.0))


def _falls(axes: Axes, falls: Sequence[Facts], names: Sequence[str]) -> None:
    axes.axvline(0, color=MUTED, linewidth=1)
    for at, fall in enumerate(falls):
        if fall["value"] is None:
            continue
        colour = BLUE if fall["low"] is not None and fall["low"] > 0 else MUTED
        if fall["low"] is not None:
            axes.plot([fall["low"], fall["high"]], [at, at], color=colour, linewidth=1.6)
        axes.plot(fall["value"], at, "o", color=colour, markersize=5.5)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")


def share_figure(shap: Facts) -> Drawing:
    """Mean size of SHAP values: whole inputs first, then the largest of single values."""
    inputs = shap["inputs"] if len(shap["inputs"]) > 1 else []
    groups = sorted(inputs, key=lambda row: -sum(row["mean_abs"]))
    values = sorted(shap["values"], key=lambda row: -sum(row["mean_abs"]))[: max(3, BARS - len(groups))]
    rows = [*groups, *values]
    outputs = shap["outputs"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        left = np.zeros(len(rows))
        for at, output in enumerate(outputs):
            lengths = np.array([row["mean_abs"][at] for row in rows])
            axes.barh(range(len(rows)), lengths, left=left, color=SERIES[at % len(SERIES)], height=0.66, label=output)
            left += lengths
        if len(outputs) > 1:
            axes.legend(loc="lower right", title="class")
        if groups:
            axes.axhline(len(groups) - 0.5, color=LINE, linewidth=1.2)
        names = [*(f"{row['name']} (all of it)" for row in groups), *(row["name"] for row in values)]
        axes.set_yticks(range(len(rows)), [broken(name, width=30) for name in names])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(f"Mean of |SHAP|, {shap['unit']}")
        axes.grid(visible=False, axis="y")

    above = "Above the line whole inputs: the sum of their values' shares. " if groups else ""
    return draw(
        "importance-shap",
        title="Mean size of the share that each value adds",
        alt=f"{above}The {len(values)} largest of {shap['read']} values that are read, over {shap['rows']} rows.",
        size=(6.4, 0.8 + 0.27 * len(rows)),
        paint=paint,
    )


def swarm_figure(shap: Facts, *, at: int) -> Drawing:
    """SHAP value of each row, one line of dots a value; the colour says whether the value itself is low or high."""
    rows = sorted(shap["values"], key=lambda row: -row["mean_abs"][at])[:SWARMS]
    output = shap["outputs"][at]

    def paint(figure: Figure) -> None:
        from matplotlib.colors import LinearSegmentedColormap, to_hex  # noqa: PLC0415 - heavy, and only drawing needs it

        axes = figure.subplots()
        shades = LinearSegmentedColormap.from_list("levels", [BLUE, "#b9b4a8", RUST])
        axes.axvline(0, color=MUTED, linewidth=1)
        spread = max(max(abs(one) for one in row["shares"][at]) for row in rows) or 1.0
        for line, row in enumerate(rows):
            shares, levels = _taken(row["shares"][at]), _taken(row["levels"])
            height = line + _beside(shares, spread=spread)
            colours = [to_hex(shades(share)) for share in _ranks(levels)]
            axes.scatter(shares, height, c=colours, s=9, linewidths=0)
        axes.set_yticks(range(len(rows)), [broken(row["name"], width=30) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(f"SHAP: what is added to the {shap['unit']} of {output}")
        axes.tick_params(axis="y", labelcolor=INK)

    return draw(
        f"importance-swarm-{at}",
        title=f"Share of each value in the answer {output}, row by row",
        alt="A dot a row; blue: the value is low among the rows, red: high. Right of 0 it speaks for the class.",
        size=(6.4, 0.9 + 0.36 * len(rows)),
        paint=paint,
    )


def _taken(values: Sequence[float]) -> np.ndarray:
    """All, or evenly spread over them."""
    found = np.asarray(values, dtype=np.float64)
    return found if len(found) <= DOTS else found[np.linspace(0, len(found) - 1, DOTS).round().astype(np.int64)]


def _ranks(levels: np.ndarray) -> np.ndarray:
    """From 0 for the lowest to 1 for the highest, equal ones alike; all the same are in the middle."""
    _, place, counts = np.unique(levels, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        return np.full(len(levels), 0.5)
    middle = np.cumsum(counts) - counts / 2.0
    scaled: np.ndarray = ((middle - middle[0]) / (middle[-1] - middle[0]))[place]
    return scaled


def _beside(shares: np.ndarray, *, spread: float) -> np.ndarray:
    """Dots that would lie on one another are put above and below the line in turn."""
    bins = np.round(shares / spread * 40).astype(np.int64)
    moved = np.zeros(len(shares))
    for one in np.unique(bins):
        among = np.flatnonzero(bins == one)
        order = np.arange(len(among))
        moved[among] = np.where(order % 2 == 0, order // 2 + order % 2, -(order // 2 + 1)) * min(
            0.09, 0.8 / max(1, len(among))
        )
    return moved
