"""What was decided on the way from a file to its pixels, and why a file was not read."""

from dataclasses import dataclass
from pathlib import Path

from mammoscope.errors import ImageError

CODES: dict[str, str] = {
    "missing": "there is no such file",
    "unreadable": "the file system refused to read it",
    "empty": "the file has no bytes",
    "not_an_image": "neither DICOM nor PNG, PGM, JPEG or TIFF",
    "damaged": "the header or the compressed pixels cannot be parsed",
    "truncated": "the file ends before its pixels do",
    "unsupported_syntax": "no decoder for this transfer syntax",
    "unsupported_pixels": "a pixel layout that mammograms do not have",
    "no_pixels": "a DICOM object without a picture",
    "multi_frame": "several frames or pages in one file",
    "colour": "the channels of a colour picture differ",
    "refused": "not a mammogram for presentation, by its own header",
    "implausible": "the header claims what the bytes cannot hold, or more than is allowed",
    "blank": "every pixel has the same value, or is shown alike",
    "crashed": "the decoder killed its process",
    "timeout": "the decoder did not end within the time allowed",
    "memory": "the decoder asked for more memory than allowed",
}
"""Every `ImageError.code` that reading a file can raise, and what it means; the last three where it is read guarded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision taken between the file and the final pixels.

    Attributes:
        name: What kind of decision, one or two words.
        detail: What was decided, with its values.
        cause: The element and value, the setting or the measurement that decided it.
    """

    name: str
    detail: str
    cause: str


def refusal(path: Path, code: str, what: str) -> ImageError:
    """Make the error for one file; `code` must be one of `CODES`."""
    if code not in CODES:
        raise KeyError(code)
    return ImageError(f"{path.name}: {what}", code=code)
