"""`mammoscope explain`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mammoscope.cli.options import AsJson, BreakSeal, Root

FEW = 10  # pictures, as elsewhere
PLACE = "a run folder; or a bundle folder, and files"


def explain(
    place: Annotated[Path | None, typer.Argument(help=PLACE, metavar="[RUN | BUNDLE]")] = None,
    files: Annotated[
        list[Path] | None, typer.Argument(help="mammograms, or folders of them", metavar="FILE...")
    ] = None,
    *,
    run: Annotated[Path | None, typer.Option("--run", help="run folder, the same as RUN", metavar="RUN")] = None,
    score: Annotated[
        bool, typer.Option("--score", help="measure whether the maps point at the known lesions of the test part")
    ] = False,
    method: Annotated[list[str] | None, typer.Option("--method", help="may be repeated [default: grad-cam]")] = None,
    layer: Annotated[
        str | None, typer.Option("--layer", help="for class activation maps [default: the last map]")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="[default: the main task]")] = None,
    of: Annotated[
        str | None, typer.Option("--class", help="name of a class [default: the called one; of two the positive one]")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="of files: folder for pictures and arrays")] = Path("explained"),
    svg: Annotated[bool, typer.Option("--svg", help="write each drawing as SVG, too")] = False,
    images: Annotated[int | None, typer.Option("--images", min=1, help="of --score: so many [default: all]")] = None,
    each: Annotated[int, typer.Option(min=1, help="pictures per group: true and false, positive and negative")] = 4,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="another run, such as a control: are its maps alike?", metavar="RUN"),
    ] = None,
    root: Root = None,
    break_seal: BreakSeal = False,
    as_json: AsJson = False,
) -> None:
    """Show where a model looked, and measure whether that is where the lesions are.

    `explain RUN` draws maps of the clearest hits and errors of its test part and lays them out in gallery.html.
    `explain BUNDLE FILE...` draws the map of each file, of a model that answers per breast or exam a sheet of the
    pictures in each folder, and keeps the maps as arrays on the files' own pixels. `explain --run RUN --score` leaves
    localisation.json. Exit 1 if a file could not be read.
    """
    folder = run or place
    if folder is None or (run is not None and (place is not None or files)):
        raise typer.BadParameter("give RUN, or BUNDLE and FILE..., or --run RUN")
    if files:
        if score:
            raise typer.BadParameter("--score is of a run, whose lesions are known. Give --run RUN and no files")
        asked = {"layer": layer, "task": task, "of": of}
        raise typer.Exit(_files(folder, files, methods=method, asked=asked, out=out, svg=svg, as_json=as_json))
    if (folder / "bundle.json").is_file():
        raise typer.BadParameter(f"{folder.name}: is a bundle. Give FILE... after it, or the run that it lies in")
    if against is not None:
        from mammoscope.cli.against import print_against

        held = {"methods": method, "layer": layer, "task": task, "of": of, "images": images}
        print_against(folder, against, root=root, as_json=as_json, **held)  # type: ignore[arg-type]
        return
    if score:
        _score(
            folder,
            methods=method,
            layer=layer,
            task=task,
            of=of,
            images=images,
            root=root,
            seal=break_seal,
            as_json=as_json,
        )
        return
    from mammoscope.pipeline import explain as explained

    rows = explained(
        folder, methods=method or ["grad-cam"], layer=layer, task=task, of=of, each=each, svg=svg, root=root
    )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(
            f"{row['group']:15} {row['score']:.3f}  {row['image_id']}  {row['method']}  {row['file'] or row['note']}"
        )
    typer.echo(str(folder / "gallery.html"))


def _files(
    bundle: Path,
    files: list[Path],
    *,
    methods: list[str] | None,
    asked: dict[str, str | None],
    out: Path,
    svg: bool,
    as_json: bool,
) -> int:
    from mammoscope.explain import Explained, explain_exams, explain_files, method_named, write_exam, write_explained
    from mammoscope.models import Bundle

    rows, loaded = [], Bundle.from_pretrained(bundle)
    explained = explain_exams if loaded.manifest.design.bags else explain_files
    for method in methods or ["grad-cam"]:
        named = method_named(method)
        layer = asked["layer"] if named.endswith(("cam", "cam++")) else None
        maps = explained(loaded, files, method=method, layer=layer, task=asked["task"], of=asked["of"])
        for number, found in enumerate(maps, start=1):
            if isinstance(found, Explained):
                row = write_explained(found, folder=out, method=named, number=number, svg=svg)
            else:
                row = write_exam(found, folder=out, method=named, number=number, svg=svg)
            rows.append(row)
            if not as_json:
                typer.echo(_line(row), err=bool(row["code"]))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    return 1 if any(row["code"] for row in rows) else 0


def _line(row: dict[str, Any]) -> str:
    """What is printed of a file, or of an exam with its pictures."""
    lines = [f"{row['method']:20} {row['file']}{_peak(row)}  {row['picture'] or row['note']}"]
    for one in row.get("pictures", ()):
        what = " ".join(word for word in (one["laterality"], one["view"]) if word) or "side and view unknown"
        lines.append(f"{'':20} {what:6} counts {one['weight']:.0%}  {one['file']}{_peak(one)}")
    return "\n".join(lines)


def _peak(row: dict[str, Any]) -> str:
    found = row.get("peak_px")
    return "" if found is None else f"  highest at x {found[0]:.0f}, y {found[1]:.0f}"


def _score(
    run: Path,
    *,
    methods: list[str] | None,
    layer: str | None,
    task: str | None,
    of: str | None,
    images: int | None,
    root: Path | None,
    seal: bool,
    as_json: bool,
) -> None:
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline.explaining import score_run

    with counted("explaining") as progress:
        found = score_run(
            run,
            methods=methods or ["grad-cam"],
            layer=layer,
            task=task,
            of=of,
            images=images,
            root=root,
            break_seal=seal,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    from mammoscope.explain import table_text

    for group in dict.fromkeys(row["group"] for row in found["table"]):
        pictures = next(row["n"] for row in found["table"] if row["group"] == group)
        few = "" if pictures >= FEW else f": fewer than {FEW}, so the intervals say nothing"
        typer.echo(f"{group}, {pictures} pictures{few}\n\n{table_text(found['table'], group=group)}\n")
    for row in found["left_out"]:
        typer.echo(f"left out: {row['image_id']}: {row['why']}", err=True)
