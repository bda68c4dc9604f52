"""`mammoscope report`."""

import typer

from mammoscope.cli.options import RunFolder


def report(run: RunFolder) -> None:
    """Write one self-contained HTML report of a run."""
    from mammoscope.report import write_report

    typer.echo(str(write_report(run)))
