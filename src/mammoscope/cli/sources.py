"""`mammoscope sources`."""

import json

import typer

from mammoscope.cli.options import AsJson


def sources(*, as_json: AsJson = False) -> None:
    """List the data sets that can be read: layout, labels, licence."""
    from mammoscope.sources import SOURCES

    if as_json:
        keys = ("name", "layout", "labels", "licence", "cite", "url")
        typer.echo(json.dumps([{key: getattr(source, key) for key in keys} for source in SOURCES.values()], indent=2))
        return
    for source in SOURCES.values():
        typer.echo(f"{source.name}\n  labels   {source.labels}\n  licence  {source.licence}\n  cite     {source.cite}")
        typer.echo("  layout   " + source.layout.strip().replace("\n", "\n           ") + "\n")
