"""CBIS-DDSM with its traps: swapped files, renamed files, shared views, mixed labels."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from mammoscope.errors import SourceError
from mammoscope.records import Index, image_table
from mammoscope.sources import CBIS_DDSM, build_index

SHAPE = (12, 8)
FULL = np.arange(96, dtype=np.uint16).reshape(SHAPE)
CROP = np.arange(12, dtype=np.uint16).reshape(4, 3)
MASK = np.pad(np.full((4, 3), 255, np.uint8), ((2, 6), (2, 3)))
MASS = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,mass margins,"
    "assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path"
)
CALC = MASS.replace("breast_density", "breast density").replace("mass shape", "calc type")
CALC = CALC.replace("mass margins", "calc distribution")


def row(
    number: int = 1,
    *,
    lesion: int = 1,
    pathology: str = "MALIGNANT",
    view: str = "CC",
    half: str = "Mass-Training",
    density: int = 3,
    subtlety: int = 4,
    descriptors: str = "OVAL,NA",
) -> str:
    kind = "mass" if half.startswith("Mass") else "calcification"
    name = f"P_{number:05d}_LEFT_{view}"
    uid = f"9.{half.replace('-', '').__len__()}.{'12'[half.startswith('Calc')]}.{number}.{len(view)}"
    full = f"{half}_{name}/{uid}.10001/{uid}.20001/000000.dcm"
    roi = f"{half}_{name}_{lesion}/{uid}.3000{lesion}/{uid}.4000{lesion}"
    return (
        f"P_{number:05d},{density},LEFT,{view},{lesion},{kind},{descriptors},4,{pathology},{subtlety},"
        f'{full},{roi}/000000.dcm,"{roi}/000001.dcm\n"'
    )


def table(root: Path, rows: Iterable[str], *, half: str = "Mass-Training") -> None:
    kind, part = half.lower().split("-")
    header = MASS if kind == "mass" else CALC
    name = f"{kind}_case_description_{'train' if part == 'training' else 'test'}_set.csv"
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join([header, *rows]) + "\n")


def dicom(path: Path, pixels: np.ndarray) -> None:
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    file.Rows, file.Columns = pixels.shape
    file.BitsAllocated = file.BitsStored = 8 * pixels.itemsize
    file.HighBit, file.PixelRepresentation, file.SamplesPerPixel = file.BitsStored - 1, 0, 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    file.save_as(path, enforce_file_format=True)


def folders(root: Path, line: str) -> tuple[Path, Path]:
    """Where the full picture and the two lesion files of a row lie."""
    full, crop, _ = line.replace('"', "").strip().split(",")[-3:]
    return root / Path(full).parent, root / Path(crop).parent


def plant(root: Path, line: str, *, first: np.ndarray = CROP, second: np.ndarray = MASK) -> None:
    full, roi = folders(root, line)
    dicom(full / "1-1.dcm", FULL)
    dicom(roi / "1-1.dcm", first)
    dicom(roi / "1-2.dcm", second)


def read(root: Path) -> Index:
    return build_index(CBIS_DDSM, root)


@pytest.mark.parametrize("below", ["", "CBIS-DDSM", "manifest-1/CBIS-DDSM"])
@pytest.mark.parametrize("tables", ["", "csv"])
def test_pictures_are_found_by_series_whatever_they_are_called_and_wherever_they_lie(
    tmp_path: Path, below: str, tables: str
) -> None:
    table(tmp_path / tables, [row()])
    plant(tmp_path / below, row())

    index = read(tmp_path)

    (path,) = index.table["path"]
    assert path.endswith("/1-1.dcm")
    assert index.file("cbis_ddsm", path).is_file()


@pytest.mark.parametrize(("first", "second", "mask"), [(CROP, MASK, "1-2.dcm"), (MASK, CROP, "1-1.dcm")])
def test_mask_and_crop_are_told_apart_by_content(
    tmp_path: Path, first: np.ndarray, second: np.ndarray, mask: str
) -> None:
    table(tmp_path, [row()])
    plant(tmp_path, row(), first=first, second=second)

    found = read(tmp_path).table.row(0, named=True)

    assert found["mask_path"].endswith(mask)
    assert found["crop_path"] != found["mask_path"]
    assert found["crop_path"].rpartition("/")[0] == found["mask_path"].rpartition("/")[0]


@pytest.mark.parametrize(
    ("first", "second", "mask"),
    [
        (CROP.astype(np.uint8), MASK, "1-2.dcm"),  # a crop of 8 bits
        (CROP, MASK[:-2], "1-2.dcm"),  # a mask that does not fit the picture
        (MASK.astype(np.uint16), CROP, "1-1.dcm"),  # a mask of 16 bits
        (FULL, MASK.astype(np.uint16), "1-2.dcm"),  # a crop as large as the picture
        (np.where(MASK[:6, :5] > 0, 255, 0).astype(np.uint8), CROP.astype(np.uint8), "1-1.dcm"),
    ],
)
def test_pixels_decide_where_headers_do_not(tmp_path: Path, first: np.ndarray, second: np.ndarray, mask: str) -> None:
    table(tmp_path, [row()])
    plant(tmp_path, row(), first=first, second=second)

    assert read(tmp_path).table["mask_path"][0].endswith(mask)


def test_a_mask_in_a_series_of_its_own_is_found(tmp_path: Path) -> None:
    line = row().replace("9.12.1.1.2.30001/9.12.1.1.2.40001/000001.dcm", "9.12.1.1.2.30009/9.12.1.1.2.40009/000000.dcm")
    table(tmp_path, [line])
    full, roi = folders(tmp_path, line)
    dicom(full / "1-1.dcm", FULL)
    dicom(roi / "1-1.dcm", MASK)  # the table calls it the crop
    other = roi.parents[1] / "9.12.1.1.2.30009" / "9.12.1.1.2.40009" / "1-1.dcm"
    dicom(other, CROP)

    found = read(tmp_path).table.row(0, named=True)

    assert found["mask_path"].endswith("40001/1-1.dcm")
    assert found["crop_path"].endswith("40009/1-1.dcm")


def test_folders_that_a_downloader_has_shortened_are_found_by_the_tail_of_the_uid(tmp_path: Path) -> None:
    table(tmp_path, [row()])
    name = "Mass-Training_P_00001_LEFT_CC"
    dicom(tmp_path / name / "07-20-2016-DDSM-NA-10001" / "1.000000-full mammogram images-20001" / "1-1.dcm", FULL)
    roi = tmp_path / f"{name}_1" / "07-20-2016-DDSM-NA-30001" / "1.000000-ROI mask images-40001"
    dicom(roi / "1-1.dcm", MASK)
    dicom(roi / "1-2.dcm", CROP)

    index = read(tmp_path)

    found = index.table.row(0, named=True)
    assert index.file("cbis_ddsm", found["path"]).is_file()
    assert found["mask_path"].endswith("1-1.dcm")
    assert found["crop_path"].endswith("1-2.dcm")


def test_a_missing_picture_keeps_its_row_and_the_path_where_it_should_be(tmp_path: Path) -> None:
    table(tmp_path, [row()])
    (tmp_path / "CBIS-DDSM").mkdir()

    found = read(tmp_path).table.row(0, named=True)

    assert found["path"] == "CBIS-DDSM/" + row().split(",")[-3]
    assert found["mask_path"].endswith("000001.dcm")
    assert found["crop_path"].endswith("000000.dcm")


def test_files_that_cannot_be_read_are_taken_as_listed_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table(tmp_path, [row()])
    full, roi = folders(tmp_path, row())
    for path in (full / "1-1.dcm", roi / "1-1.dcm", roi / "1-2.dcm"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    with caplog.at_level(logging.WARNING):
        found = read(tmp_path).table.row(0, named=True)

    assert found["crop_path"].endswith("1-1.dcm")
    assert found["mask_path"].endswith("1-2.dcm")
    assert "mask and crop of 1 lesions cannot be told apart" in caplog.text


def test_one_readable_file_settles_the_other(tmp_path: Path) -> None:
    table(tmp_path, [row()])
    plant(tmp_path, row(), first=MASK, second=CROP)
    (folders(tmp_path, row())[1] / "1-2.dcm").write_bytes(b"broken")

    found = read(tmp_path).table.row(0, named=True)

    assert found["mask_path"].endswith("1-1.dcm")
    assert found["crop_path"].endswith("1-2.dcm")


@pytest.mark.parametrize(
    ("pathology", "malignant", "origin"),
    [
        ("MALIGNANT", True, "biopsy"),
        ("BENIGN", False, "biopsy"),
        ("BENIGN_WITHOUT_CALLBACK", False, "reader"),
        ("", None, None),
    ],
)
def test_the_label_and_its_origin_follow_the_pathology(
    tmp_path: Path, pathology: str, malignant: object, origin: str | None
) -> None:
    table(tmp_path, [row(pathology=pathology)])

    found = read(tmp_path).table.row(0, named=True)

    assert (found["malignant"], found["label_origin"]) == (malignant, origin)


def test_zero_and_na_are_unknown(tmp_path: Path) -> None:
    table(tmp_path, [row(density=0, subtlety=0, descriptors="NA,N/A")])

    found = read(tmp_path).table.row(0, named=True)

    assert [found[name] for name in ("density", "subtlety", "lesion_shape", "lesion_margins")] == [None] * 4
    assert found["assessment"] == 4


@pytest.mark.parametrize(("number", "letter"), [(1, "A"), (2, "B"), (3, "C"), (4, "D")])
def test_density_numbers_are_the_letters_of_bi_rads(tmp_path: Path, number: int, letter: str) -> None:
    table(tmp_path, [row(density=number)])

    assert read(tmp_path).table["density"].to_list() == [letter]


def test_a_view_in_both_halves_is_one_image_with_all_its_findings(tmp_path: Path) -> None:
    table(tmp_path, [row(pathology="BENIGN")])
    table(tmp_path, [row(half="Calc-Training", descriptors="AMORPHOUS,CLUSTERED")], half="Calc-Training")

    index = read(tmp_path)

    assert index.table["lesion_id"].to_list() == ["mass-1", "calcification-1"]
    assert index.table["calc_type"].to_list() == [None, "AMORPHOUS"]
    assert image_table(index).select("image_id", "malignant", "findings").rows() == [("P_00001_LEFT_CC", True, 2)]


def test_of_two_copies_of_a_view_the_one_on_disk_is_used(tmp_path: Path) -> None:
    table(tmp_path, [row()])
    table(tmp_path, [row(half="Calc-Training")], half="Calc-Training")
    plant(tmp_path, row(half="Calc-Training"))

    index = read(tmp_path)

    assert index.table["path"].str.starts_with("Calc-Training").all()


def test_a_view_in_train_and_test_is_tested_and_both_are_kept(tmp_path: Path) -> None:
    table(tmp_path, [row(), row(view="MLO")])
    table(tmp_path, [row(half="Calc-Test")], half="Calc-Test")

    images = image_table(read(tmp_path))

    assert dict(images.select("view", "official_part").rows()) == {"CC": "test", "MLO": "train"}
    assert images["official_parts"].to_list() == [["test", "train"], ["train"]]


def test_some_exports_turn_the_slashes(tmp_path: Path) -> None:
    line = row()
    full, crop, mask = line.split(",")[-3:]
    table(tmp_path, [line.replace(full, full.replace("/", "\\")).replace(crop, crop.replace("/", "\\"))])
    plant(tmp_path, line)

    assert read(tmp_path).table["path"][0] == full.replace("000000", "1-1")
    assert mask


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",LEFT,", ",LEFTT,", r"mass_case_description_train_set\.csv:2: left or right breast 'LEFTT' is not one of"),
        ("MALIGNANT", "Malignant", "pathology 'Malignant' is not one of MALIGNANT, BENIGN"),
        ("P_00001,3", "P_00001,5", "breast density '5' is not one of 0, 1, 2, 3, 4"),
        ("/9.12.1.1.2.20001", "", "is not <subject>/<study>/<series>/<file>"),
    ],
)
def test_a_cell_outside_the_tables_own_words_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    table(tmp_path, [row().replace(old, new)])

    with pytest.raises(SourceError, match=message):
        read(tmp_path)


def test_a_folder_without_tables_says_which_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "mass_case_description_train_set (1).csv").write_text("x")

    with pytest.raises(
        SourceError, match=r"holds none of mass_case.*did you mean 'mass_case_description_train_set \(1\)"
    ):
        read(tmp_path)


@pytest.mark.data
def test_the_counts_of_the_published_tables_hold(real_data: Path) -> None:
    table = read(real_data / "cbis_ddsm_csv").table
    images = image_table(Index(table=table, roots={}))
    by_view = table.group_by("image_id").agg(pl.col("malignant", "lesion_kind").n_unique())
    by_half = table.group_by("image_id", "lesion_kind").agg(pl.col("lesion_id").str.ends_with("-1").any())

    assert (table.height, images.height, images["patient_id"].n_unique()) == (3568, 3032, 1566)
    assert dict(table["pathology"].value_counts().rows()) == {
        "malignant": 1457,
        "benign": 1429,
        "benign without callback": 682,
    }
    assert by_view.filter(pl.col("malignant") > 1).height == 33
    assert by_view.filter(pl.col("lesion_kind") > 1).height == 71
    assert (by_half.height, by_half.filter(~pl.col("lesion_id")).height) == (3103, 92)
    assert images.filter(pl.col("official_part") == "test").height == 641
