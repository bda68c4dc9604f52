"""Reading a file that may be anything; nothing of it reaches a message."""

from pathlib import Path

from pydicom import Dataset

from mammoscope.dicom.parsing import parse
from mammoscope.errors import ImageError

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

MAX_FILE_BYTES = 1 << 30
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
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


def read_image(path: Path) -> Dataset:
    """Parse the data set of a picture.

    Raises:
        Refused: It is none, or cannot be parsed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(132)
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
        return parse(path, defer=False)
    except ImageError as error:
        cause = error.__cause__
        if isinstance(cause, MemoryError):
            raise cause from None
        if error.code in {"missing", "unreadable", "implausible"}:
            what = str(error).removeprefix(f"{path.name}: ")  # the name may be a patient's
            raise Refused(error.code, what.partition(". ")[0]) from None
        raise Refused("damaged", type(cause).__name__) from None


def _picture(dataset: Dataset) -> Dataset:
    if not any(name in dataset for name in PIXELS):
        raise Refused("no_image" if "SOPClassUID" in dataset else "damaged")
    if any(name in dataset for name in NO_PICTURE):
        raise Refused("no_image")
    return dataset
