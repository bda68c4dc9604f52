"""Every picture of an index read once, in guarded processes: what it shows, or why it cannot be read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Int8, UInt8

from mammoscope.images import Survey, survey
from mammoscope.images.guarded import Answer, answers
from mammoscope.records import Index, image_table

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""

SCHEMA: dict[str, pl.DataType] = {
    "source": pl.String(),
    "image_id": pl.String(),
    "code": pl.String(),
    "message": pl.String(),
    "laterality": pl.String(),
    "view": pl.String(),
    "looks_inverted": pl.Boolean(),
    "said_inverted": pl.Boolean(),
    "chest": pl.String(),
    "has_breast": pl.Boolean(),
    "rows": pl.Int64(),
    "cols": pl.Int64(),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pixels:
    """What the pictures of an index show.

    Attributes:
        table: One row per image, in the order of the image table: source, image_id; code and message where it cannot
            be read; else laterality and view of its header, looks_inverted, said_inverted, chest, has_breast, rows,
            cols, as `mammoscope.images.Survey` has them.
        signs: `Survey.signs` of each row; zeros where it cannot be read.
        thumbs: `Survey.thumb` of each row.
    """

    table: pl.DataFrame
    signs: UInt8[np.ndarray, "images bytes"]
    thumbs: Int8[np.ndarray, "images thumb"]


def read_pixels(index: Index, *, workers: int | None = None, progress: Progress | None = None) -> Pixels:
    """Read each picture of an index once.

    Args:
        index: Says where the pictures lie.
        workers: Guarded processes; one per processor when not given. With 0 the work is done in this process.
        progress: Told after each file.

    Returns:
        What each shows; no picture is left out. Code `internal` stands where this program failed.

    Example:
        >>> from pathlib import Path
        >>> from mammoscope.records import Record, index_of
        >>> one = Record(source="own", patient_id="1", image_id="a", path="a.png")
        >>> index = index_of([one], roots={"own": Path("no-such-folder")})
        >>> read_pixels(index, workers=0).table["code"].to_list()
        ['missing']
    """
    images = image_table(index).select("source", "image_id", "path").rows()
    files = (index.roots[source] / path for source, _, path in images)
    rows: list[list[object]] = [[] for _ in images]
    signs = np.zeros((len(images), 32), dtype=np.uint8)
    thumbs = np.zeros((len(images), 1024), dtype=np.int8)
    for done, answer in enumerate(answers(survey, files, workers=workers), start=1):
        rows[answer.at] = [*images[answer.at][:2], *_columns(answer)]
        if answer.result is not None:
            signs[answer.at], thumbs[answer.at] = answer.result.signs, answer.result.thumb
        if progress is not None:
            progress(done, len(images))
    return Pixels(table=pl.DataFrame(rows, schema=SCHEMA, orient="row"), signs=signs, thumbs=thumbs)


def _columns(answer: Answer[Survey]) -> list[object]:
    found = answer.result
    if found is None:
        return [answer.code, answer.message, *[None] * 8]
    facts = [found.laterality, found.view, found.looks_inverted, found.said_inverted, found.chest, found.has_breast]
    return [None, None, *facts, *found.shape]
