"""`mammoscope audit`."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from mammoscope.cli.options import AsJson, IndexFile, Root, Workers

SHOWN = 5  # findings of one check on the terminal


def audit(
    index: IndexFile,
    *,
    root: Root = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="check this run's split, too; writes its audit.json")
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="read every picture once: unreadable, blank, inverted, copies, side, view")
    ] = False,
    width: Annotated[
        float, typer.Option("--width", min=0.001, max=1, help="widest 95 % interval of an AUC that you can do with")
    ] = 0.1,
    fix: Annotated[
        bool, typer.Option("--fix", help="write INDEX.fixed.parquet and a log of each change beside the index")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="print every finding, not five of a kind")] = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Look for what would spoil a result: missing files, leaks, contradictions, copies. Exit 1 if there are errors."""
    from contextlib import nullcontext

    from mammoscope.cli.progress import counted
    from mammoscope.cohort import write_repair
    from mammoscope.pipeline import checked, opened

    what = opened(index, root=root)
    with counted("pictures") if pixels else nullcontext() as progress:
        found = checked(what, run=run, pixels=pixels, width=width, workers=workers, progress=progress)
    facts = found.as_json()
    if fix:
        new, log, changes = write_repair(what, findings=found, path=index)
        facts["fixed"] = {"index": new.name, "log": log.name, "changes": len(changes)}
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _print(facts, limit=len(facts["findings"]) if every else SHOWN)
    raise typer.Exit(1 if facts["counts"].get("error", 0) else 0)


def _print(facts: dict[str, Any], *, limit: int) -> None:
    """Findings, a few of each check, then how many there are."""
    many = Counter((row["severity"], row["check"]) for row in facts["findings"])
    seen: Counter[tuple[str, str]] = Counter()
    for row in facts["findings"]:
        kind = (row["severity"], row["check"])
        seen[kind] += 1
        if seen[kind] <= limit:
            typer.echo(f"{row['severity']:8} {row['check']:24} {row['message']}")
        elif seen[kind] == limit + 1:
            typer.echo(f"{row['severity']:8} {row['check']:24} and {many[kind] - limit} more: --all prints them")
    typer.echo(", ".join(f"{count} {severity}s" for severity, count in facts["counts"].items()))
    if "fixed" in facts:
        fixed = facts["fixed"]
        typer.echo(f"{fixed['changes']} changes in {fixed['index']}, each explained in {fixed['log']}")
