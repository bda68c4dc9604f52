"""CDD-CESM: two kinds of picture kept apart, outlines of the VGG annotator, and the counts of the real tables."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mammoscope.errors import SourceError
from mammoscope.records import Index, image_table
from mammoscope.sources import CDD_CESM, CDD_CESM_SUBTRACTED, build_index

HEADER = (
    '"Image_name","Patient_ID","Side","Type","Age","Breast density (ACR)","BIRADS","Findings","View","Tags","Machine",'
    '"Pathology Classification/ Follow up"\n'
)
ROWS = (
    '"P1_L_DM_MLO","1","L","DM","46","C","4","Distortion ","MLO","suspicious, distortion","1","Malignant"\n'
    '"P1_L_CM_MLO","1","L","CESM","46","_","4","Non mass ","MLO","suspicious, non mass","1","Malignant"\n'
    '"P3_L_DM_CC ","3","L","DM","45","C","3$2","Mass ","CC","mass","1","Benign"\n'
)
POLYGON = {"name": "polygon", "all_points_x": [10, 30, 30], "all_points_y": [20, 20, 50]}


def plant(
    root: Path, *, rows: str = ROWS, shapes: tuple[dict[str, object], ...] = (POLYGON,), name: str = "P1_L_DM_MLO"
) -> None:
    (root / "Radiology-manual-annotations.csv").write_text(HEADER + rows)
    lines = [f'{name}.jpg,1,{{}},1,0,"{json.dumps(shape).replace(chr(34), chr(34) * 2)}",{{}}\n' for shape in shapes]
    head = "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    other = '{""name"":""point"",""cx"":5,""cy"":6}'
    stub = f'P1_L_CM_MLO.jpg,1,{{}},1,0,"{other}",{{}}\n'
    (root / "Radiology_hand_drawn_segmentations_v2.csv").write_text(head + "".join(lines) + stub)


def low(root: Path) -> Index:
    return build_index(CDD_CESM, root)


def test_each_kind_of_picture_is_a_source_of_its_own(tmp_path: Path) -> None:
    plant(tmp_path)

    assert low(tmp_path).table["image_id"].to_list() == ["P1_L_DM_MLO", "P3_L_DM_CC"]
    (row,) = build_index(CDD_CESM_SUBTRACTED, tmp_path).table.to_dicts()
    assert (row["image_id"], row["patient_id"], row["density"]) == ("P1_L_CM_MLO", "1", None)


def test_a_row_is_read_with_its_origin_and_its_highest_category(tmp_path: Path) -> None:
    plant(tmp_path)

    first, last = low(tmp_path).table.to_dicts()

    assert (first["malignant"], first["pathology"], first["label_origin"]) == (True, "malignant", "biopsy")
    assert (last["malignant"], last["label_origin"], last["assessment"]) == (False, "derived", 3)
    assert (first["age_years"], first["machine_id"], first["density"]) == (46, "1", "C")
    assert last["path"] == "Low energy images of CDD-CESM/P3_L_DM_CC.jpg"


@pytest.mark.parametrize("above", ["", "CDD-CESM"])
def test_pictures_are_found_here_or_one_level_down_though_names_end_in_a_blank(tmp_path: Path, above: str) -> None:
    plant(tmp_path)
    folder = tmp_path / above / "Low energy images of CDD-CESM"
    folder.mkdir(parents=True)
    (folder / "P3_L_DM_CC .jpg").write_bytes(b"")

    assert (tmp_path / low(tmp_path).table["path"][1]).is_file()


@pytest.mark.parametrize(
    ("shape", "box", "points", "circle"),
    [
        (POLYGON, (10, 20, 31, 51), 3, None),
        ({"name": "polyline", "all_points_x": [1, 3], "all_points_y": [2, 9]}, (1, 2, 4, 10), None, None),
        ({"name": "point", "cx": 5, "cy": 6}, (5, 6, 6, 7), None, None),
        ({"name": "circle", "cx": 50, "cy": 60, "r": 10}, (40, 50, 60, 70), None, True),
        ({"name": "ellipse", "cx": 50, "cy": 60, "rx": 10, "ry": 20}, (40, 40, 60, 80), 64, None),
    ],
)
def test_every_shape_of_the_annotator_is_a_lesion(
    tmp_path: Path, shape: dict[str, object], box: tuple[int, ...], points: int | None, *, circle: bool | None
) -> None:
    plant(tmp_path, shapes=(shape,))

    row = low(tmp_path).table.to_dicts()[0]

    assert tuple(row[f"lesion_{corner}"] for corner in ("x0", "y0", "x1", "y1")) == box
    assert (row["lesion_polygon"] and len(row["lesion_polygon"]) // 2, row["lesion_round"]) == (points, circle)


def test_an_outline_is_checked_against_its_picture(tmp_path: Path) -> None:
    plant(tmp_path)
    folder = tmp_path / "Low energy images of CDD-CESM"
    folder.mkdir()
    Image.new("L", (28, 60)).save(folder / "P1_L_DM_MLO.jpg")

    with pytest.raises(SourceError, match=r"v2\.csv:2: box 10,20,31,51 lies outside the picture of 28 x 60"):
        low(tmp_path)

    Image.new("L", (30, 60)).save(folder / "P1_L_DM_MLO.jpg")
    assert low(tmp_path).table["lesion_x1"][0] == 30


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"name": "blob"}, "shape 'blob' is not polygon, polyline, point, circle or ellipse"),
        ({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}, "is not a sound shape"),
        ({"name": "polygon", "all_points_x": [], "all_points_y": []}, "an outline without points"),
        ({"name": "circle", "cx": 5, "cy": 5}, "is not a sound shape"),
        ({"name": "circle", "cx": 5, "cy": 5, "r": -1}, "radius -1, -1 is not above 0"),
        (
            {"name": "polygon", "all_points_x": [-900, -800, -850], "all_points_y": [1, 2, 3]},
            "lies outside the picture",
        ),
        ({}, "is not a sound shape"),
    ],
)
def test_a_shape_that_is_none_is_refused_by_line(tmp_path: Path, shape: dict[str, object], message: str) -> None:
    plant(tmp_path, shapes=(shape,))

    with pytest.raises(SourceError, match=rf"^Radiology_hand_drawn_segmentations_v2\.csv:2: .*{message}"):
        low(tmp_path)


def test_an_outline_without_a_picture_in_the_table_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, name="P9_L_DM_MLO")

    with pytest.raises(SourceError, match="v2.csv:2: picture P9_L_DM_MLO.jpg is not in Radiology-manual"):
        low(tmp_path)


def test_the_workbook_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "Radiology-manual-annotations.xlsx").write_bytes(b"PK\x03\x04")
    (tmp_path / "Radiology_hand_drawn_segmentations_v2.csv").write_text("#filename,region_shape_attributes\na.jpg,{}\n")

    with pytest.raises(SourceError, match="xlsx: is an Excel workbook. Save it as 'CSV UTF-8', Radiology-manual"):
        low(tmp_path)


def test_two_files_for_one_picture_are_refused(tmp_path: Path) -> None:
    plant(tmp_path)
    for name in ("P1_L_DM_MLO.jpg", "P1_L_DM_MLO.png"):
        (tmp_path / "Low energy images of CDD-CESM").mkdir(exist_ok=True)
        (tmp_path / "Low energy images of CDD-CESM" / name).write_bytes(b"")

    with pytest.raises(SourceError, match=r"annotations\.csv:2: 2 files for one image"):
        low(tmp_path)


FAULTS = {
    '"1","L","DM"': ('"2","L","DM"', "Image_name P1_L_DM_MLO and its cells .* contradict each other"),
    '"P1_L_DM_MLO"': ('"P1_DM_L_MLO"', "Image_name 'P1_DM_L_MLO' is not such as P1_L_DM_MLO"),
    '"46","C"': ('"46,5","C"', "Age '46,5' is not a number"),
    '"C","4"': ('"E","4"', r"Breast density \(ACR\) 'E' is not one of A, B, C, D, _"),
    '"4","Distortion ': ('"4a","Distortion ', "BIRADS '4a' is not 1 to 6, nor several"),
    '"1","Malignant"': ('"1","malignant"', "Pathology Classification/ Follow up 'malignant' is not one of"),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(old=st.sampled_from(sorted(FAULTS)))
def test_every_planted_fault_is_found_by_line(old: str, tmp_path: Path) -> None:
    new, message = FAULTS[old]
    plant(tmp_path, rows=ROWS.replace(old, new, 1))

    with pytest.raises(SourceError, match=rf"^Radiology-manual-annotations\.csv:2: {message}"):
        low(tmp_path)


@pytest.mark.data
def test_the_counts_of_the_published_tables_hold(real_data: Path) -> None:
    root = real_data / "cdd_cesm_meta"

    low_energy, subtracted = low(root), build_index(CDD_CESM_SUBTRACTED, root)

    images = [image_table(index) for index in (low_energy, subtracted)]
    assert [table.height for table in images] == [1003, 1003]
    assert [table["patient_id"].n_unique() for table in images] == [326, 326]
    assert [index.table["lesion_id"].count() for index in (low_energy, subtracted)] == [1797, 1174]
    assert sum(index.table["lesion_x0"].count() for index in (low_energy, subtracted)) == 2971
    assert sum(table["malignant"].sum() for table in images) == 662
    density = dict(images[0]["density"].value_counts().rows())
    assert density == {"A": 8, "B": 329, "C": 515, "D": 70, None: 81}
    assert low_energy.table.select("lesion_x0", "lesion_y0").min().row(0) >= (0, 0)
