"""`mammoscope cross-validate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, Cache, Device, RecipeName, Workers


def cross_validate(
    recipe: RecipeName,
    *,
    data: Annotated[Path, typer.Option("--data", help="folder the recipe's data set was unpacked in")],
    out: Annotated[Path, typer.Option("--out", help="folder to make or to go on with; it holds a run for each fold")],
    folds: Annotated[int, typer.Option("--folds", min=2, help="folds of the patients")] = 5,
    start: Annotated[
        Path | None,
        typer.Option("--start", help="where the recipe has a start: cross-validation of that recipe, as many folds"),
    ] = None,
    cache: Cache = None,
    workers: Workers = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Test every patient once: train a recipe on each of k folds, tell mean, spread and pooled AUC.

    The recipe's own split is replaced. Run the same command again after an interruption: a fold that is finished is
    not trained again. The last line is the path of the page.
    """
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.pipeline import Work
    from mammoscope.pipeline import cross_validate as validate
    from mammoscope.report import spread_lines, write_spread
    from mammoscope.sources import build_index, source_named
    from mammoscope.training import find_recipe

    settings = find_recipe(recipe)
    work = Work(
        index=build_index(source_named(settings.source), data),
        cache=cache or out.parent / "cache",
        workers=workers,
        device=device,
        say=lambda line: typer.echo(line, err=True),
        counted=counted,
        epochs=epochs,
    )
    found = validate(settings, out=out, work=work, folds=folds, start=start)
    page = write_spread(out)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1))
        return
    for line in spread_lines(found.to_json()):
        typer.echo(line)
    typer.echo(str(page))
