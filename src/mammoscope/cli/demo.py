"""`mammoscope demo`."""

from pathlib import Path
from typing import Annotated, Any

import typer

RECIPES = ("phantom-max-pool", "phantom-mean-pool")
EASY: dict[str, Any] = {"rows": 512, "difficulty": 0.15, "contrast": 1.6}  # plain masses, that minutes suffice


def demo(
    *,
    out: Annotated[Path, typer.Option("--out", help="folder for data, runs and report")] = Path("runs/demo"),
    patients: Annotated[int, typer.Option(min=20, help="patients to invent")] = 240,
    seed: Annotated[int, typer.Option(min=0, help="of the phantom data")] = 0,
) -> None:
    """The whole chain on synthetic mammograms: no download, two recipes, one comparison.

    The last line is the path of the report. Run again, it goes on where it stopped.
    """
    from mammoscope.cli.progress import counted, epochs
    from mammoscope.phantom import write_cbis_ddsm
    from mammoscope.pipeline import run_recipe
    from mammoscope.report import write_comparison
    from mammoscope.training import find_recipe
    from mammoscope.workers.many import processors

    data = out / f"phantom-{patients}-{seed}"
    if not (data / "phantom_truth.csv").is_file():
        with counted("draw      patients") as progress:
            write_cbis_ddsm(data, patients=patients, seed=seed, workers=processors(), progress=progress, **EASY)
    for name in RECIPES:
        typer.echo(f"\n{name}", err=True)
        done = run_recipe(
            find_recipe(name),
            data=data,
            run=out / name,
            cache=out / "cache",
            say=lambda line: typer.echo(line, err=True),
            counted=counted,
            epochs=epochs,
        )
        for line in done.lines:
            typer.echo(line)
    typer.echo(str(write_comparison([out / name for name in RECIPES], out=out / "report.html")))
