"""Parsing a file that may be anything: what it claims is not believed, and nothing of it reaches a message."""

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

CODES: dict[str, str] = {
    "missing": "there is no such file or folder",
    "unreadable": "the file system refused to read it",
    "empty": "the file has no bytes",
    "not_dicom": "not a DICOM file",
    "damaged": "it cannot be parsed or written as DICOM",
    "implausible": "it claims more than is allowed, or more than its bytes can hold",
    "no_image": "a DICOM object without a picture, or one whose content is text or drawings: reports, documents, marks",
    "same_instance": "a file with the same SOP Instance UID was written before, and differs",
    "crashed": "it killed the process that read it",
    "timeout": "it took too long",
    "memory": "it needed more memory than is allowed",
    "identifying": "an identifying value was found again in what would have been written",
}
"""Why a file was refused, and nothing written for it."""

UNPARSABLE = (
    *(ArithmeticError, AttributeError, BytesLengthException, EOFError, InvalidDicomError, LookupError, MemoryError),
    *(NotImplementedError, OSError, RuntimeError, TypeError, ValueError, struct.error, zlib.error),
)
"""What pydicom raises on files that are not as they should be."""

MAX_FILE_BYTES = 1 << 30
MAX_INFLATED_BYTES = 1 << 29
DEFLATED = b"1.2.840.10008.1.2.1.99"
NO_PICTURE = ("ContentSequence", "EncapsulatedDocument", "GraphicAnnotationSequence", "WaveformSequence")


class Refused(Exception):  # noqa: N818 - an outcome of one file, never seen outside this folder
    """A file that nothing is written for.

    Attributes:
        code: One of `CODES`.
        detail: More words, without a value of the file.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(CODES[code])
        self.code, self.detail = code, detail


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning and logging: both carry values, and a value may be a name."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def read_image(path: Path) -> Dataset:
    """Parse the data set of a picture.

    Raises:
        Refused: It is none, or cannot be parsed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(144)
            if start[128:136] == b"DICM\x02\x00\x00\x00":
                _refuse_bomb(file.read(min(int.from_bytes(start[140:144], "little"), 1 << 16)), path)
    except FileNotFoundError:
        raise Refused("missing") from None
    except OSError as error:
        raise Refused("unreadable", error.strerror or "") from None
    if size == 0:
        raise Refused("empty")
    if size > MAX_FILE_BYTES:
        raise Refused("implausible", f"{size:,} bytes, and at most {MAX_FILE_BYTES:,} are read")
    if start[128:132] != b"DICM" and not (start[:2] in {b"\x02\x00", b"\x08\x00"} and size > 144):
        raise Refused("not_dicom")
    return _picture(_parsed(path))


def _parsed(path: Path) -> Dataset:
    try:
        return pydicom.dcmread(path, force=True)
    except RecursionError:
        raise Refused("implausible", "its sequences are nested without end") from None
    except UNPARSABLE as error:
        if isinstance(error, OSError) and error.errno is not None:  # pydicom raises some of its own without
            raise Refused("unreadable", error.strerror or "") from None
        raise Refused("damaged", type(error).__name__) from None


def _picture(dataset: Dataset) -> Dataset:
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise Refused("no_image" if "SOPClassUID" in dataset else "damaged")
    if any(name in dataset for name in NO_PICTURE):
        raise Refused("no_image")
    return dataset


def _refuse_bomb(meta: bytes, path: Path) -> None:
    """Inflate a deflated data set piece by piece, and stop at the limit.

    Source:
        DICOM PS3.5 A.5: everything after the File Meta Information is one deflate stream.
    """
    if DEFLATED not in meta:
        return
    with path.open("rb") as file:
        file.seek(144 + len(meta))
        inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        try:
            while piece := inflater.unconsumed_tail or file.read(1 << 20):
                size += len(inflater.decompress(piece, 1 << 24))
                if size > MAX_INFLATED_BYTES:
                    raise Refused("implausible", f"inflates to more than {MAX_INFLATED_BYTES:,} bytes")
        except zlib.error as error:
            raise Refused("damaged", type(error).__name__) from None
