"""`mammoscope train`."""

import typer

from mammoscope.cli.options import Cache, Device, IndexFile, OutFolder, RecipeName, Root, StartFolder, Workers


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
) -> None:
    """Split, prepare and train; leave checkpoints, predictions and a bundle. Goes on where it was stopped."""
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.models import check_fit
    from mammoscope.pipeline import divide, fit, make_ready, opened
    from mammoscope.training import design_of, find_recipe

    settings, found = find_recipe(recipe), opened(index, root=root)
    check_fit(design_of(settings))
    divide(settings, found, run=out)
    folder = cache or out.parent / "cache"
    with counted("preparing") as progress:
        make_ready(settings, found, run=out, cache=folder, workers=workers, progress=progress)
    with epochs() as watch:
        trained = fit(settings, run=out, cache=folder, device=device, start=start, watch=watch)
    best = trained.history[trained.best_epoch - 1]
    typer.echo(f"best epoch {trained.best_epoch} of {len(trained.history)}, tune AUC {best['tune_auc']:.4f}")
