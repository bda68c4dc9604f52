"""`mammoscope compare`."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="two or more run folders with the same test patients", metavar="RUN...")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="HTML file to write")] = Path("comparison.html"),
) -> None:
    """Compare runs on the same test patients: intervals, paired differences, verdicts."""
    from mammoscope.report import write_comparison

    typer.echo(str(write_comparison(runs, out=out)))
