"""Looking for identifying values in what is kept and in what was written: the check on everything else here."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from pydicom import DataElement, Dataset

from mammoscope.deid.profile import row_of
from mammoscope.deid.reading import DEFLATED, UNPARSABLE
from mammoscope.deid.settings import Retain, Settings
from mammoscope.deid.values import DUMMY_TEXT, is_well_known

LEAST_NAME, LEAST_ID, LEAST_BYTES = 3, 4, 6  # characters; shorter ones turn up by chance
LEAST_DIGITS = 8  # of a value of digits alone, in bytes: six are a time of day
COMPANIES = frozenset({0x00080070, 0x00081090})  # Manufacturer and its model: a name of a person may be in there, too
IDS = frozenset(
    {
        *(0x00080050, 0x00080080, 0x00080081, 0x00100020, 0x00100030, 0x00101000, 0x00101001, 0x00101040, 0x00101090),
        *(0x00102154, 0x00102155, 0x00380010, 0x00100050, 0x00101002, 0x00380060),
    }
)
"""Accession number, institution, Patient ID, birth date, other IDs, address, records, telephone, admission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Values of one file that must not turn up again.

    Attributes:
        words: Parts of names, searched in kept texts as whole words, whatever their case.
        ids: Whole values, searched likewise.
        exact: Whole values, searched in the bytes of the file that was written, pixels included.
    """

    words: frozenset[str]
    ids: frozenset[str]
    exact: frozenset[bytes]

    def repeated_in(self, element: DataElement) -> bool:
        """Whether a kept text repeats one of them."""
        text = str(element.value)
        if _any_word(self.ids, text):
            return True
        return element.tag not in COMPANIES and _any_word(self.words, text)

    def found_in(self, file: Path) -> bool:
        """Whether the bytes of a file hold one of them."""
        with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            end = 144 + int.from_bytes(content[140:144], "little")  # of the file meta information; PS3.10 7.1
            inner = zlib.decompress(content[end:], -zlib.MAX_WBITS) if DEFLATED in content[:end] else b""
            return any(_stands_alone(value, where) for value in self.exact for where in (content, inner))


def traces_of(dataset: Dataset, *, settings: Settings) -> Traces:
    """Collect names, numbers and UIDs of a data set, its sequences included."""
    words: set[str] = set()
    ids: set[str] = set()
    exact: set[str] = set()
    for element in _leaves(dataset):
        row = row_of(element.tag)
        if (
            element.VR == "UI"
            and row is not None
            and row.basic in {"U", "X", "D"}
            and Retain.UIDS not in settings.retain
        ):
            exact |= {text for text in _texts(element) if not is_well_known(text)}
        if element.VR == "PN":
            exact |= set(_texts(element))
            words |= {part for text in _texts(element) for part in re.split(r"[\^=\s.,]+", text)}
        if element.tag in IDS:
            ids |= set(_texts(element))
            exact |= set(_texts(element)) if element.VR not in {"DA", "TM", "DT"} else set()
    return Traces(
        words=frozenset(word for word in words if len(word) >= LEAST_NAME),
        ids=frozenset(text for text in ids if len(text) >= LEAST_ID),
        exact=frozenset(
            encoded
            for text in exact
            for codec in ("utf-8", "latin-1")
            if len(encoded := text.encode(codec, "ignore")) >= (LEAST_DIGITS if text.isdigit() else LEAST_BYTES)
        ),
    )


def _leaves(dataset: Dataset) -> Iterator[DataElement]:
    for tag in sorted(dataset.keys()):
        if tag >> 16 & 1:
            continue
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                for item in element.value:
                    yield from _leaves(item)
            elif not element.is_empty:
                yield element
        except UNPARSABLE:
            continue


def _texts(element: DataElement) -> list[str]:
    parts = element.value if element.VM > 1 else [element.value]
    texts = (str(part).strip("\0 ") for part in parts)
    return [text for text in texts if text and text.casefold() != DUMMY_TEXT.casefold()]  # what is written here


def _any_word(values: frozenset[str], text: str) -> bool:
    lowered = text.casefold()
    return any(
        re.search(rf"(?<![^\W_]){re.escape(value.casefold())}(?![^\W_])", lowered)
        for value in values
        if value.casefold() in lowered
    )


def _stands_alone(value: bytes, content: mmap | bytes) -> bool:
    """Found, and not as part of a longer number, word or UID."""
    at = content.find(value)
    while at >= 0:
        before, after = content[at - 1 : at] if at else b"", content[at + len(value) : at + len(value) + 1]
        if not any(edge.isalnum() or edge == b"." for edge in (before, after)):
            return True
        at = content.find(value, at + 1)
    return False
