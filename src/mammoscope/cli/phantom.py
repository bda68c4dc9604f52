"""`mammoscope phantom`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import Workers


def phantom(
    layout: Annotated[
        str,
        typer.Argument(
            help="cbis_ddsm, cbis_ddsm_jpeg, rsna, vindr or mini_mias: whose source will read the folder",
            metavar="LAYOUT",
        ),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="folder to write")],
    patients: Annotated[int, typer.Option(min=4, help="patients to invent")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="same seed, same bytes")] = 0,
    rows: Annotated[int, typer.Option(min=128, help="height of a picture as it is drawn, pixels")] = 768,
    difficulty: Annotated[float, typer.Option(min=0, max=1, help="how little a lesion's look says of its label")] = 0.3,
    contrast: Annotated[float, typer.Option(min=0.01, max=3, help="of the lesions")] = 1.25,
    calcifications: Annotated[
        float, typer.Option(min=0, max=1, help="share of the patients with calcifications in place of masses")
    ] = 0.0,
    wear: Annotated[float, typer.Option(min=0, max=1, help="share of the films with dust and scratches")] = 0.0,
    quirks: Annotated[
        str, typer.Option(help="faults to plant, with commas between, or all; phantom_quirks.csv says where they are")
    ] = "",
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="also write one page that shows what phantoms look like")
    ] = None,
    workers: Workers = None,
) -> None:
    """Write synthetic mammograms, laid out like a real data set, with exact truth."""
    from mammoscope.cli.progress import counted
    from mammoscope.phantom import LAYOUTS, write_phantom
    from mammoscope.workers.many import processors

    if sheet is not None and sheet.suffix.lower() != ".png":
        raise typer.BadParameter(f"{sheet.name!r} does not end in .png", param_hint="--sheet")
    names = [name for name in quirks.replace(" ", "").split(",") if name]
    if names == ["all"] and layout.replace("-", "_") in LAYOUTS:
        names = list(LAYOUTS[layout.replace("-", "_")].quirks)
    with counted("drawing patients") as progress:
        write_phantom(
            out,
            layout=layout,
            patients=patients,
            seed=seed,
            rows=rows,
            difficulty=difficulty,
            contrast=contrast,
            calcifications=calcifications,
            wear=wear,
            quirks=names,
            workers=workers or processors(),
            progress=progress,
        )
    if sheet is not None:
        _write_page(sheet, seed)
    typer.echo(str(out))


def _write_page(path: Path, seed: int) -> None:
    from PIL import Image

    from mammoscope.phantom import contact_page
    from mammoscope.storage import whole_file

    with whole_file(path) as temporary:
        Image.fromarray(contact_page(seed)).save(temporary, format="PNG")
