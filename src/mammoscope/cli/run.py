"""`mammoscope run`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import Cache, Device, OutFolder, RecipeName, StartFolder, Workers


def run(
    recipe: RecipeName,
    *,
    data: Annotated[Path, typer.Option("--data", help="folder the recipe's data set was unpacked in")],
    out: OutFolder,
    cache: Cache = None,
    workers: Workers = None,
    device: Device = "auto",
    start: StartFolder = None,
) -> None:
    """The whole chain: index, split, audit, prepare, train, evaluate, explain, report.

    The last line is the path of the report. Exit 1 when the audit found errors or images could not be read;
    the report lists them. Run the same command again after an interruption: it goes on where it stopped.
    """
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.pipeline import run_recipe
    from mammoscope.training import find_recipe

    done = run_recipe(
        find_recipe(recipe),
        data=data,
        run=out,
        cache=cache or out.parent / "cache",
        workers=workers,
        device=device,
        start=start,
        say=lambda line: typer.echo(line, err=True),
        counted=counted,
        epochs=epochs,
    )
    for line in done.lines:
        typer.echo(line)
    typer.echo(str(done.report))
    raise typer.Exit(1 if done.findings else 0)
