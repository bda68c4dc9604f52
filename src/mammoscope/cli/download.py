"""`mammoscope download`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammoscope.cli.options import AsJson

if TYPE_CHECKING:
    from mammoscope.download import Plan


def download(
    source: Annotated[str, typer.Argument(help="cbis_ddsm, cbis_ddsm_jpeg or rsna; of others it says where to ask")],
    *,
    out: Annotated[Path, typer.Option("--out", help="folder for the data set; a later run goes on in it")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be fetched, and whether it fits")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="cbis_ddsm: mass, calc or csv; may be given more than once")
    ] = None,
    via: Annotated[str, typer.Option("--via", help="cbis_ddsm: idc, tcia, or auto")] = "auto",
    connections: Annotated[int, typer.Option("--connections", min=1, max=16, help="transfers at the same time")] = 4,
    as_json: AsJson = False,
) -> None:
    """Fetch a data set. Exit 1 if a part of it could not be had (or, with --dry-run, would not fit)."""
    from mammoscope.cli.progress import counted
    from mammoscope.download import plan_download, run_download

    job = plan_download(source, out=out, only=tuple(only or ()), via=via, connections=connections)
    if dry_run:
        typer.echo(json.dumps(job.plan.to_json(), indent=2) if as_json else _told(job.plan))
        raise typer.Exit(0 if job.plan.fits else 1)
    if not as_json:
        typer.echo(_told(job.plan), err=True)
    with counted("fetching") as progress:
        outcome = run_download(job, progress=progress)
    for one in outcome.failed:
        typer.echo(one.message, err=True)
    if as_json:
        typer.echo(json.dumps(outcome.to_json(), indent=2))
    else:
        typer.echo(
            f"{outcome.fetched} fetched ({_size(outcome.size_bytes)}), {outcome.here} were here, "
            f"{len(outcome.failed)} failed"
        )
    raise typer.Exit(1 if outcome.failed else 0)


def _told(plan: "Plan") -> str:
    files = "files not told" if plan.files is None else f"{plan.files:,} files"
    lines = {
        "data set": plan.source,
        "from": plan.origin,
        "licence": plan.licence,
        "cite": plan.cite,
        "to fetch": f"{plan.items:,} items, {files}, {_size(plan.size_bytes)}",
        "here": f"{plan.here:,} items",
        "room": f"needs {_size(plan.needs_bytes)}, {_size(plan.free_bytes)} free"
        + ("" if plan.fits else ": too little"),
    }
    return "\n".join(
        [f"{key:10} {value}" for key, value in lines.items()] + [f"{'note':10} {one}" for one in plan.notes]
    )


def _size(count: int | None) -> str:
    if count is None:
        return "size not told"
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"
