"""`mammoscope plan`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, Device, IndexFile, Root


def plan(
    index: IndexFile,
    *,
    root: Root = None,
    out: Annotated[Path | None, typer.Option("--out", help="TOML file to write; printed when not given")] = None,
    lesion_px: Annotated[
        int, typer.Option("--lesion-px", min=1, help="pixels across that three quarters of the lesions shall have")
    ] = 16,
    hours: Annotated[
        float | None, typer.Option("--hours", help="limit for training: saves epochs, then pixels")
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Propose a recipe for an index and this machine: resolution, batch, schedule, each with its reason.

    Reads headers of some pictures, and trains a few steps on random ones to tell the hours.
    """
    from mammoscope.pipeline import opened
    from mammoscope.pipeline import plan as planned
    from mammoscope.storage import write_text

    found = planned(opened(index, root=root), lesion_px=lesion_px, hours=hours, device=device)
    if out is not None:
        write_text(out, found.to_toml())
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1))
    else:
        typer.echo(found.to_toml() if out is None else str(out), nl=out is not None)
