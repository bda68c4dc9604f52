"""`mammoscope run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mammoscope.cli.options import Cache, Device, OutFolder, RecipeName, StartFolder, Track, Workers
from mammoscope.cli.train import PermuteLabels, recipe_asked

if TYPE_CHECKING:
    from mammoscope.pipeline import Done
    from mammoscope.training import EnsembleRecipe


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
    the report lists them. Run the same command again after an interruption: it goes on where it stopped. An ensemble,
    such as four-cnn-ensemble, runs each of its members into a folder of that name beside --out, then all together.

    On several GPUs: torchrun --nproc-per-node 4 -m mammoscope run ...
    """
    from mammoscope.training import find_ensemble

    chain: dict[str, Any] = {"data": data, "cache": cache or out.parent / "cache", "workers": workers, "device": device}
    group = find_ensemble(recipe)
    if group is None:
        done = _one(recipe, out=out, start=start, track=track, permute_labels=permute_labels, **chain)
    else:
        done = _several(recipe, group, out=out, start=start, track=track, permute_labels=permute_labels, **chain)
    if done is None:
        return
    for line in done.lines:
        typer.echo(line)
    typer.echo(str(done.report))
    raise typer.Exit(1 if done.findings else 0)


def _one(
    recipe: str,
    *,
    out: Path,
    start: Path | None,
    track: list[str] | None,
    permute_labels: int | None,
    cache: Path,
    device: str,
    **chain: Any,
) -> "Done | None":
    """Run one recipe; None in all processes but the first."""
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.pipeline import fit, run_recipe, trackers_named
    from mammoscope.training import joined, wait
    from mammoscope.training.lines import located

    settings, trackers = recipe_asked(recipe, permute_labels), trackers_named(track or ())
    with located(recipe), joined() as team:
        if not team.first:
            wait(team)
            fit(settings, run=out, cache=cache, device=device, start=start, team=team)
            return None
        return run_recipe(
            settings,
            run=out,
            cache=cache,
            device=device,
            start=start,
            say=_say,
            counted=counted,
            epochs=epochs,
            track=trackers,
            team=team,
            **chain,
        )


def _several(
    recipe: str,
    group: "EnsembleRecipe",
    *,
    out: Path,
    start: Path | None,
    track: list[str] | None,
    permute_labels: int | None,
    **chain: Any,
) -> "Done":
    """Run every member, then put them together."""
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.pipeline import run_ensemble, trackers_named
    from mammoscope.training import members_of

    for option, given in (("--start", start), ("--permute-labels", permute_labels)):
        if given is not None:
            raise typer.BadParameter(f"is for one recipe, and {group.name} is an ensemble", param_hint=option)
    trackers = trackers_named(track or ())
    members = members_of(group, recipe)
    return run_ensemble(group, members, run=out, say=_say, counted=counted, epochs=epochs, track=trackers, **chain)


def _say(line: str) -> None:
    typer.echo(line, err=True)
