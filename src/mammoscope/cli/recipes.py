"""`mammoscope recipes`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mammoscope.cli.options import AsJson

if TYPE_CHECKING:
    from mammoscope.training import RecipeHeader


def recipes(
    *,
    source: Annotated[str | None, typer.Option("--source", help="only recipes for this data set")] = None,
    as_json: AsJson = False,
) -> None:
    """List the recipes that come with mammoscope: what each is, for which data, its cost and its known result."""
    from mammoscope.training import recipe_headers

    found = [header for header in recipe_headers() if source is None or header.source == source]
    if as_json:
        typer.echo(json.dumps([asdict(header) for header in found], indent=2))
        return
    if not found:
        raise typer.BadParameter(f"no recipe is written for {source!r}", param_hint="--source")
    width = max(len(header.name) for header in found)
    for header in found:
        typer.echo("\n".join(_lines(header, width)))


def _lines(header: "RecipeHeader", width: int) -> list[str]:
    asked = f"{header.source}, {header.target} per {header.unit}"
    lines = [f"{header.name:{width}}  {asked}", f"{'':{width}}  {header.about}"]
    told = (("cost", header.cost), ("expect", header.expect))
    return [*lines, *(f"{'':{width}}  {key}: {text}" for key, text in told if text)]
