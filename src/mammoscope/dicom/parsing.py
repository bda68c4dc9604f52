"""One DICOM file parsed: what it claims about nesting, lengths and inflation is not believed.

Every file from outside is parsed here: for its pixels, for an index, for a check, and before it is de-identified.
"""

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError

from mammoscope.errors import ImageError
from mammoscope.trail import refusal

MAX_INFLATED_BYTES = 1 << 28  # the largest picture read has 200 MB
PIECE_BYTES = 1 << 20
DEFER_BYTES = 1 << 18  # longer elements stay in the file: pixels are mapped, not read
UNDEFINED = 0xFFFFFFFF  # length of what ends with a delimiter
UNPARSABLE = (
    *(ArithmeticError, AttributeError, BytesLengthException, EOFError, InvalidDicomError, LookupError, MemoryError),
    *(NotImplementedError, OSError, RuntimeError, TypeError, ValueError, struct.error, zlib.error),
)
"""What pydicom raises on files that are not as they should be."""


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file starts with the DICOM prefix, or with a group 0002 or 0008 element without one.

    Source:
        DICOM PS3.5 7.1.2 and 7.1.3: after its tag an element has its VR, or in implicit VR four bytes of length.
    """
    if start[128:132] == b"DICM":
        return True
    if start[:2] not in {b"\x02\x00", b"\x08\x00"}:
        return False
    return start[4:6].isalpha() or _implicit(start)


def _implicit(start: bytes) -> bool:
    """Whether two elements of group 0008 in implicit VR follow each other, in the order of their tags."""
    length = int.from_bytes(start[4:8], "little")
    after = start[8 + length : 12 + length]
    ordered = int.from_bytes(start[2:4], "little") < int.from_bytes(after[2:], "little")
    return start[:2] == after[:2] == b"\x08\x00" and ordered


def parse(path: Path, *, pixels: bool = True, defer: bool = True) -> pydicom.Dataset:
    """Parse the data set of one file.

    Args:
        path: The file.
        pixels: Go on to Pixel Data (7FE0,0010), or stop before it.
        defer: Leave long elements in the file; never of a deflated one, where they cannot be found again.

    Raises:
        ImageError: It cannot be parsed, is nested without end, is shorter than it claims, or inflates to more than
            `MAX_INFLATED_BYTES`.
    """
    keep_below = DEFER_BYTES if defer else None
    try:
        with _File(path) as file:
            try:
                found = pydicom.dcmread(file, force=True, stop_before_pixels=not pixels, defer_size=keep_below)
            except _DeflatedError:
                file.seek(0)
                found = pydicom.dcmread(file, force=True, stop_before_pixels=not pixels)
    except ImageError:
        raise
    except UNPARSABLE as error:
        if isinstance(error, RecursionError) or isinstance(error.__context__, RecursionError):  # pydicom renames some
            what = "its sequences are nested without end. Leave it out of the index"
            raise refusal(path, "implausible", what) from None
        raise _unparsable(path, error) from error
    _refuse_overlong(found, path)
    return found


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


class _DeflatedError(Exception):
    """What follows is a deflate stream."""


class _File(io.BufferedReader):
    """A file for pydicom, which asks for all that is left of one only where a deflate stream begins.

    So the stream is found where pydicom finds it, whatever the File Meta Information says of its own length.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(str(path)))
        self._path = path
        self._expected = False

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size >= 0:
            return super().read(size)
        if not self._expected:
            self._expected = True
            raise _DeflatedError
        return self._stream()

    def _stream(self) -> bytes:
        """The stream, inflated piece by piece before pydicom does so, to see that it stays within the limit.

        Source:
            DICOM PS3.5 A.5: everything after the File Meta Information is one deflate stream.
        """
        inflater, inflated, pieces = zlib.decompressobj(-zlib.MAX_WBITS), 0, list[bytes]()
        while not inflater.eof and (piece := inflater.unconsumed_tail or super().read(PIECE_BYTES)):
            if not inflater.unconsumed_tail:
                pieces.append(piece)
            inflated += len(inflater.decompress(piece, PIECE_BYTES << 4))
            if max(inflated, len(pieces) * PIECE_BYTES) > MAX_INFLATED_BYTES:
                what = f"inflates to more than {MAX_INFLATED_BYTES:,} bytes. Leave it out of the index"
                raise refusal(self._path, "implausible", what)
        return b"".join(pieces)


def _unparsable(path: Path, error: BaseException) -> ImageError:
    if isinstance(error, OSError) and error.errno is not None:  # pydicom raises some of its own without
        if isinstance(error, FileNotFoundError):
            return refusal(path, "missing", "no such file. Restore it, or take its row out")
        return refusal(path, "unreadable", f"cannot be read, {error.strerror}. Correct its permissions")
    code = "truncated" if isinstance(error, EOFError) else "damaged"
    return refusal(path, code, f"its DICOM header cannot be parsed ({type(error).__name__}). Fetch the file again")


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
