"""Prepared pictures on disk: read each file once, keep exactly what the network will see.

A picture is one lossless 16-bit `.npy` beside a `.json` with its trail. Its name is a hash of the
file's bytes, the preprocessing and the version of the pixel path: whatever changes the picture
changes the name, so nothing stale is ever read and an interrupted run goes on where it stopped.
"""

import hashlib
import io
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from mammoscope.errors import ImageError, StorageError
from mammoscope.images import CODES, PIXELS_VERSION, Preprocess, read_mammogram
from mammoscope.images.grey import to_grey16
from mammoscope.images.many import over_files
from mammoscope.storage import whole_file, write_text
from mammoscope.vocabulary import Laterality, View

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""

PREPARE_CODES: dict[str, str] = CODES | {
    "internal": "a fault of this program; the log has the traceback",
}
"""Every `code` that preparing a file can end with, and what it means."""

SCHEMA = {
    "source": pl.String(),
    "image_id": pl.String(),
    "file": pl.String(),
    "mean_intensity": pl.Float64(),
    "code": pl.String(),
    "message": pl.String(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to prepare."""

    source: str
    image_id: str
    path: Path
    laterality: Laterality | None
    view: View | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file: a cached picture, or a code and a message; never both, never neither."""

    source: str
    image_id: str
    file: str | None = None  # name in the cache folder
    mean_intensity: float | None = None  # of the prepared picture, 0 to 1
    code: str | None = None
    message: str | None = None


def prepare(
    images: pl.DataFrame,
    *,
    roots: dict[str, Path],
    preprocess: Preprocess,
    folder: Path,
    workers: int | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Read every image once and keep what the network will see.

    Args:
        images: One row per image, with `source`, `image_id`, `path`, `laterality`, `view`.
        roots: Folder of each source.
        preprocess: What decides the pixels.
        folder: The cache; shared by any number of data sets and recipes.
        workers: Guarded processes; one per processor when not given. With 0 the work is done in this process.
        progress: Told after each file.

    Returns:
        One row per image, in the order given: `file` (name in the cache) and `mean_intensity`, or
        `code` and `message` where the file could not be read. No image is left out.

    Raises:
        StorageError: The cache cannot be written. What was prepared stays valid.
    """
    jobs = [
        Job(
            source=row["source"],
            image_id=row["image_id"],
            path=roots[row["source"]] / row["path"],
            laterality=Laterality(row["laterality"]) if row["laterality"] else None,
            view=View(row["view"]) if row["view"] else None,
        )
        for row in images.iter_rows(named=True)
    ]
    work = partial(prepare_one, preprocess=preprocess, folder=folder)
    done: dict[tuple[str, str], Outcome] = {}
    for outcome in over_files(work, jobs, crashed=_lost, workers=workers):
        done[outcome.source, outcome.image_id] = outcome
        if progress is not None:
            progress(len(done), len(jobs))
    return pl.DataFrame([asdict(done[job.source, job.image_id]) for job in jobs], schema=SCHEMA)


def prepare_one(job: Job, *, preprocess: Preprocess, folder: Path) -> Outcome:
    """Prepare one file, or say why not.

    Raises:
        StorageError: The cache cannot be written.
    """
    name = f"{job.source}/{job.image_id}"
    try:
        key = _key(job, preprocess)
        array, about = folder / key[:2] / f"{key}.npy", folder / key[:2] / f"{key}.json"
        if not (about.is_file() and array.is_file()):
            _write(array, about, job=job, preprocess=preprocess)
        mean = float(json.loads(about.read_text(encoding="utf-8"))["mean_intensity"])
    except ImageError as error:
        return Outcome(source=job.source, image_id=job.image_id, code=error.code, message=str(error))
    except (StorageError, MemoryError):
        raise
    except Exception as error:  # a bug in one file's way must not end the work on all others: it becomes a result
        log.exception("prepare: %s failed unexpectedly", name)
        return Outcome(source=job.source, image_id=job.image_id, code="internal", message=type(error).__name__)
    return Outcome(
        source=job.source, image_id=job.image_id, file=f"{array.parent.name}/{array.name}", mean_intensity=mean
    )


def _write(array: Path, about: Path, *, job: Job, preprocess: Preprocess) -> None:
    mammogram = read_mammogram(job.path, preprocess=preprocess, laterality=job.laterality, view=job.view)
    with whole_file(array) as temporary:
        buffer = io.BytesIO()  # numpy writing to a file loses the reason when the disk is full
        np.save(buffer, to_grey16(mammogram.pixels), allow_pickle=False)
        temporary.write_bytes(buffer.getvalue())
    facts = {
        "mean_intensity": float(mammogram.pixels.mean()),
        "original_shape": mammogram.original_shape,
        "spacing_mm": mammogram.spacing_mm,
        "trail": [asdict(step) for step in mammogram.trail],
    }
    write_text(about, json.dumps(facts, default=str))


def _key(job: Job, preprocess: Preprocess) -> str:
    try:
        with job.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except FileNotFoundError:
        raise ImageError(f"{job.path.name}: no such file. Restore it, or take its row out", code="missing") from None
    except OSError as error:
        raise ImageError(f"{job.path.name}: cannot be read, {error.strerror}", code="unreadable") from error
    digest.update(f"|{PIXELS_VERSION}|{preprocess.model_dump_json()}|{job.laterality}|{job.view}".encode())
    return digest.hexdigest()


def _lost(job: Job, code: str) -> Outcome:
    message = f"{job.path.name}: {CODES[code]}. Set it aside, and check it with another program"
    return Outcome(source=job.source, image_id=job.image_id, code=code, message=message)
