"""`mammoscope phantom`."""

from pathlib import Path
from typing import Annotated

import typer


def phantom(
    out: Annotated[Path, typer.Argument(help="folder to write", metavar="FOLDER")],
    *,
    patients: Annotated[int, typer.Option(min=4, help="patients to invent")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same bytes")] = 0,
    rows: Annotated[int, typer.Option(min=128, help="height of a picture, pixels")] = 768,
) -> None:
    """Write synthetic mammograms, laid out like CBIS-DDSM, with exact truth."""
    from mammoscope.cli.progress import counted
    from mammoscope.phantom import write_cbis_ddsm

    with counted("drawing patients") as progress:
        write_cbis_ddsm(out, patients=patients, seed=seed, rows=rows, progress=progress)
    typer.echo(str(out))
