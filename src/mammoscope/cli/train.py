"""`mammoscope train`."""

import typer

from mammoscope.cli.options import Cache, Device, IndexFile, OutFolder, RecipeName, Root, StartFolder, Track, Workers


def train(
    recipe: RecipeName,
    index: IndexFile,
    *,
    out: OutFolder,
    root: Root = None,
    cache: Cache = None,
    workers: Workers = None,
    device: Device = "auto",
    start: StartFolder = None,
    track: Track = None,
) -> None:
    """Split, prepare and train; leave checkpoints, predictions and a bundle. Goes on where it was stopped.

    On several GPUs: torchrun --nproc-per-node 4 -m mammoscope train ...
    """
    from contextlib import nullcontext

    from mammoscope.cli.progress import counted, epochs
    from mammoscope.models import check_fit
    from mammoscope.pipeline import divide, fit, make_ready, opened, trackers_named
    from mammoscope.training import design_of, find_recipe, joined, wait
    from mammoscope.training.lines import located

    settings, folder, trackers = find_recipe(recipe), cache or out.parent / "cache", trackers_named(track or ())
    with located(recipe), joined() as team:
        if team.first:
            found = opened(index, root=root)
            check_fit(design_of(settings))
            divide(settings, found, run=out)
            with counted("preparing") as progress:
                make_ready(settings, found, run=out, cache=folder, workers=workers, progress=progress)
        wait(team)
        with epochs() if team.first else nullcontext() as watch:
            trained = fit(
                settings, run=out, cache=folder, device=device, start=start, watch=watch, track=trackers, team=team
            )
    if team.first and trained.best_epoch:
        best = trained.history[trained.best_epoch - 1]
        typer.echo(f"best epoch {trained.best_epoch} of {len(trained.history)}, tune AUC {best['tune_auc']:.4f}")
