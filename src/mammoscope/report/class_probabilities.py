"""What a report says of scores among several classes as probabilities: calibration, and answers with a coverage."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mammoscope.report.class_words import with_ends
from mammoscope.report.drawing import BLUE, MUTED, RUST, Drawing, draw, unit_square
from mammoscope.report.sections import estimate_cell
from mammoscope.report.words import METHODS, PLURAL, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Figure = Any

Facts = Mapping[str, Any]
Row = dict[str, Any]
ACROSS = 3  # panels beside one another

OVERALL = {
    "brier": ("Brier score, all classes", "0"),
    "brier_skill": ("Brier skill", "1"),
    "log_loss": ("Log loss", "0"),
}
EACH = {
    "slope": ("slope", "1"),
    "in_the_large": ("in the large", "0"),
    "observed_to_expected": ("observed to expected", "1"),
}


def class_calibration_block(result: Facts) -> Row | None:
    """One unit's calibration before and after a temperature; None where it was not measured."""
    found = result.get("calibration")
    if not found:
        return None
    columns = _columns(found)
    rows = [
        {"name": name, "right": right, "cells": [estimate_cell(side[key]) for _, side in columns]}
        for key, (name, right) in OVERALL.items()
    ]
    errors = [_error(columns, key) for key in ("equal_width", "equal_mass")]
    each = [
        {"name": f"{_called(name)}: {words}", "right": right, "cells": [estimate_cell(one[key]) for one in sides]}
        for name, sides in _panels(columns).items()
        for key, (words, right) in EACH.items()
    ]
    return {
        "unit": result["unit"],
        "plural": PLURAL[result["unit"]],
        "columns": [name for name, _ in columns],
        "rows": [*rows, *errors],
        "each": each,
        "method": METHODS[found["method"]],
        "temperature": None if found["calibrator"] is None else number(found["calibrator"]["temperature"]),
        "fit": {key: found[key] for key in ("fitted_on", "n", "patients", "reason")},
        "warnings": found["warnings"],
    }


def class_conformal_block(result: Facts) -> Row | None:
    """Answers with a stated coverage; None where none was asked for."""
    found = result.get("conformal")
    if not found:
        return None
    told = found["coverage"]
    rows: list[Row] = []
    if told is not None:
        rows = [
            {"name": "women whose answers hold the label", "cell": estimate_cell(told["covered"])},
            *(
                {"name": f"women with a row of {name}, by those", "cell": estimate_cell(one)}
                for name, one in told["classes"].items()
            ),
            {"name": f"{PLURAL[result['unit']]} referred", "cell": estimate_cell(told["referred"])},
            {"name": "accuracy of the others", "cell": estimate_cell(told["accuracy"])},
            {"name": "classes in an answer, mean", "cell": estimate_cell(told["set_size"])},
        ]
    cuts = ", ".join(f"{name} from {at:.3g}" for name, at in found["possible_from"].items())
    return {"stated": found["stated"], "cuts": cuts, "rows": rows, "reason": found["reason"], "on": found["fitted_on"]}


def class_calibration_figure(result: Facts) -> Drawing | None:
    """Share that is right against the score, by bin, of the call and of each class; None where not measured."""
    found = result.get("calibration")
    if not found or not found["scores"]["call"]["curve"]:
        return None
    columns = _columns(found)
    panels = _panels(columns)
    down = -(-len(panels) // ACROSS)

    def paint(figure: Figure) -> None:
        places = figure.subplots(down, ACROSS, squeeze=False).ravel()
        for axes in places[len(panels) :]:
            axes.set_visible(False)
        for axes, (name, sides) in zip(places, panels.items(), strict=False):
            unit_square(axes, x="mean score of the bin", y="share")
            axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
            for (of, _), side, colour, dash in zip(columns, sides, (BLUE, RUST), ("-", "--"), strict=False):
                _curve(axes, side["curve"], colour=colour, dash=dash, label=of, band=of == "scores")
            axes.set_title(_called(name, upper=True))
        places[0].legend(loc="upper left")

    call = found["scores"]["call"]
    return draw(
        f"calibration-{result['unit']}",
        title=f"Reliability per {result['unit']}",
        alt=f"Share of rows that are of the class against its mean score, in {len(call['curve'])} bins of about "
        f"equally many rows; first the called class: it is right for {number(call['prevalence'])} of {call['n']:,} "
        f"{PLURAL[result['unit']]}. On the dashed diagonal a score means what it says. Shaded: pointwise interval "
        "over patients.",
        size=(9.6, 3.3 * down),
        paint=paint,
    )


def class_calibration_lines(found: Facts) -> list[str]:
    """Calibration of several classes for a terminal.

    Args:
        found: The block `calibration` of a unit.
    """
    columns = _columns(found)
    lines = [
        f"{of}: Brier score {with_ends(side['brier'])}, log loss {with_ends(side['log_loss'])}, classwise ECE "
        f"{number(side['equal_width']['error'])} in {side['equal_width']['asked']} bins of equal width (if perfect "
        f"{number(side['equal_width']['expected'])}); slope of the call {with_ends(side['call']['slope'])}"
        for of, side in columns
    ]
    if found["method"] == "none":
        return lines
    if found["calibrator"] is None:
        return [*lines, f"no {METHODS[found['method']]}: {found['reason']}"]
    return [*lines, f"temperature {number(found['calibrator']['temperature'])}, fitted on {found['fitted_on']}"]


def class_conformal_line(found: Facts) -> str:
    """Answers among several classes with a stated coverage, for a terminal.

    Args:
        found: The block `conformal` of a unit.
    """
    if found["coverage"] is None:
        return f"no answers with a coverage of {found['stated']:g}: {found['reason']}"
    told = found["coverage"]
    each = ", ".join(f"{name} {with_ends(one)}" for name, one in told["classes"].items())
    reason = f" ({found['reason']})" if found["reason"] else ""
    return (
        f"coverage of {found['stated']:g} stated on {found['fitted_on']}{reason}: women covered "
        f"{with_ends(told['covered'])}; by class {each}; rows referred {with_ends(told['referred'])}, accuracy of the "
        f"rest {with_ends(told['accuracy'])}"
    )


def _columns(found: Facts) -> list[tuple[str, Facts]]:
    sides = [("scores", found["scores"]), ("probabilities", found["probabilities"])]
    return [(name, side) for name, side in sides if side is not None]


def _panels(columns: Sequence[tuple[str, Facts]]) -> dict[str, list[Facts]]:
    """The call, then each class: its calibration in every column."""
    names = columns[0][1]["classes"]
    return {"": [side["call"] for _, side in columns]} | {
        name: [side["classes"][name] for _, side in columns] for name in names
    }


def _called(name: str, *, upper: bool = False) -> str:
    return name or ("Called class" if upper else "called class")


def _error(columns: Sequence[tuple[str, Facts]], key: str) -> Row:
    first = columns[0][1][key]
    cells = [
        {
            "value": number(side[key]["error"]),
            "ends": f"if perfect {number(side[key]['expected'])}",
            "reason": "biased upwards: compare it with what perfect scores would show on these rows",
        }
        for _, side in columns
    ]
    return {"name": f"Classwise ECE, {first['asked']} bins of {first['bins']}", "right": None, "cells": cells}


def _curve(axes: Any, curve: Sequence[Facts], *, colour: str, dash: str, label: str, band: bool) -> None:
    known = [one for one in curve if one["share_positive"]["value"] is not None]
    x = [one["mean_score"] for one in known]
    if band:
        held = [one for one in known if one["share_positive"]["low"] is not None]
        ends = [[one["share_positive"][end] for one in held] for end in ("low", "high")]
        axes.fill_between([one["mean_score"] for one in held], *ends, color=colour, alpha=0.16, linewidth=0)
    y = [one["share_positive"]["value"] for one in known]
    axes.plot(x, y, color=colour, linestyle=dash, marker="o", markersize=4, label=label, clip_on=False)
