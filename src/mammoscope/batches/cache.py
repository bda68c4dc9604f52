"""The pictures of a data set on disk: each file is read once, and exactly what the network will see is kept."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from itertools import repeat
from pathlib import Path

import polars as pl

from mammoscope.batches.ledger import Ledger
from mammoscope.batches.places import BOX, PLACES, lesion_places, unread_masks
from mammoscope.cohort import Input
from mammoscope.images import Limits, Preprocess
from mammoscope.images.cached import Job, Prepared, find_prepared, prepare_file, sweep
from mammoscope.images.guarded import ANSWER_CODES, answers
from mammoscope.images.lesions import around
from mammoscope.vocabulary import Laterality, View

Progress = Callable[[int, int], None]
"""Called with (files done, files in all)."""

PREPARE_CODES: dict[str, str] = ANSWER_CODES
"""Every `code` that preparing a file can end with, and what it means."""

CHUNK = 8192  # rows that are kept as Python values at a time

OUTCOME = {
    "file": pl.String(),
    "mean_intensity": pl.Float64(),
    "code": pl.String(),
    "message": pl.String(),
}


def prepare(
    images: pl.DataFrame,
    *,
    roots: dict[str, Path],
    preprocess: Preprocess,
    folder: Path,
    limits: Limits | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    sample: Input | None = None,
) -> pl.DataFrame:
    """Read every image once and keep what the network will see.

    Args:
        images: One row per image, with `source`, `image_id`, `path`, `laterality`, `view`; of lesions, as `unit_rows`
            gives them.
        roots: Folder of each source.
        preprocess: What decides the pixels.
        folder: The cache; shared by any number of data sets and recipes.
        limits: What one file may cost; the defaults if None.
        workers: Guarded processes; one per processor when not given. With 0 the work is done in this process.
        executor: Of a cluster that sees `roots` and `folder` under the same paths; `workers` is how many it has.
        progress: Told after each file.
        sample: Says whether a row is a picture or a lesion, and how a lesion is cut out; a picture when not given.

    Returns:
        One row per image, in the order given: `file` (name in the cache) and `mean_intensity`, or
        `code` and `message` where the file could not be read. No image is left out.

    Raises:
        SourceError: Lesions are to be cut out, and the rows do not say where they lie.
        StorageError: The cache cannot be written. What was prepared stays valid.
    """
    places = {source: root.absolute() for source, root in roots.items()}
    work = partial(prepare_file, preprocess=preprocess, folder=folder.absolute())
    sweep(folder)
    wanted = sample or Input()
    boxed = wanted.unit == "lesion" and wanted.crop == "box"
    done = _Outcomes(images.height + (unread_masks(images).height if boxed else 0), progress)
    cut = None
    if boxed:
        cut = lesion_places(
            images, roots=roots, folder=folder, limits=limits, workers=workers, executor=executor, told=done.told
        )
    jobs = _jobs(images, places, sample=wanted, cut=cut)
    with Ledger(folder) as ledger:
        waiting = _Unknown(jobs, partial(_known, preprocess=preprocess, folder=folder, ledger=ledger), done)
        for answer in answers(work, waiting, limits=limits, workers=workers, executor=executor):
            at, path, before = waiting.drawn.pop(answer.at)
            if answer.result is not None and before is not None:
                after = _stat(path)
                if after is not None:
                    ledger.note(before, after, sha256=answer.result.digest)
            done.add(at, answer.result, code=answer.code, message=answer.message)
    return images.select(pl.col("source", "image_id").cast(pl.String)).hstack(done.table())


class _Unknown:
    """Iterates over the images that have to be read; those that the ledger and the cache know are done on the way."""

    def __init__(
        self,
        jobs: Iterator[tuple[Job, str | None, str | None]],
        known: Callable[[Job, os.stat_result | None], Prepared | None],
        done: "_Outcomes",
    ) -> None:
        self._jobs = jobs
        self._known = known
        self._done = done
        self.drawn: dict[int, tuple[int, Path, os.stat_result | None]] = {}

    def __iter__(self) -> Iterator[Job]:
        number = 0
        for at, (job, code, message) in enumerate(self._jobs):
            if code is not None:
                self._done.add(at, None, code=code, message=message)
                continue
            stat = _stat(job.path)
            prepared = self._known(job, stat)
            if prepared is not None:
                self._done.add(at, prepared)
                continue
            self.drawn[number] = at, job.path, stat
            number += 1
            yield job


def _jobs(
    images: pl.DataFrame, roots: dict[str, Path], *, sample: Input, cut: pl.DataFrame | None
) -> Iterator[tuple[Job, str | None, str | None]]:
    """A job a row, or why there is none."""
    is_crop = sample.unit == "lesion" and sample.crop == "file"
    rows = images.select("source", "path", "laterality", "view").iter_rows()
    places = cut.select(*BOX, "code", "message").iter_rows() if cut is not None else repeat((None,) * len(PLACES))
    for (source, path, laterality, view), (x0, y0, x1, y1, code, message) in zip(rows, places, strict=False):
        box = None if x0 is None else around((x0, y0, x1, y1), context=sample.context, square=sample.square)
        job = Job(
            path=roots[source] / path,
            laterality=Laterality(laterality) if laterality else None,
            view=View(view) if view else None,
            box=box,
            is_crop=is_crop,
        )
        yield job, code, message


class _Outcomes:
    """Rows in the order in which they are done; most of them in columns, where a million is small."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._count = 0
        self._rows: list[tuple[int, str | None, float | None, str | None, str | None]] = []
        self._chunks: list[pl.DataFrame] = []

    def add(self, at: int, prepared: Prepared | None, *, code: str | None = None, message: str | None = None) -> None:
        file, mean = (prepared.file, prepared.mean_intensity) if prepared else (None, None)
        self._rows.append((at, file, mean, code, message))
        if len(self._rows) >= CHUNK:
            self._settle()
        self.told()

    def told(self) -> None:
        """One more file was read."""
        self._count += 1
        if self._progress is not None:
            self._progress(self._count, self._total)

    def table(self) -> pl.DataFrame:
        self._settle()
        return pl.concat(self._chunks).sort("at").drop("at")

    def _settle(self) -> None:
        self._chunks.append(pl.DataFrame(self._rows, schema={"at": pl.UInt32(), **OUTCOME}, orient="row"))
        self._rows.clear()


def _known(
    job: Job, stat: os.stat_result | None, *, preprocess: Preprocess, folder: Path, ledger: Ledger
) -> Prepared | None:
    digest = ledger.sha256(stat) if stat is not None else None
    return find_prepared(job, digest=digest, preprocess=preprocess, folder=folder) if digest else None


def _stat(path: Path) -> os.stat_result | None:
    """What the file system says of a file; None where it says nothing: reading it will tell why."""
    try:
        return path.stat()
    except OSError:
        return None
