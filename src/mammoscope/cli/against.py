"""`mammoscope explain --against`."""

import json
from pathlib import Path
from typing import Any

import typer


def print_against(
    run: Path,
    against: Path,
    *,
    methods: list[str] | None,
    layer: str | None,
    task: str | None,
    of: str | None,
    images: int | None,
    root: Path | None,
    as_json: bool,
) -> None:
    """Hold the maps of a run against those of another, one method after the other, and print the tables."""
    from mammoscope.cli.progress import counted
    from mammoscope.pipeline import compare_maps, likeness_lines

    found = []
    for method in methods or ["grad-cam"]:
        at = layer if method.endswith(("cam", "cam++")) else None
        with counted(f"explaining {method}") as progress:
            asked: dict[str, Any] = {"method": method, "layer": at, "task": task, "of": of, "images": images}
            found.append(compare_maps(run, against=against, root=root, progress=progress, **asked))
        if not as_json:
            typer.echo("\n".join(likeness_lines(found[-1])) + "\n")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
