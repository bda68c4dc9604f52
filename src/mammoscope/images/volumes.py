"""Tomosynthesis volumes taken apart: each slice is a picture of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mammoscope.images.dicom import count_slices
from mammoscope.images.folder import Found
from mammoscope.images.guarded import answers
from mammoscope.images.mammogram import Mammogram
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.reading import read_mammogram
from mammoscope.workers.limits import Limits

MOST_SLICES = 2000
"""More than any exam has: one a mm of a breast of 2 m. A header that says more is not believed."""


def find_slices(files: Sequence[Found], *, limits: Limits | None = None, workers: int | None = None) -> list[Found]:
    """Each slice of volumes as one to read; any other file as it is, also one that cannot be read.

    Args:
        files: The files. Their headers are read in guarded processes.
        limits: What one header may cost; the defaults if None.
        workers: Guarded processes; one per processor when not given. With 0 the work is done in this process.

    Returns:
        In the order given, slices by number.
    """
    slices = {answer.at: answer.result or 1 for answer in answers(_slices, files, limits=limits, workers=workers)}
    return [part for at, found in enumerate(files) for part in _parts(found, slices[at])]


def settings_for(found: Found, preprocess: Preprocess) -> Preprocess:
    """The settings, with the slice that is meant as their slab."""
    if found.slice_number is None:
        return preprocess
    return preprocess.model_copy(update={"slab": (found.slice_number, found.slice_number)})


def read_found(found: Found, *, preprocess: Preprocess, is_crop: bool = False) -> Mammogram:
    """Read a file, or the slice of it that is meant. Worker processes call it, so it stands where no torch is imported.

    Raises:
        ImageError: As `read_mammogram`.
    """
    return read_mammogram(found.path, preprocess=settings_for(found, preprocess), is_crop=is_crop)


def _slices(found: Found) -> int:
    return count_slices(found.path)


def _parts(found: Found, slices: int) -> Iterator[Found]:
    if not 1 < slices <= MOST_SLICES:  # reading it says why it is no volume
        yield found
        return
    for number in range(1, slices + 1):
        yield replace(found, slice_number=number)
