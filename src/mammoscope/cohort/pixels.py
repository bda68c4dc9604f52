"""Every picture of an index read once, in several processes: what it shows, or why it cannot be read."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Int8, UInt8

from mammoscope.errors import ImageError
from mammoscope.images import CODES, Survey, survey
from mammoscope.images.many import over_files
from mammoscope.records import Index, image_table

log = logging.getLogger(__name__)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    at: int
    source: str
    image_id: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    job: _Job
    survey: Survey | None = None
    code: str | None = None
    message: str | None = None


def read_pixels(index: Index, *, workers: int | None = None, progress: Progress | None = None) -> Pixels:
    """Read each picture of an index once.

    Args:
        index: Says where the pictures lie.
        workers: Guarded processes; one per processor when not given. With 0 the work is done in this process.
        progress: Told after each file.

    Returns:
        What each shows; no picture is left out. Code `internal` stands where this program failed.

    Example:
        >>> from mammoscope.records import Record, index_of
        >>> one = Record(source="own", patient_id="1", image_id="a", path="a.png")
        >>> index = index_of([one], roots={"own": Path("no-such-folder")})
        >>> read_pixels(index, workers=0).table["code"].to_list()
        ['missing']
    """
    images = image_table(index).select("source", "image_id", "path").rows()
    jobs = [
        _Job(at=at, source=source, image_id=image, path=index.roots[source] / path)
        for at, (source, image, path) in enumerate(images)
    ]
    rows: list[list[object]] = [[] for _ in jobs]
    signs = np.zeros((len(jobs), 32), dtype=np.uint8)
    thumbs = np.zeros((len(jobs), 1024), dtype=np.int8)
    for done, seen in enumerate(over_files(_look, jobs, crashed=_lost, workers=workers), start=1):
        at = seen.job.at
        rows[at] = _row(seen)
        if seen.survey is not None:
            signs[at], thumbs[at] = seen.survey.signs, seen.survey.thumb
        if progress is not None:
            progress(done, len(jobs))
    return Pixels(table=pl.DataFrame(rows, schema=SCHEMA, orient="row"), signs=signs, thumbs=thumbs)


def _look(job: _Job) -> _Seen:
    try:
        return _Seen(job=job, survey=survey(job.path))
    except ImageError as error:
        return _failed(job, code=error.code, message=str(error))
    except MemoryError:
        raise
    except Exception as error:  # a bug in one file's way must not end the work on all others: it becomes a result
        log.exception("audit: %s/%s failed unexpectedly", job.source, job.image_id)
        return _failed(job, code="internal", message=type(error).__name__)


def _lost(job: _Job, code: str) -> _Seen:
    return _failed(job, code=code, message=f"{CODES[code]}; check it with another program")


def _failed(job: _Job, *, code: str, message: str) -> _Seen:
    return _Seen(job=job, code=code, message=message)


def _row(seen: _Seen) -> list[object]:
    job, found = seen.job, seen.survey
    if found is None:
        return [job.source, job.image_id, seen.code, seen.message, *[None] * 8]
    facts = [found.laterality, found.view, found.looks_inverted, found.said_inverted, found.chest, found.has_breast]
    return [job.source, job.image_id, None, None, *facts, *found.shape]
