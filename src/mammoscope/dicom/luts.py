"""How stored values become modality values, and those display values: the tables and windows of a header."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from mammoscope.dicom.display import Lut, Rescale, Window, WindowFunction
from mammoscope.dicom.header import UNREADABLE, Header, tagged, told

FUNCTIONS: dict[str, WindowFunction] = {"LINEAR": "LINEAR", "LINEAR_EXACT": "LINEAR_EXACT", "SIGMOID": "SIGMOID"}
MOST = 1e9  # no value, slope or window of a picture of 16 bits is further from 0 ...
LEAST = 1e-9  # ... and no slope or width nearer to it
MOST_TRIED = 64  # of alternatives, where the ones before are broken; files have up to ten


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Smallest and largest value that can be looked up."""

    low: float
    high: float


def modality_of(header: Header) -> Rescale | Lut:
    """Modality LUT Sequence, else rescale, else the identity.

    Source:
        DICOM PS3.3 C.11.1; C.7.6.16.2.9 (Pixel Value Transformation, for one frame of several).
    """
    for item in header.items("ModalityLUTSequence"):
        lut = _lut(header, item, span=_stored_span(header))
        if lut is not None:
            header.note("modality", f"table of {len(lut.entries)} entries", tagged("ModalityLUTSequence"))
            return lut
    group = header.group("PixelValueTransformationSequence")
    slope, intercept = group.numbers("RescaleSlope"), group.numbers("RescaleIntercept")
    rescale = Rescale(slope=slope[0] if slope else 1.0, intercept=intercept[0] if intercept else 0.0)
    if not LEAST <= abs(rescale.slope) <= MOST or abs(rescale.intercept) > MOST:
        cause = f"{tagged('RescaleSlope')} = {rescale.slope:g}, {tagged('RescaleIntercept')} = {rescale.intercept:g}"
        header.note("oddity", "the rescale was ignored", cause)
        return Rescale()
    if rescale != Rescale():
        detail = f"times {rescale.slope:g} plus {rescale.intercept:g}"
        header.note("modality", detail, f"{tagged('RescaleSlope')}, {tagged('RescaleIntercept')}")
    return rescale


def voi_of(header: Header, *, index: int, explanation: str | None = None) -> Window | Lut | None:
    """The VOI LUT, else the window, that is asked for; None if there is no usable one.

    Args:
        header: Of the file, with the frame to be shown.
        index: Which of several, from 0; used where no explanation is asked for, or none matches.
        explanation: Text of LUT Explanation (0028,3003) or Window Center & Width Explanation (0028,1055), case and
            outer blanks aside. It may name a window although there are VOI LUTs.

    Source:
        DICOM PS3.3 C.11.2: several windows or tables are alternatives. C.7.6.16.2.10 (Frame VOI LUT).
    """
    group = header.group("FrameVOILUTSequence")
    tables = group.items("VOILUTSequence")
    named_tables = [" ".join(group.of(item).words("LUTExplanation")) for item in tables]
    named_windows = group.words("WindowCenterWidthExplanation")
    wanted = None if explanation is None else explanation.strip().upper()
    table_at = window_at = index
    if wanted in named_tables:
        table_at = named_tables.index(wanted)
    elif wanted in named_windows:
        tables, window_at = [], named_windows.index(wanted)
    elif wanted is not None:
        there = ", ".join(told(name) for name in (*named_tables, *named_windows) if name) or "none is named"
        cause = f"window_explanation = {explanation}, {tagged('WindowCenterWidthExplanation')}: {there}"
        header.note("oddity", f"no window of that name: number {index + 1} was taken", cause)
    if tables:
        lut = _table(header, group, tables, table_at)
        if lut is not None:
            return lut
    return _window(header, group, window_at)


def _table(header: Header, group: Header, tables: list[Dataset], index: int) -> Lut | None:
    """The table that is asked for, else the first of the others whose parts fit together."""
    span = _modality_span(header)
    for at in _in_order(header, index, count=len(tables), keyword="VOILUTSequence"):
        lut = _lut(group, tables[at], span=span)
        if lut is not None:
            name = " ".join(group.of(tables[at]).words("LUTExplanation"))
            detail = f"table of {len(lut.entries)} entries, number {at + 1} of {len(tables)}"
            header.note("window", detail + (name and f", {told(name)}"), tagged("VOILUTSequence"))
            return lut
    return None


def _window(header: Header, group: Header, index: int) -> Window | None:
    """The window that is asked for, else the first of the others that is one."""
    centres, widths = group.alternatives("WindowCenter"), group.alternatives("WindowWidth")
    count = min(len(centres), len(widths))
    if len(centres) != len(widths):
        cause = f"{tagged('WindowCenter')}, {tagged('WindowWidth')}"
        header.note("oddity", f"{len(centres)} centres and {len(widths)} widths: {count} were taken", cause)
    if count == 0:
        return None
    word = group.word("VOILUTFunction")
    if word is not None and word not in FUNCTIONS:
        header.note("oddity", "taken as LINEAR", f"{tagged('VOILUTFunction')} = {told(word)}")
    function = FUNCTIONS.get(word or "LINEAR", "LINEAR")
    order = _in_order(header, index, count=count, keyword="WindowCenter")
    sound = [(at, found) for at in order if (found := _usable(centres[at], widths[at], function)) is not None]
    if not sound or sound[0][0] != order[0]:
        at = order[0]
        centre, width = ("no number" if part is None else f"{part:g}" for part in (centres[at], widths[at]))
        cause = f"{tagged('WindowCenter')} = {centre}, {tagged('WindowWidth')} = {width} for {function}"
        header.note("oddity", f"window {at + 1} of {count} was passed over", cause)
    if not sound:
        return None
    at, window = sound[0]
    names = group.words("WindowCenterWidthExplanation")
    name = names[at] if at < len(names) else ""
    detail = f"{function}, centre {window.centre:g}, width {window.width:g}, number {at + 1} of {count}"
    cause = f"{tagged('WindowCenter')}, {tagged('WindowWidth')}, {tagged('VOILUTFunction')}"
    header.note("window", detail + (name and f", {told(name)}"), cause)
    return window


def _usable(centre: float | None, width: float | None, function: WindowFunction) -> Window | None:
    """A window, if the two numbers make one; PS3.3 C.11.2.1.2 has the smallest widths."""
    if centre is None or width is None or abs(centre) > MOST:
        return None
    least = 1 if function == "LINEAR" else LEAST
    return Window(centre=centre, width=width, function=function) if least <= width <= MOST else None


def _in_order(header: Header, index: int, *, count: int, keyword: str) -> list[int]:
    """Places of the alternatives to try: the one that is asked for, or the first if there is none such; the others."""
    if index >= count:
        cause = f"window_index = {index}, {tagged(keyword)}"
        header.note("oddity", f"there are only {count}: the first was used", cause)
        index = 0
    return [index, *(at for at in range(min(count, MOST_TRIED)) if at != index)]


def _stored_span(header: Header) -> _Span:
    bits = header.whole("BitsStored") or 16
    if header.whole("PixelRepresentation") == 1:
        return _Span(low=-(2 ** (bits - 1)), high=2 ** (bits - 1) - 1)
    return _Span(low=0, high=2**bits - 1)


def _modality_span(header: Header) -> _Span:
    """Range of the modality values; those of a table are never negative (PS3.3 C.11.1.1.1)."""
    modality, span = modality_of(header.unheard()), _stored_span(header)
    if isinstance(modality, Lut):
        return _Span(low=0, high=2**modality.bits - 1)
    ends = [end * modality.slope + modality.intercept for end in (span.low, span.high)]
    return _Span(low=min(ends), high=max(ends))


def _lut(header: Header, item: Dataset, *, span: _Span) -> Lut | None:
    """One table; None (noted) if its parts do not fit together.

    Source:
        DICOM PS3.3 C.11.1.1 and C.11.2.1.1: 0 entries mean 65536; the first value is signed where the values
        looked up are; the entries are not, and those of 8 bits may be packed two in a word.
    """
    table = header.of(item)
    descriptor, data = table.value("LUTDescriptor"), table.value("LUTData")
    try:
        stated, first, bits = (int(part) for part in descriptor)
        count = stated % 65536 or 65536  # read as signed, 40000 entries are -25536
        entries = _entries(data, count=count, bits=bits, big_endian=_is_big_endian(item))
    except UNREADABLE as error:
        header.note("oddity", "a table was ignored: it cannot be read", type(error).__name__)
        return None
    if len(entries) < count or not 8 <= bits <= 16:
        cause = f"{tagged('LUTDescriptor')} = {stated}, {first}, {bits}; {len(entries)} entries"
        header.note("oddity", "a table was ignored: its parts do not fit together", cause)
        return None
    for other in (first - 65536, first + 65536):
        if not _overlap(first, count, span) and _overlap(other, count, span):  # seen in the wild: the other sign
            header.note("oddity", f"first value read as {other}", f"{tagged('LUTDescriptor')} = {stated}, {first}")
            first = other
    return Lut(first=first, entries=entries[:count], bits=bits)


def _overlap(first: int, count: int, span: _Span) -> bool:
    return first <= span.high and first + count > span.low


def _is_big_endian(item: Dataset) -> bool:
    return item.original_encoding[1] is False


def _entries(data: object, *, count: int, bits: int, big_endian: bool) -> Int[np.ndarray, " entries"]:
    """Entries of LUT Data (0028,3006), as words or, for 8 bits, packed two in a word with the first one low."""
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], dtype=">u2" if big_endian else "<u2")
    else:
        parts = list(data) if isinstance(data, MultiValue | list | tuple) else [data]
        words = (np.asarray(parts, dtype=np.int64) & 0xFFFF).astype(np.uint16)
    if bits == 8 and len(words) < count <= 2 * len(words):
        words = words.astype("<u2").view(np.uint8)
    return words.astype(np.int64)
