"""`mammoscope explain`."""

from typing import Annotated

import typer

from mammoscope.cli.options import Root, RunFolder


def explain(
    run: RunFolder,
    *,
    each: Annotated[int, typer.Option(min=1, help="pictures per group: true and false, positive and negative")] = 4,
    root: Root = None,
) -> None:
    """Draw Grad-CAM maps of a run's clearest hits and errors on its test part."""
    from mammoscope.pipeline import explain as explained

    for row in explained(run, each=each, root=root):
        typer.echo(f"{row['group']:15} {row['score']:.3f}  {row['image_id']}  {row['file']}")
