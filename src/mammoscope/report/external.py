"""An external validation as a table for a terminal."""

from mammoscope.report.words import Facts, interval, number, percent


def external_lines(found: Facts) -> list[str]:
    """An external validation in lines, model by model, each with what a reader must know of it.

    Args:
        found: What `external.json` holds.
    """
    level = percent(found["confidence"])
    lines = []
    for cell in found["cells"]:
        where = f"{cell['model']}, trained on {' + '.join(cell['trained_on'])}, tested on {cell['tested_on']}"
        if cell["reason"]:
            lines.append(f"{where}: {cell['reason']}")
        else:
            lines.append(f"{where}: {_numbers(cell, level=level)}")
        lines += [f"    left out: {count} images {what}" for what, count in cell["excluded"].items()]
        lines += [f"    note: {note}" for note in cell["notes"]]
    return [*lines, *found["sealed"]]


def _numbers(cell: Facts, *, level: str) -> str:
    auc = cell["metrics"]["auc"]
    said = [f"AUC {number(auc['value'])} ({level} {interval(auc) or auc['reason']})"]
    said += [
        f"{name} {number(cell['metrics'][name]['value'])} ({interval(cell['metrics'][name])})"
        for name in ("sensitivity", "specificity")
        if name in cell["metrics"]
    ]
    said.append(f"{auc['n']} images, {auc['positives']} positive, of {auc['patients']} patients")
    if cell["loss"] and cell["loss"]["verdict"]:
        loss = cell["loss"]["auc"]
        verdict = {"above": "a loss", "below": "a gain"}.get(cell["loss"]["verdict"], "not distinguishable")
        said.append(f"{number(loss['value'])} ({interval(loss)}) below its own test part: {verdict}")
    return "; ".join(said)
