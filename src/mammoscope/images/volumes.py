"""Tomosynthesis volumes taken apart: each slice is a picture of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from mammoscope.errors import ImageError
from mammoscope.images.dicom import count_slices
from mammoscope.images.folder import Found
from mammoscope.images.guarded import answers
from mammoscope.images.mammogram import Mammogram
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.reading import picture_of, read_mammogram
from mammoscope.workers.limits import Limits


def find_slices(
    files: Sequence[Found], *, preprocess: Preprocess, limits: Limits | None = None, workers: int | None = None
) -> list[Found]:
    """Each slice of volumes as one to read; any other file as it is, also one that cannot be read.

    Args:
        files: The files. Their headers are read in guarded processes.
        preprocess: How they will be read: of a volume that is refused whatever slice is read, only the first is taken.
        limits: What one header may cost; the defaults if None.
        workers: Guarded processes; one per processor when not given. With 0 the work is done in this process.

    Returns:
        In the order given, slices by number.
    """
    work = partial(_slices, preprocess=preprocess)
    counted = {answer.at: answer.result for answer in answers(work, files, limits=limits, workers=workers)}
    return [part for at, found in enumerate(files) for part in _parts(found, counted[at])]


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


def _slices(found: Found, *, preprocess: Preprocess) -> int:
    """How many there are; 0 of a file that is no volume."""
    try:
        slices = count_slices(found.path)
    except ImageError:
        return 0
    if slices == 1:
        return 0
    picture_of(found.path, settings_for(replace(found, slice_number=1), preprocess))
    return slices


def _parts(found: Found, slices: int | None) -> Iterator[Found]:
    """Of what is refused (None) the first, which will say why."""
    if slices == 0:
        yield found
        return
    for number in range(1, (slices or 1) + 1):
        yield replace(found, slice_number=number)
