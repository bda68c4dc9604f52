"""`mammoscope run`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import Cache, Device, OutFolder, RecipeName, StartFolder, Track, Workers
from mammoscope.cli.train import PermuteLabels, recipe_asked


def run(
    recipe: RecipeName,
    *,
    data: Annotated[Path, typer.Option("--data", help="folder the recipe's data set was unpacked in")],
    out: OutFolder,
    cache: Cache = None,
    workers: Workers = None,
    device: Device = "auto",
    start: StartFolder = None,
    track: Track = None,
    permute_labels: PermuteLabels = None,
) -> None:
    """The whole chain: index, split, audit, prepare, train, evaluate, explain, report.

    The last line is the path of the report. Exit 1 when the audit found errors or images could not be read;
    the report lists them. Run the same command again after an interruption: it goes on where it stopped.

    On several GPUs: torchrun --nproc-per-node 4 -m mammoscope run ...
    """
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.pipeline import fit, run_recipe, trackers_named
    from mammoscope.training import joined, wait
    from mammoscope.training.lines import located

    settings, folder, trackers = (
        recipe_asked(recipe, permute_labels),
        cache or out.parent / "cache",
        trackers_named(track or ()),
    )
    with located(recipe), joined() as team:
        if not team.first:
            wait(team)
            fit(settings, run=out, cache=folder, device=device, start=start, team=team)
            return
        done = run_recipe(
            settings,
            data=data,
            run=out,
            cache=folder,
            workers=workers,
            device=device,
            start=start,
            say=lambda line: typer.echo(line, err=True),
            counted=counted,
            epochs=epochs,
            track=trackers,
            team=team,
        )
    for line in done.lines:
        typer.echo(line)
    typer.echo(str(done.report))
    raise typer.Exit(1 if done.findings else 0)
