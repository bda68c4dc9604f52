"""`mammoscope describe`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, IndexFile, Root


def describe(
    index: IndexFile,
    *,
    out: Annotated[Path, typer.Option("--out", help="HTML file to write; its figures go beside it")] = Path(
        "describe.html"
    ),
    headers: Annotated[int, typer.Option("--headers", min=1, help="files whose header is read, at most")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="of every random choice")] = 0,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Describe a data set on one page: labels, lesions, sizes, machines, a sample. Exit 1 if files cannot be read."""
    from mammoscope.pipeline import opened
    from mammoscope.report import write_description

    facts = write_description(opened(index, root=root), out=out, headers=headers, seed=seed)
    failed = facts["image_sizes"]["failed"]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        for row in failed:
            typer.echo(f"{row['n']} files {row['code']}, the first: {row['message']}", err=True)
        typer.echo(str(out))
    raise typer.Exit(1 if failed else 0)
