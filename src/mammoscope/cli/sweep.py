"""`mammoscope sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, Cache, DataFolder, Device, RecipeName, StartRun, Workers
from mammoscope.cli.trainings import told, work_of


def sweep(
    recipe: RecipeName,
    *,
    space: Annotated[Path, typer.Option("--space", help="TOML file: what may change, as dotted keys of the recipe")],
    data: DataFolder,
    out: Annotated[Path, typer.Option("--out", help="folder to make or to go on with")],
    trials: Annotated[int, typer.Option("--trials", min=1, help="trials in all, those of earlier calls counted")] = 20,
    storage: Annotated[
        str | None, typer.Option("--storage", help="URL of an Optuna storage [default: an SQLite file in --out]")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the proposals")] = 0,
    join: Annotated[
        bool, typer.Option("--join", help="another process works on the same storage: leave its running trials alone")
    ] = False,
    start: StartRun = None,
    cache: Cache = None,
    workers: Workers = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Search a recipe's values for the highest tune AUC with Optuna; write the best recipe. Needs the extra `sweep`.

    Trials that fall behind the others are stopped early. The test part is taken out before a picture is read. Run the
    same command again to go on after an interruption, or with more --trials. The last line is the path of the page.
    """
    from mammoscope.pipeline import sweep as searched
    from mammoscope.report import sweep_lines, write_sweep
    from mammoscope.training import find_recipe
    from mammoscope.training.lines import located, located_in_space
    from mammoscope.training.space import read_space

    settings = find_recipe(recipe)
    asked = read_space(space, recipe=settings)
    with located(recipe), located_in_space(space):
        work = work_of(settings, data=data, out=out, cache=cache, workers=workers, device=device)
        found = searched(
            settings, space=asked, out=out, work=work, trials=trials, storage=storage, seed=seed, join=join, start=start
        )
    facts = found.to_json()
    told(facts, lines=sweep_lines(facts), page=write_sweep(out), as_json=as_json)
