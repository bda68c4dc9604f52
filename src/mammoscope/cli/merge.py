"""`mammoscope merge`."""

from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson


def merge(
    indexes: Annotated[list[Path], typer.Argument(help="two or more files of `mammoscope index`", metavar="INDEX...")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write")] = Path("merged.parquet"),
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="new source name, once for each index: for two tables or folders of your own"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Several data sets, or halves of one, as one index; patients keep apart by their source."""
    from mammoscope.cli.index import told
    from mammoscope.cohort import merge as merged
    from mammoscope.pipeline import opened
    from mammoscope.records import write_index

    made = merged([opened(file) for file in indexes], names=name or None)
    write_index(made, out)
    typer.echo(told(made, out, as_json=as_json))
