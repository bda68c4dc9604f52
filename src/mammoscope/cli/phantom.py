"""`mammoscope phantom`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import Workers


def phantom(
    out: Annotated[Path, typer.Argument(help="folder to write", metavar="FOLDER")],
    *,
    patients: Annotated[int, typer.Option(min=4, help="patients to invent")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same bytes")] = 0,
    rows: Annotated[int, typer.Option(min=128, help="height of a picture, pixels")] = 768,
    workers: Workers = None,
) -> None:
    """Write synthetic mammograms, laid out like CBIS-DDSM, with exact truth."""
    from mammoscope.batches import processors
    from mammoscope.cli.progress import counted
    from mammoscope.phantom import write_cbis_ddsm

    with counted("drawing patients") as progress:
        count = workers or processors()
        write_cbis_ddsm(out, patients=patients, seed=seed, rows=rows, workers=count, progress=progress)
    typer.echo(str(out))
