"""`mammoscope external`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, BreakSeal, Cache, Device, Workers


def external(
    runs: Annotated[list[Path], typer.Argument(help="run folders, measured", metavar="RUN...")],
    *,
    on: Annotated[list[Path], typer.Option("--on", help="index of a data set to test on; repeatable")],
    out: Annotated[Path, typer.Option("--out", help="folder for external.json, .csv and .parquet")] = Path("external"),
    cache: Cache = None,
    workers: Workers = None,
    device: Device = "auto",
    break_seal: BreakSeal = False,
    as_json: AsJson = False,
) -> None:
    """Test trained runs on other data sets, as one table; no model sees a woman it was trained or tuned on.

    Exit 1 if a cell has no number.
    """
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import opened, validate_externally
    from mammoscope.report import external_lines

    with counted("preparing") as progress:
        found = validate_externally(
            runs,
            indexes=[opened(path) for path in on],
            out=out,
            cache=cache or out / "cache",
            workers=workers,
            device=device,
            break_seal=break_seal,
            progress=progress,
        )
    facts = found.to_json()
    typer.echo(json.dumps(facts, indent=2) if as_json else "\n".join(external_lines(facts)))
    raise typer.Exit(1 if any(cell.reason for cell in found.cells) else 0)
