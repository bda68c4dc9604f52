"""A sweep as one HTML file and as lines for a terminal."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammoscope.errors import SourceError
from mammoscope.report.drawing import BLUE, INK, MUTED, Drawing, draw
from mammoscope.report.page import inline, rendered
from mammoscope.report.words import Facts, number
from mammoscope.storage import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # heavy, and only drawing needs it
    Figure = Any

SHOWN = 10  # trials named on a terminal


def write_sweep(folder: Path) -> Path:
    """Write the page of a sweep into its folder, from `sweep.json` and `best.toml` alone.

    Args:
        folder: What `mammoscope sweep` left.

    Returns:
        Path of `sweep.html`; its figure lies beside it.

    Raises:
        SourceError: The folder has no sweep, or it is damaged.
        StorageError: The folder cannot be written.
    """
    try:
        facts = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
        recipe = (folder / "best.toml").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SourceError(f"{folder.name}: is not a sweep. Make one with: mammoscope sweep") from error
    except ValueError as error:
        raise SourceError(f"{folder.name}/sweep.json: is damaged. Run mammoscope sweep again") from error
    drawing = _figure(facts)
    write_text(folder / "sweep.svg", drawing.svg)
    keys = list(facts["best"]["values"])
    page = rendered(
        "sweep.html.j2",
        title=f"{facts['recipe']}: {len(facts['trials'])} trials",
        facts=facts,
        keys=keys,
        counts=_counts(facts),
        rows=[_row(trial, keys, best=facts["best"]["number"]) for trial in _ranked(facts)],
        importances=[(key, round(100 * share)) for key, share in facts["importances"].items()],
        figure=inline(drawing),
        caption=drawing.alt,
        recipe=recipe,
    )
    write_text(folder / "sweep.html", page)
    return folder / "sweep.html"


def sweep_lines(facts: Facts) -> list[str]:
    """The answer in a few lines, for a terminal.

    Args:
        facts: What `Swept.to_json` gives.

    Example:
        >>> trial = {"number": 0, "state": "complete", "tune_auc": 0.8, "values": {"stages.0.lr": 0.01}, "epochs": 2,
        ...     "reason": None}
        >>> sweep_lines({"trials": [trial], "best": trial, "importances": {}, "tune": {"rows": 9, "patients": 5}})[0]
        '   0  complete     0.800  2 epochs  stages.0.lr 0.01'
    """
    lines = [
        f"{trial['number']:4}  {trial['state']:11} {number(trial['tune_auc']):>6}  {trial['epochs']} epochs  "
        f"{_words(trial['values'])}{_why(trial)}"
        for trial in _ranked(facts)[:SHOWN]
    ]
    lines += [f"... {len(facts['trials']) - SHOWN} more"] if len(facts["trials"]) > SHOWN else []
    if facts["importances"]:
        lines.append("importance " + ", ".join(f"{key} {share:.0%}" for key, share in facts["importances"].items()))
    tune = facts["tune"]
    on = f"{tune['rows']} tune rows of {tune['patients']} patients"
    lines.append(f"best: trial {facts['best']['number']}, on {on}: optimistic, it was chosen there")
    return [*lines, "train best.toml once, and measure it on the test part"]


def _ranked(facts: Facts) -> list[dict[str, Any]]:
    """Complete trials first, the best at the top; then the others."""
    rank = {"complete": 0, "pruned": 1}
    return sorted(facts["trials"], key=lambda t: (rank.get(t["state"], 2), -(t["tune_auc"] or 0.0), t["number"]))


def _counts(facts: Facts) -> str:
    states = [trial["state"] for trial in facts["trials"]]
    return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def _row(trial: Facts, keys: list[str], *, best: int) -> dict[str, Any]:
    return {
        "number": trial["number"],
        "state": trial["state"],
        "auc": number(trial["tune_auc"]),
        "epochs": trial["epochs"],
        "reason": trial["reason"],
        "values": [_word(trial["values"].get(key)) for key in keys],
        "best": trial["number"] == best,
    }


def _figure(facts: Facts) -> Drawing:
    """Each trial's tune AUC in the order they began, and the best so far."""
    known = [trial for trial in facts["trials"] if trial["tune_auc"] is not None]
    complete = [trial for trial in known if trial["state"] == "complete"]
    pruned = [trial for trial in known if trial["state"] == "pruned"]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        best, steps = 0.0, []
        for trial in complete:
            best = max(best, trial["tune_auc"])
            steps.append((trial["number"], best))
        axes.step(*zip(*steps, strict=True), where="post", color=MUTED, label="best so far")
        axes.plot(*_points(complete), "o", color=BLUE, label="complete", linestyle="none")
        if pruned:
            axes.plot(*_points(pruned), "x", color=INK, label="stopped early", linestyle="none")
        axes.set(xlabel="Trial", ylabel="Tune AUC")
        axes.legend(loc="lower right")

    said = f"{_counts(facts)}; the best is trial {facts['best']['number']} with {number(facts['best']['tune_auc'])}."
    return draw("sweep", title="Tune AUC by trial", alt=said, size=(6.4, 3.2), paint=paint)


def _points(trials: list[dict[str, Any]]) -> tuple[list[int], list[float]]:
    return [trial["number"] for trial in trials], [trial["tune_auc"] for trial in trials]


def _words(values: Facts) -> str:
    return ", ".join(f"{key} {_word(value)}" for key, value in values.items())


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value) if isinstance(value, dict) else str(value)


def _why(trial: Facts) -> str:
    return f": {trial['reason']}" if trial["reason"] else ""
