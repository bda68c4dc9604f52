"""Values that say nothing, and dates that are moved."""

import re
from datetime import date, timedelta

from pydicom.multival import MultiValue
from pydicom.uid import UID

DUMMY_TEXT = "ANONYMIZED"
OLDEST_AGE_YEARS = 90

DUMMIES: dict[str, object] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), DUMMY_TEXT),
    **dict.fromkeys(("AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"), 0),
    **dict.fromkeys(("DS", "IS"), "0"),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), b"\0" * 8),
    "AS": "000Y",
    "DA": "20000101",
    "DT": "20000101000000",
    "TM": "000000",
    "UR": "https://example.invalid/",
}
"""One value for each VR but SQ and UI."""

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")  # with full stops before 1993
_MOMENT = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d*(?:\.\d{1,6})?(?:[+-]\d{4})?)")
_AGE = re.compile(r"(\d{3})Y")


def shifted(value: object, *, vr: str, days: int) -> object | None:
    """Move dates by a number of days; times of day stay.

    Args:
        value: Of an element: one text or several.
        vr: DA, DT or TM.
        days: How far; negative is earlier.

    Returns:
        As many values, or None if one of them is no date.

    Source:
        DICOM PS3.5 6.2 for the formats; PS3.15 E.3.6 for the option.

    Example:
        >>> shifted("20240301", vr="DA", days=-1)
        '20240229'
        >>> shifted("20240301235959.5+0100", vr="DT", days=366)
        '20250302235959.5+0100'
    """
    if vr == "TM":
        return value if all(_is_time(str(part)) for part in _parts(value)) else None
    move = _moved_date if vr == "DA" else _moved_moment
    moved = [move(str(part).strip(), days) if str(part).strip() else "" for part in _parts(value)]
    if any(part is None for part in moved):
        return None
    return moved if len(moved) > 1 else moved[0]


def spelled_dates(text: str) -> tuple[str, ...]:
    """A date of DICOM as other texts write it: in one, year first, day first, month first; none if it is no date.

    Source:
        ISO 8601 for year first.

    Example:
        >>> spelled_dates("19600203")[:4]
        ('19600203', '1960-02-03', '03-02-1960', '02-03-1960')
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return ()
    year, month, day = found.groups()
    orders = ((year, month, day), (day, month, year), (month, day, year))
    return (year + month + day, *(mark.join(order) for mark in "-./" for order in orders))


def capped_age(value: object) -> str | None:
    """An age above 89 years as 90 years; None if it is no age.

    Source:
        Dates and ages above 89 identify: 45 CFR 164.514(b)(2)(i)(C).

    Example:
        >>> capped_age("097Y"), capped_age("061Y"), capped_age("old")
        ('090Y', '061Y', None)
    """
    text = str(value).strip()
    years = _AGE.fullmatch(text)
    if years:
        return f"{min(int(years[1]), OLDEST_AGE_YEARS):03d}Y"
    return text if re.fullmatch(r"\d{3}[DWM]", text) else None


def is_well_known(uid: str) -> bool:
    """Whether the standard itself gives the UID: it names a kind of thing, not a thing.

    Example:
        >>> is_well_known("1.2.840.10008.1.2.1"), is_well_known("1.2.840.10008.99.1")
        (True, False)
    """
    return UID(uid).name != uid


def is_offset(value: object) -> bool:
    """Whether a text is an offset from UTC, and nothing else.

    Source:
        DICOM PS3.3 C.12.1.1, Timezone Offset From UTC (0008,0201).

    Example:
        >>> is_offset("-0330"), is_offset("Mr -0330")
        (True, False)
    """
    return re.fullmatch(r"[+-]\d{4}", str(value).strip()) is not None


def _parts(value: object) -> list[object]:
    return list(value) if isinstance(value, MultiValue | list) else [value]


def _is_time(text: str) -> bool:
    return re.fullmatch(r"[\d:.]*\s*", text) is not None


def _moved_date(text: str, days: int) -> str | None:
    found = _DATE.fullmatch(text)
    return None if found is None else _moved(int(found[1]), int(found[2]), int(found[3]), days)


def _moved_moment(text: str, days: int) -> str | None:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, rest = found.groups()
    moved = _moved(int(year), int(month or 1), int(day or 1), days)
    return None if moved is None else moved[: sum(len(part or "") for part in (year, month, day))] + rest


def _moved(year: int, month: int, day: int, days: int) -> str | None:
    try:
        new = date(year, month, day) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return f"{new.year:04d}{new.month:02d}{new.day:02d}"
