"""What happens to one element: Table E.1-1, the options, and what the table leaves open."""

from enum import StrEnum

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.tag import BaseTag

from mammoscope.deid.profile import Row, row_of
from mammoscope.deid.settings import Dates, Retain, Settings

PATIENT_NAME, PATIENT_ID, ACCESSION_NUMBER, PATIENT_AGE = 0x00100010, 0x00100020, 0x00080050, 0x00101010
TIMEZONE_OFFSET = 0x00080201
DATE_VRS = frozenset({"DA", "DT", "TM"})
TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
CLASS_WORDS = ("SOPClass", "TransferSyntax", "Coding", "Context", "Mapping", "Template", "CreatorVersion")


class Deed(StrEnum):
    """What is done to an element.

    Attributes:
        REMOVE: It is gone.
        EMPTY: It stays without a value.
        DUMMY: A value that says nothing; in a sequence, in every element of its items.
        UID: The UID that stands for the old one.
        PSEUDONYM: What stands for the patient.
        ACCESSION: What stands for the accession number.
        SHIFT: Dates are moved.
        CAP: Ages above 89 become 90.
        REPEATS: A dummy value, because the text repeated a name or number that had to go.
        KEEP: It stays; of a sequence, the items are cleaned.
    """

    REMOVE = "removed"
    EMPTY = "emptied"
    DUMMY = "dummy value"
    UID = "new UID"
    PSEUDONYM = "pseudonym"
    ACCESSION = "pseudonym of the accession number"
    SHIFT = "date shifted"
    CAP = "age capped"
    REPEATS = "dummy value: repeated a name or number"
    KEEP = "kept"


def deed_of(tag: BaseTag, vr: str, *, settings: Settings) -> Deed:
    """Decide on one element.

    Args:
        tag: Of the element.
        vr: As the file or the dictionary says.
        settings: What is kept.

    Returns:
        What to do.

    Source:
        DICOM PS3.15 Table E.1-1 and E.3. X/Z is done as Z, X/D, Z/D and X/Z/D as D (a sequence of X/Z/D is
        emptied), X/Z/U* as U: valid for an element of any type, and nothing of the value stays.

    Example:
        >>> deed_of(BaseTag(0x00081030), "LO", settings=Settings()).value
        'removed'
    """
    group = tag >> 16
    if group % 2 or not tag & 0xFFFF or group in {0x0000, 0x0002, 0x0004} or group >> 8 in {0x50, 0x60}:
        return Deed.REMOVE
    if tag in _STANDS_FOR:
        return _STANDS_FOR[tag]
    row = row_of(tag)
    if row is None:
        return _unlisted(tag, vr, settings)
    return _by_option(row, tag, vr, settings) or _basic(row.basic, vr)


_STANDS_FOR = {PATIENT_NAME: Deed.PSEUDONYM, PATIENT_ID: Deed.PSEUDONYM, ACCESSION_NUMBER: Deed.ACCESSION}


def _by_option(row: Row, tag: int, vr: str, settings: Settings) -> Deed | None:
    """What an option that was asked for says; None if none says anything that can be done here."""
    if row.dates and settings.dates is not Dates.REMOVE and (vr in DATE_VRS or tag == TIMEZONE_OFFSET):
        return Deed.SHIFT if settings.dates is Dates.SHIFT and vr in {"DA", "DT"} else Deed.KEEP
    if row.uids == "K" and Retain.UIDS in settings.retain:
        return Deed.KEEP
    if row.device == "K" and Retain.DEVICE in settings.retain and vr not in DATE_VRS:
        return Deed.KEEP
    if row.patient == "K" and Retain.PATIENT in settings.retain:
        return Deed.CAP if tag == PATIENT_AGE else Deed.KEEP
    return None


def _basic(action: str, vr: str) -> Deed:
    match action:
        case "X":
            return Deed.REMOVE
        case "Z" | "X/Z":
            return Deed.EMPTY
        case "D" | "Z/D" | "X/D":
            return Deed.UID if vr == "UI" else Deed.DUMMY
        case "X/Z/D":
            return Deed.EMPTY if vr == "SQ" else Deed.DUMMY
        case "U" | "X/Z/U*":
            return Deed.UID if vr == "UI" else Deed.KEEP if vr == "SQ" else Deed.REMOVE
        case _:
            raise KeyError(action)


def _unlisted(tag: int, vr: str, settings: Settings) -> Deed:
    """What the table does not list: what the standard does not know goes, and so does what names or places people."""
    try:
        known = dictionary_VR(tag).split(" or ")
    except KeyError:
        return Deed.REMOVE
    if vr not in known or (tag >> 16 == 0x0010 and vr in TEXT_VRS | DATE_VRS):
        return Deed.REMOVE
    if vr in {"PN", "AE", "UR"}:
        return Deed.EMPTY
    if vr in {"DA", "DT"}:
        return {Dates.SHIFT: Deed.SHIFT, Dates.KEEP: Deed.KEEP, Dates.REMOVE: Deed.DUMMY}[settings.dates]
    if vr == "UI" and Retain.UIDS not in settings.retain:
        return Deed.KEEP if any(word in keyword_for_tag(tag) for word in CLASS_WORDS) else Deed.UID
    return Deed.KEEP
