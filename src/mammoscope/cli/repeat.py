"""`mammoscope repeat`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, Cache, DataFolder, Device, RecipeName, StartRun, Workers
from mammoscope.cli.trainings import told, work_of


def repeat(
    recipe: RecipeName,
    *,
    data: DataFolder,
    out: Annotated[Path, typer.Option("--out", help="folder to make or to go on with; it holds a run for each seed")],
    seeds: Annotated[str, typer.Option("--seeds", help="of weights, order and augmentation, with commas")] = "0,1,2",
    start: StartRun = None,
    cache: Cache = None,
    workers: Workers = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe from several seeds on one split; tell how much of its result is chance in training.

    Run the same command again after an interruption: a seed that is finished is not trained again. The last line is
    the path of the page.
    """
    from mammoscope.pipeline import repeat as repeated
    from mammoscope.report import spread_lines, write_spread
    from mammoscope.training import find_recipe
    from mammoscope.training.lines import located

    settings = find_recipe(recipe)
    with located(recipe):
        work = work_of(settings, data=data, out=out, cache=cache, workers=workers, device=device)
        found = repeated(settings, out=out, work=work, seeds=_numbers(seeds), start=start)
    facts = found.to_json()
    told(facts, lines=spread_lines(facts), page=write_spread(out), as_json=as_json)


def _numbers(text: str) -> list[int]:
    words = text.replace(",", " ").split()
    if not all(word.isdecimal() for word in words):
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 0,1,2", param_hint="--seeds")
    return [int(word) for word in words]
