"""One prepared picture on disk: a lossless `.npy`, and beside it a `.json` with its trail.

Its name is a hash of the file's bytes, the preprocessing and the version of the pixel path: whatever changes the
picture changes the name, so nothing stale is ever read and an interrupted run goes on where it stopped.
"""

import hashlib
import io
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from mammoscope.errors import ImageError, StorageError
from mammoscope.images.geometry import Box, Geometry
from mammoscope.images.grey import to_grey
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.reading import PIXELS_VERSION, read_mammogram
from mammoscope.storage import whole_file, write_text
from mammoscope.vocabulary import Laterality, View

_GEOMETRY = TypeAdapter(Geometry)
ABANDONED_S = 3600.0  # a file that is half written for so long belongs to a process that was killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to prepare.

    Attributes:
        path: The file.
        laterality: What the data set says.
        view: What the data set says.
        box: Keep these surroundings of a lesion, in pixels of the file, and not the breast.
        is_crop: The file shows the surroundings of a lesion only.
    """

    path: Path
    laterality: Laterality | None
    view: View | None
    box: Box | None = None
    is_crop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One picture in the cache.

    Attributes:
        digest: SHA-256 of the file it was made from.
        file: Name in the cache folder.
        mean_intensity: Of the prepared picture, 0 to 1.
    """

    digest: str
    file: str
    mean_intensity: float


def prepare_file(job: Job, *, preprocess: Preprocess, folder: Path) -> Prepared:
    """Prepare one file, unless the cache has it.

    Raises:
        ImageError: The file is not a readable mammogram.
        StorageError: The cache cannot be written.
    """
    digest = digest_of(job.path)
    known = find_prepared(job, digest=digest, preprocess=preprocess, folder=folder)
    if known is not None:
        return known
    array = folder / _name(job, digest=digest, preprocess=preprocess)
    mammogram = read_mammogram(
        job.path,
        preprocess=preprocess,
        laterality=job.laterality,
        view=job.view,
        box=job.box,
        is_crop=job.is_crop,
    )
    with whole_file(array) as temporary:
        buffer = io.BytesIO()  # numpy writing to a file loses the reason when the disk is full
        np.save(buffer, to_grey(mammogram.pixels, bits=preprocess.bits), allow_pickle=False)
        temporary.write_bytes(buffer.getbuffer())
    mean = float(mammogram.pixels.mean())
    facts = {
        "mean_intensity": mean,
        "original_shape": mammogram.original_shape,
        "spacing_mm": mammogram.spacing_mm,
        "geometry": asdict(mammogram.geometry),
        "trail": [asdict(step) for step in mammogram.trail],
    }
    write_text(array.with_suffix(".json"), json.dumps(facts, default=str))
    return Prepared(digest=digest, file=f"{array.parent.name}/{array.name}", mean_intensity=mean)


def find_prepared(job: Job, *, digest: str, preprocess: Preprocess, folder: Path) -> Prepared | None:
    """Find a file in the cache by what it holds; None if it is not there, not whole, or without its geometry."""
    name = _name(job, digest=digest, preprocess=preprocess)
    array = folder / name
    try:
        facts = json.loads(array.with_suffix(".json").read_text(encoding="utf-8"))
        mean, shape = float(facts["mean_intensity"]), tuple(facts["geometry"]["shape"])
        is_whole = _is_whole(array, shape=shape, bits=preprocess.bits)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # where the cache itself is at fault, writing will say so
    return Prepared(digest=digest, file=name, mean_intensity=mean) if is_whole else None


def _is_whole(file: Path, *, shape: tuple[int, ...], bits: int) -> bool:
    """Whether a prepared picture begins as one of this shape does, and has its length; to map it takes far longer."""
    head = _head(shape, bits)
    with file.open("rb") as there:
        begins = there.read(len(head)) == head
        return begins and os.fstat(there.fileno()).st_size == len(head) + prod(shape) * bits // 8


@cache
def _head(shape: tuple[int, ...], bits: int) -> bytes:
    """What numpy writes before the values of a picture."""
    head = io.BytesIO()
    about = {"descr": "|u1" if bits == 8 else "<u2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, about)
    return head.getvalue()


def load_prepared(file: Path, *, mapped: bool = False) -> np.ndarray:
    """The grey values of a prepared picture.

    Args:
        file: The `.npy` in the cache.
        mapped: Leave them in the file until they are used; its header and its length are checked all the same.

    Raises:
        StorageError: The file is missing or damaged.
    """
    try:
        grey: np.ndarray = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        what = f"is no whole prepared picture ({type(error).__name__})"
        raise StorageError(f"{file.name}: {what}. Run it again, or mammoscope prepare: it is made anew") from error
    return grey


def geometry_of(file: Path) -> Geometry:
    """How a prepared picture came from its file, without reading that again.

    Args:
        file: The `.npy` in the cache.

    Returns:
        What maps lesions and other places of the file to the prepared picture and back.

    Raises:
        StorageError: What stands beside the picture is missing, damaged or of an earlier version.
    """
    beside = file.with_suffix(".json")
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))["geometry"]
        return _GEOMETRY.validate_python(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{beside.name}: does not say where the picture lies in its file ({type(error).__name__}). "
            "Run mammoscope prepare again"
        ) from error


def digest_of(path: Path) -> str:
    """SHA-256 of what a file holds.

    Raises:
        ImageError: The file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise ImageError(f"{path.name}: no such file. Restore it, or take its row out", code="missing") from None
    except OSError as error:
        raise ImageError(f"{path.name}: cannot be read, {error.strerror}", code="unreadable") from error


def sweep(folder: Path) -> int:
    """Remove what killed processes left half written in a cache, an hour ago or earlier.

    Returns:
        How many files.
    """
    swept, now = 0, time.time()
    for inside in folder.glob("??"):
        with suppress(OSError), os.scandir(inside) as entries:  # another process may be sweeping, too
            for entry in entries:
                if entry.name.startswith(".") and now - entry.stat().st_mtime > ABANDONED_S:
                    Path(entry.path).unlink(missing_ok=True)
                    swept += 1
    return swept


def _name(job: Job, *, digest: str, preprocess: Preprocess) -> str:
    what = f"{digest}|{PIXELS_VERSION}|{preprocess.model_dump_json()}|{job.laterality}|{job.view}"
    if job.box is not None or job.is_crop:
        what += f"|{job.box}|{job.is_crop}"
    key = hashlib.sha256(what.encode()).hexdigest()
    return f"{key[:2]}/{key}.npy"
