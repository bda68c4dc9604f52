"""`mammoscope cross-validate`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, Cache, DataFolder, Device, RecipeName, Workers
from mammoscope.cli.trainings import told, work_of


def cross_validate(
    recipe: RecipeName,
    *,
    data: DataFolder,
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
    from mammoscope.pipeline import cross_validate as validate
    from mammoscope.report import spread_lines, write_spread
    from mammoscope.training import find_recipe
    from mammoscope.training.lines import located

    settings = find_recipe(recipe)
    with located(recipe):
        work = work_of(settings, data=data, out=out, cache=cache, workers=workers, device=device)
        found = validate(settings, out=out, work=work, folds=folds, start=start)
    facts = found.to_json()
    told(facts, lines=spread_lines(facts), page=write_spread(out), as_json=as_json)
