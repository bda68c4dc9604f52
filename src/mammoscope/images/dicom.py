"""One DICOM file as a picture: parsed with guards, refused by policy, decoded once."""

import logging
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

from mammoscope.errors import ImageError
from mammoscope.images import facts
from mammoscope.images.header import Header, tagged
from mammoscope.images.mammogram import Step, refusal
from mammoscope.images.picture import Picture, Stored
from mammoscope.images.stored import Layout, decode, layout_of

DEFLATED = "1.2.840.10008.1.2.1.99"
MAX_INFLATED_BYTES = 1 << 29
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


def read_dicom(path: Path, *, window_index: int, reduce: Callable[[int, int], int]) -> Picture:
    """Read one DICOM file.

    Args:
        path: The file.
        window_index: Which of several windows or VOI LUTs, from 0.
        reduce: Rows and columns of the file to halvings that the caller can do with.

    Raises:
        ImageError: It cannot be read, or is no mammogram for presentation; see `CODES`.
    """
    with _quiet() as caught:
        header = _parsed(path)
        facts.refuse_by_policy(header)
        if "Rows" not in header.dataset and "PixelData" not in header.dataset:
            raise refusal(path, "no_pixels", f"has no {tagged('PixelData')}. Leave it out of the index")
        layout = layout_of(header)
        stored = decode(header, layout, reduce=reduce(layout.rows, layout.cols))
        picture = _picture(header, layout, stored, window_index=window_index)
    kinds = sorted({warning.category.__name__ for warning in caught})  # their text may hold patient data
    oddities = (Step(name="oddity", detail="the DICOM reader warned", cause=kind) for kind in kinds)
    return replace(picture, trail=(*header.trail, *oddities))


def read_size(path: Path) -> tuple[tuple[int, int], tuple[float, float] | None]:
    """Rows and columns, and height and width of a pixel in mm, of one DICOM file; its pixels are not read.

    Raises:
        ImageError: The header cannot be parsed, or does not say how large the picture is.
    """
    with _quiet():
        header = _parsed(path, pixels=False)
        if "Rows" not in header.dataset:
            raise refusal(path, "no_pixels", f"has no {tagged('Rows')}. Leave it out of the index")
        return (header.required("Rows"), header.required("Columns")), facts.spacing_of(header)


@contextmanager
def _quiet() -> Iterator[list[warnings.WarningMessage]]:
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


def _picture(header: Header, layout: Layout, stored: Stored, *, window_index: int) -> Picture:
    if not str(header.word("PhotometricInterpretation")).startswith("MONOCHROME"):
        header.note("oddity", "neither MONOCHROME1 nor MONOCHROME2", tagged("PhotometricInterpretation"))
    return Picture(
        stored=stored,
        original_shape=(layout.rows, layout.cols),
        modality=facts.modality_of(header),
        voi=facts.voi_of(header, index=window_index),
        invert=facts.inversion_of(header),
        padding=facts.padding_of(header, signed=layout.signed),
        spacing_mm=facts.spacing_of(header),
        laterality=facts.laterality_of(header),
        view=facts.view_of(header),
    )


def _parsed(path: Path, *, pixels: bool = True) -> Header:
    """Parse the data set; what it claims about nesting, lengths and inflation is not believed."""
    try:
        _refuse_bomb(path)
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=not pixels)
    except RecursionError:
        raise refusal(path, "implausible", "its sequences are nested without end. Leave it out of the index") from None
    except ImageError:
        raise
    except UNPARSABLE as error:
        code = "truncated" if isinstance(error, EOFError) else "damaged"
        what = f"its DICOM header cannot be parsed ({type(error).__name__}). Fetch the file again"
        raise refusal(path, code, what) from error
    return Header(path=path, dataset=dataset)


def _refuse_bomb(path: Path) -> None:
    """Inflate a deflated data set piece by piece, and stop at the limit.

    Source:
        DICOM PS3.5 A.5: everything after the File Meta Information is one deflate stream.
    """
    with path.open("rb") as file:
        start = file.read(144)
        if start[128:132] != b"DICM" or start[132:136] != b"\x02\x00\x00\x00":
            return
        meta = file.read(int.from_bytes(start[140:144], "little"))
        if DEFLATED.encode() not in meta:
            return
        inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while piece := inflater.unconsumed_tail or file.read(1 << 20):
            size += len(inflater.decompress(piece, 1 << 24))
            if size > MAX_INFLATED_BYTES:
                what = f"inflates to more than {MAX_INFLATED_BYTES:,} bytes. Leave it out of the index"
                raise refusal(path, "implausible", what)
