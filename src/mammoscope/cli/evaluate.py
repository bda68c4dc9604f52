"""`mammoscope evaluate`."""

import json

import typer

from mammoscope.cli.options import AsJson, RunFolder


def evaluate(run: RunFolder, *, as_json: AsJson = False) -> None:
    """Recompute every number of a run from its predictions."""
    from mammoscope.pipeline import measure
    from mammoscope.report import summary_lines

    measure(run)
    if as_json:
        typer.echo((run / "metrics.json").read_text(encoding="utf-8"))
        return
    typer.echo("\n".join(summary_lines(json.loads((run / "metrics.json").read_text(encoding="utf-8")))))
