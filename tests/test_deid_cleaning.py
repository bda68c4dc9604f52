"""Cleaning a data set: nothing that identifies stays, at any depth; what is kept is kept byte by byte."""

import string
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, Sequence
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from mammoscope.deid import Dates, Key, Retain, Settings
from mammoscope.deid.cleaning import Cleaner
from mammoscope.deid.profile import profile
from mammoscope.deid.rules import Deed
from mammoscope.deid.traces import traces_of
from mammoscope.dicom.parsing import quiet

KEY = Key(secret=bytes(32))
CANARY = "Qx7Zw"  # in every value that has to go
TEXTS = {"AE", "LO", "LT", "SH", "ST", "UC", "UT", "PN"}


def image() -> Dataset:
    found = Dataset()
    found.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    found.SOPInstanceUID = "1.2.3.4.5"
    found.StudyInstanceUID = "1.2.3.4"
    found.StudyDate, found.StudyTime = "20240301", "101112.5"
    found.AcquisitionDate = "20240303"
    found.PatientName, found.PatientID, found.PatientBirthDate = "Familyname^Givenname", "HOSP-0815", "19310704"
    found.PatientSex, found.PatientAge = "F", "092Y"
    found.AccessionNumber = "ACC4711"
    found.Manufacturer = "Maker"
    found.Rows = found.Columns = 2
    found.PixelData = b"\1\2\3\4"
    found["PixelData"].VR = "OB"
    return found


def parsed(dataset: Dataset, *, implicit: bool = False) -> Dataset:
    """As from a file: raw elements, not yet decoded."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=implicit, little_endian=True)
    buffer.seek(0)
    back = pydicom.dcmread(buffer, force=True)
    back.file_meta = FileMetaDataset()
    back.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return back


def cleaned(dataset: Dataset, wanted: Settings | None = None, key: Key = KEY) -> tuple[Dataset, Cleaner]:
    chosen = wanted or Settings()
    patient = str(dataset.get("PatientID", ""))
    with quiet():
        cleaner = Cleaner(settings=chosen, key=key, patient=patient, traces=traces_of(dataset, settings=chosen))
        return cleaner.clean(dataset), cleaner


def encoded(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def test_each_patient_gets_a_pseudonym_and_the_marks_of_the_standard() -> None:
    out, _ = cleaned(parsed(image()))

    assert str(out.PatientName) == out.PatientID == KEY.pseudonym("HOSP-0815")
    assert out.AccessionNumber == KEY.accession("ACC4711")
    assert out.StudyInstanceUID == KEY.uid("1.2.3.4")
    assert out.SOPClassUID == DigitalMammographyXRayImageStorageForPresentation
    assert (out.PatientBirthDate, out.PatientSex, "PatientAge" in out) == (None, None, False)
    assert (out.PatientIdentityRemoved, out.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    assert [item.CodeValue for item in out.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    assert out.PixelData == b"\1\2\3\4"


def test_dates_of_a_patient_move_together_and_times_stay() -> None:
    out, _ = cleaned(parsed(image()))

    days = pydicom.valuerep.DA(out.AcquisitionDate) - pydicom.valuerep.DA(out.StudyDate)
    assert days.days == 2
    assert out.StudyTime == "101112.5"
    assert (pydicom.valuerep.DA(out.StudyDate) - pydicom.valuerep.DA("20240301")).days == KEY.days("HOSP-0815")


def test_options_keep_what_they_are_for_and_ages_are_capped() -> None:
    out, _ = cleaned(parsed(image()), Settings(dates=Dates.KEEP, retain=frozenset(Retain)))

    assert (out.StudyDate, out.StudyInstanceUID, out.PatientSex, out.PatientAge) == ("20240301", "1.2.3.4", "F", "090Y")
    assert out.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_references_between_files_stay_true() -> None:
    dataset = image()
    reference = Dataset()
    reference.ReferencedSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    reference.ReferencedSOPInstanceUID = "1.2.3.4.5"
    dataset.ReferencedImageSequence = dataset.SourceImageSequence = Sequence([reference])

    out, _ = cleaned(parsed(dataset))

    assert out.ReferencedImageSequence[0].ReferencedSOPInstanceUID == out.SOPInstanceUID == KEY.uid("1.2.3.4.5")
    assert out.SourceImageSequence[0].ReferencedSOPClassUID == DigitalMammographyXRayImageStorageForPresentation


def test_private_elements_curves_and_overlays_go_at_every_depth() -> None:
    dataset = image()
    item = Dataset()
    item.CodeValue = "76752008"
    dataset.AnatomicRegionSequence = Sequence([item])
    for level in (dataset, item):
        level.private_block(0x0019, "MAKER", create=True).add_new(1, "LO", CANARY)
        level.add_new(0x60003000, "OB", b"\0\0")
        level.add_new(0x60000010, "US", 4)
        level.add_new(0x50000010, "US", 4)

    out, cleaner = cleaned(parsed(dataset))

    assert out.AnatomicRegionSequence[0].CodeValue == "76752008"
    assert not [element for element in out.iterall() if element.tag.is_private or element.tag >> 24 in {0x50, 0x60}]
    assert cleaner.tally.counts["(odd,xxxx)", "Private elements", Deed.REMOVE] == 4  # creators and values


@pytest.mark.parametrize(
    ("name", "charset", "text", "goes"),
    [
        ("Yamada^Tarou=山田^太郎", ["", "ISO 2022 IR 87"], "山田", True),
        ("Yamada^Tarou=山田^太郎", ["", "ISO 2022 IR 87"], "山田様の右乳房", True),
        ("Li^Ming=李^明", "ISO_IR 192", "李明 CC", True),
        ("Li^Ming=李^明", "ISO_IR 192", "李 CC", True),
        ("Li^Ming=李^明", "ISO_IR 192", "明瞭", False),  # one character of a longer word
        ("Kim^Cheolsu=김^철수", "ISO_IR 192", "김철수님", True),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ", ["ISO_IR 13"], "ﾔﾏﾀﾞ", True),
        ("Ли^Анна", "ISO_IR 144", "Ли CC", True),
        ("Ли^Анна", "ISO_IR 144", "Лист", False),
        ("Li^An", "ISO_IR 100", "an LI implant", False),  # Latin names of two letters are words, too
    ],
)
def test_short_names_in_other_letters_go_from_kept_texts(
    name: str, charset: str | list[str], text: str, *, goes: bool
) -> None:
    dataset = image()
    dataset.SpecificCharacterSet, dataset.PatientName, dataset.PartialViewDescription = charset, name, text

    out, _ = cleaned(parsed(dataset))

    assert (out.PartialViewDescription == "ANONYMIZED") == goes


@pytest.mark.parametrize(
    ("charset", "codec"),
    [(["", "ISO 2022 IR 87"], "iso2022_jp"), ("GB18030", "gb18030"), ("ISO_IR 13", "shift_jis")],
)
def test_names_are_searched_in_the_letters_of_their_file(tmp_path: Path, charset: str | list[str], codec: str) -> None:
    dataset = image()
    dataset.SpecificCharacterSet, dataset.PatientName = charset, "ﾔﾏﾀﾞ^ﾀﾛｳ" if codec == "shift_jis" else "山田^太郎"
    file = tmp_path / "written"
    file.write_bytes(bytes(200) + str(dataset.PatientName).encode(codec) + bytes(8))

    assert traces_of(parsed(dataset), settings=Settings()).found_in(file)


def test_a_kept_text_that_repeats_a_name_or_number_is_replaced() -> None:
    dataset = image()
    dataset.PartialViewDescription = "of givenname, see hosp-0815"
    dataset.DetectorDescription = "Givennameway 3000"

    out, cleaner = cleaned(parsed(dataset))

    assert (out.PartialViewDescription, out.DetectorDescription) == ("ANONYMIZED", "Givennameway 3000")
    assert cleaner.tally.counts["(0028,1351)", "Partial View Description", Deed.REPEATS] == 1


def test_another_key_gives_another_mapping_and_the_same_key_the_same_bytes() -> None:
    dataset = parsed(image())

    again, other = (cleaned(dataset, key=Key(secret=bytes([n] * 32)))[0] for n in (0, 1))

    assert encoded(cleaned(dataset)[0]) == encoded(again)
    for keyword in ("PatientID", "StudyInstanceUID", "SOPInstanceUID", "AccessionNumber", "StudyDate"):
        assert again[keyword].value != other[keyword].value


def test_what_is_kept_stays_byte_by_byte() -> None:
    dataset = image()
    dataset.WindowCenter = ["2047.0", "1e3"]
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PaddleDescription = "Größe 24"

    out, _ = cleaned(parsed(dataset))

    back = pydicom.dcmread(BytesIO(encoded(out)), force=True)
    assert back.get_item("WindowCenter").value == b"2047.0\\1e3"
    assert back.PaddleDescription == "Größe 24"


def test_a_value_that_cannot_be_parsed_is_removed_not_kept() -> None:
    dataset = parsed(image())
    raw = dataset.get_item("Rows")
    dataset._dict[raw.tag] = raw._replace(value=b"\1", length=1)  # one byte of two

    out, cleaner = cleaned(dataset)

    assert "Rows" not in out
    assert cleaner.tally.counts["(0028,0010)", "Rows", Deed.REMOVE] == 1


def value_for(vr: str, name: str) -> object:
    """A value that has to go, or None where the VR can hold no text."""
    return f"{CANARY}{name}"[: 16 if vr in {"AE", "SH"} else 60] if vr in TEXTS else None


LISTED = [
    (int(tag, 16), vr)
    for tag, row in profile().items()
    if "X" not in tag and int(tag, 16) >> 16 not in {0, 2, 4}
    for vr in [
        pydicom.datadict.dictionary_VR(int(tag, 16)) if pydicom.datadict.dictionary_has_tag(int(tag, 16)) else "LO"
    ]
    if vr in TEXTS
]
LEAVES = st.sampled_from(LISTED)
LEVELS = st.recursive(
    st.lists(LEAVES, max_size=6).map(lambda leaves: (leaves, ())),
    lambda inner: st.tuples(st.lists(LEAVES, max_size=4), st.lists(inner, min_size=1, max_size=2)),
    max_leaves=6,
)
CARRIERS = ("AnatomicRegionSequence", "ViewCodeSequence", "ReferencedImageSequence", "VerifyingObserverSequence")


def grown(level: tuple, dataset: Dataset, at: int = 0) -> Dataset:
    leaves, inner = level
    for tag, vr in leaves:
        dataset.add_new(tag, vr, value_for(vr, "a^b" if vr == "PN" else "ab"))
    dataset.private_block(0x0099, f"{CANARY} MAKER", create=True).add_new(2, "UN", CANARY.encode())
    dataset.add_new(0x00408888, "LO", CANARY)
    for number, item in enumerate(inner):
        dataset.__setattr__(CARRIERS[(at + number) % 4], Sequence([grown(item, Dataset(), at + 1)]))
    return dataset


@settings(max_examples=60)
@given(LEVELS, st.booleans(), st.sampled_from(Dates))
def test_no_listed_private_or_unknown_text_is_left_at_any_depth(
    level: tuple,
    implicit: bool,  # noqa: FBT001
    dates: Dates,
) -> None:
    dataset = parsed(grown(level, image()), implicit=implicit)

    out, _ = cleaned(dataset, Settings(dates=dates))

    content = encoded(out)
    assert CANARY.encode() not in content
    assert all(word not in content for word in (b"Givenname", b"HOSP-0815", b"19310704", b"ACC4711", b"1.2.3.4"))


@settings(max_examples=30)
@given(st.text(string.ascii_letters + string.digits, min_size=6, max_size=12), st.booleans())
def test_an_id_in_free_text_is_found(patient: str, before: bool) -> None:  # noqa: FBT001
    dataset = image()
    patient = f"Qx{patient}"  # none of the words that are written here
    dataset.PatientID = patient
    dataset.PartialViewDescription = f"{patient}, left" if before else f"left of ({patient})"

    out, _ = cleaned(parsed(dataset))

    assert patient.encode() not in encoded(out)


def test_bytes_of_a_file_are_searched_for_whole_values(tmp_path: Path) -> None:
    traces = traces_of(image(), settings=Settings())
    for name, content in (
        ("clean", b"..HOSP-08156..1.2.3.4.5.6"),
        ("leaks", b"\0HOSP-0815\0"),
        ("uid", b"\x00" + b"1.2.3.4.5" + b"\x00"),
    ):
        (tmp_path / name).write_bytes(content)

    assert [traces.found_in(tmp_path / name) for name in ("clean", "leaks", "uid")] == [False, True, True]


def test_a_number_that_is_also_a_time_of_day_is_no_trace() -> None:
    dataset = image()
    dataset.AccessionNumber, dataset.StudyTime = "101112", "101112"

    traces = traces_of(dataset, settings=Settings())

    assert b"101112" not in traces.exact
    assert "101112" in traces.ids  # searched in kept texts all the same


@pytest.mark.parametrize("retain", [frozenset(), frozenset({Retain.UIDS})])
def test_uids_are_searched_for_unless_they_are_kept(retain: frozenset[Retain]) -> None:
    traces = traces_of(image(), settings=Settings(retain=retain))

    assert (b"1.2.3.4.5" in traces.exact) is not bool(retain)
