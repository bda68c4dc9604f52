"""`mammoscope similar`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from mammoscope.cli.options import AsJson, Cache, Device, Root, RunFolder


def similar(
    run: RunFolder,
    files: Annotated[
        list[Path] | None, typer.Argument(help="mammograms, or folders of them", metavar="[FILE...]")
    ] = None,
    *,
    prototypes: Annotated[
        int | None, typer.Option("--prototypes", min=1, help="instead of FILE...: so many that stand for each class")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="neighbours of each file")] = 5,
    layer: Annotated[
        str, typer.Option("--layer", help="whose values are compared: pooled, hidden, or a module's dotted name")
    ] = "pooled",
    patient: Annotated[
        str | None, typer.Option("--patient", help="whose files these are, where the run's index does not hold them")
    ] = None,
    clinical: Annotated[
        Path | None, typer.Option("--clinical", help="CSV with a column file, for a run that reads clinical columns")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder for the page [default: RUN/similar]")] = None,
    cache: Cache = None,
    root: Root = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Show the training samples that the network finds most like a new one; or those that stand for each class.

    Never a sample of the tune or test part, and never one of the same patient. Leaves similar.html and similar.json,
    or prototypes.html and prototypes.json. Exit 1 if a file could not be read.
    """
    if bool(files) == (prototypes is not None):
        raise typer.BadParameter("give FILE..., or --prototypes and no files")
    where: dict[str, Any] = {"cache": cache or run.parent / "cache", "out": out or run / "similar"}
    where |= {"layer": layer, "device": device}
    if prototypes is not None:
        from mammoscope.pipeline import class_prototypes

        found = class_prototypes(run, count=prototypes, **where)
        page = where["out"] / "prototypes.html"
        typer.echo(json.dumps(found, indent=2) if as_json else "\n".join([*_prototypes(found), str(page)]))
        return
    from mammoscope.models import read_clinical
    from mammoscope.pipeline import similar_cases

    table = None if clinical is None else read_clinical(clinical)
    found = similar_cases(run, files or [], most=most, patient=patient, clinical=table, root=root, **where)
    page = where["out"] / "similar.html"
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join([*_neighbours(found), str(page)]))
    raise typer.Exit(1 if any(one["code"] for one in found["queries"]) else 0)


def _neighbours(found: dict[str, Any]) -> list[str]:
    lines = []
    for query in found["queries"]:
        if query["code"]:
            lines.append(f"{query['code']:10} {query['file']}  {query['note']}")
            continue
        shares = ", ".join(f"{share:.0%} {name}" for name, share in query["shares"].items())
        named = query["image_id"] or query["file"]
        lines.append(f"{named}: {found['task']} of its {len(query['neighbours'])} neighbours: {shares}")
        lines += [f"  note: {note}" for note in query["note"].split("; ") if note]
        lines += [
            f"  {one['distance']:.4f}  {one['class'] or 'not known':10} {one['image_id']}"
            for one in query["neighbours"]
        ]
    return lines


def _prototypes(found: dict[str, Any]) -> list[str]:
    return [
        f"{group['class']:10} {one['share']:4.0%}  {one['mean_distance']:.4f}  {one['image_id']}"
        for group in found["classes"]
        for one in group["prototypes"]
    ]
