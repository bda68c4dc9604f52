"""`mammoscope prepare`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, IndexFile, RecipeName, Root, Workers


def prepare(
    recipe: RecipeName,
    index: IndexFile,
    *,
    cache: Annotated[Path, typer.Option("--cache", help="folder of prepared pictures")] = Path("cache"),
    root: Root = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Read every image of an index once and keep what the network will see. Exit 1 if some cannot be read."""
    from mammoscope.batches import prepare as prepared
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import opened
    from mammoscope.records import image_table
    from mammoscope.training import find_recipe

    found, settings = opened(index, root=root), find_recipe(recipe).preprocess
    with counted("preparing") as progress:
        table = prepared(
            image_table(found), roots=found.roots, preprocess=settings, folder=cache, workers=workers, progress=progress
        )
    failed = table.filter(table["code"].is_not_null())
    if as_json:
        rows = failed.select("source", "image_id", "code", "message").to_dicts()
        typer.echo(json.dumps({"prepared": table.height - failed.height, "failed": rows}, indent=2))
    else:
        for row in failed.iter_rows(named=True):
            typer.echo(f"{row['code']:12} {row['source']}/{row['image_id']}  {row['message']}", err=True)
        typer.echo(f"{table.height - failed.height} prepared, {failed.height} failed")
    raise typer.Exit(1 if failed.height else 0)
