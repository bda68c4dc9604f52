"""Reading single elements of a DICOM header: absent, empty and unreadable are told apart, and noted."""

import re
import struct
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from mammoscope.trail import Step, refusal

ITEM = b"\xfe\xff\x00\xe0"
MOST_ITEMS = 20_000  # a volume of 100 slices has some thousands
UNREADABLE = (
    *(AttributeError, BytesLengthException, EOFError, IndexError, KeyError, NotImplementedError, OSError),
    *(OverflowError, RecursionError, TypeError, ValueError, struct.error),
)


KNOWN_WORDS = frozenset(
    {
        *("RTIMAGE", "RTSTRUCT", "RTPLAN", "RTDOSE", "SEG", "KO", "REG", "DOC", "OPT", "ECG", "IVUS", "HC", "BMD"),
        *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"),
        *("CHEST", "ABDOMEN", "PELVIS", "HAND", "KNEE", "FOOT", "SKULL", "SPINE", "CSPINE", "LSPINE", "SHOULDER"),
        *("LINEAR", "LINEAR_EXACT", "SIGMOID", "GEOMETRY", "FIDUCIAL", "BOTH", "BILATERAL", "UNPAIRED", "OTHER"),
        *(
            "NORMAL",
            "HARD",
            "SOFT",
            "HARDER",
            "SOFTER",
            "STANDARD",
            "DEFAULT",
            "ALGO1",
            "ALGO2",
            "USER",
            "MIN MAX",
            "WIDE",
            "NARROW",
        ),
    }
)
"""Words of code strings that messages repeat, beside those of two letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Reads elements of one data set; collects the trail while doing so.

    Attributes:
        path: The file; only its name is ever told.
        dataset: The data set, or one item of it.
        trail: Every decision so far; shared by all that `of` and `group` give.
        frame: Of several frames, the one whose functional groups are read, from 0.
    """

    path: Path
    dataset: Dataset
    trail: list[Step] = field(default_factory=list)
    frame: int = 0

    def note(self, name: str, detail: str, cause: str) -> None:
        """Add one decision to the trail."""
        self.trail.append(Step(name=name, detail=detail, cause=cause))

    def of(self, item: Dataset) -> "Header":
        """One item of a sequence, with the same trail."""
        return replace(self, dataset=item)

    def unheard(self) -> "Header":
        """The same elements with a trail of its own, to look at something twice."""
        return replace(self, trail=[])

    def group(self, keyword: str) -> "Header":
        """The functional group of this frame: its own, else the one all frames share, else the data set itself.

        Args:
            keyword: The sequence of the group, such as PixelMeasuresSequence.

        Source:
            DICOM PS3.3 C.7.6.16: each group stands either once for all frames or once for each.
        """
        frames = self.items("PerFrameFunctionalGroupsSequence")
        own = frames[self.frame : self.frame + 1]
        for item in (*own, *self.items("SharedFunctionalGroupsSequence")[:1]):
            for found in self.of(item).items(keyword)[:1]:
                return self.of(found)
        return self

    def value(self, keyword: str) -> Any:
        """The value of an element; None if it is absent, empty or cannot be parsed (noted as an oddity)."""
        try:
            value = self.dataset.get(keyword)
        except UNREADABLE as error:
            self.note("oddity", f"{tagged(keyword)} was ignored: it cannot be parsed", type(error).__name__)
            return None
        return None if value is None or (isinstance(value, str) and not value.strip()) else value

    def word(self, keyword: str) -> str | None:
        """A code string in capitals; the first of several."""
        value = self.value(keyword)
        parts = value if isinstance(value, MultiValue) else [value]
        first = parts[0] if len(parts) else None
        return first.strip().upper() or None if isinstance(first, str) else None

    def words(self, keyword: str) -> list[str]:
        """All values of a text element in capitals, without the blanks around them; an empty one is kept."""
        value = self.value(keyword)
        parts = value if isinstance(value, MultiValue) else [value]
        return [str(part).strip().upper() for part in parts if part is not None]

    def numbers(self, keyword: str) -> list[float]:
        """Finite numbers of an element; empty if absent or one is none (noted as an oddity)."""
        parts = self.alternatives(keyword)
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            self.note("oddity", f"{tagged(keyword)} was ignored: it is not a number", "header")
            return []
        return found

    def alternatives(self, keyword: str) -> list[float | None]:
        """The values of an element of which one will do; None in the place of one that is empty or no finite number."""
        value = self.value(keyword)
        if value is None:
            return []
        return [_number(part) for part in (value if isinstance(value, MultiValue) else [value])]

    def items(self, keyword: str) -> list[Dataset]:
        """The items of a sequence; empty if it is absent, no sequence, or so long that reading it takes seconds."""
        if self._item_tags(keyword) > MOST_ITEMS:
            self.note("oddity", f"{tagged(keyword)} was ignored: it has over {MOST_ITEMS:,} items", "header")
            return []
        value = self.value(keyword)
        return list(value) if isinstance(value, Sequence) else []

    def _item_tags(self, keyword: str) -> int:
        """How many items a sequence that was not parsed yet can have at most."""
        raw: Any = self.dataset.get_item(keyword, keep_deferred=True)
        if not isinstance(raw, RawDataElement):
            return 0
        if raw.value is not None:
            return raw.value.count(ITEM)
        with self.path.open("rb") as file:
            file.seek(raw.value_tell)
            return file.read(min(raw.length, MOST_ITEMS << 10)).count(ITEM)

    def codes(self, keyword: str) -> list[str]:
        """The Code Value (0008,0100) of each item of a code sequence, in order."""
        return [code for item in self.items(keyword) if (code := self.of(item).word("CodeValue")) is not None]

    def whole(self, keyword: str) -> int | None:
        """One whole number, or None."""
        found = self.numbers(keyword)
        return int(found[0]) if found else None

    def required(self, keyword: str) -> int:
        """One whole number that no picture can do without.

        Raises:
            ImageError: It is absent.
        """
        found = self.whole(keyword)
        if found is None:
            what = f"{tagged(keyword)} is missing, and no picture can be decoded without it. Leave it out"
            raise refusal(self.path, "damaged", what)
        return found


def _number(part: Any) -> float | None:
    try:
        number = float(part)
    except (OverflowError, TypeError, ValueError):
        return None
    return number if isfinite(number) else None


def told(word: str | None) -> str:
    """A code word as a message may repeat it; any other may be a name that slipped into the element.

    Source:
        DICOM PS3.3 C.7.3.1.1.1 (Modality), C.7.6.3.1.2 (Photometric Interpretation), 10.7.1, C.11.2 (VOI).

    Example:
        >>> told("OTHER"), told("MIA BIRD"), told(None)
        ('OTHER', 'not a known word', 'absent')
    """
    if word is None:
        return "absent"
    return word if word in KNOWN_WORDS or re.fullmatch("[A-Z0-9]{1,2}", word) else "not a known word"


def tagged(keyword: str) -> str:
    """An element as the standard writes it.

    Example:
        >>> tagged("WindowCenter")
        'Window Center (0028,1050)'
    """
    tag = tag_for_keyword(keyword) or 0
    return f"{dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
