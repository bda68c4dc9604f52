"""A split that stands in a user's own table."""

from pathlib import Path

import polars as pl

from mammoscope.errors import SourceError
from mammoscope.sources import Row, read_table
from mammoscope.vocabulary import Part


def parts_from_file(images: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, list[str]]:
    """Give each image the part that a table states for it or for its patient.

    Args:
        images: Columns source, patient_id, image_id.
        path: CSV with part and one of image_id, patient_id; with source where several are merged.

    Returns:
        `images` with a column part, empty for those that the table does not name; and what to note.

    Raises:
        SourceError: The table cannot be read, names who is not there, or states two parts for one.
    """
    rows = list(read_table(path, needs=("part",), may=("source", "patient_id", "image_id")))
    unit = _unit(rows[0])
    sources = images["source"].unique().sort().to_list()
    stated: dict[tuple[str, str], str] = {}
    for row in rows:
        key = (_source(row, sources), row[unit])
        part = row.code("part", Part)
        if part is None:
            raise row.refusal(f"part is empty. Write one of {', '.join(Part)}, or leave the row out")
        if stated.setdefault(key, part.value) != part.value:
            raise row.refusal(f"{unit} {key[1]!r} stands in {stated[key]} and {part}. Put it in one part")
    return _joined(images, stated, unit, path.name)


def _joined(
    images: pl.DataFrame, stated: dict[tuple[str, str], str], unit: str, name: str
) -> tuple[pl.DataFrame, list[str]]:
    table = pl.DataFrame(
        {"source": [key[0] for key in stated], unit: [key[1] for key in stated], "part": list(stated.values())},
        schema={"source": pl.String, unit: pl.String, "part": pl.String},
    )
    strangers = table.join(images, on=["source", unit], how="anti")
    if not strangers.is_empty():
        first = ", ".join(strangers[unit].head(3))
        raise SourceError(
            f"{name}: {strangers.height} of its {unit} are not in the cohort: {first}. "
            "Correct the ids, or index the data set that they belong to"
        )
    joined = images.join(table, on=["source", unit], how="left", maintain_order="left")
    left_out = joined["part"].null_count()
    return joined, [f"{left_out} images that {name} does not name are left out"] if left_out else []


def _unit(row: Row) -> str:
    found = [unit for unit in ("image_id", "patient_id") if unit in row.cells]
    if not found:
        raise SourceError(f"{row.file}:1: no column image_id or patient_id. Add one of them beside part")
    return found[0]


def _source(row: Row, sources: list[str]) -> str:
    stated = row.text("source")
    if stated is None and len(sources) == 1:
        return str(sources[0])
    if stated not in sources:
        raise row.refusal(f"source {stated!r} is not one of {', '.join(sources)}. Name the source of each row")
    return stated
