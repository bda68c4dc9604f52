"""Looking for identifying values in what is kept and in what was written: the check on everything else here."""

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mammoscope.deid.names import Name, any_name, name_of
from mammoscope.deid.profile import row_of
from mammoscope.deid.settings import CODES, METHOD, Retain, Settings
from mammoscope.deid.values import DUMMY_TEXT, is_well_known, spelled_dates
from mammoscope.dicom.parsing import UNPARSABLE

LEAST_NAME, LEAST_ID, LEAST_BYTES = 3, 4, 6  # characters; shorter ones turn up by chance
LEAST_OTHER, LAST_LATIN = 2, "\u024f"  # names in letters other than Latin are shorter
LEAST_BINARY = 4  # of a name in binary: one of four letters is there by chance once in 450 MB, one of three in 4 MB
LEAST_UNSPACED = 2  # of names in `UNSPACED` letters that are searched within words
WORD_BREAK = re.compile(r"[\^\s.,]+")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3040-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)
"""Thai, Lao, Burmese, Khmer, Korean, Japanese, Chinese: no spaces set words apart, or other syllables join them."""
CONTROLS = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f]")  # not NUL, tab, line ends, escape
BIRTH_DATE = 0x00100030
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
        anywhere: Parts of names in letters that stand without spaces, searched within words, too.
        ids: Whole values, searched likewise.
        exact: Whole values, searched in the bytes of the file that was written, pixels included.
        names: Of people, searched there, too, in any order and case.
        codecs: Of the texts of the file.
    """

    words: frozenset[str]
    anywhere: frozenset[str]
    ids: frozenset[str]
    exact: frozenset[bytes]
    names: frozenset[Name]
    codecs: tuple[str, ...]

    def repeated_in(self, element: DataElement) -> bool:
        """Whether a kept text, or bytes that may hold one, repeats one of them."""
        if isinstance(element.value, bytes):
            return self.repeated_by(element.value)
        text = _folded(str(element.value))
        if _any_word(self.ids, text):
            return True
        return element.tag not in COMPANIES and self._named(text, self.words)

    def repeated_by(self, content: bytes) -> bool:
        """Whether a text of unknown encoding, or binary with texts in it, repeats one of them."""
        if not CONTROLS.search(content):
            texts = {_folded(content.decode(codec, "replace")) for codec in self.codecs}
            if any(_any_word(self.ids, text) or self._named(text, self.words) for text in texts):
                return True
        long = frozenset(word for word in self.words if len(word) >= _least_in_binary(word))
        return any(_any_word(self.ids, text) or self._named(text, long) for text in _decoded(content, self.codecs))

    def _named(self, text: str, words: frozenset[str]) -> bool:
        return any(part in text for part in self.anywhere) or _any_word(words, text)

    def found_in(self, file: Path) -> bool:
        """Whether the bytes of a file hold one of them."""
        with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            end = 144 + int.from_bytes(content[140:144], "little")  # of the file meta information; PS3.10 7.1
            deflated = DeflatedExplicitVRLittleEndian.encode() in content[:end]
            inner = zlib.decompress(content[end:], -zlib.MAX_WBITS) if deflated else b""
            return self.held_by(content) or self.held_by(inner)

    def held_by(self, content: mmap | bytes) -> bool:
        """Whether bytes of any kind hold one of them."""
        return any(_stands_alone(value, content) for value in self.exact) or any_name(self.names, content)


def traces_of(dataset: Dataset, *, settings: Settings) -> Traces:
    """Collect names, numbers and UIDs of a data set, its sequences included."""
    words: set[str] = set()
    ids: set[str] = set()
    exact: set[str] = set()
    people: set[str] = set()
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
            for text in _texts(element):
                exact |= {text, *text.split("=")}
                words |= _name_parts(text)
                people |= set(text.split("="))
        if element.tag in IDS:
            ids |= set(_texts(element))
            ids |= set(spelled_dates(str(element.value))) if element.tag == BIRTH_DATE else set()
            exact |= set(_texts(element)) if element.VR not in {"DA", "TM", "DT"} else set()
    codecs = tuple(dict.fromkeys(("utf-8", "latin-1", *_encodings(dataset))))
    return Traces(
        words=frozenset(word for word in words if len(word) >= _least(word)),
        anywhere=frozenset(word for word in words if UNSPACED.fullmatch(word) and len(word) >= LEAST_UNSPACED),
        ids=frozenset(_folded(text) for text in ids if len(text) >= LEAST_ID),
        exact=frozenset(
            encoded
            for text in exact
            for encoded in _encoded(text, codecs)
            if len(encoded) >= (LEAST_DIGITS if text.isdigit() else LEAST_BYTES)
        ),
        names=_names(people, known=_expected(dataset), codecs=codecs),
        codecs=codecs,
    )


def _names(people: set[str], *, known: str, codecs: tuple[str, ...]) -> frozenset[Name]:
    """As they are searched for in bytes, without the words that are known to be there."""
    words = [{word for word in WORD_BREAK.split(text) if word} for text in people]
    rest = [{word for word in some if not _any_word({_folded(word)}, known)} for some in words]
    found = (name_of(sorted(some), encode=lambda text: _encoded(text, codecs)) for some in rest)
    return frozenset(name for name in found if name is not None)


def _expected(dataset: Dataset) -> str:
    """What each file that is written holds, and names of companies."""
    companies = (str(element.value) for element in _leaves(dataset) if element.tag in COMPANIES)
    return _folded(" ".join((DUMMY_TEXT, METHOD, *CODES.values(), *companies)))


def _name_parts(name: str) -> set[str]:
    """Parts of a name, folded; in letters without spaces also its family and given name in one."""
    groups = [WORD_BREAK.split(_folded(group)) for group in name.split("=")]
    joined = {"".join(parts) for parts in groups}
    return {part for parts in groups for part in parts} | {word for word in joined if UNSPACED.fullmatch(word)}


def _least(word: str) -> int:
    """Letters that a part of a name has at least to be searched for as a whole word."""
    if UNSPACED.search(word):
        return 1
    return LEAST_OTHER if any(letter > LAST_LATIN for letter in word) else LEAST_NAME


def _least_in_binary(word: str) -> int:
    return LEAST_OTHER if any(letter > LAST_LATIN for letter in word) else LEAST_BINARY


def _decoded(content: bytes, codecs: Iterable[str]) -> set[str]:
    """Bytes as text, folded: colour profiles write letters of 16 bits, which start at an even or an odd byte."""
    wide = {content[at:].decode(codec, "replace") for at in (0, 1) for codec in ("utf-16-be", "utf-16-le")}
    return {_folded(text) for text in wide | {content.decode(codec, "replace") for codec in codecs}}


def _encodings(dataset: Dataset) -> list[str]:
    """Of the texts of a file, by Specific Character Set (0008,0005)."""
    try:
        return list(convert_encodings(dataset.get("SpecificCharacterSet") or "ISO_IR 6"))
    except UNPARSABLE:
        return []


def _encoded(text: str, codecs: Iterable[str]) -> Iterator[bytes]:
    for codec in codecs:
        with suppress(UnicodeEncodeError, LookupError):
            yield text.encode(codec)


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


def _any_word(values: AbstractSet[str], folded: str) -> bool:
    return any(re.search(rf"(?<![^\W_]){re.escape(value)}(?![^\W_])", folded) for value in values if value in folded)


def _folded(text: str) -> str:
    """Without the differences of case and of full and half width."""
    return unicodedata.normalize("NFKC", text).casefold()


def _stands_alone(value: bytes, content: mmap | bytes) -> bool:
    """Found, and not as part of a longer number, word or UID."""
    at = content.find(value)
    while at >= 0:
        before, after = content[at - 1 : at] if at else b"", content[at + len(value) : at + len(value) + 1]
        if not any(edge.isalnum() or edge == b"." for edge in (before, after)):
            return True
        at = content.find(value, at + 1)
    return False
