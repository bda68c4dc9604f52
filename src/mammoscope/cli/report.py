"""`mammoscope report`."""

import typer

from mammoscope.cli.options import RunFolder


def report(run: RunFolder) -> None:
    """Write one self-contained HTML report of a run, and into cards/ its model card and reporting checklists."""
    from mammoscope.report import write_cards, write_report

    write_cards(run)
    typer.echo(str(write_report(run)))
