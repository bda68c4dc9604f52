"""EMBED: findings joined by side, pathology before categories, places in original pixels."""

import logging
from pathlib import Path

import pytest

from mammoscope.errors import SourceError
from mammoscope.records import Index, image_table
from mammoscope.sources import EMBED, build_index

IMAGE = "empi_anon,acc_anon,anon_dicom_path,FinalImageType,ImageLateralityFinal,ViewPosition,spot_mag,ROI_coords,"
IMAGE += "Rows,Columns"
FINDING = "empi_anon,acc_anon,numfind,side,asses,tissueden,path_severity,bside,massshape,massmargin,calcfind,"
FINDING += "calcdistri,age_at_study"
DISK = "/mnt/NAS/anon_dicom/cohort_2/7/70"
IMAGES = (f"7,70,{DISK}/1.dcm,2D,L,CC,,,4096,3328", f"7,70,{DISK}/2.dcm,2D,R,MLO,,,4096,3328")
FINDINGS = ("7,70,1,L,S,3.0,0.0,L,I,S,,,52", "7,70,2,R,N,3.0,,,,,,,52")


def plant(root: Path, *, images: tuple[str, ...] = IMAGES, findings: tuple[str, ...] = FINDINGS) -> None:
    (root / "tables").mkdir(exist_ok=True)
    (root / "tables" / "EMBED_OpenData_metadata.csv").write_text("\n".join([IMAGE, *images]) + "\n")
    (root / "tables" / "EMBED_OpenData_clinical.csv").write_text("\n".join([FINDING, *findings]) + "\n")


def read(root: Path) -> Index:
    return build_index(EMBED, root)


def labels(root: Path) -> list[tuple[bool | None, str | None]]:
    return image_table(read(root)).select("malignant", "label_origin").rows()


def test_a_finding_belongs_to_the_pictures_of_its_side(tmp_path: Path) -> None:
    plant(tmp_path)

    left, right = read(tmp_path).table.to_dicts()

    assert (left["image_id"], left["patient_id"], left["exam_id"]) == ("1", "7", "70")
    assert (left["malignant"], left["label_origin"], left["lesion_kind"]) == (True, "biopsy", "mass")
    assert (left["lesion_shape"], left["lesion_margins"], left["assessment"]) == ("I", "S", 4)
    assert (right["malignant"], right["label_origin"], right["lesion_id"]) == (False, "reader", None)
    assert (right["density"], right["age_years"], right["view"]) == ("C", 52, "MLO")
    assert left["path"] == "cohort_2/7/70/1.dcm"


@pytest.mark.parametrize(
    ("finding", "left", "right"),
    [
        ("7,70,1,B,N,2,,,,,,,", (False, "reader"), (False, "reader")),
        ("7,70,1,,N,2,,,,,,,", (False, "reader"), (False, "reader")),
        ("7,70,1,B,S,2,1,R,,,,,", (None, None), (True, "biopsy")),
        ("7,70,1,B,S,2,4,,,,,,", (False, "biopsy"), (False, "biopsy")),
        ("7,70,1,L,A,2,,,,,,,", (None, None), (None, None)),
        ("7,70,1,L,S,2,,,,,,,", (None, None), (None, None)),
        ("7,70,1,L,K,2,,,,,,,", (True, "reader"), (None, None)),
        ("7,70,1,L,S,2,6,L,,,,,", (True, "biopsy"), (None, None)),
        ("7,71,1,L,N,2,,,,,,,", (None, None), (None, None)),
    ],
)
def test_pathology_decides_then_a_negative_category_and_else_nothing(
    tmp_path: Path, finding: str, left: tuple[bool | None, str | None], right: tuple[bool | None, str | None]
) -> None:
    plant(tmp_path, findings=(finding,))

    assert labels(tmp_path) == [left, right]


def test_biopsy_and_then_operation_are_one_lesion_with_the_heaviest_result(tmp_path: Path) -> None:
    rows = ("7,70,1,L,S,3,4,L,I,S,,,52", "7,70,1,L,S,3,0,L,I,S,,,52", "7,70,1,L,S,3,,L,I,S,,,52")
    plant(tmp_path, images=IMAGES[:1], findings=rows)

    (row,) = read(tmp_path).table.to_dicts()

    assert (row["lesion_id"], row["malignant"], row["pathology"]) == ("1", True, "malignant")


def test_an_unknown_finding_beside_a_benign_one_leaves_the_image_unknown(tmp_path: Path) -> None:
    plant(tmp_path, images=IMAGES[:1], findings=("7,70,1,L,A,3,4,L,O,D,,,", "7,70,2,L,A,3,,,,,,,"))

    assert labels(tmp_path) == [(None, "biopsy")]


def test_places_are_boxes_with_the_label_of_their_breast_where_it_is_one(tmp_path: Path) -> None:
    image = IMAGES[0].replace(",,4096", ',"[[100, 200, 300, 250], [5, 6, 7, 8]]",4096')
    plant(tmp_path, images=(image,), findings=FINDINGS[:1])

    _, place, second = read(tmp_path).table.to_dicts()

    assert [place[f"lesion_{corner}"] for corner in ("x0", "y0", "x1", "y1")] == [200, 100, 250, 300]
    assert (place["lesion_id"], place["malignant"], second["lesion_id"]) == ("roi-1", True, "roi-2")

    plant(tmp_path, images=(image,), findings=("7,70,1,L,S,3,4,,O,D,,,", "7,70,2,L,S,3,0,,I,S,,,"))
    assert read(tmp_path).table["malignant"].to_list() == [False, True, None, None]


def test_what_is_no_full_field_picture_is_counted_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = (
        f"7,70,{DISK}/3.dcm,cview,L,CC,,,,",
        f"7,70,{DISK}/4.dcm,3D,L,CC,,,,",
        f"7,70,{DISK}/5.dcm,2D,L,CC,1.0,,,",
        f"7,70,{DISK}/6.dcm,,L,CC,,,,",
    )
    plant(tmp_path, images=(*IMAGES, *more))

    with caplog.at_level(logging.WARNING):
        index = read(tmp_path)

    assert image_table(index)["image_id"].to_list() == ["1", "2"]
    assert "1 3D, 1 C-view, 1 of no stated type, 1 spot or magnification" in caplog.text


def test_the_reduced_tables_and_the_folder_images_are_found(tmp_path: Path) -> None:
    plant(tmp_path)
    for name in ("metadata", "clinical"):
        whole = tmp_path / "tables" / f"EMBED_OpenData_{name}.csv"
        whole.rename(tmp_path / f"EMBED_OpenData_{name}_reduced.csv")
    (tmp_path / "images").mkdir()

    assert read(tmp_path).table["path"][0] == "images/cohort_2/7/70/1.dcm"


def test_calcifications_and_mixed_findings_have_their_kind(tmp_path: Path) -> None:
    plant(tmp_path, images=IMAGES[:1], findings=("7,70,1,L,S,3,4,,,,F,G,", "7,70,2,L,S,3,4,,I,S,F,G,"))

    table = read(tmp_path).table

    assert table["lesion_kind"].to_list() == ["calcification", None]
    assert table["calc_type"].to_list() == ["F", "F"]


@pytest.mark.parametrize(
    ("where", "old", "new", "message"),
    [
        ("images", "2D,L", "2d,L", "metadata.csv:2: FinalImageType '2d'"),
        ("images", "2D,L", "2D,B", "metadata.csv:2: ImageLateralityFinal 'B'"),
        ("images", "L,CC", "L,LCC", "metadata.csv:2: ViewPosition 'LCC'"),
        ("images", DISK, "/mnt/elsewhere", "metadata.csv:2: path of 1.dcm leaves the data set's folder"),
        ("images", f"{DISK}/1.dcm", "x/cohort_1/../1.dcm", "metadata.csv:2: path of 1.dcm leaves"),
        ("images", "1.dcm", "1.txt", "metadata.csv:2: 1.txt is not a .dcm file"),
        ("images", "CC,,,4096", 'CC,,"[[1,2,3]]",4096', "metadata.csv:2: ROI_coords '.*' is not a list of"),
        ("images", "CC,,,4096", "CC,,nonsense,4096", "metadata.csv:2: ROI_coords 'nonsense'"),
        ("images", "CC,,,4096", 'CC,,"[[10,20,5,30]]",4096', "metadata.csv:2: box 20,10,30,5 is empty or turned"),
        (
            "images",
            "CC,,,4096",
            'CC,,"[[1,2,9000,30]]",4096',
            "metadata.csv:2: box .* lies outside the picture of 3328 x 4096",
        ),
        ("findings", "3.0,0.0", "3.0,7", "clinical.csv:2: path_severity '7'"),
        ("findings", ",S,3.0", ",Z,3.0", "clinical.csv:2: asses 'Z'"),
        ("findings", "3.0", "6", "clinical.csv:2: tissueden '6'"),
        ("findings", "1,L", "1,X", "clinical.csv:2: side 'X'"),
        ("findings", "70,1,L", "70,1.5,L", "clinical.csv:2: numfind '1.5' is not a whole number"),
    ],
)
def test_a_bad_row_is_refused_by_line(tmp_path: Path, where: str, old: str, new: str, message: str) -> None:
    rows = {"images": IMAGES, "findings": FINDINGS}
    rows[where] = (rows[where][0].replace(old, new, 1), *rows[where][1:])
    plant(tmp_path, **rows)

    with pytest.raises(SourceError, match=message):
        read(tmp_path)
