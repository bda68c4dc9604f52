"""Data of one's own: a table with declared columns, and folders with declared names."""

import json
import logging
import tomllib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mammoscope.errors import SourceError
from mammoscope.records import Index
from mammoscope.sources import FOLDERS, TABLE, build_index

DECLARATION = """
table = "own.csv"
folder = "pictures"
suffix = ".png"
[columns]
patient_id = "woman"
image_id = "picture"
path = "picture"
laterality = "side"
view = "view"
age_years = "age"
implant = "implant"
assessment = "birads"
malignant = "result"
lesion_id = "lesion"
lesion_x0 = "x0"
lesion_y0 = "y0"
lesion_x1 = "x1"
lesion_y1 = "y1"
lesion_polygon = "outline"
[values.laterality]
left = "L"
right = "R"
[values.malignant]
benign = false
cancer = true
[constants]
label_origin = "biopsy"
density = "B"
"""
HEADER = "woman,picture,side,view,age,implant,birads,result,lesion,x0,y0,x1,y1,outline\n"
ROW = 'W1,p1,left,CC,51.5,0,4,cancer,1,10,20,30,40,"[10, 20, 30, 20, 30, 40]"\n'
EMPTY = "W2,p2,,,,,,,,,,,,\n"


def plant(root: Path, *, declaration: str = DECLARATION, rows: str = ROW + EMPTY) -> None:
    (root / "mammoscope.toml").write_text(declaration)
    (root / "own.csv").write_text(HEADER + rows)


def table(root: Path) -> Index:
    return build_index(TABLE, root)


def test_declared_columns_become_records_and_empty_cells_are_unknown(tmp_path: Path) -> None:
    plant(tmp_path)

    first, second = table(tmp_path).table.to_dicts()

    assert (first["patient_id"], first["path"], first["laterality"], first["view"]) == (
        "W1",
        "pictures/p1.png",
        "L",
        "CC",
    )
    assert (first["age_years"], first["implant"], first["assessment"], first["malignant"]) == (51.5, False, 4, True)
    assert (first["lesion_x1"], first["lesion_polygon"]) == (30, [10, 20, 30, 20, 30, 40])
    assert {first["density"], second["density"]} == {"B"}
    assert [second[name] for name in ("laterality", "age_years", "implant", "malignant", "lesion_x0")] == [None] * 5


def test_an_outline_has_a_box_even_where_none_is_given(tmp_path: Path) -> None:
    plant(tmp_path, rows=ROW.replace("10,20,30,40,", ",,,,", 1))
    assert table(tmp_path).table.select("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1").row(0) == (10, 20, 31, 41)

    plant(tmp_path, rows=ROW.replace("[10, 20, 30", "[-910, 20, -930").replace("30, 40]", "-930, 40]"))
    with pytest.raises(SourceError, match="^own.csv:2: box .* lies outside the picture"):
        table(tmp_path)


def test_json_and_parquet_say_the_same(tmp_path: Path) -> None:
    plant(tmp_path)
    before = table(tmp_path).table
    frame = pl.read_csv(tmp_path / "own.csv")
    frame = frame.with_columns(
        outline=pl.Series([[10, 20, 30, 20, 30, 40], None], dtype=pl.List(pl.Int64)), implant=pl.Series([False, None])
    )
    frame.write_parquet(tmp_path / "own.parquet")
    (tmp_path / "mammoscope.toml").unlink()
    content = tomllib.loads(DECLARATION) | {"table": "own.parquet"}
    (tmp_path / "mammoscope.json").write_text(json.dumps(content))

    assert table(tmp_path).table.equals(before)


FAULTS = {  # column: a cell that is none, and what is said of it
    "woman": ("", "woman is empty"),
    "picture": ("../p1", "path of p1.png leaves the data set's folder"),
    "side": ("Left", "side 'Left' is not one of left, right"),
    "view": ("cc", "view 'cc' is not one of CC, MLO"),
    "age": ('"51,5"', "age '51,5' is not a number"),
    "implant": ("no", "implant 'no' is not one of"),
    "birads": ("7", "assessment 7 is not a BI-RADS category"),
    "result": ("Malignant", "result 'Malignant' is not one of benign, cancer"),
    "x0": ("-500", "box -500,20,30,40 lies outside the picture"),
    "y0": ("40", "box 10,40,30,40 is empty or turned round"),
    "x1": ("", "a box without all of its corners"),
    "outline": ('"[1,2,3]"', r"outline is not \[x, y, x, y ...\]"),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(column=st.sampled_from(sorted(FAULTS)), at=st.integers(0, 3), separator=st.sampled_from(",;\t"))
def test_every_planted_fault_is_found_by_line_and_nothing_else(
    column: str, at: int, separator: str, tmp_path: Path
) -> None:
    names = HEADER.strip().split(",")
    cell, message = FAULTS[column]
    cells = [
        ["W1", f"p{n}", "left", "CC", "51.5", "0", "4", "cancer", "1", "10", "20", "30", "40", '"[1,2,3,4,5,7]"']
        for n in range(4)
    ]
    plant(tmp_path)

    def write() -> None:
        (tmp_path / "own.csv").write_text("\n".join(separator.join(row) for row in [names, *cells]) + "\n")

    write()
    assert table(tmp_path).table.height == 4
    cells[at][names.index(column)] = cell
    write()
    with pytest.raises(SourceError, match=f"^own.csv:{at + 2}: {message}"):
        table(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[columns]", "[colums]", "mammoscope.toml: colums: Extra inputs are not permitted; did you mean 'columns'"),
        (
            'laterality = "side"',
            'lateralty = "side"',
            "'lateralty' is no column of the index; did you mean 'laterality'",
        ),
        ('view = "view"', 'source = "view"', "'source' is no column of the index"),
        ('patient_id = "woman"', "", "nothing gives patient_id. Declare the column"),
        ('"woman"', '"wife"', "own.csv:1: no column 'wife'"),
        ('left = "L"', 'left = "Left"', "values.laterality.left: 'Left' is not one of L, R"),
        ("cancer = true", 'cancer = "yes"', "values.malignant.cancer: 'yes' is not true or false"),
        ('density = "B"', 'density = "2"', "constants.density: '2' is not one of A, B, C, D"),
        ('label_origin = "biopsy"', "", "malignant without label_origin. Say who says so"),
        ('table = "own.csv"', 'table = "../own.csv"', "path of own.csv leaves the data set's folder"),
        ('table = "own.csv"', 'table = "owns.csv"', "owns.csv: no such file"),
        ('table = "own.csv"', "table = 3", "mammoscope.toml: table: Input should be a valid string"),
        ('table = "own.csv"', 'table = "own.parquet"', "own.parquet: no such file"),
        ("[columns]", "[columns", "mammoscope.toml: not readable"),
    ],
)
def test_a_bad_declaration_is_refused_by_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    plant(tmp_path, declaration=DECLARATION.replace(old, new, 1))

    with pytest.raises(SourceError, match=message):
        table(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "own.csv: is an Excel workbook or a ZIP archive"),
        (HEADER.encode() + ROW.replace("W1", "Mu\u00f1oz").encode("latin-1"), "own.csv:2: byte 0xf1 is not UTF-8"),
        ((HEADER + ROW).encode("utf-16"), "own.csv: is UTF-16 text"),
        (b"", "own.csv: is empty"),
    ],
)
def test_a_table_that_is_no_csv_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    plant(tmp_path)
    (tmp_path / "own.csv").write_bytes(content)

    with pytest.raises(SourceError, match=message):
        table(tmp_path)


def test_a_parquet_file_that_is_none_or_lacks_a_column_is_refused(tmp_path: Path) -> None:
    plant(tmp_path, declaration=DECLARATION.replace("own.csv", "own.parquet"))
    (tmp_path / "own.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match="own.parquet: not a readable Parquet file"):
        table(tmp_path)

    pl.DataFrame({"women": ["1"]}).write_parquet(tmp_path / "own.parquet")
    with pytest.raises(SourceError, match="own.parquet: no column 'woman'; did you mean 'women'"):
        table(tmp_path)


def test_a_folder_without_a_declaration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no mammoscope.toml that declares the columns"):
        table(tmp_path)


def pictures(root: Path, *names: str, declaration: str = "") -> Index:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    if declaration:
        (root / "mammoscope.toml").write_text(declaration)
    return build_index(FOLDERS, root)


def test_folders_say_the_class_and_the_part(tmp_path: Path) -> None:
    index = pictures(tmp_path, "train/benign/1.png", "test/malignant/2.png", "tune/normal/3.png")

    assert index.table.select("image_id", "malignant", "pathology", "official_part", "label_origin").rows() == [
        ("test/malignant/2", True, "malignant", "test", "derived"),
        ("train/benign/1", False, "benign", "train", "derived"),
        ("tune/normal/3", False, "normal", "tune", "derived"),
    ]


def test_without_a_pattern_each_file_is_a_patient_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        index = pictures(tmp_path, "benign/1.png", "malignant/1.png")

    assert index.table["patient_id"].n_unique() == 2
    assert "each of 2 files is taken for a patient of its own" in caplog.text


def test_a_pattern_says_patient_side_and_view(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    declaration = r"""
    label_origin = "biopsy"
    name = '(?P<patient>\d+)(_(?P<laterality>[A-Z])_(?P<view>[A-Z]+))?( \(\d+\))?'
    classes = { "Benign Masses" = "benign" }
    parts = { Train = "train" }
    """

    with caplog.at_level(logging.WARNING):
        index = pictures(tmp_path, "Train/Benign Masses/7_L_CC (2).png", "Benign Masses/7.png", declaration=declaration)

    assert index.table.select("patient_id", "laterality", "view", "official_part", "label_origin").rows() == [
        ("7", None, None, None, "biopsy"),
        ("7", "L", "CC", "train", "biopsy"),
    ]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "declaration", "message"),
    [
        (
            "Benign/1.png",
            "",
            "Benign/1.png: folder 'Benign' is not one of benign, malignant, normal; did you mean 'benign'",
        ),
        ("1.png", "", "1.png: folder '' is not one of"),
        ("train/1.png", "", "folder 'train' is not one of"),
        ("other/benign/1.png", "", "folder 'other' is not one of"),
        ("benign/x.png", r"name = '(?P<patient>\d+)'", r"x.png: does not match name = "),
        ("benign/1_Q.png", r"name = '(?P<patient>\d+)_(?P<laterality>\w)'", "1_Q.png: 'Q' is not one of L, R"),
        ("benign/1.png", r"name = '(\d+)'", "name: Value error, groups .* are not patient"),
        ("benign/1.png", "name = '('", "name: Value error, '.' is not a pattern"),
        ("benign/1.png", 'classes = { benign = "good" }', "classes.benign: Input should be 'benign', 'malignant'"),
        (
            "benign/1.png",
            'class = { benign = "benign" }',
            "class: Extra inputs are not permitted; did you mean 'classes'",
        ),
    ],
)
def test_a_name_that_is_not_declared_is_refused(tmp_path: Path, name: str, declaration: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        pictures(tmp_path, name, declaration=declaration)


def test_two_files_for_one_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="benign/1: two files for one image, 1.jpg and 1.png"):
        pictures(tmp_path, "benign/1.png", "benign/1.jpg")
