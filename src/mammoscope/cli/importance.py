"""`mammoscope importance`."""

import json
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, BreakSeal, Cache, Device, RunFolder
from mammoscope.vocabulary import Part


def importance(
    run: RunFolder,
    *,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help="permutation, impurity, coefficients or shap; may be repeated [default: all it has]"),
    ] = None,
    part: Annotated[Part, typer.Option("--part", help="tune or test; a look at test is counted")] = Part.TUNE,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="exchanges of each input between patients")] = 10,
    samples: Annotated[int, typer.Option("--samples", min=1, help="rows that SHAP explains")] = 256,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of exchanges, replicates and draws")] = 0,
    cache: Cache = None,
    device: Device = "auto",
    break_seal: BreakSeal = False,
    as_json: AsJson = False,
) -> None:
    """Say what a run's answers hang on: each clinical column, the picture as a whole, what a forest reads.

    For runs with [clinical] or [estimator]. Leaves importance.html and importance.json in the run folder.
    """
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import importance as weighed
    from mammoscope.report import importance_lines

    with counted("looking at batches") as progress:
        facts = weighed(
            run,
            cache=cache or run.parent / "cache",
            by=by or (),
            part=part,
            repeats=repeats,
            samples=samples,
            seed=seed,
            device=device,
            break_seal=break_seal,
            progress=progress,
        )
    typer.echo(json.dumps(facts, indent=2) if as_json else "\n".join(importance_lines(facts)))
