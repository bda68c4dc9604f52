"""`mammoscope compare`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import BreakSeal


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="two or more run folders with the same test patients", metavar="RUN...")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="HTML file to write")] = Path("comparison.html"),
    break_seal: BreakSeal = False,
) -> None:
    """Compare runs on the same test patients: intervals, paired differences, verdicts.

    On a sealed test set that is a look at each of them.
    """
    from mammoscope.pipeline import compare_runs

    typer.echo(str(compare_runs(runs, out=out, break_seal=break_seal)))
