"""Timing by turns, and the table of what came out: every row has all its parties in one run."""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

Row = dict[str, Any]
FEWEST, MOST = 5, 40
DATA = Path(os.environ.get("MAMMOSCOPE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def options_of(text: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with the real mammograms")
    return parser


def seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def by_turns(calls: dict[str, Callable[[], object]], *, budget_s: float) -> dict[str, list[float]]:
    """Call each once unmeasured, then all of them round after round, until the time is spent."""
    for call in calls.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    start, rounds = perf_counter(), 0
    while rounds < FEWEST or (rounds < MOST and perf_counter() - start < budget_s):
        for name, call in calls.items():
            taken[name].append(seconds(call))
        rounds += 1
    return taken


def compared(name: str, calls: dict[str, Callable[[], object]], *, budget_s: float, target: str = "") -> list[Row]:
    """Rows of one run: `calls` are ours, reference, floor, and perhaps ours in another way, named by what follows."""
    taken = by_turns(calls, budget_s=budget_s)
    middle = {key: median(times) for key, times in taken.items()}
    rows = []
    for ours in (key for key in calls if key.startswith("ours")):
        row: Row = {"name": name + ours.removeprefix("ours"), "n": len(taken[ours]), "ours_s": round(middle[ours], 4)}
        row |= {f"{key}_s": round(middle[key], 4) if key in middle else None for key in ("reference", "floor")}
        row |= {
            "ratio": round(middle["reference"] / middle[ours], 2),
            "ratio_of_minima": round(min(taken["reference"]) / min(taken[ours]), 2),
            "times_floor": round(middle[ours] / middle["floor"], 2) if "floor" in middle else None,
        }
        rows.append(row | {"target": target})
    return rows


def told(row: Row, *, as_json: bool, first: bool = False) -> None:
    """Print one row, and the head of the table before the first."""
    if as_json:
        print(json.dumps(row), flush=True)
        return
    if first:
        print("| " + " | ".join(row) + " |\n|" + "---|" * len(row))
    print("| " + " | ".join("" if value is None else str(value) for value in row.values()) + " |", flush=True)
