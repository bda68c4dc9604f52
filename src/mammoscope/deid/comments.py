"""Texts inside compressed pixels: the segments of JPEG and JPEG 2000 that hold comments and what programs add."""

import re
from collections.abc import Iterator

from pydicom import Dataset

MARKER = re.compile(rb"\xff(?:[\xe0-\xef\xfe]|\x64(?=..\0[\0\1]))", re.DOTALL)
"""APPn and COM of JPEG and JPEG-LS; COM of JPEG 2000 with its Rcom. Compressed samples hold none of the former."""
JPEG2000_COMMENT = b"\xff\x64"
SYNTAXES = "1.2.840.10008.1.2.4."
FAMILIES = (*range(50, 100), *range(201, 206))  # JPEG, JPEG-LS, JPEG 2000; High-Throughput JPEG 2000


def comments_of(dataset: Dataset) -> Iterator[bytes]:
    """The texts in the pixels of a data set; none where these are not JPEG, JPEG-LS or JPEG 2000.

    Source:
        DICOM PS3.6 Table A-1 for the transfer syntaxes.
    """
    syntax = str(getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID", ""))
    family = syntax.removeprefix(SYNTAXES)
    pixels = dataset.get("PixelData")
    if syntax.startswith(SYNTAXES) and family.isdigit() and int(family) in FAMILIES and isinstance(pixels, bytes):
        yield from texts_in(pixels)


def texts_in(stream: bytes) -> Iterator[bytes]:
    r"""What the comment and application segments hold, wherever in the stream they stand, each text once.

    Source:
        ISO/IEC 10918-1 B.2.4.5 and B.2.4.6 (COM, APPn: marker, length, content) and B.1.1.5 (no such marker in coded
        data); ISO/IEC 14495-1 C.2.1; ISO/IEC 15444-1 A.9.2 (COM: marker, length, Rcom 0 or 1, content).

    Example:
        >>> list(texts_in(b"\xff\xd8\xff\xfe\x00\x07Maria\xff\x64\x00\x07\x00\x01Eva"))
        [b'Maria', b'Eva']
    """
    at, seen = 0, set[bytes]()
    while found := MARKER.search(stream, at):
        start = found.end()
        at = start + max(2, int.from_bytes(stream[start : start + 2], "big"))
        text = stream[start + (4 if found[0] == JPEG2000_COMMENT else 2) : at]
        if text not in seen:
            seen.add(text)
            yield text
