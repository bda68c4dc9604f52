"""Where lesions lie that the data set marks on a mask only: each mask is read once, and its box kept in the cache."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from mammoscope.batches.ledger import Ledger
from mammoscope.errors import SourceError
from mammoscope.images import PIXELS_VERSION, Limits
from mammoscope.images.cached import digest_of
from mammoscope.images.geometry import Box
from mammoscope.images.guarded import answers
from mammoscope.images.lesions import mask_box
from mammoscope.storage import write_text

BOX = ("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1")
PLACES: dict[str, pl.DataType] = dict.fromkeys(BOX, pl.Float64()) | {"code": pl.String(), "message": pl.String()}


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskJob:
    """One mask to look at, and the picture that it belongs to."""

    path: Path
    picture: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What a mask marks."""

    digest: str
    box: Box


def lesion_places(
    lesions: pl.DataFrame,
    *,
    roots: dict[str, Path],
    folder: Path,
    limits: Limits | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    told: Callable[[], None] | None = None,
) -> pl.DataFrame:
    """The box of each lesion in pixels of its file: the data set's own, else that of its mask.

    Args:
        lesions: With `source`, `path`, `mask_path` and the corners of the box, as `unit_rows` gives them.
        roots: Folder of each source.
        folder: The cache.
        limits: What one mask may cost; the defaults if None.
        workers: Guarded processes; one per processor when not given. With 0 the work is done in this process.
        executor: Of a cluster, as for `prepare`.
        told: Called after each mask.

    Returns:
        One row a lesion, in the order given: its corners, or `code` and `message` where its mask cannot be used.

    Raises:
        SourceError: The rows are no lesions, or some have neither box nor mask.
        StorageError: The cache cannot be written.
    """
    masks = unread_masks(lesions)
    found: list[tuple[object, ...]] = [(*box, None, None) for box in lesions.select(BOX).rows()]
    work = partial(locate, folder=folder.absolute())
    with Ledger(folder) as ledger:
        waiting = _Unread(masks, roots, folder, ledger, found, told)
        for answer in answers(work, waiting, limits=limits, workers=workers, executor=executor):
            at, path, before = waiting.drawn.pop(answer.at)
            if answer.result is None:
                found[at] = (None, None, None, None, answer.code, answer.message)
            else:
                found[at] = (*answer.result.box, None, None)
                after = _stat(path)
                if before is not None and after is not None:
                    ledger.note(before, after, sha256=answer.result.digest)
            if told is not None:
                told()
    return pl.DataFrame(found, schema=PLACES, orient="row")


def unread_masks(lesions: pl.DataFrame) -> pl.DataFrame:
    """Lesions that only a mask locates, with their row number `at`.

    Raises:
        SourceError: The rows are no lesions, or some have neither box nor mask.
    """
    missing = [name for name in (*BOX, "mask_path") if name not in lesions.columns]
    if missing:
        raise SourceError(f"lesions: the table has no {', '.join(missing)}. Make it with unit_rows")
    without = lesions.with_row_index("at").filter(pl.col(BOX[0]).is_null())
    lost = without.filter(pl.col("mask_path").is_null())
    if lost.height:
        raise SourceError(
            f"lesions: {lost.height} have neither box, outline nor mask, the first {lost['image_id'][0]}. "
            "Leave them out, or take the data set's crops: crop = 'file'"
        )
    return without


class _Unread:
    """Iterates over the masks that have to be read; those that the ledger and the cache know are done on the way."""

    def __init__(
        self,
        masks: pl.DataFrame,
        roots: dict[str, Path],
        folder: Path,
        ledger: Ledger,
        found: list[tuple[object, ...]],
        told: Callable[[], None] | None,
    ) -> None:
        self._masks = masks
        self._roots = roots
        self._folder = folder
        self._ledger = ledger
        self._found = found
        self._told = told
        self.drawn: dict[int, tuple[int, Path, os.stat_result | None]] = {}

    def __iter__(self) -> Iterator[MaskJob]:
        number = 0
        for at, source, mask, picture in self._masks.select("at", "source", "mask_path", "path").iter_rows():
            root = self._roots[source].absolute()
            stat = _stat(root / mask)
            digest = self._ledger.sha256(stat) if stat is not None else None
            known = _known(digest, self._folder) if digest else None
            if known is None:
                self.drawn[number] = at, root / mask, stat
                number += 1
                yield MaskJob(path=root / mask, picture=root / picture)
                continue
            self._found[at] = (*known.box, None, None)
            if self._told is not None:
                self._told()


def locate(job: MaskJob, *, folder: Path) -> Marked:
    """Find what a mask marks, unless the cache knows.

    Raises:
        ImageError: The mask cannot be used; see `mask_box`.
        StorageError: The cache cannot be written.
    """
    digest = digest_of(job.path)
    known = _known(digest, folder)
    if known is not None:
        return known
    box = mask_box(job.path, picture=job.picture)
    write_text(folder / _name(digest), json.dumps({"pixels_version": PIXELS_VERSION, "box": box}))
    return Marked(digest=digest, box=box)


def _known(digest: str, folder: Path) -> Marked | None:
    try:
        found = json.loads((folder / _name(digest)).read_text(encoding="utf-8"))
        if found["pixels_version"] != PIXELS_VERSION:
            return None
        x0, y0, x1, y1 = map(float, found["box"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Marked(digest=digest, box=(x0, y0, x1, y1))


def _name(digest: str) -> str:
    return f"{digest[:2]}/{digest}.mask.json"


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
