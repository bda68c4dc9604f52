"""`mammoscope repeat`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, Cache, Device, RecipeName, Workers


def repeat(
    recipe: RecipeName,
    *,
    data: Annotated[Path, typer.Option("--data", help="folder the recipe's data set was unpacked in")],
    out: Annotated[Path, typer.Option("--out", help="folder to make or to go on with; it holds a run for each seed")],
    seeds: Annotated[str, typer.Option("--seeds", help="of weights, order and augmentation, with commas")] = "0,1,2",
    start: Annotated[
        Path | None, typer.Option("--start", help="where the recipe has a start: the run to begin with")
    ] = None,
    cache: Cache = None,
    workers: Workers = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe from several seeds on one split; tell how much of its result is chance in training.

    Run the same command again after an interruption: a seed that is finished is not trained again. The last line is
    the path of the page.
    """
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.pipeline import Work
    from mammoscope.pipeline import repeat as repeated
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
    found = repeated(settings, out=out, work=work, seeds=_numbers(seeds), start=start)
    page = write_spread(out)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1))
        return
    for line in spread_lines(found.to_json()):
        typer.echo(line)
    typer.echo(str(page))


def _numbers(text: str) -> list[int]:
    words = text.replace(",", " ").split()
    if not all(word.isdecimal() for word in words):
        raise typer.BadParameter(f"{text!r} is not a list of whole numbers such as 0,1,2", param_hint="--seeds")
    return [int(word) for word in words]
