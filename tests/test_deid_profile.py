"""The table of PS3.15 is the standard's, and each of its actions does what the standard says."""

import importlib

import pytest
from pydicom.sr.codedict import codes
from pydicom.tag import BaseTag

from mammoscope.deid import Dates, Retain, Settings
from mammoscope.deid.profile import ACTIONS, EDITION, profile, row_of
from mammoscope.deid.rules import Deed, deed_of
from mammoscope.deid.settings import CODES

LISTS = {
    "D": "D_TAGS",
    "Z": "Z_TAGS",
    "X": "X_TAGS",
    "U": "U_TAGS",
    "Z/D": "Z_D_TAGS",
    "X/Z": "X_Z_TAGS",
    "X/D": "X_D_TAGS",
    "X/Z/D": "X_Z_D_TAGS",
    "X/Z/U*": "X_Z_U_STAR_TAGS",
}
REPEATING = {(0x5000, 0): "50XXXXXX", (0x6000, 0x3000): "60XX3000", (0x6000, 0x4000): "60XX4000"}


def test_every_row_has_the_action_that_dicom_anonymizer_read_from_the_same_edition() -> None:
    package = pytest.importorskip("dicomanonymizer", reason="dicom-anonymizer is not installed")
    name = f"{package.__name__}.dicom_anonymization_databases.dicomfields_{EDITION}"
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"dicom-anonymizer of this version has no table of edition {EDITION}: install 2.1 or later")
    theirs = importlib.import_module(name)

    expected = {
        f"{tag[0]:04X}{tag[1]:04X}" if len(tag) == 2 else REPEATING[tag[:2]]: action
        for action, attribute in LISTS.items()
        for tag in getattr(theirs, attribute)
    }

    assert len(expected) == 655
    assert {tag: row.basic for tag, row in profile().items()} == expected


def test_the_table_uses_no_other_word() -> None:
    rows = profile().values()

    assert {row.basic for row in rows} == set(ACTIONS)
    assert {row.uids for row in rows} == {"", "K"}
    assert {row.device for row in rows} == {row.patient for row in rows} == {"", "K", "C"}
    assert {row.dates for row in rows} == {"", "C"}


def test_repeating_groups_are_found() -> None:
    assert row_of(0x50104000) is row_of(0x50000005) is profile()["50XXXXXX"]
    assert row_of(0x601E3000) is profile()["60XX3000"]
    assert row_of(0x60000010) is None


@pytest.mark.parametrize(
    ("tag", "vr", "deed"),
    [
        (0x00081030, "LO", Deed.REMOVE),  # Study Description, X
        (0x00081111, "SQ", Deed.EMPTY),  # Referenced Performed Procedure Step Sequence, X/Z/D
        (0x00080090, "PN", Deed.EMPTY),  # Referring Physician's Name, Z
        (0x00080080, "LO", Deed.DUMMY),  # Institution Name, X/Z/D
        (0x0018700A, "SH", Deed.DUMMY),  # Detector ID, X/D
        (0x00700084, "PN", Deed.DUMMY),  # Content Creator's Name, Z/D
        (0x00400555, "SQ", Deed.EMPTY),  # Acquisition Context Sequence, X/Z
        (0x0020000D, "UI", Deed.UID),  # Study Instance UID, U
        (0x00081140, "SQ", Deed.KEEP),  # Referenced Image Sequence, X/Z/U*: its items are cleaned
        (0x00080020, "DA", Deed.EMPTY),  # Study Date, Z
        (0x00101010, "AS", Deed.REMOVE),  # Patient's Age, X
        (0x00080070, "LO", Deed.KEEP),  # Manufacturer, not listed
        (0x00190010, "LO", Deed.REMOVE),  # private
        (0x60000010, "US", Deed.REMOVE),  # of an overlay whose data go
        (0x00080000, "UL", Deed.REMOVE),  # group length, retired
        (0x00100033, "LO", Deed.REMOVE),  # Patient's Birth Date in Alternative Calendar, not listed
        (0x00408888, "LO", Deed.REMOVE),  # in no dictionary
        (0x00080070, "UN", Deed.REMOVE),  # not of the VR that the dictionary says
    ],
)
def test_the_basic_profile_does(tag: int, vr: str, deed: Deed) -> None:
    assert deed_of(BaseTag(tag), vr, settings=Settings(dates=Dates.REMOVE)) is deed


@pytest.mark.parametrize(
    ("retain", "tag", "vr", "deed"),
    [
        (Retain.UIDS, 0x0020000D, "UI", Deed.KEEP),
        (Retain.UIDS, 0x00081140, "SQ", Deed.KEEP),
        (Retain.DEVICE, 0x00181000, "LO", Deed.KEEP),  # Device Serial Number
        (Retain.DEVICE, 0x00081010, "SH", Deed.KEEP),  # Station Name
        (Retain.DEVICE, 0x00080055, "AE", Deed.REMOVE),  # Station AE Title, C: nothing is cleaned by guess
        (Retain.DEVICE, 0x00181200, "DA", Deed.SHIFT),  # Date of Last Calibration: dates follow their own option
        (Retain.PATIENT, 0x00100040, "CS", Deed.KEEP),
        (Retain.PATIENT, 0x00101010, "AS", Deed.CAP),
        (Retain.PATIENT, 0x00102110, "LO", Deed.REMOVE),  # Allergies, C
        (Retain.PATIENT, 0x00100030, "DA", Deed.EMPTY),  # Patient's Birth Date: no option keeps it
    ],
)
def test_an_option_keeps(retain: Retain, tag: int, vr: str, deed: Deed) -> None:
    assert deed_of(BaseTag(tag), vr, settings=Settings(retain=frozenset({retain}))) is deed


@pytest.mark.parametrize(
    ("dates", "date", "time", "offset"),
    [
        (Dates.SHIFT, Deed.SHIFT, Deed.KEEP, Deed.KEEP),
        (Dates.KEEP, Deed.KEEP, Deed.KEEP, Deed.KEEP),
        (Dates.REMOVE, Deed.EMPTY, Deed.EMPTY, Deed.REMOVE),
    ],
)
def test_dates_and_times_follow_their_option(dates: Dates, date: Deed, time: Deed, offset: Deed) -> None:
    settings = Settings(dates=dates)

    assert deed_of(BaseTag(0x00080020), "DA", settings=settings) is date
    assert deed_of(BaseTag(0x00080030), "TM", settings=settings) is time
    assert deed_of(BaseTag(0x00080201), "SH", settings=settings) is offset


def test_method_codes_are_those_of_the_standard() -> None:
    known = {code.value: code.meaning for name in codes.DCM.dir() if (code := getattr(codes.DCM, name))}

    assert {code: known[code] for code in CODES} == CODES
    assert Settings(dates=Dates.REMOVE).codes == ("113100",)
    assert Settings(dates=Dates.KEEP, retain=frozenset(Retain)).codes == (
        "113100",
        "113106",
        "113108",
        "113109",
        "113110",
    )
