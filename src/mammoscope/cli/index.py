"""`mammoscope index`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mammoscope.cli.options import AsJson

if TYPE_CHECKING:
    from mammoscope.records import Index


def index(
    source: Annotated[str, typer.Argument(help="a name from `mammoscope sources`, or package.module:NAME")],
    folder: Annotated[Path, typer.Argument(help="folder the data set was unpacked in")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write")] = Path("index.parquet"),
    as_json: AsJson = False,
) -> None:
    """Read a data set into one typed table."""
    from mammoscope.records import write_index
    from mammoscope.sources import build_index, source_named

    made = build_index(source_named(source), folder)
    write_index(made, out)
    typer.echo(told(made, out, as_json=as_json))


def told(index: "Index", out: Path, *, as_json: bool) -> str:
    """What was written, in numbers."""
    from mammoscope.records import image_table

    images = image_table(index)
    counts = {
        "index": str(out),
        "records": index.table.height,
        "images": images.height,
        "patients": images.select("source", "patient_id").n_unique(),
        "malignant_images": int(images["malignant"].sum()),
        "unlabelled_images": images["malignant"].null_count(),
    }
    return json.dumps(counts) if as_json else "\n".join(f"{key:18} {value}" for key, value in counts.items())
