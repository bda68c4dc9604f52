"""Counting what was done, by element; no value is ever counted, kept or shown."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_description

from mammoscope.deid.profile import row_of
from mammoscope.deid.rules import Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was done to one element.

    Attributes:
        tag: As the standard writes it; x stands for any digit.
        name: Of the element; private and unknown ones are counted together.
        deed: What was done.
        count: How many times, items of sequences included.
        files: In how many files.
    """

    tag: str
    name: str
    deed: Deed
    count: int
    files: int


Entry = tuple[str, str, Deed]  # tag, name, what was done
Count = tuple[str, str, Deed, int]


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of one file, or of several."""

    counts: Counter[Entry] = field(default_factory=Counter)
    files: Counter[Entry] = field(default_factory=Counter)

    def add(self, tag: int, deed: Deed) -> None:
        """Count one element."""
        self.counts[(*named(tag), deed)] += 1

    def merge(self, counts: Iterable[Count]) -> None:
        """Count one more file, as `taken` gave it."""
        for tag, name, deed, count in counts:
            self.counts[tag, name, deed] += count
            self.files[tag, name, deed] += 1

    def taken(self) -> tuple[Count, ...]:
        """The counts as plain values, which can cross to another process."""
        return tuple((*entry, count) for entry, count in self.counts.items())

    def lines(self) -> tuple[Line, ...]:
        """All of it, in the order of the elements."""
        return tuple(
            Line(tag=tag, name=name, deed=deed, count=count, files=self.files[tag, name, deed])
            for (tag, name, deed), count in sorted(self.counts.items())
        )


def named(tag: int) -> tuple[str, str]:
    """Tag and name of an element for the report; a private tag is a kind of name of its own, and is not told.

    Example:
        >>> named(0x00100010), named(0x00190010)
        (('(0010,0010)', "Patient's Name"), ('(odd,xxxx)', 'Private elements'))
    """
    group, element = tag >> 16, tag & 0xFFFF
    if group % 2:
        return "(odd,xxxx)", "Private elements"
    if group >> 8 in {0x50, 0x60}:
        return f"({group >> 8:02X}xx,xxxx)", "Curves" if group >> 8 == 0x50 else "Overlays"
    row = row_of(tag)
    try:
        name = row.name if row else dictionary_description(tag)
    except KeyError:
        return "(xxxx,xxxx)", "Group lengths and elements that the dictionary does not know"
    return f"({group:04X},{element:04X})", name
