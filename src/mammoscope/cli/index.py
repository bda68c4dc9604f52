"""`mammoscope index`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mammoscope.cli.options import AsJson


def index(
    source: Annotated[str, typer.Argument(help="a name from `mammoscope sources`, or package.module:NAME")],
    folder: Annotated[Path, typer.Argument(help="folder the data set was unpacked in")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write")] = Path("index.parquet"),
    as_json: AsJson = False,
) -> None:
    """Read a data set into one typed table."""
    from mammoscope.records import image_table, write_index
    from mammoscope.sources import build_index, source_named

    made = build_index(source_named(source), folder)
    write_index(made, out)
    images = image_table(made)
    counts = {
        "index": str(out),
        "records": made.table.height,
        "images": images.height,
        "patients": images["patient_id"].n_unique(),
        "malignant_images": int(images["malignant"].sum()),
        "unlabelled_images": images["malignant"].null_count(),
    }
    typer.echo(json.dumps(counts) if as_json else "\n".join(f"{key:18} {value}" for key, value in counts.items()))
