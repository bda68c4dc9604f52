"""Names and dates of birth in comments of compressed pixels, in kept binary, and among bytes of any kind."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from mammoscope.deid import Key, Outcome, Settings, deidentify
from mammoscope.deid.comments import texts_in
from mammoscope.deid.names import CHUNK_BYTES, any_name
from mammoscope.deid.traces import Traces, traces_of

KEY = Key(secret=bytes(32))
RASTER = np.full((16, 16), 90, np.uint8)
ENCODERS = (
    b"LEAD Technologies Inc. V1.01",
    b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v62), quality = 90\n",
    b"Created by OpenJPEG version 2.5.0",
    b"Kakadu-v7.10.2",
)


def image(**more: object) -> Dataset:
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    found.SOPInstanceUID, found.StudyInstanceUID = "2.25.7771", "2.25.7779"
    found.PatientName, found.PatientID, found.PatientBirthDate = "Familyname^Givenname", "HOSP-0815", "19600203"
    found.ReferringPhysicianName = "Privatename^Eva"
    found.Rows, found.Columns = RASTER.shape
    found.BitsAllocated = found.BitsStored = 8
    found.PixelData = RASTER.tobytes()
    for keyword, value in more.items():
        setattr(found, keyword, value)
    found["PixelData"].VR = "OB"
    return found


def jpeg(comment: bytes) -> bytes:
    buffer = BytesIO()
    Image.fromarray(RASTER).save(buffer, "JPEG", comment=comment)
    return buffer.getvalue()


def jpeg2000(comment: bytes) -> bytes:
    """A main header with a comment, and no tile."""
    return b"\xff\x4f\xff\x64" + (len(comment) + 4).to_bytes(2, "big") + b"\0\1" + comment + b"\xff\xd9"


def deidentified(folder: Path, dataset: Dataset) -> Outcome:
    dataset.save_as(folder / "1.dcm", enforce_file_format=True)
    return deidentify([folder / "1.dcm"], out=folder / "out", key=KEY, workers=0).outcomes[0]


def compressed(stream: bytes, syntax: UID) -> Dataset:
    found = image(PixelData=encapsulate([stream]))
    found.file_meta.TransferSyntaxUID = syntax
    found["PixelData"].is_undefined_length = True
    return found


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless])
@pytest.mark.parametrize(
    "comment",
    [
        b"Givenname Familyname 1960-02-03",
        b"FAMILYNAME, GIVENNAME",
        b"familyname^givenname",
        b"of Mrs. familyname",
        b"for Eva",
        b"born 03.02.1960",
        b"see hosp-0815",
        "Familyname".encode("utf-16-le"),
    ],
)
def test_a_name_in_a_comment_of_the_pixels_is_found_however_it_is_written(
    tmp_path: Path, syntax: UID, comment: bytes
) -> None:
    """Only the bytes of the whole name as its element has it were once found."""
    stream = jpeg(comment) if syntax == JPEGBaseline8Bit else jpeg2000(comment)

    outcome = deidentified(tmp_path, compressed(stream, syntax))

    assert (outcome.code, outcome.detail) == ("identifying", "in element (7FE0,0010)")
    assert not list((tmp_path / "out").rglob("*.dcm"))


@pytest.mark.parametrize("comment", ENCODERS)
def test_what_encoders_say_of_themselves_is_no_name(tmp_path: Path, comment: bytes) -> None:
    outcome = deidentified(tmp_path, compressed(jpeg(comment), JPEGBaseline8Bit))

    assert outcome.code is None
    assert comment in (tmp_path / "out" / str(outcome.output)).read_bytes()


def test_comments_are_found_between_scans_and_in_headers_of_tiles() -> None:
    scans = b"\xff\xd8\xff\xda\0\4\1\1" + b"\x12\xff\0\xfe\xff\xd0\x34" + b"\xff\xfe\0\5one\xff\xe1\0\5two\xff\xd9"
    tiles = b"\xff\x4f\xff\x90" + bytes(10) + b"\xff\x64\0\x09\0\1three\xff\x93\xff\x64\x20\x20\x20\x20"

    assert list(texts_in(scans)) == [b"one", b"two"]
    assert list(texts_in(tiles)) == [b"three"]
    assert list(texts_in(scans[:-4])) == [b"one", b"t"]  # it ends too early


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-be"])
def test_a_colour_profile_with_a_name_goes_and_another_stays(tmp_path: Path, encoding: str) -> None:
    named = image(ICCProfile=b"\0\0\1\x0cdesc\0\0\0\1" + "Eve Privatename".encode(encoding) + b"\0\1")
    other = image(ICCProfile=b"\0\0\1\x0cdesc\0\0\0\1sRGB IEC61966-2.1\0\1", SOPInstanceUID="2.25.7772")

    outcomes = [deidentified(tmp_path, dataset) for dataset in (named, other)]

    results = [pydicom.dcmread(tmp_path / "out" / str(outcome.output)) for outcome in outcomes]
    assert ["ICCProfile" in result for result in results] == [False, True]
    assert ("(0028,2000)", "ICC Profile", "removed") in [line[:3] for line in outcomes[0].counts]


def test_numbers_of_a_table_are_no_names() -> None:
    """Sorted values of 16 bits spell `Ana` where they pass it; tables are looked through for whole names alone."""
    dataset = image(PatientName="Ana^Ada")
    ramp = np.arange(1 << 16, dtype="<u2").tobytes()

    traces = traces_of(dataset, settings=Settings())

    assert not traces.held_by(ramp)
    assert b"ana" in ramp.lower()


def traces(name: str = "Familyname^Givenname", **more: object) -> Traces:
    return traces_of(image(PatientName=name, **more), settings=Settings())


@settings(max_examples=40)
@given(
    st.permutations(["familyname", "givenname"]),
    st.sampled_from([str.upper, str.lower, str.title, str.swapcase]),
    st.sampled_from(["", " ", ", ", "^", "_", " M. "]),
)
def test_whole_names_are_found_among_any_bytes_in_any_order_and_case(
    words: list[str], case: object, between: str
) -> None:
    text = case(between.join(words)).encode()  # type: ignore[operator]

    assert traces().held_by(b"\x91\x07" + text + b"\0")


@pytest.mark.parametrize(
    ("name", "text", "there"),
    [
        ("Lind^Anna", "ANNA LIND", True),
        ("Lind^Anna", "lind", False),  # four letters turn up by chance
        ("Lind^Anna", "Hannah Lindner", False),  # other words
        ("Lind^Anna", "Lind, seen on Monday by Anna", False),  # too far from each other
        ("Li^An", "An Li", False),
        ("Müller^Jörg", "JÖRG MÜLLER", True),
        ("Quackenbush", "quackenbush", True),
    ],
)
def test_how_much_of_a_name_is_searched_for_among_any_bytes(name: str, text: str, *, there: bool) -> None:
    assert traces(name).held_by(b"\x91\x07" + text.encode() + b"\0") == there


def test_a_name_across_two_pieces_of_a_file_is_found() -> None:
    text = b"givenname familyname"

    assert all(any_name(traces().names, bytes(CHUNK_BYTES - n) + text + bytes(9)) for n in (1, 9, 12, len(text)))


def test_words_that_every_new_file_holds_are_no_trace(tmp_path: Path) -> None:
    """A maker's name that a test object shares, and what is written in place of a value."""
    dataset = image(PatientName="ANONYMIZED^Grandmaker", Manufacturer="Grandmaker, Inc.", InstitutionName="Clinicname")
    dataset.PartialViewDescription = "of Clinicname"

    outcome = deidentified(tmp_path, dataset)

    assert outcome.code is None
    result = pydicom.dcmread(tmp_path / "out" / str(outcome.output))
    assert (result.Manufacturer, result.PartialViewDescription) == ("Grandmaker, Inc.", "ANONYMIZED")


@pytest.mark.parametrize("text", ["1960-02-03", "1960.02.03", "03/02/1960", "02/03/1960", "19600203"])
def test_a_date_of_birth_goes_from_kept_texts_however_it_is_written(text: str) -> None:
    element = pydicom.DataElement(0x00281351, "LO", f"born {text}, left")

    assert traces().repeated_in(element)
    assert not traces(PatientBirthDate="19600204").repeated_in(element)


def test_three_letters_count_in_a_text_and_four_in_binary() -> None:
    named = traces("Fox^Ulla")

    assert [named.repeated_by(content) for content in (b"a fox", b"\1a fox", b"\1ulla", b"\1bulla")] == [
        True,
        False,
        True,
        False,
    ]
