"""`mammoscope feature-maps`."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mammoscope.cli.options import AsJson, BreakSeal, Cache, Device
from mammoscope.vocabulary import Part

CHANNELS = 8  # of a run, if none are named


def feature_maps(
    bundle: Annotated[Path | None, typer.Argument(help="bundle folder", metavar="[BUNDLE]")] = None,
    files: Annotated[
        list[Path] | None, typer.Argument(help="mammograms, or folders of them", metavar="FILE...")
    ] = None,
    *,
    run: Annotated[
        Path | None, typer.Option("--run", help="run folder: which pictures excite the channels most", metavar="RUN")
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", help="name of a layer, of files several [default: convolutions; of a run the last]"),
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="of files: each convolution, also where there are more than 12")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="of files: folder for the pictures")] = Path("feature-maps"),
    most: Annotated[
        int | None, typer.Option("--most", min=1, help="channels [default: of files 64 a layer, of a run 8]")
    ] = None,
    scale: Annotated[
        Literal["tile", "layer"], typer.Option("--scale", help="of files: what colours run to the largest value of")
    ] = "tile",
    channel: Annotated[
        list[int] | None, typer.Option("--channel", help="of --run: its number, may be repeated [default: by --most]")
    ] = None,
    each: Annotated[int, typer.Option("--each", min=1, help="of --run: pictures for a channel")] = 6,
    part: Annotated[
        Part, typer.Option("--part", help="of --run: train, tune or test; a look at test is counted")
    ] = Part.TUNE,
    cache: Cache = None,
    device: Device = "auto",
    break_seal: BreakSeal = False,
    as_json: AsJson = False,
) -> None:
    """Show what a network's layers see.

    `feature-maps BUNDLE FILE...` draws the maps of its convolutions for each file, a contact sheet a layer, and its
    first kernels. `feature-maps --run RUN` finds the pictures that excite channels most. Exit 1 if a file could not be
    read.
    """
    if run is not None:
        if bundle is not None or files or every:
            raise typer.BadParameter("--run is by itself: give BUNDLE and FILE..., or --run RUN")
        if layer is not None and len(layer) > 1:
            raise typer.BadParameter("of --run one layer is looked at. Name one", param_hint="--layer")
        _of_run(
            run,
            layer=layer[0] if layer else None,
            channels=channel,
            most=most or CHANNELS,
            each=each,
            part=part,
            cache=cache or run.parent / "cache",
            device=device,
            seal=break_seal,
            as_json=as_json,
        )
        return
    if bundle is None or not files:
        raise typer.BadParameter("give BUNDLE and FILE..., or --run RUN")
    if channel:
        raise typer.BadParameter("channels are named of --run; of files --most says how many", param_hint="--channel")
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import draw_feature_maps

    with counted("looking") as progress:
        rows = draw_feature_maps(
            bundle, files, out=out, layers=layer, every=every, most=most or 64, scale=scale, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print_files(rows, page=out / "feature-maps.html")
    raise typer.Exit(1 if any(row["code"] for row in rows) else 0)


def _print_files(rows: list[dict[str, Any]], *, page: Path) -> None:
    for row in rows:
        if row["code"]:
            typer.echo(f"{row['file']}: {row['code']}: {row['note']}", err=True)
        for one in row["layers"]:
            same = f", {len(one['constant'])} constant" if one["constant"] else ""
            size = f"{one['channels']} x {one['rows']} x {one['cols']}"
            typer.echo(f"{row['file']}  {one['layer']:24} {size}{same}  {one['picture']}")
    typer.echo(str(page))


def _of_run(
    run: Path,
    *,
    layer: str | None,
    channels: list[int] | None,
    most: int,
    each: int,
    part: Part,
    cache: Path,
    device: str,
    seal: bool,
    as_json: bool,
) -> None:
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import draw_activations

    with counted("looking") as progress:
        facts = draw_activations(
            run,
            cache=cache,
            layer=layer,
            channels=channels,
            most=most,
            each=each,
            part=part,
            device=device,
            break_seal=seal,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(f"{facts['layer']}: {facts['pictures']} pictures of the {facts['part']} part")
    for row in facts["channels"]:
        best = "  ".join(f"{one['image_id']} {one['value']:.3g}" for one in row["pictures"][:3])
        typer.echo(f"channel {row['channel']:4}  mean {row['mean']:.3g}, sd {row['sd']:.3g}  {best}")
    for sentence in facts["sealed"]:
        typer.echo(sentence)
    typer.echo(str(run / "activations.html"))
