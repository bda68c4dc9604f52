"""`mammoscope ensemble`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mammoscope.cli.options import BreakSeal, OutFolder

RuleName = Literal["mean", "rank", "weighted", "stacking"]


def ensemble(
    runs: Annotated[
        list[Path], typer.Argument(help="two or more run folders with the same tune and test rows", metavar="RUN...")
    ],
    *,
    out: OutFolder,
    by: Annotated[
        RuleName,
        typer.Option(
            "--by",
            help="mean of scores; mean of ranks among each run's tune scores; mean weighted on tune; regression "
            "fitted on tune",
        ),
    ] = "mean",
    break_seal: BreakSeal = False,
) -> None:
    """Let several runs answer together; leave a run folder with the ensemble held against each member.

    Where all members read pictures alike, `mammoscope predict OUT/bundle` answers for files. The last line is the path
    of the report.
    """
    from mammoscope.pipeline import bundle_ensemble, measure
    from mammoscope.pipeline import ensemble as put_together
    from mammoscope.report import summary_lines, write_report

    put_together(runs, out=out, by=by)
    facts = measure(out, break_seal=break_seal)
    for line in summary_lines(facts):
        typer.echo(line)
    missing = bundle_ensemble(out, members=runs)
    if missing is not None:
        typer.echo(f"no bundle: {missing}", err=True)
    typer.echo(str(write_report(out)))
