"""`mammoscope prepare`."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammoscope.cli.options import AsJson, IndexFile, RecipeName, Root, Workers

if TYPE_CHECKING:
    import polars as pl


def prepare(
    recipe: RecipeName,
    index: IndexFile,
    *,
    cache: Annotated[Path, typer.Option("--cache", help="folder of prepared pictures")] = Path("cache"),
    root: Root = None,
    workers: Workers = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            help="address of a Dask scheduler, such as tcp://host:8786, whose machines do the work; they must see the "
            "data set and the cache under the same paths as this one",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read every image of an index once and keep what the network will see. Exit 1 if some cannot be read.

    Run the same command again after an interruption: it goes on where it stopped. Files that have not changed since
    are not read again.
    """
    from mammoscope.batches import connected
    from mammoscope.batches import prepare as prepared
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import opened, to_prepare
    from mammoscope.training import find_recipe

    found, settings = opened(index, root=root), find_recipe(recipe)
    with ExitStack() as stack:
        away = stack.enter_context(connected(cluster)) if cluster else None
        table = prepared(
            to_prepare(settings, found),
            roots=found.roots,
            preprocess=settings.preprocess,
            folder=cache,
            workers=workers if away is None else workers or away.workers,
            executor=away.executor if away else None,
            progress=stack.enter_context(counted("preparing")),
            sample=settings.input,
        )
    failed = table.filter(table["code"].is_not_null()).sort("code", maintain_order=True)
    if as_json:
        rows = failed.select("source", "image_id", "code", "message").to_dicts()
        facts = {"prepared": table.height - failed.height, "codes": dict(_counts(failed)), "failed": rows}
        typer.echo(json.dumps(facts, indent=2))
    else:
        _print(table, failed)
    raise typer.Exit(1 if failed.height else 0)


def _print(table: "pl.DataFrame", failed: "pl.DataFrame") -> None:
    from mammoscope.batches import PREPARE_CODES

    for row in failed.iter_rows(named=True):
        typer.echo(f"{row['code']:18} {row['source']}/{row['image_id']}  {row['message']}", err=True)
    typer.echo(f"{table.height - failed.height} prepared, {failed.height} failed")
    for code, count in _counts(failed):
        typer.echo(f"{count:6} {code:18} {PREPARE_CODES[code]}")


def _counts(failed: "pl.DataFrame") -> list[tuple[str, int]]:
    """How many images failed with each code, the commonest first."""
    counts = failed.group_by("code").len().sort("len", "code", descending=[True, False])
    return [(code, count) for code, count in counts.iter_rows()]
