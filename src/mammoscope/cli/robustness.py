"""`mammoscope robustness`."""

import json
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, BreakSeal, Cache, Device, RunFolder


def robustness(
    run: RunFolder,
    *,
    images: Annotated[
        int | None, typer.Option("--images", min=2, help="about so many, of patients drawn at random [default: all]")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of corruptions, patients and replicates")] = 0,
    cache: Cache = None,
    device: Device = "auto",
    break_seal: BreakSeal = False,
    as_json: AsJson = False,
) -> None:
    """Score the test part again with noise, blur, compression and the like, graded: how far does the AUC fall?

    Leaves robustness.json and robustness.csv in the run folder.
    """
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import robustness as tested
    from mammoscope.report import robustness_lines

    with counted("corrupting") as progress:
        found = tested(
            run,
            cache=cache or run.parent / "cache",
            images=images,
            seed=seed,
            device=device,
            break_seal=break_seal,
            progress=progress,
        )
    facts = found.to_json()
    typer.echo(json.dumps(facts, indent=2) if as_json else "\n".join(robustness_lines(facts)))
