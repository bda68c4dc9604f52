"""`mammoscope split`."""

import json
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, IndexFile, OutFolder, RecipeName, Root


def split(
    recipe: RecipeName,
    index: IndexFile,
    *,
    out: OutFolder,
    root: Root = None,
    seal: Annotated[bool, typer.Option("--seal", help="count every evaluation on its test part from now on")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide who trains, tunes and tests, by patient; a leaking split is refused."""
    from mammoscope.pipeline import divide, opened, seal_run
    from mammoscope.training import find_recipe

    divide(find_recipe(recipe), opened(index, root=root), run=out)
    if seal:
        file, _ = seal_run(out)
        typer.echo(f"sealed: {file.name} counts the evaluations; a budget is set with: mammoscope seal", err=True)
    facts = json.loads((out / "split.json").read_text(encoding="utf-8"))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"fingerprint {facts['fingerprint']}")
    for part in facts["patients"]:
        numbers = (facts[unit][part] for unit in ("patients", "images", "positives"))
        typer.echo("{:6} {} patients, {} images, {} of them positive".format(part, *numbers))
    for note in facts["notes"]:
        typer.echo(f"note: {note}")
