"""DICOM trees and CMMD: what headers say, and whose label a picture gets."""

import logging
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

from mammoscope.dicom.facts import laterality_of, view_of
from mammoscope.dicom.header import Header
from mammoscope.errors import SourceError
from mammoscope.records import Index, image_table
from mammoscope.sources import CMMD, DICOM, build_index, dicom_tags
from mammoscope.sources.dicom_tags import read_tags
from mammoscope.workers.many import over_files


@pytest.fixture(autouse=True)
def _here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process, which is faster; but where it matters."""
    if "guarded" not in request.node.name:
        monkeypatch.setattr(dicom_tags, "over_files", partial(over_files, workers=0))


TABLE = "ID1,LeftRight,Age,number,abnormality,classification,subtype\n"
ROWS = "D1-0001,R,44,2,mass,Benign,\nD2-0002,L,50,2,both,Malignant,Luminal A\n"


def coded(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    return item


def dicom(path: Path, uid: str = "1.2.3", *, code: str = "399162004", **elements: object) -> Path:
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    header.SOPInstanceUID = uid
    header.ViewCodeSequence = [coded(code)]
    elements = {"PatientID": "D1-0001", "Modality": "MG", "ImageLaterality": "R", "StudyInstanceUID": "1.9"} | elements
    elements = {"Rows": 60, "Columns": 40} | elements
    for keyword, value in elements.items():
        setattr(header, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def read(root: Path) -> Index:
    return build_index(DICOM, root)


def test_a_header_becomes_a_record_without_a_label(tmp_path: Path) -> None:
    dicom(tmp_path / "a" / "1.dcm", PatientAge="046Y", BreastImplantPresent="YES", ManufacturerModelName="Mammomat")

    (row,) = read(tmp_path).table.to_dicts()

    assert (row["patient_id"], row["image_id"], row["exam_id"], row["path"]) == ("D1-0001", "1.2.3", "1.9", "a/1.dcm")
    assert (row["laterality"], row["view"], row["age_years"], row["implant"]) == ("R", "CC", 46, True)
    assert (row["machine_id"], row["malignant"], row["label_origin"]) == ("Mammomat", None, None)


@pytest.mark.parametrize(
    ("elements", "view"),
    [
        ({"code": "R-10226"}, "MLO"),
        ({"code": "399260004"}, "ML"),
        ({"code": "1", "ViewPosition": "XCCL"}, "XCCL"),
        ({"code": "1", "ViewPosition": "LCC"}, "CC"),
        ({"code": "1", "ViewPosition": "PORTRAIT"}, None),
        ({"ViewCodeSequence": []}, None),
    ],
)
def test_the_view_code_stands_before_the_view_position(
    tmp_path: Path, elements: dict[str, str], view: str | None
) -> None:
    assert read_tags(dicom(tmp_path / "1.dcm", **elements)).view == view


@pytest.mark.parametrize(
    ("age", "years"), [("046Y", 46), ("018M", 1.5), ("046", None), ("", None), ("46Y", None), ("046X", None)]
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR AS")
def test_an_age_is_read_with_its_unit(tmp_path: Path, age: str, years: float | None) -> None:
    assert read_tags(dicom(tmp_path / "1.dcm", PatientAge=age)).age_years == years


@pytest.mark.parametrize(
    ("elements", "side"),
    [
        ({"ImageLaterality": "L"}, "L"),
        ({"ImageLaterality": "B"}, None),
        ({"ImageLaterality": "", "Laterality": "L"}, "L"),
    ],
)
def test_the_side_of_the_image_stands_before_that_of_the_series(
    tmp_path: Path, elements: dict[str, str], side: str | None
) -> None:
    assert read_tags(dicom(tmp_path / "1.dcm", **elements)).laterality == side


@pytest.mark.parametrize(
    "elements",
    [
        {"code": "1", "ViewPosition": "LMLO", "ImageLaterality": ""},
        {"ViewCodeSequence": [], "ImageLaterality": "", "SeriesDescription": "R CC"},
        {"ViewCodeSequence": [], "ImageLaterality": "", "PatientOrientation": "CC", "BodyPartExamined": "LEFT BREAST"},
        {"code": "399368009", "ViewModifierCodeSequence": [coded("399011000")]},
        {"ImageLaterality": "B", "SeriesDescription": "R CC"},
    ],
)
def test_side_and_view_are_those_that_reading_the_pixels_finds(tmp_path: Path, elements: dict[str, object]) -> None:
    """Words and orientations were unknown to the index, and an axillary tail was an MLO."""
    header = Header(path=tmp_path, dataset=dcmread(dicom(tmp_path / "1.dcm", **elements)))

    (row,) = read(tmp_path).table.to_dicts()

    assert (row["laterality"], row["view"]) == (laterality_of(header), view_of(header))
    assert row["view"] is not None


def test_what_no_recipe_reads_is_left_out_by_name_and_code(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It was counted, not named; a file cut short was one of no stated modality."""
    dicom(tmp_path / "1.dcm", "1.1")
    dicom(tmp_path / "2.dcm", "1.2", Modality="SR")
    dicom(tmp_path / "a" / "3.dcm", "1.3", PresentationIntentType="FOR PROCESSING")
    cut = dicom(tmp_path / "4.dcm", "1.4")
    cut.write_bytes(cut.read_bytes().split(b"\x08\x00\x60\x00")[0])

    with caplog.at_level(logging.INFO):
        index = read(tmp_path)

    assert index.table["path"].to_list() == ["1.dcm"]
    assert "1 no_pixels: 4.dcm; 2 refused: 2.dcm, 3.dcm" in caplog.text
    assert "left out: 2.dcm: Modality (0008,0060) is SR, not one of MG" in caplog.text
    assert "left out: 3.dcm: is FOR PROCESSING" in caplog.text
    assert "a/" not in caplog.text  # a folder may be called after a patient


@pytest.mark.parametrize("elements", [{"NumberOfFrames": 30}, {"Modality": ""}, {"Modality": "CR"}])
def test_volumes_and_films_that_do_not_say_mg_are_in_the_index(tmp_path: Path, elements: dict[str, object]) -> None:
    """A recipe with a slab reads the one, and a recipe that accepts them the others: as `predict` does."""
    dicom(tmp_path / "1.dcm", **elements)

    assert read(tmp_path).table["path"].to_list() == ["1.dcm"]


def test_a_file_without_a_suffix_is_known_by_its_preamble(tmp_path: Path) -> None:
    dicom(tmp_path / "IM0001", "1.1")
    (tmp_path / "README").write_text("not DICOM")
    (tmp_path / "notes.txt").write_text("not DICOM")

    assert read(tmp_path).table["path"].to_list() == ["IM0001"]


def test_a_nameless_patient_and_a_double_are_refused_by_name(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", PatientID="")
    with pytest.raises(SourceError, match=r"a\.dcm: Patient ID \(0010,0020\) is empty"):
        read(tmp_path)

    dicom(tmp_path / "a.dcm")
    dicom(tmp_path / "b" / "c.dcm")
    with pytest.raises(SourceError, match=r"a\.dcm and c\.dcm: two files for one image"):
        read(tmp_path)


def test_a_broken_file_costs_only_itself_where_files_are_guarded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = dicom(tmp_path / "a.dcm").read_bytes()
    nested = bytes.fromhex("54002002 5351 0000 ffffffff feff00e0 ffffffff") * 3000
    (tmp_path / "nested.dcm").write_bytes(whole + nested)
    (tmp_path / "text.dcm").write_text("nothing")
    dicom(tmp_path / "z.dcm", "1.2.4")

    with caplog.at_level(logging.WARNING):
        index = read(tmp_path)

    assert index.table["path"].to_list() == ["a.dcm", "z.dcm"]
    assert "1 implausible: nested.dcm; 1 not_an_image: text.dcm" in caplog.text


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm")
    (tmp_path / "loop").symlink_to(tmp_path)

    with pytest.raises(SourceError, match="is a link back into a folder above it"):
        read(tmp_path)


def cmmd(root: Path, *, rows: str = ROWS) -> None:
    (root / "CMMD_clinicaldata_revision.csv").write_text(TABLE + rows)
    dicom(root / "CMMD" / "D1-0001" / "s" / "1-1.dcm", "1.1")
    dicom(root / "CMMD" / "D1-0001" / "s" / "1-2.dcm", "1.2", code="399368009")
    for number, side in enumerate("LR", start=3):
        dicom(
            root / "CMMD" / "D2-0002" / "s" / f"1-{number}.dcm",
            f"1.{number}",
            PatientID="D2-0002",
            ImageLaterality=side,
        )


def test_a_breast_gives_its_label_to_all_its_pictures_and_the_other_stays_unknown(tmp_path: Path) -> None:
    cmmd(tmp_path)

    index = build_index(CMMD, tmp_path)

    images = (
        image_table(index).select("patient_id", "laterality", "view", "age_years", "malignant", "label_origin").rows()
    )
    assert images == [
        ("D1-0001", "R", "CC", 44, False, "biopsy"),
        ("D1-0001", "R", "MLO", 44, False, "biopsy"),
        ("D2-0002", "L", "CC", 50, True, "biopsy"),
        ("D2-0002", "R", "CC", 50, None, None),
    ]
    both = index.table.filter(pl.col("image_id") == "1.3")
    assert both["lesion_kind"].to_list() == ["calcification", "mass"]


def test_a_breast_without_a_picture_keeps_its_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cmmd(tmp_path, rows=f"{ROWS}D1-0003,L,60,2,calcification,Benign,\n")

    with caplog.at_level(logging.WARNING):
        last = build_index(CMMD, tmp_path).table.to_dicts()[-1]

    assert (last["patient_id"], last["path"], last["malignant"]) == ("D1-0003", "CMMD/D1-0003/L.dcm", False)
    assert "1 of 3 breasts in the table have no picture here" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "Benign",
            "benign",
            "CMMD_clinicaldata_revision.csv:2: classification 'benign' is not one of Benign, Malignant",
        ),
        ("both", "masses", "csv:3: abnormality 'masses'"),
        ("Luminal A", "Luminal C", "csv:3: subtype 'Luminal C'"),
        (",R,44", ",,44", "csv:2: LeftRight is empty"),
        (",R,44", ",B,44", "csv:2: LeftRight 'B'"),
        (",44,", ',"44,5",', "csv:2: Age '44,5' is not a number"),
        ("D2-0002,L", "D1-0001,R", "csv:3: D1-0001 R is also on line 2"),
        ("D2-0002", "D2-0009", "patient D2-0002 has pictures but no row"),
    ],
)
def test_a_bad_row_is_refused_by_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    cmmd(tmp_path, rows=ROWS.replace(old, new))

    with pytest.raises(SourceError, match=message):
        build_index(CMMD, tmp_path)


def test_the_workbook_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "CMMD_clinicaldata_revision.xlsx").write_bytes(b"PK\x03\x04")

    with pytest.raises(SourceError, match="holds CMMD_clinicaldata_revision.xlsx only. Save it as 'CSV UTF-8'"):
        build_index(CMMD, tmp_path)


@pytest.mark.data
def test_the_counts_of_the_published_table_hold(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "meta_china_cancer.csv").symlink_to(real_data / "cmmd_meta" / "meta_china_cancer.csv")

    table = build_index(CMMD, tmp_path).table

    assert (table.height, table["patient_id"].n_unique(), table["malignant"].sum()) == (1872, 1775, 1316)
    assert table.select("patient_id", "laterality").is_unique().all()
