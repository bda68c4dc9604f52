"""One DICOM file as a picture: parsed with guards, refused by policy, its pixels left in the file until needed."""

import logging
import mmap
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError

from mammoscope.dicom import facts
from mammoscope.dicom.header import Header, tagged
from mammoscope.errors import ImageError
from mammoscope.images.levels import Levels, SlabLevels
from mammoscope.images.picture import Picture
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.stored import Layout, layout_of, levels_of
from mammoscope.trail import refusal

DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_INFLATED_BYTES = 1 << 28  # the largest picture read has 200 MB
PIXEL_DATA = b"\xe0\x7f\x10\x00O"  # (7FE0,0010), VR OB or OW, in little endian with explicit VR
UNDEFINED = 0xFFFFFFFF  # length of what ends with a delimiter
DEFER_BYTES = 1 << 18  # longer elements stay in the file: pixels are mapped, not read
UNPARSABLE = (
    *(
        AttributeError,
        BytesLengthException,
        EOFError,
        InvalidDicomError,
        KeyError,
        IndexError,
        MemoryError,
        NotImplementedError,
        OSError,
    ),
    *(OverflowError, RuntimeError, TypeError, ValueError, struct.error, zlib.error),
)


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file starts with the DICOM prefix, or with a group 0002 or 0008 element without one."""
    return start[128:132] == b"DICM" or (start[:2] in {b"\x02\x00", b"\x08\x00"} and start[4:6].isalpha())


def read_dicom(path: Path, *, wanted: Preprocess) -> Picture:
    """Read the header of one DICOM file; its pixels are decoded when they are asked for.

    Args:
        path: The file.
        wanted: Which window, and which slices of a volume.

    Raises:
        ImageError: It cannot be read, or is no mammogram for presentation; see `CODES`.
    """
    header = _parsed(path)
    traits = facts.refuse_by_policy(header, accept=wanted.accept)
    if "PixelData" not in header.dataset:
        raise _without_pixels(path)
    layout = layout_of(header)
    levels = _levels(header, layout, wanted)
    if layout.frames > 1 and wanted.slab is not None:
        header = replace(header, frame=wanted.slab[0] - 1)
    picture = _picture(header, layout, levels, wanted=wanted)
    return replace(picture, traits=traits, trail=tuple(header.trail))


def read_size(path: Path) -> tuple[tuple[int, int], tuple[float, float] | None]:
    """Rows and columns, and height and width of a pixel in mm, of one DICOM file; its pixels are not read.

    Raises:
        ImageError: The header cannot be parsed, or does not say how large the picture is.
    """
    with quiet():
        header = _parsed(path, pixels=False)
        if "Rows" not in header.dataset:
            raise refusal(path, "no_pixels", f"has no {tagged('Rows')}. Leave it out of the index")
        return (header.required("Rows"), header.required("Columns")), facts.spacing_of(header)


def count_slices(path: Path) -> int:
    """Number of Frames (0028,0008) of one DICOM file, 1 of any other; its pixels are not read.

    Raises:
        ImageError: The header cannot be parsed.
    """
    with path.open("rb") as file:
        if not looks_like_dicom(file.read(132)):
            return 1
    with quiet():
        return max(1, _parsed(path, pixels=False).whole("NumberOfFrames") or 1)


@contextmanager
def quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Collect warnings, and keep pydicom from logging: both carry values, and a value may be a name."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        logger.setLevel(level)


def _without_pixels(path: Path) -> ImageError:
    """An object that has none, or a file that was cut within them: the parser then drops the element in silence."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        if mapped.find(PIXEL_DATA) >= 0:
            return refusal(path, "truncated", "ends before its pixels do. Fetch the file again")
    return refusal(path, "no_pixels", f"has no {tagged('PixelData')}. Leave it out of the index")


def _levels(header: Header, layout: Layout, wanted: Preprocess) -> Levels:
    """The one picture of the file, or the slices that were asked for."""
    if layout.frames == 1:
        return levels_of(header, layout, frame=0)
    if wanted.slab is None:
        what = (
            f"holds {layout.frames} slices. Name the slab to read, slab = [first, last] of [preprocess], "
            "or read them one by one: read_slices"
        )
        raise refusal(header.path, "multi_frame", what)
    first, last = wanted.slab
    if last > layout.frames:
        what = f"holds {layout.frames} slices, and slab is {first} to {last}. Name slices that it has"
        raise refusal(header.path, "multi_frame", what)
    told = f"slice {first}" if first == last else f"{wanted.slab_by} of slices {first} to {last}"
    header.note("slices", f"{told} of {layout.frames}", f"slab, {tagged('NumberOfFrames')} = {layout.frames}")
    slices = tuple(levels_of(header, layout, frame=at) for at in range(first - 1, last))
    return slices[0] if len(slices) == 1 else SlabLevels(slices=slices, by=wanted.slab_by)


def _picture(header: Header, layout: Layout, levels: Levels, *, wanted: Preprocess) -> Picture:
    if not str(header.word("PhotometricInterpretation")).startswith("MONOCHROME"):
        header.note("oddity", "neither MONOCHROME1 nor MONOCHROME2", tagged("PhotometricInterpretation"))
    return Picture(
        levels=levels,
        modality=facts.modality_of(header),
        voi=facts.voi_of(header, index=wanted.window_index, explanation=wanted.window_explanation),
        invert=facts.inversion_of(header),
        padding=facts.padding_of(header, signed=layout.signed),
        spacing_mm=facts.spacing_of(header),
        laterality=facts.laterality_of(header),
        view=facts.view_of(header),
        person=facts.person_of(header),
    )


def _parsed(path: Path, *, pixels: bool = True) -> Header:
    """Parse the data set; what it claims about nesting, lengths and inflation is not believed."""
    try:
        deflated = _refuse_bomb(path)
        keep_below = None if deflated else DEFER_BYTES  # what is inflated cannot be found again in the file
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=not pixels, defer_size=keep_below)
    except RecursionError:
        raise refusal(path, "implausible", "its sequences are nested without end. Leave it out of the index") from None
    except ImageError:
        raise
    except UNPARSABLE as error:
        code = "truncated" if isinstance(error, EOFError) else "damaged"
        what = f"its DICOM header cannot be parsed ({type(error).__name__}). Fetch the file again"
        raise refusal(path, code, what) from error
    _refuse_overlong(dataset, path)
    return Header(path=path, dataset=dataset)


def _refuse_overlong(dataset: pydicom.Dataset, path: Path) -> None:
    """Refuse an element that was left in the file and is longer than the file: reading it would ask for its memory."""
    size = path.stat().st_size
    for tag in dataset.keys():  # noqa: SIM118 iterating over the data set itself would parse each element
        element: Any = dataset.get_item(tag, keep_deferred=True)
        left_there = isinstance(element, RawDataElement) and element.value is None and element.length != UNDEFINED
        if left_there and element.value_tell + element.length > size:
            where, held = f"({tag >> 16:04X},{tag & 0xFFFF:04X})", max(0, size - element.value_tell)
            what = f"element {where} claims {element.length:,} bytes, and the file holds {held:,}. Fetch the file again"
            raise refusal(path, "truncated", what)


def _refuse_bomb(path: Path) -> bool:
    """Inflate a deflated data set piece by piece, and stop at the limit; whether it is one.

    Source:
        DICOM PS3.5 A.5: everything after the File Meta Information is one deflate stream.
    """
    with path.open("rb") as file:
        start = file.read(144)
        if start[128:132] != b"DICM" or start[132:136] != b"\x02\x00\x00\x00":
            return False
        meta = file.read(int.from_bytes(start[140:144], "little"))
        if DEFLATED.encode() not in meta:
            return False
        inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while piece := inflater.unconsumed_tail or file.read(1 << 20):
            size += len(inflater.decompress(piece, 1 << 24))
            if size > MAX_INFLATED_BYTES:
                what = f"inflates to more than {MAX_INFLATED_BYTES:,} bytes. Leave it out of the index"
                raise refusal(path, "implausible", what)
    return True
