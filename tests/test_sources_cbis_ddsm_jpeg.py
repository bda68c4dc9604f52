"""CBIS-DDSM as JPEG: the same labels, mask and crop by content, and the counts of the real file list."""

import csv
import io
import logging
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mammoscope.errors import SourceError
from mammoscope.records import image_table
from mammoscope.sources import CBIS_DDSM, CBIS_DDSM_JPEG, build_index

HEADER = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,mass margins,"
    "assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\n"
)
INFO = "image_path,Rows,Columns,BitsAllocated,SeriesInstanceUID,SeriesDescription\n"
GENERATOR = np.random.default_rng(0)
FULL = GENERATOR.integers(40, 200, (120, 80), dtype=np.uint8)
CROP = GENERATOR.integers(40, 200, (20, 24), dtype=np.uint8)
MASK = np.zeros((120, 80), dtype=np.uint8)
MASK[40:70, 20:50] = 255
SMALL_MASK = np.kron(np.array([[0, 0, 0], [0, 255, 0], [0, 0, 0]], dtype=np.uint8), np.ones((16, 16), dtype=np.uint8))


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return file.getvalue()


def plant(root: Path, files: dict[str, bytes], *, info: str = "") -> None:
    row = (
        "P_00001,2,LEFT,CC,1,mass,OVAL,NA,4,BENIGN,3,Mass-Training_P_00001_LEFT_CC/1.1/9.1/000000.dcm,"
        "Mass-Training_P_00001_LEFT_CC_1/1.2/9.2/000000.dcm,Mass-Training_P_00001_LEFT_CC_1/1.2/9.3/000001.dcm\n"
    )
    (root / "csv").mkdir(parents=True)
    (root / "csv" / "mass_case_description_train_set.csv").write_text(HEADER + row)
    if info:
        (root / "csv" / "dicom_info.csv").write_text(INFO + info)
    for name, content in files.items():
        (root / "jpeg" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "jpeg" / name).write_bytes(content)


def paths(root: Path) -> tuple[str, str, str]:
    return build_index(CBIS_DDSM_JPEG, root).table.select("path", "mask_path", "crop_path").row(0)


@pytest.mark.parametrize("mask_first", [True, False])
@pytest.mark.parametrize("folders", [("9.2", "9.2"), ("9.2", "9.3"), ("9.3", "9.2")])
def test_mask_and_crop_are_told_apart_by_content_wherever_they_lie(
    tmp_path: Path, folders: tuple[str, str], *, mask_first: bool
) -> None:
    one, two = (f"{folders[0]}/1-011.jpg", f"{folders[1]}/2-022.jpg")
    mask, crop = (one, two) if mask_first else (two, one)
    plant(tmp_path, {"9.1/1-001.jpg": jpeg(FULL), mask: jpeg(MASK), crop: jpeg(CROP)})

    assert paths(tmp_path) == ("jpeg/9.1/1-001.jpg", f"jpeg/{mask}", f"jpeg/{crop}")


@pytest.mark.parametrize(
    ("full", "mask", "crop"),
    [
        (None, MASK, CROP),  # most full pictures of the calc test set are missing
        (FULL, SMALL_MASK, CROP),  # some masks do not fit their picture
        (FULL, MASK, FULL[::-1]),  # a crop of the size of the picture
    ],
)
def test_pixels_decide_where_sizes_do_not(
    tmp_path: Path, full: np.ndarray | None, mask: np.ndarray, crop: np.ndarray
) -> None:
    files = {"9.2/1-1.jpg": jpeg(crop), "9.2/2-1.jpg": jpeg(mask)}
    plant(tmp_path, files if full is None else {"9.1/1-001.jpg": jpeg(full), **files})

    assert paths(tmp_path)[1:] == ("jpeg/9.2/2-1.jpg", "jpeg/9.2/1-1.jpg")


def test_the_bits_of_the_original_decide_where_pictures_cannot_be_read(tmp_path: Path) -> None:
    info = (
        "CBIS-DDSM/jpeg/9.2/1-1.jpg,120,80,8,9.2,\n"  # a mask without a description
        "CBIS-DDSM/jpeg/9.2/2-1.jpg,20,24,16,9.2,ROI mask images\n"  # and a crop with a wrong one
    )
    plant(tmp_path, {"9.1/1-001.jpg": b"", "9.2/1-1.jpg": b"", "9.2/2-1.jpg": b""}, info=info)

    assert paths(tmp_path)[1:] == ("jpeg/9.2/1-1.jpg", "jpeg/9.2/2-1.jpg")


def test_where_nothing_decides_the_table_is_taken_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(tmp_path, {"9.1/1-001.jpg": b"", "9.2/1-1.jpg": b"", "9.3/2-1.jpg": b""})

    with caplog.at_level(logging.WARNING):
        found = paths(tmp_path)

    assert found[1:] == ("jpeg/9.3/2-1.jpg", "jpeg/9.2/1-1.jpg")
    assert "mask and crop of 1 lesions cannot be told apart" in caplog.text


def test_a_missing_picture_keeps_its_row_and_the_path_where_it_should_be(tmp_path: Path) -> None:
    plant(tmp_path, {"9.3/1-7.jpg": jpeg(MASK)}, info="CBIS-DDSM/jpeg/9.1/1-263.jpg,120,80,16,9.1,\n")

    full, mask, crop = paths(tmp_path)

    assert full == "jpeg/9.1/1-263.jpg"
    assert mask == "jpeg/9.3/1-7.jpg"
    assert crop == "jpeg/9.2/000000.jpg"


def test_labels_are_those_of_the_dicom_edition(tmp_path: Path) -> None:
    plant(tmp_path, {"9.1/1-001.jpg": jpeg(FULL)})
    shutil.copyfile(
        tmp_path / "csv" / "mass_case_description_train_set.csv", tmp_path / "mass_case_description_train_set.csv"
    )
    ours = ("source", "path", "mask_path", "crop_path")

    jpegs, dicoms = (build_index(source, tmp_path).table.drop(ours) for source in (CBIS_DDSM_JPEG, CBIS_DDSM))

    assert jpegs.equals(dicoms)


@pytest.mark.parametrize("info", ["CBIS-DDSM/jpeg/9.1/a.jpg,,80,16,9.1,\n", "CBIS-DDSM/jpeg/../../a.jpg,1,1,16,9.1,\n"])
def test_a_bad_row_of_dicom_info_is_refused_by_line(tmp_path: Path, info: str) -> None:
    plant(tmp_path, {"9.1/1-001.jpg": b""}, info=info)

    with pytest.raises(SourceError, match=r"^dicom_info\.csv:2: a\.jpg has no size or no sound path"):
        build_index(CBIS_DDSM_JPEG, tmp_path)


@pytest.mark.data
def test_the_real_rows_of_dicom_info_are_read(real_data: Path, tmp_path: Path) -> None:
    plant(tmp_path, {"9.1/1-001.jpg": b""})
    shutil.copyfile(real_data / "cbis_ddsm_csv" / "dicom_info_head.csv", tmp_path / "csv" / "dicom_info.csv")

    assert build_index(CBIS_DDSM_JPEG, tmp_path).table.height == 1


@pytest.mark.data
def test_the_real_file_list_resolves_but_for_one_lesion(real_data: Path, tmp_path: Path) -> None:
    wanted = plant_real(real_data, tmp_path)

    index = build_index(CBIS_DDSM_JPEG, tmp_path)

    table, images = index.table, image_table(index)
    rows = table.select("patient_id", "image_id", pl.col("lesion_id").str.split("-").list.first()).unique()
    assert (table.height, rows.height, images.height, table["patient_id"].n_unique()) == (3568, 3103, 3032, 1566)
    assert table["malignant"].sum() == 1457
    found = {name: [path for path in table[name] if (tmp_path / path).is_file()] for name in ("mask_path", "crop_path")}
    assert {name: len(some) for name, some in found.items()} == {"mask_path": 3567, "crop_path": 3567}
    assert all(path in wanted for path in found["mask_path"])
    assert not any(path in wanted for path in found["crop_path"])
    assert all((tmp_path / path).is_file() for path in table["path"])
    (lost,) = table.filter(~pl.col("crop_path").is_in(found["crop_path"])).select("image_id", "lesion_id").rows()
    assert lost == ("P_01563_RIGHT_MLO", "calcification-2")


def plant_real(real_data: Path, root: Path) -> set[str]:
    """Plant the real list of files as tiny pictures, and name those that are masks."""
    (root / "csv").mkdir()
    full_series = set()
    for table in sorted((real_data / "cbis_ddsm_csv").glob("*_set.csv")):
        shutil.copyfile(table, root / "csv" / table.name)
        with table.open(newline="") as file:
            full_series |= {row["image file path"].split("/")[-2] for row in csv.DictReader(file)}
    full, mask, crop = jpeg(FULL), jpeg(MASK), jpeg(CROP)
    by_series: dict[str, list[str]] = {}
    for series, name in pl.read_csv(real_data / "cbis_ddsm_csv" / "kaggle_jpeg_files.csv", infer_schema=False).rows():
        by_series.setdefault(series, []).append(name)
    alone = mask_series(real_data)
    masks = set()
    for number, (series, names) in enumerate(sorted(by_series.items())):
        (root / "jpeg" / series).mkdir(parents=True)
        for at, name in enumerate(sorted(names)):
            is_mask = at == number % 2 if len(names) == 2 else series in alone
            content = full if series in full_series else mask if is_mask else crop
            (root / "jpeg" / series / name).write_bytes(content)
            if content is mask:
                masks.add(f"jpeg/{series}/{name}")
    return masks


def mask_series(real_data: Path) -> set[str]:
    """Series that a table lists as the mask alone."""
    found = set()
    for table in sorted((real_data / "cbis_ddsm_csv").glob("*_set.csv")):
        with table.open(newline="") as file:
            found |= {row["ROI mask file path"].split("/")[-2] for row in csv.DictReader(file)}
    return found
