"""Several runs in the order of their AUC, and their paired differences: plain values for the page and the CSV."""

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
    auc_difference,
    delong_difference,
    holm,
    leaderboard,
    metric_difference,
)
from mammoscope.report.drawing import INK, MUTED, Drawing, broken, draw, line_style
from mammoscope.report.words import METRIC_NAMES, NONE, interval, number, p_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Figure = Any

Row = dict[str, Any]
PAIRED = ("auc", "average_precision", "sensitivity", "specificity", "brier")
"""Metrics whose paired differences are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs at one unit.

    Attributes:
        first: Name.
        second: Name.
        value: AUC of the first minus AUC of the second; None where not defined.
        low: Lower end of its bootstrap interval.
        high: Upper end.
        p_value: Paired clustered DeLong; None where there is none.
        p_adjusted: After Holm's correction over all pairs of the unit.
        verdict: Of the first: `above` or `below` where the interval leaves out 0 and the corrected test agrees.
        reason: Why there is no value.
    """

    first: str
    second: str
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


def paired(names: Sequence[str], measured: Sequence[Measured], *, confidence: float) -> list[Pair]:
    """Every pair of runs at one unit, patients resampled together.

    Args:
        names: Of the runs.
        measured: The same rows of each, with the same draws.
        confidence: Level of the intervals; 1 - confidence is that of the tests.

    Returns:
        One a pair.

    Raises:
        SourceError: They are not of the same rows.
    """
    pairs = list(combinations(range(len(names)), 2))
    tests = [delong_difference(measured[a].sample, measured[b].sample, confidence=confidence) for a, b in pairs]
    known = [test.p_value for test in tests if test.p_value is not None]
    corrected = iter(holm(np.array(known, dtype=np.float64)).tolist()) if known else iter(())
    found = []
    for (one, other), test in zip(pairs, tests, strict=True):
        difference = auc_difference(measured[one], measured[other], confidence=confidence)
        adjusted = None if test.p_value is None else float(next(corrected))
        shown = adjusted is None or adjusted < 1.0 - confidence
        verdict = difference.verdict if shown or difference.verdict is None else "not distinguishable"
        found.append(
            Pair(
                first=names[one],
                second=names[other],
                value=difference.auc.value,
                low=difference.auc.low,
                high=difference.auc.high,
                p_value=test.p_value,
                p_adjusted=adjusted,
                verdict=verdict,
                reason=difference.auc.reason,
            )
        )
    return found


def metric_pairs(names: Sequence[str], measured: Sequence[Measured], *, confidence: float) -> list[Row]:
    """Differences of the metrics of `PAIRED` for every pair, not corrected for their number."""
    rows = []
    for one, other in combinations(range(len(names)), 2):
        found = [
            metric_difference(measured[one], measured[other], metric=name, confidence=confidence) for name in PAIRED
        ]
        cells = [
            {
                "value": number(one.difference.value),
                "ends": interval({"low": one.difference.low, "high": one.difference.high}),
                "reason": one.difference.reason,
            }
            for one in found
        ]
        rows.append({"first": names[one], "second": names[other], "cells": cells})
    return rows


def board(contenders: Sequence[Contender], metrics: Mapping[str, Any]) -> Leaderboard | None:
    """Runs ranked at their headline's unit; None where the AUC is not defined."""
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
            "auc": _cell(line.auc.value, line.auc.low, line.auc.high, line.auc.reason),
            "behind": None
            if line.behind is None
            else _cell(line.behind.value, line.behind.low, line.behind.high, line.behind.reason),
            "p": p_words(line.p_adjusted) if line.behind is not None else NONE,
            "distinguishable": line.distinguishable,
            "best": line.behind is None,
        }
        for line in found.standings
    ]
    return {"rows": rows, "together": list(found.not_distinguishable), "notes": list(found.notes), "unit": found.unit}


def places_figure(found: Leaderboard | None, names: Sequence[str]) -> Drawing | None:
    """The runs in their order, each AUC and its distance from the highest with intervals; None without a board.

    Args:
        found: The board.
        names: Of the runs in the order of the page, which gives them their colours.
    """
    if found is None:
        return None
    rows = found.standings
    colours = {name: line_style(place)["color"] for place, name in enumerate(names)}

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        for place, row in enumerate(rows):
            for axes, one in ((left, row.auc), (right, row.behind)):
                if one is None or one.value is None:
                    continue
                if one.low is not None:
                    axes.plot([one.low, one.high], [place, place], color=colours[row.name], linewidth=2.4)
                axes.plot(one.value, place, "o", color=colours[row.name], markersize=6)
        right.axvline(0.0, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        left.set(xlabel=f"ROC AUC per {found.unit}", ylim=(len(rows) - 0.4, -0.6))
        right.set(xlabel="behind the highest")
        left.set_yticks(range(len(rows)), [broken(row.name) for row in rows])
        for axes in (left, right):
            axes.grid(visible=False, axis="y")
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="y", length=0, labelcolor=INK)

    said = "; ".join(
        f"{row.name} {number(row.auc.value)} ({interval({'low': row.auc.low, 'high': row.auc.high})})" for row in rows
    )
    return draw(
        "places",
        title="Runs side by side",
        alt=f"ROC AUC per {found.unit} with intervals: {said}. Right: paired distance from the highest; where its "
        "interval crosses 0 the two are not told apart.",
        size=(9.6, 0.36 * len(rows) + 0.8),
        paint=paint,
    )


def board_words(found: Leaderboard | None) -> str | None:
    """Who is ahead, and of whom that can be said; None without a board."""
    if found is None:
        return None
    best, together = found.standings[0], found.not_distinguishable
    others = [name for name in together if name != best.name]
    behind = [line.name for line in found.standings if line.distinguishable]
    ends = interval({"low": best.auc.low, "high": best.auc.high})
    said = [
        f"{best.name} has the highest ROC AUC per {found.unit}, {number(best.auc.value)} ({ends or best.auc.reason})."
    ]
    if others:
        said.append(f"Not distinguishable from it: {', '.join(others)}.")
    if behind:
        said.append(f"Shown to be below it: {', '.join(behind)}.")
    return " ".join(said)


def headings() -> list[str]:
    """Names of the metrics of `metric_pairs`."""
    return [METRIC_NAMES[name] for name in PAIRED]


def _cell(value: float | None, low: float | None, high: float | None, reason: str | None) -> Row:
    return {"value": number(value), "ends": interval({"low": low, "high": high}), "reason": reason}
