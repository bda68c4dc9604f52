"""`mammoscope train`."""

from typing import TYPE_CHECKING, Annotated

import typer

from mammoscope.cli.options import Cache, Device, IndexFile, OutFolder, RecipeName, Root, StartFolder, Track, Workers

if TYPE_CHECKING:
    from mammoscope.training import Recipe

PermuteLabels = Annotated[
    int | None,
    typer.Option(
        "--permute-labels",
        min=0,
        metavar="SEED",
        help="train a control instead: labels are exchanged between patients, and it is named NAME-permuted-labels",
    ),
]


def recipe_asked(name: str, permute_labels: int | None) -> "Recipe":
    """A recipe by its name or file; its control where a seed is given."""
    from mammoscope.training import control_of, find_recipe

    found = find_recipe(name)
    return found if permute_labels is None else control_of(found, seed=permute_labels)


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
    permute_labels: PermuteLabels = None,
) -> None:
    """Split, prepare and train; leave checkpoints, predictions and a bundle. Goes on where it was stopped.

    On several GPUs: torchrun --nproc-per-node 4 -m mammoscope train ...
    """
    from contextlib import nullcontext

    from mammoscope.cli.progress import counted, epochs
    from mammoscope.pipeline import begin, fit, make_ready, opened, trackers_named
    from mammoscope.training import joined, wait
    from mammoscope.training.lines import located

    settings, folder, trackers = (
        recipe_asked(recipe, permute_labels),
        cache or out.parent / "cache",
        trackers_named(track or ()),
    )
    with located(recipe), joined() as team:
        if team.first:
            found = opened(index, root=root)
            begin(settings, found, run=out, device=device, start=start, team=team)
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
