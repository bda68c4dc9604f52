"""A cross-validation, or one recipe from several seeds, as one HTML file and as lines for a terminal."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammoscope.errors import SourceError
from mammoscope.report.class_words import SHORT, rows_words
from mammoscope.report.drawing import BLUE, INK, MUTED, RUST, Drawing, draw
from mammoscope.report.page import inline, rendered
from mammoscope.report.words import Facts, interval, number, percent, size_words
from mammoscope.storage import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Figure = Any

FILES = {"cross-validation.json": "cross-validate", "repeats.json": "repeat"}
"""What is read, and the command that makes it."""


def write_spread(folder: Path) -> Path:
    """Write the page of a cross-validation or of repeated seeds into its folder, from its JSON file alone.

    Args:
        folder: What `mammoscope cross-validate` or `mammoscope repeat` left.

    Returns:
        Path of the HTML file, named like the JSON file; its figure lies beside it.

    Raises:
        SourceError: There is neither of the files, or it is damaged.
        StorageError: The folder cannot be written.
    """
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        commands = " or ".join(f"mammoscope {verb}" for verb in FILES.values())
        raise SourceError(f"{folder.name}: has neither {' nor '.join(FILES)}. Make one with: {commands}")
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"{folder.name}/{file.name}: is damaged. Make it again") from error
    drawing = spread_figure(facts)
    write_text(folder / f"{file.stem}.svg", drawing.svg)
    page = rendered(
        "spread.html.j2",
        title=f"{facts['recipe']}: {_of(facts)}",
        facts=facts,
        lead=_lead(facts),
        name=_name(facts["primary"]),
        each=[_row(facts, at, folder) for at in range(len(facts["names"]))],
        rows=[_metric(facts, name) for name in facts["metrics"]],
        figure=inline(drawing),
        caption=drawing.alt,
        folds=facts["kind"] == "folds",
    )
    write_text(folder / f"{file.stem}.html", page)
    return folder / f"{file.stem}.html"


def spread_lines(facts: Facts) -> list[str]:
    """The answer in a few lines, for a terminal.

    Args:
        facts: What `Spreads.to_json` gives.

    Example:
        >>> estimate = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 20, "positives": 9, "patients": 10, "reason": None}
        >>> spread = {"each": [estimate, estimate], "mean": estimate, "sd": 0.0, "lowest": 0.8, "highest": 0.8}
        >>> facts = {"kind": "seeds", "names": ["seed-0", "seed-1"], "unit": "image", "primary": "auc", "notes": [],
        ...     "metrics": {"auc": spread}, "pooled": {}, "confidence": 0.95}
        >>> spread_lines(facts)[-1]
        'mean of 2 seeds 0.800 (95 % 0.700 to 0.900), sd 0.000, 0.800 to 0.800'
    """
    primary, level = facts["primary"], percent(facts["confidence"])
    found = facts["metrics"][primary]
    size = size_words if primary == "auc" else rows_words  # of several classes none is the positive one
    lines = [
        f"{name}  {_name(primary)} {_value(one, level)}, {size(one, unit=facts['unit'])}"
        for name, one in zip(facts["names"], found["each"], strict=True)
    ]
    ends = f"{number(found['lowest'])} to {number(found['highest'])}"
    lines.append(f"mean of {_of(facts)} {_value(found['mean'], level)}, sd {number(found['sd'])}, {ends}")
    if facts["pooled"]:
        lines.append(f"pooled over all rows {_value(facts['pooled'][primary], level)}: several networks in one ranking")
    return [*lines, *(f"- {note}" for note in facts["notes"])]


def spread_figure(facts: Facts) -> Drawing:
    """Each training's primary metric with its interval, and the mean below."""
    found = facts["metrics"][facts["primary"]]
    rows = [*zip(facts["names"], found["each"], strict=True), ("mean", found["mean"])]
    if facts["pooled"]:
        rows.append(("pooled", facts["pooled"][facts["primary"]]))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (name, one) in enumerate(rows):
            if one["value"] is None:
                continue
            colour = {"mean": INK, "pooled": RUST}.get(name, BLUE)
            if one["low"] is not None:
                axes.plot([one["low"], one["high"]], [place, place], color=colour, linewidth=2.0, alpha=0.55)
            axes.plot([one["value"]], [place], "D" if name in {"mean", "pooled"} else "o", color=colour, markersize=6)
        if found["mean"]["value"] is not None:
            axes.axvline(found["mean"]["value"], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(f"{_name(facts['primary'])} per {facts['unit']}")

    said = "; ".join(f"{name} {_value(one, percent(facts['confidence']))}" for name, one in rows)
    return draw(
        f"spread-{facts['kind']}",
        title=f"{_name(facts['primary'])} of {_of(facts)}",
        alt=said + ".",
        size=(6.4, 0.9 + 0.34 * len(rows)),
        paint=paint,
    )


def _lead(facts: Facts) -> str:
    found, level = facts["metrics"][facts["primary"]], percent(facts["confidence"])
    said = f"{_name(facts['primary'])} per {facts['unit']}, mean of {_of(facts)}: {_value(found['mean'], level)}"
    ends = f"from {number(found['lowest'])} to {number(found['highest'])}"
    return f"{said}; standard deviation {number(found['sd'])}, {ends}."


def _row(facts: Facts, at: int, folder: Path) -> dict[str, Any]:
    one = facts["metrics"][facts["primary"]]["each"][at]
    name = facts["names"][at]
    link = f"{name}/report.html" if (folder / name / "report.html").is_file() else None
    return {"name": name, "link": link, "cell": _cell(one), **{key: one[key] for key in ("n", "positives", "patients")}}


def _metric(facts: Facts, name: str) -> dict[str, Any]:
    found = facts["metrics"][name]
    return {
        "key": name,
        "name": _name(name),
        "mean": _cell(found["mean"]),
        "sd": number(found["sd"]),
        "range": f"{number(found['lowest'])} to {number(found['highest'])}",
        "pooled": _cell(facts["pooled"][name]) if name in facts["pooled"] else None,
    }


def _cell(one: Facts) -> dict[str, Any]:
    return {"value": number(one["value"]), "ends": interval(one), "reason": one["reason"]}


def _value(one: Facts, level: str) -> str:
    if one["value"] is None:
        return f"not defined ({one['reason']})"
    return f"{number(one['value'])} ({level} {interval(one)})" if interval(one) else number(one["value"])


def _name(metric: str) -> str:
    return SHORT.get(metric, metric)


def _of(facts: Facts) -> str:
    return f"{len(facts['names'])} {facts['kind']}"
