"""`mammoscope evaluate`."""

import json

import typer

from mammoscope.cli.options import AsJson, RunFolder


def evaluate(run: RunFolder, *, as_json: AsJson = False) -> None:
    """Recompute every number of a run from its predictions: overall, and in each subgroup."""
    from mammoscope.pipeline import measure
    from mammoscope.report import subgroup_lines, summary_lines

    facts = measure(run)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(
        "\n".join([*summary_lines(facts), "", "subgroups of the test part", *subgroup_lines(facts["subgroups"])])
    )
