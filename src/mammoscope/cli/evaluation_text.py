"""What `mammoscope evaluate` prints: a line a metric, and what to know before quoting one."""

from collections.abc import Iterable, Mapping
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mammoscope.report.class_probabilities import class_calibration_lines, class_conformal_line
from mammoscope.report.class_words import class_metrics
from mammoscope.report.words import METHODS, METRIC_NAMES, NONE, interval, metric_words, number, percent

PIPED_WIDTH = 160  # of a line that no terminal shows


def print_evaluation(metrics: Mapping[str, Any]) -> None:
    """The numbers of the headline's unit on the test part.

    Args:
        metrics: What `metrics.json` holds.
    """
    unit, targets = metrics["headline"], metrics["targets"]
    result = metrics["units"][unit]
    skipped = set() if targets["prevalence"] else {"ppv_at_prevalence", "npv_at_prevalence"}
    keys = [key for key in METRIC_NAMES if key in result["test"] and key not in skipped]
    rows = ((metric_words(key, targets=targets), result["test"][key]) for key in keys)
    print_estimates(rows, title=f"per {unit}: {result['aggregation']}", confidence=metrics["confidence"])
    for line in asked_lines(result):
        typer.echo(f"\n{line}")


def asked_lines(result: Mapping[str, Any]) -> list[str]:
    """What was asked for beyond the metrics: probabilities, a thousand women, answers that may be `refer`, patients.

    Args:
        result: Of one unit, in `metrics.json`.

    Returns:
        A line each; none where nothing more was asked for.

    Example:
        >>> asked_lines({"needed": {"patients": 812, "rows": 3248, "positives": 65, "width": 0.1, "reason": None}})
        ['an interval of AUC no wider than 0.1 takes 812 patients like these (3,248 rows, 65 positive)']
    """
    found: list[str] = []
    calibration = result.get("calibration")
    if calibration and "call" in calibration["scores"]:
        found += class_calibration_lines(calibration)
    elif calibration and calibration["method"] != "none":
        found.append(_calibration(calibration))
    if result.get("per_thousand"):
        found.append(result["per_thousand"]["sentence"])
    conformal = result.get("conformal")
    if conformal:
        found.append(class_conformal_line(conformal) if "possible_from" in conformal else _conformal(conformal))
    if result.get("needed"):
        found.append(_needed(result["needed"]))
    return found


def _calibration(found: Mapping[str, Any]) -> str:
    if found["probabilities"] is None:
        return f"no {METHODS[found['method']]}: {found['reason']}"
    names = (("slope", "slope"), ("in the large", "in_the_large"), ("Brier score", "brier"))
    said = [
        f"{name} {number(found['scores'][key]['value'])} before, {_with_ends(found['probabilities'][key])} after"
        for name, key in names
    ]
    return f"{METHODS[found['method']]}, fitted on {found['fitted_on']}: {'; '.join(said)}"


def _conformal(found: Mapping[str, Any]) -> str:
    if found["coverage"] is None:
        return f"no answers with a coverage of {found['stated']:g}: {found['reason']}"
    names = (
        ("women with a positive row covered", "covered_positive"),
        ("women with a negative row covered", "covered_negative"),
        ("rows referred", "referred"),
        ("sensitivity of the rest", "sensitivity"),
        ("specificity of the rest", "specificity"),
    )
    said = [f"{name} {_with_ends(found['coverage'][key])}" for name, key in names]
    cuts = f"negative up to {found['negative_to']:.3g}, positive from {found['positive_from']:.3g}"
    reason = f" ({found['reason']})" if found["reason"] else ""
    return f"coverage of {found['stated']:g} stated on {found['fitted_on']}, {cuts}{reason}: {', '.join(said)}"


def _needed(found: Mapping[str, Any]) -> str:
    what = f"an interval of AUC no wider than {found['width']:g}"
    if found["patients"] is None:
        return f"{what}: {found['reason']}"
    return (
        f"{what} takes {found['patients']:,} patients like these "
        f"({found['rows']:,} rows, {found['positives']:,} positive)"
    )


def _with_ends(estimate: Mapping[str, Any]) -> str:
    ends = interval(estimate)
    return f"{number(estimate['value'])}{f' ({ends})' if ends else ''}"


def print_task(metrics: Mapping[str, Any]) -> None:
    """The numbers of a run of several classes at its headline's unit, and who was called what.

    Args:
        metrics: What `metrics.json` holds.
    """
    result = metrics["units"][metrics["headline"]]
    rows = [(name, result["test"][key]) for key, name in class_metrics(metrics).items() if key in result["test"]]
    print_estimates(rows, title=f"per {metrics['headline']}: {result['aggregation']}", confidence=metrics["confidence"])
    typer.echo("\nlabel (rows) by call (columns)")
    width = max(6, *(len(name) + 2 for name in result["classes"]))
    typer.echo("".join(text.rjust(width) for text in ("", *result["classes"])))
    for name, counts in zip(result["classes"], result["confusion"], strict=True):
        typer.echo("".join(str(text).rjust(width) for text in (name, *counts)))
    for line in asked_lines(result):
        typer.echo(f"\n{line}")


def print_estimates(rows: Iterable[tuple[str, Mapping[str, Any]]], *, title: str, confidence: float) -> None:
    """A table: metric, value, interval, n, positives, patients; a reason where there is no value."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("metric", "value", f"{percent(confidence)} interval", "n", "positives", "patients"):
        table.add_column(head, justify="left" if head == "metric" or "interval" in head else "right")
    for name, found in rows:
        ends = interval(found) or f"{NONE} ({found['reason']})"
        counts = (f"{found[key]:,}" for key in ("n", "positives", "patients"))
        table.add_row(*(Text(cell) for cell in (name, number(found["value"]), ends, *counts)))
    with console.capture() as printed:
        console.print(Text(title))
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))
