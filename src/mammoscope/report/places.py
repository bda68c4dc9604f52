"""Several runs in the order of what is quoted first, and their paired differences: for the page and the CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from mammoscope.errors import SourceError
from mammoscope.evaluation import (
    Aggregation,
    Contender,
    Leaderboard,
    Measured,
    delong_difference,
    holm,
    leaderboard,
    metric_difference,
)
from mammoscope.evaluation.comparison import AnyMeasured
from mammoscope.report.class_words import SHORT, lower
from mammoscope.report.drawing import INK, MUTED, Drawing, broken, draw, line_style
from mammoscope.report.words import NONE, interval, number, p_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Figure = Any

Row = dict[str, Any]
PAIRED = ("auc", "average_precision", "sensitivity", "specificity", "brier")
PAIRED_CLASSES = ("kappa_quadratic", "macro_auc", "accuracy", "balanced_accuracy", "kappa")
"""Metrics whose paired differences are shown, of yes or no and of several classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs at one unit.

    Attributes:
        first: Name.
        second: Name.
        metric: What is compared.
        value: Of the first minus that of the second; None where not defined.
        low: Lower end of its bootstrap interval.
        high: Upper end.
        p_value: Paired clustered DeLong of an AUC, else of the bootstrap; None where there is none.
        p_adjusted: After Holm's correction over all pairs of the unit.
        verdict: Of the first: `above` or `below` where the interval leaves out 0 and the corrected test agrees.
        reason: Why there is no value.
    """

    first: str
    second: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None
    verdict: str | None
    reason: str | None

    @property
    def cells(self) -> Row:
        """As the page prints it."""
        return {
            "first": self.first,
            "second": self.second,
            "value": number(self.value),
            "ends": interval({"low": self.low, "high": self.high}),
            "p": p_words(self.p_value),
            "p_adjusted": p_words(self.p_adjusted),
            "verdict": self.verdict,
            "reason": self.reason,
        }


def paired(names: Sequence[str], measured: Sequence[AnyMeasured], *, metric: str, confidence: float) -> list[Pair]:
    """Every pair of runs at one unit, patients resampled together.

    Args:
        names: Of the runs.
        measured: The same rows of each, with the same draws.
        metric: What is quoted first.
        confidence: Level of the intervals; 1 - confidence is that of the tests.

    Returns:
        One a pair.

    Raises:
        SourceError: They are not of the same rows.
    """
    pairs = list(combinations(range(len(names)), 2))
    found = [metric_difference(measured[a], measured[b], metric=metric, confidence=confidence) for a, b in pairs]
    p_values = [
        _p_value(measured[a], measured[b], told.p_value, confidence=confidence)
        for (a, b), told in zip(pairs, found, strict=True)
    ]
    known = np.array([p for p in p_values if p is not None], dtype=np.float64)
    corrected = iter(holm(known).tolist())
    rows = []
    for (one, other), told, p_value in zip(pairs, found, p_values, strict=True):
        adjusted = None if p_value is None else float(next(corrected))
        shown = adjusted is None or adjusted < 1.0 - confidence
        rows.append(
            Pair(
                first=names[one],
                second=names[other],
                metric=metric,
                **{key: getattr(told.difference, key) for key in ("value", "low", "high", "reason")},
                p_value=p_value,
                p_adjusted=adjusted,
                verdict=told.verdict if shown or told.verdict is None else "not distinguishable",
            )
        )
    return rows


def _p_value(one: AnyMeasured, other: AnyMeasured, drawn: float | None, *, confidence: float) -> float | None:
    """Of yes or no the clustered DeLong test; of several classes that of the replicates."""
    if isinstance(one, Measured) and isinstance(other, Measured):
        return delong_difference(one.sample, other.sample, confidence=confidence).p_value
    return drawn


def metric_pairs(
    names: Sequence[str], measured: Sequence[AnyMeasured], *, metrics: Sequence[str], confidence: float
) -> list[Row]:
    """Differences of several metrics for every pair, not corrected for their number."""
    rows = []
    for one, other in combinations(range(len(names)), 2):
        found = [
            metric_difference(measured[one], measured[other], metric=name, confidence=confidence).difference
            for name in metrics
        ]
        cells = [_cell(told.value, told.low, told.high, told.reason) for told in found]
        rows.append({"first": names[one], "second": names[other], "cells": cells})
    return rows


def board(contenders: Sequence[Contender], metrics: Mapping[str, Any]) -> Leaderboard | None:
    """Runs ranked at their headline's unit; None where what is quoted first is not defined."""
    try:
        return leaderboard(
            contenders,
            unit=metrics["headline"],
            aggregation=Aggregation(**metrics.get("aggregation", {})),
            replicates=metrics["replicates"],
            seed=metrics["seed"],
            confidence=metrics["confidence"],
            alpha=round(1.0 - metrics["confidence"], 9),
        )
    except SourceError:
        return None


def board_block(found: Leaderboard | None) -> Row | None:
    """A leaderboard for the page."""
    if found is None:
        return None
    rows = [
        {
            "place": line.place,
            "name": line.name,
            "result": _cell(line.result.value, line.result.low, line.result.high, line.result.reason),
            "behind": None
            if line.behind is None
            else _cell(line.behind.value, line.behind.low, line.behind.high, line.behind.reason),
            "p": p_words(line.p_adjusted) if line.behind is not None else NONE,
            "distinguishable": line.distinguishable,
            "best": line.behind is None,
        }
        for line in found.standings
    ]
    return {
        "rows": rows,
        "together": list(found.not_distinguishable),
        "notes": list(found.notes),
        "unit": found.unit,
        "metric": SHORT[found.metric],
        "by": lower(SHORT[found.metric]),
    }


def places_figure(found: Leaderboard | None, names: Sequence[str]) -> Drawing | None:
    """The runs in their order, with intervals, and their distance from the highest; None without a board.

    Args:
        found: The board.
        names: Of the runs in the order of the page, which gives them their colours.
    """
    if found is None:
        return None
    rows = found.standings
    colours = {name: line_style(place)["color"] for place, name in enumerate(names)}

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharey=True)  # one above the other: a telephone is narrow
        for place, row in enumerate(rows):
            for axes, one in ((above, row.result), (below, row.behind)):
                if one is None or one.value is None:
                    continue
                if one.low is not None:
                    axes.plot([one.low, one.high], [place, place], color=colours[row.name], linewidth=2.4)
                axes.plot(one.value, place, "o", color=colours[row.name], markersize=6)
        below.axvline(0.0, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        above.set(xlabel=f"{SHORT[found.metric]} per {found.unit}", ylim=(len(rows) - 0.4, -0.6))
        below.set(xlabel="behind the highest")
        above.set_yticks(range(len(rows)), [broken(row.name) for row in rows])
        for axes in (above, below):
            axes.grid(visible=False, axis="y")
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0, labelcolor=INK)

    said = "; ".join(
        f"{row.name} {number(row.result.value)} ({interval({'low': row.result.low, 'high': row.result.high})})"
        for row in rows
    )
    return draw(
        "places",
        title="Runs side by side",
        alt=f"{SHORT[found.metric]} per {found.unit} with intervals: {said}. Below: paired distance from the highest; "
        "where its interval crosses 0 the two are not told apart.",
        size=(6.4, 0.64 * len(rows) + 1.5),
        paint=paint,
    )


def board_words(found: Leaderboard | None) -> str | None:
    """Who is ahead, and of whom that can be said; None without a board."""
    if found is None:
        return None
    best, together = found.standings[0], found.not_distinguishable
    others = [name for name in together if name != best.name]
    behind = [line.name for line in found.standings if line.distinguishable]
    ends = interval({"low": best.result.low, "high": best.result.high}) or best.result.reason
    name = lower(SHORT[found.metric])
    said = [f"{best.name} has the highest {name} per {found.unit}, {number(best.result.value)} ({ends})."]
    if others:
        said.append(f"Not distinguishable from it: {', '.join(others)}.")
    if behind:
        said.append(f"Shown to be below it: {', '.join(behind)}.")
    return " ".join(said)


def _cell(value: float | None, low: float | None, high: float | None, reason: str | None) -> Row:
    return {"value": number(value), "ends": interval({"low": low, "high": high}), "reason": reason}
