"""What `mammoscope evaluate` prints: a line a metric, and what to know before quoting one."""

from collections.abc import Iterable, Mapping
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mammoscope.report.words import METRIC_NAMES, NONE, interval, metric_words, number, percent

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
