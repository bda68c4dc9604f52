"""Tables that are read exactly, and refused with file, line and remedy."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mammoscope.errors import SourceError
from mammoscope.sources import Row, read_table
from mammoscope.vocabulary import View


def rows(folder: Path, content: str | bytes, **how: object) -> list[Row]:
    data = content.encode() if isinstance(content, str) else content
    (folder / "train.csv").write_bytes(data)
    return list(read_table(folder / "train.csv", **{"needs": ("id", "view"), **how}))


def test_an_empty_cell_is_unknown_never_negative(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "id,view,cancer\n1, ,\n", needs=("id", "view", "cancer"))

    assert row.text("view") is None
    assert row.code("view", View) is None
    assert row.flag("cancer") is None
    assert row.number("cancer") is None
    assert row.integer("cancer") is None


def test_a_code_is_exact(tmp_path: Path) -> None:
    first, second = rows(tmp_path, "id,view\n1,MLO\n2,XX\n")

    assert first.code("view", View) is View.MLO
    with pytest.raises(SourceError, match=r"^train\.csv:3: view 'XX' is not one of CC, MLO, ML, .*\. Correct the cell"):
        second.code("view", View)
    with pytest.raises(SourceError, match="view 'MLO' is not one of left, right"):
        first.code("view", {"left": 1, "right": 2})


@pytest.mark.parametrize("cell", ["cc", "CCX", "C", "C C"])
def test_a_code_is_never_matched_by_part_or_case(tmp_path: Path, cell: str) -> None:
    (row,) = rows(tmp_path, f"id,view\n1,{cell}\n")

    with pytest.raises(SourceError, match="is not one of"):
        row.code("view", View)


@pytest.mark.parametrize(
    ("cell", "value"), [("1", True), ("0", False), ("1.0", True), ("0.0", False), ("True", True), ("False", False)]
)
def test_a_flag_is_one_or_zero_however_pandas_wrote_it(tmp_path: Path, cell: str, *, value: bool) -> None:
    (row,) = rows(tmp_path, f"id,view\n1,{cell}\n")

    assert row.flag("view") is value


@pytest.mark.parametrize("cell", ["2", "yes", "-1", "nan"])
def test_any_other_flag_is_refused(tmp_path: Path, cell: str) -> None:
    (row,) = rows(tmp_path, f"id,view\n1,{cell}\n")

    with pytest.raises(SourceError, match=f"view '{cell}' is not one of 1, "):
        row.flag("view")


@pytest.mark.parametrize(("cell", "value"), [("71.0", 71.0), ("-3", -3.0), (".5", 0.5), ("1e2", 100.0)])
def test_a_number_is_a_decimal(tmp_path: Path, cell: str, value: float) -> None:
    (row,) = rows(tmp_path, f"id,view\n1,{cell}\n")

    assert row.number("view") == value


@pytest.mark.parametrize("cell", ["71,0", "nan", "inf", "1e999", "1_0", "0x1", "٣", "060Y"])
def test_what_is_no_decimal_is_refused(tmp_path: Path, cell: str) -> None:
    (row,) = rows(tmp_path, f'id,view\n1,"{cell}"\n')

    with pytest.raises(SourceError, match=r"train\.csv:2: view '.*' is not a number\. Write digits with a decimal"):
        row.number("view")


def test_an_integer_may_be_written_with_a_zero_fraction(tmp_path: Path) -> None:
    first, second = rows(tmp_path, "id,view\n1,71.0\n2,71.5\n")

    assert first.integer("view") == 71
    with pytest.raises(SourceError, match=r"'71\.5' is not a whole number"):
        second.integer("view")


def test_line_numbers_count_line_ends_inside_quotes(tmp_path: Path) -> None:
    found = rows(tmp_path, 'id,view\r\n1,"CC\n"\r\n\r\n2,"ML\nO"\r\n3,XX\r\n')

    assert [(row["id"], row.line) for row in found] == [("1", 2), ("2", 5), ("3", 7)]
    assert found[0].code("view", View) is View.CC


def test_a_cell_that_must_be_filled_says_where_it_is_not(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "id,view\n,CC\n")

    with pytest.raises(SourceError, match=r"train\.csv:2: id is empty\. Fill the cell"):
        row["id"]


def test_a_missing_column_names_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"train\.csv:1: no column 'view'; did you mean 'views'\?.*Rename the column"):
        rows(tmp_path, "id,views\n1,CC\n")


def test_an_optional_column_may_be_missing_but_a_misspelt_one_in_the_code_is_not(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "id,view\n1,CC\n", may=("age",))

    assert row.number("age") is None
    with pytest.raises(KeyError):
        row.number("agee")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("separator", [b",", b";", b"\t"])
def test_a_mark_and_any_of_three_separators_are_read(tmp_path: Path, mark: bytes, separator: bytes) -> None:
    (row,) = rows(tmp_path, mark + b"id" + separator + b"view\n1" + separator + b"CC\n")

    assert (row["id"], row["view"]) == ("1", "CC")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"PK\x03\x04rest",
            r"train\.csv: is an Excel workbook or a ZIP archive, not CSV text\. Save it as 'CSV UTF-8'",
        ),
        (b"\xd0\xcf\x11\xe0rest", "an old Excel workbook"),
        ("id,view\n".encode("utf-16"), "UTF-16 text"),
        (b"id,view\n1,CC\n2,\xe4\n", r"train\.csv:3: byte 0xe4 is not UTF-8"),
        (b"", r"train\.csv: is empty"),
        (b"id,view\n", "has a header but no rows"),
        (b"id,view\n1\n", r"train\.csv:2: 1 cells, but the header has 2"),
        (b"id,view\n1,CC,extra\n", r"train\.csv:2: 3 cells, but the header has 2"),
        (b'id,view\n1,"CC\n2,MLO\n', r"train\.csv:2: not a sound CSV row"),
        (b"id,view,view\n1,CC,MLO\n", "column 'view' occurs 2 times"),
    ],
)
def test_what_is_no_sound_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        rows(tmp_path, content)


def test_a_missing_file_names_the_nearest_one_and_no_full_path(tmp_path: Path) -> None:
    (tmp_path / "train .csv").write_text("")

    with pytest.raises(SourceError, match=r"^train\.csv: no such file in .*; did you mean 'train \.csv'\?") as caught:
        list(read_table(tmp_path / "train.csv", needs=("id",)))
    assert str(tmp_path) not in str(caught.value)


def test_a_folder_in_place_of_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").mkdir()

    with pytest.raises(SourceError, match="is a folder, not a table"):
        list(read_table(tmp_path / "train.csv", needs=("id",)))


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_every_cell_that_the_standard_writer_writes_is_read_back(tmp_path: Path, table: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("id", "view"), *[("x" + one, two) for one, two in table]])

    found = rows(tmp_path, text.getvalue())

    assert [(row["id"], row.text("view")) for row in found] == [
        (("x" + one).strip(), two.strip() or None) for one, two in table
    ]
