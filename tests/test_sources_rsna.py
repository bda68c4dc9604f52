"""RSNA: the official table, whichever format the pictures were converted to."""

from pathlib import Path

import pytest

from mammoscope.errors import SourceError
from mammoscope.records import image_table
from mammoscope.sources import RSNA, build_index

HEADER = (
    "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,machine_id,"
    "difficult_negative_case\n"
)
ROW = "2,10006,462822612,L,CC,61,0,0,0,,0,,29,False\n"


def folder(root: Path, *rows: str, files: tuple[str, ...] = ()) -> Path:
    (root / "train.csv").write_text(HEADER + "".join(rows))
    for name in files:
        (root / "train_images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "train_images" / name).write_bytes(b"x")
    return root


def test_a_row_is_read_exactly_and_empty_cells_are_unknown(tmp_path: Path) -> None:
    (record,) = RSNA.read(folder(tmp_path, ROW))

    assert (record.patient_id, record.image_id, record.laterality, record.view) == ("10006", "462822612", "L", "CC")
    assert (record.age_years, record.malignant, record.label_origin) == (61.0, False, "derived")
    assert (record.density, record.assessment, record.machine_id, record.site_id) == (None, None, "29", "2")
    assert (record.implant, record.difficult_negative, record.official_part) == (False, False, None)
    assert record.path == "train_images/10006/462822612.dcm"


def test_an_image_that_is_listed_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"train.csv:3: image_id '462822612' stands in line 2, too. Keep one"):
        list(RSNA.read(folder(tmp_path, ROW, ROW)))


def test_a_proven_cancer_of_an_edition_written_by_pandas(tmp_path: Path) -> None:
    (record,) = RSNA.read(folder(tmp_path, "1,7,8,R,MLO,71.0,1,1,1,0.0,1,C,49,True\n"))

    assert (record.age_years, record.malignant, record.label_origin) == (71.0, True, "biopsy")
    assert (record.density, record.assessment, record.implant, record.difficult_negative) == ("C", 0, True, True)


@pytest.mark.parametrize("suffix", [".dcm", ".png", ".jpg", ".jpeg"])
def test_a_missing_picture_is_expected_in_the_commonest_format(tmp_path: Path, suffix: str) -> None:
    rows = [ROW, ROW.replace("462822612", "2"), ROW.replace("462822612", "3")]
    root = folder(tmp_path, *rows, files=(f"10006/2{suffix}", f"10006/3{suffix}"))

    paths = build_index(RSNA, root).table["path"].to_list()

    assert paths == [f"train_images/10006/{name}{suffix}" for name in ("462822612", "2", "3")]


def test_the_dicom_file_comes_before_its_conversion(tmp_path: Path) -> None:
    root = folder(tmp_path, ROW, files=("10006/462822612.png", "10006/462822612.dcm"))

    assert next(RSNA.read(root)).path.endswith(".dcm")


def test_columns_that_a_smaller_edition_lacks_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("patient_id,image_id,laterality,view,cancer\n1,2,L,CC,1\n")

    (record,) = RSNA.read(tmp_path)

    assert (record.malignant, record.age_years, record.implant) == (True, None, None)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",CC,", ",XX,", r"train\.csv:2: view 'XX' is not one of CC, MLO"),
        (",61,", ",old,", "age 'old' is not a number"),
        ("False", "maybe", "difficult_negative_case 'maybe' is not one of"),
        ("10006", "", "patient_id is empty"),
        (",0,0,0,,", ",0,0,0,3,", "BIRADS '3' is not one of 0, 0.0, 1"),
    ],
)
def test_a_wrong_cell_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list(RSNA.read(folder(tmp_path, ROW.replace(old, new, 1))))


def test_the_table_of_the_test_set_has_no_labels_and_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("site_id,patient_id,image_id,laterality,view\n1,2,3,L,CC\n")

    with pytest.raises(SourceError, match="no column 'cancer'"):
        list(RSNA.read(tmp_path))


@pytest.mark.data
def test_the_counts_of_the_jpeg_edition_hold_and_all_its_pictures_are_found(real_data: Path) -> None:
    index = build_index(RSNA, real_data / "rsna_jpeg640")
    images = image_table(index)

    assert (images.height, images["patient_id"].n_unique(), images["malignant"].sum()) == (2311, 653, 735)
    counts = dict(images["density"].value_counts().rows())
    assert counts == {"A": 146, "B": 609, "C": 402, "D": 46, None: 1108}
    assert all(index.file("rsna", path).is_file() for path in index.table["path"])


@pytest.mark.data
def test_a_row_without_a_file_is_kept(real_data: Path) -> None:
    index = build_index(RSNA, real_data / "rsna_dicom")

    missing = [row["image_id"] for row in index.table.to_dicts() if not index.file("rsna", row["path"]).is_file()]

    assert missing == ["1459541791"]
