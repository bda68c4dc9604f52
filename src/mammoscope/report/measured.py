"""What the later sections of a report show: calibration, a thousand women, subgroups, robustness, the sealed test."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from mammoscope.errors import MammoscopeError
from mammoscope.evaluation import Aggregation, Estimate, IntervalMethod, auc_interval, sample_of, unit_rows
from mammoscope.report.class_words import SHORT, is_classes
from mammoscope.report.sections import estimate_cell
from mammoscope.report.subgroups import name_of
from mammoscope.report.words import METHODS, NONE, PLURAL, interval, number, p_words
from mammoscope.vocabulary import Part

Facts = Mapping[str, Any]
Row = dict[str, Any]

CALIBRATION = {
    "slope": ("Slope", "1"),
    "intercept": ("Intercept beside that slope", "0"),
    "in_the_large": ("Calibration in the large", "0"),
    "observed_to_expected": ("Observed to expected", "1"),
    "brier": ("Brier score", "0"),
    "brier_skill": ("Brier skill", "1"),
    "log_loss": ("Log loss", "0"),
}
"""Number to its name in print and the value it should have."""

WOMEN = {
    "recalled": "recalled",
    "found": "cancers found",
    "false_recalls": "recalled without cancer",
    "missed": "missed",
}

INTERVALS: dict[IntervalMethod, str] = {
    "delong-logit": "clustered DeLong, logit",
    "percentile": "percentile bootstrap",
    "bca": "BCa bootstrap",
}
"""Kinds of interval of the AUC that stand beside one another; the first is the one quoted."""


def glance(metrics: Facts, robustness: Facts | None) -> list[tuple[str, str]]:
    """The later sections in a line each, for the head of the page.

    Args:
        metrics: What `metrics.json` holds.
        robustness: What `robustness.json` holds.

    Returns:
        Anchor of the section and what it says; nothing of a section that has nothing.
    """
    said: list[tuple[str, str]] = []
    thousand = None if is_classes(metrics) else thousand_block(metrics)
    if thousand:
        said.append(("clinic", thousand["sentence"]))
    calibration = metrics["units"][metrics["headline"]].get("calibration")
    of = "probabilities" if calibration and calibration["probabilities"] else "scores"
    slope = _slope(calibration[of]) if calibration else None
    if slope and slope["value"] is not None:
        ends = f" ({interval(slope)})" if interval(slope) else ""
        of += " of the called class" if is_classes(metrics) else ""
        said.append(
            ("calibration", f"The {of} have a calibration slope of {number(slope['value'])}{ends}; 1 is right.")
        )
    groups = metrics.get("subgroups")
    if groups and groups["factors"]:
        said.append(("subgroups", _worst_words(groups)))
    if robustness and robustness["curves"]:
        what = name_of(robustness["metric"])
        falls = [curve["name"] for curve in robustness["curves"] if curve["first_fall"] is not None]
        of_all = f"of {len(robustness['curves'])} graded corruptions"
        said.append(
            (
                "robustness",
                f"The {what} falls for good under {len(falls)} {of_all}{': ' if falls else ''}{', '.join(falls)}.",
            )
        )
    return said


def _slope(found: Facts) -> Facts:
    """Of yes or no; among several classes that of the called one."""
    slope: Facts = found.get("call", found)["slope"]
    return slope


def calibration_block(result: Facts) -> Row | None:
    """One unit's calibration before and after the calibrator; None in metrics written before it was measured."""
    found = result.get("calibration")
    if not found:
        return None
    sides = [("scores", found["scores"]), ("probabilities", found["probabilities"])]
    columns = [(name, side) for name, side in sides if side is not None]
    rows = [
        {"name": name, "right": right, "cells": [estimate_cell(side[key]) for _, side in columns]}
        for key, (name, right) in CALIBRATION.items()
    ]
    return {
        "unit": result["unit"],
        "plural": PLURAL[result["unit"]],
        "columns": [name for name, _ in columns],
        "rows": rows,
        "errors": [_bin_error(columns, key) for key in ("equal_width", "equal_mass")],
        "method": METHODS[found["method"]],
        "fit": {key: found[key] for key in ("fitted_on", "n", "positives", "patients", "prevalence", "reason")},
        "share": found["scores"]["prevalence"],
        "warnings": found["warnings"],
    }


def thousand_block(metrics: Facts) -> Row | None:
    """A thousand women at the stated prevalence, by unit; None without one."""
    units = metrics["units"]
    found = {unit: result["per_thousand"] for unit, result in reversed(units.items()) if result.get("per_thousand")}
    if not found:
        return None
    unit = next(iter(found))  # the largest: a woman, where patients have a result
    rows = [
        {"name": name, "cells": [estimate_cell(one[key], digits=1) for one in found.values()]}
        for key, name in WOMEN.items()
    ]
    return {
        "unit": unit,
        "units": list(found),
        "sentence": found[unit]["sentence"],
        "prevalence": found[unit]["prevalence"],
        "rows": rows,
        "sizes": [{"n": one["recalled"]["n"], "positives": one["recalled"]["positives"]} for one in found.values()],
    }


def decision_unit(metrics: Facts) -> str | None:
    """The largest unit with a decision curve: it is women who are recalled."""
    return next((u for u, result in reversed(metrics["units"].items()) if result.get("decision_curve")), None)


def subgroup_block(metrics: Facts) -> Row | None:
    """Groups with their numbers, the worst of each factor and the test of the gap; None where not analysed."""
    found = metrics.get("subgroups")
    if not found:
        return None
    factors = [
        {
            "name": factor["name"],
            "says": factor["says"],
            "divides": factor["divides"],
            "unknown": factor["unknown"],
            "groups": [
                {
                    **{key: group[key] for key in ("name", "n", "positives", "patients")},
                    "cells": [estimate_cell(one) for one in group["metrics"].values()],
                }
                for group in factor["groups"]
            ],
            "gaps": [_gap(name, gap) for name, gap in factor["gaps"].items()],
        }
        for factor in found["factors"]
    ]
    shown: list[str] = next((list(g["metrics"]) for f in found["factors"] for g in f["groups"]), [])
    return {
        **{key: found[key] for key in ("unit", "threshold", "few", "tests", "confidence", "unavailable", "warnings")},
        "plural": PLURAL[found["unit"]],
        "metrics": [SHORT[name] for name in shown],
        "several": found.get("primary", "auc") != "auc",
        "factors": factors,
    }


def robustness_block(found: Facts) -> Row:
    """Each corruption at its strongest beside the clean pictures, and where what is quoted first falls for good."""
    first = found["metric"]
    rows = [
        {
            "name": curve["name"],
            "says": curve["says"],
            "from": NONE if curve["first_fall"] is None else f"{curve['first_fall']:g}",
            "strongest": f"{curve['points'][-1]['severity']:g}",
            "there": estimate_cell(curve["points"][-1]["metrics"][first]),
            "drop": estimate_cell(curve["points"][-1]["drop"]["difference"]),
        }
        for curve in found["curves"]
        if curve["points"]
    ]
    return {
        **{key: found[key] for key in ("images", "of", "warnings", "sealed", "threshold")},
        "metric": "AUC" if first == "auc" else SHORT[first],
        "clean": {"name": "as they are", **estimate_cell(found["clean"][first])},
        "rows": rows,
    }


def seal_block(seals: Sequence[Facts]) -> list[Row]:
    """Each sealed test set with every look at it."""
    return [
        {
            "sentence": seal["sentence"],
            "sealed_at": seal["sealed_at"],
            "fingerprint": seal["fingerprint"],
            "budget": seal["budget"],
            "head": seal["head"],
            "looks": [{**look, "told": look_words(look["result"]) or NONE} for look in seal["looks"]],
        }
        for seal in seals
    ]


def interval_table(metrics: Facts, predictions: pl.DataFrame) -> Row | None:
    """The AUC of each unit with three kinds of interval.

    Args:
        metrics: What `metrics.json` holds.
        predictions: The predictions it was made of.

    Returns:
        `units` and `rows` of cells; None where the predictions do not give the AUC of the metrics.
    """
    settings = {key: metrics[key] for key in ("replicates", "seed", "confidence")}
    columns: dict[str, list[Estimate]] = {}
    try:
        rule = Aggregation(**metrics.get("aggregation", {}))
        test = predictions.filter(pl.col("part") == Part.TEST.value)
        for unit in metrics["units"]:
            sample = sample_of(unit_rows(test, unit=unit, aggregation=rule))
            columns[unit] = [auc_interval(sample, method=method, **settings) for method in INTERVALS]
    except (MammoscopeError, pl.exceptions.PolarsError):
        return None
    if any(_differs(found[0].value, metrics["units"][unit]["test"]["auc"]["value"]) for unit, found in columns.items()):
        return None
    return {
        "units": list(columns),
        "rows": [
            {"name": name, "cells": [_ends(found[place]) for found in columns.values()]}
            for place, name in enumerate(INTERVALS.values())
        ],
    }


def _worst_words(groups: Facts) -> str:
    first = groups.get("primary", "auc")
    gaps = [(factor["name"], factor["gaps"][first]) for factor in groups["factors"] if first in factor["gaps"]]
    worst = min(
        ((name, gap) for name, gap in gaps if gap["worst_value"] is not None),
        key=lambda pair: pair[1]["worst_value"]["value"],
        default=None,
    )
    differ = sorted({f["name"] for f in groups["factors"] for gap in f["gaps"].values() if gap["differs"]})
    tail = f"groups differ by {', '.join(differ)}" if differ else "no difference between groups is shown"
    if worst is None:
        return f"No group of the test part has enough patients for {name_of(first)} of its own; {tail}."
    name, gap = worst
    one = gap["worst_value"]
    ends = f"{interval(one)}, {one['n']} {PLURAL[groups['unit']]}" if interval(one) else f"{one['n']}"
    return f"The lowest {name_of(first)} of a group is {number(one['value'])} ({ends}): {name} {gap['worst']}; {tail}."


def _bin_error(columns: Sequence[tuple[str, Facts]], key: str) -> Row:
    first = columns[0][1][key]
    cells = [
        {
            "value": number(side[key]["error"]["value"]),
            "ends": "" if side[key]["expected"] is None else f"if perfect {number(side[key]['expected'])}",
            "reason": side[key]["error"]["reason"],
        }
        for _, side in columns
    ]
    what = f"ECE, {first['asked']} bins of {first['bins']}"
    return {"name": what, "right": None, "cells": cells}


def _gap(name: str, gap: Facts) -> Row:
    return {
        "metric": SHORT[name],
        "worst": gap["worst"],
        "best": gap["best"],
        "worst_cell": estimate_cell(gap["worst_value"]),
        "gap": estimate_cell(gap["gap"]),
        "p": p_words(gap["p_adjusted"]),
        "differs": gap["differs"],
        "reason": gap["reason"],
    }


def look_words(result: Facts | None) -> str:
    """What a look at a sealed test set was told: the AUC, or of several classes the metric with its name.

    Example:
        >>> look_words({"auc": 0.8}), look_words({"kappa_quadratic": 0.5, "low": 0.4, "high": 0.6}), look_words(None)
        ('AUC 0.800', 'quadratic kappa 0.500 (0.400 to 0.600)', '')
    """
    for key, name in {"auc": "AUC", "kappa_quadratic": "quadratic kappa", "macro_auc": "macro AUC"}.items():
        if result and result.get(key) is not None:
            ends = interval({"low": result.get("low"), "high": result.get("high")})
            return f"{name} {number(result[key])}{f' ({ends})' if ends else ''}"
    return ""


def _ends(found: Estimate) -> Row:
    ends = interval({"low": found.low, "high": found.high})
    return {"value": ends or NONE, "ends": "", "reason": found.reason}


def _differs(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is not second
    return abs(first - second) > 1e-9
