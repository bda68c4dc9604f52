"""`mammoscope audit`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson, IndexFile, Root


def audit(
    index: IndexFile,
    *,
    root: Root = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="check this run's split, too; writes its audit.json")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what would spoil a result: missing files, leaks, contradictions. Exit 1 if there are errors."""
    from mammoscope.pipeline import checked, opened

    found = checked(opened(index, root=root), run=run).as_json()
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        for row in found["findings"]:
            about = row["image_id"] or row["patient_id"] or ""
            typer.echo(f"{row['severity']:8} {row['check']:24} {about:24} {row['message']}")
        typer.echo(", ".join(f"{count} {severity}s" for severity, count in found["counts"].items()) or "nothing found")
    raise typer.Exit(1 if found["counts"].get("error", 0) else 0)
