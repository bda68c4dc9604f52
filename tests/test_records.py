"""Records become an index that is sound, or is refused with the rows named."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mammoscope.errors import SourceError
from mammoscope.records import (
    COLUMNS,
    READER_COLUMNS,
    Index,
    Record,
    image_table,
    index_of,
    read_index,
    relative_path,
    write_index,
)
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, Part

ROOTS = {"own": Path()}
ONE = Record(source="own", patient_id="p1", image_id="a", path="a.png")


def lesion(name: str, *, malignant: bool | None, **more: object) -> Record:
    return replace(ONE, lesion_id=name, malignant=malignant, **more)


def labels(*records: Record) -> dict[str, bool | None]:
    images = image_table(index_of(records, roots=ROOTS))
    return dict(images.select("image_id", "malignant").rows())


def test_an_index_has_exactly_the_documented_columns_even_without_records() -> None:
    table = index_of([], roots={}).table

    assert dict(table.schema) == COLUMNS
    assert table.height == 0


def test_what_a_radiologist_filled_in_is_tagged() -> None:
    assert {"density", "assessment", "subtlety", "lesion_margins"} <= set(READER_COLUMNS)
    assert not {"malignant", "age_years", "lesion_x0"} & set(READER_COLUMNS)


@pytest.mark.parametrize(
    ("findings", "image"),
    [
        ([False, False], False),
        ([False, True], True),
        ([True, False], True),
        ([None, True], True),
        ([True, None], True),
        ([None, False], None),
        ([False, None], None),
        ([None, None], None),
    ],
)
def test_an_image_is_malignant_if_any_finding_is_and_unknown_if_one_could_be(
    findings: list[bool | None],
    image: bool | None,  # noqa: FBT001
) -> None:
    records = [lesion(str(at), malignant=value) for at, value in enumerate(findings)]

    assert labels(*records) == {"a": image}


def test_the_origin_of_an_image_label_is_that_of_the_malignant_finding() -> None:
    records = [
        lesion("1", malignant=False, label_origin=LabelOrigin.READER),
        lesion("2", malignant=True, label_origin=LabelOrigin.BIOPSY),
    ]

    images = image_table(index_of(records, roots=ROOTS))

    assert images["label_origin"].to_list() == ["biopsy"]
    assert images["findings"].to_list() == [2]


def test_images_keep_the_order_of_their_first_record() -> None:
    records = [
        replace(ONE, image_id=name, path=f"{name}.png", lesion_id=number, malignant=label)
        for name, number, label in [("c", "1", False), ("a", "1", True), ("c", "2", True), ("b", "1", False)]
    ]

    images = image_table(index_of(records, roots=ROOTS))

    assert images["image_id"].to_list() == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (replace(ONE, lesion_id="2", patient_id="p2"), "own/a: one image id, several values of patient_id"),
        (replace(ONE, lesion_id="2", path="b.png"), "one image id, several values of path"),
        (replace(ONE, lesion_id="2", laterality=Laterality.LEFT), "several values of laterality"),
        (ONE, "a lesion of one image is listed twice"),
        (replace(ONE, image_id="b"), "one file stands under several image ids"),
    ],
)
def test_two_records_that_contradict_each_other_are_refused(second: Record, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        index_of([ONE, second], roots=ROOTS)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (replace(ONE, patient_id=""), "patient_id is empty"),
        (replace(ONE, path="/etc/a.png"), "not a relative path"),
        (replace(ONE, path="../a.png"), "not a relative path"),
        (replace(ONE, path="x\\a.png"), "not a relative path"),
        (replace(ONE, mask_path="C:/a.png"), "mask_path is not a relative path"),
        (replace(ONE, lesion_x0=5.0, lesion_x1=5.0), "box is empty"),
        (replace(ONE, lesion_y0=5.0, lesion_y1=4.0), "box is empty or turned round"),
        (replace(ONE, assessment=7), "assessment is not a BI-RADS category"),
        (replace(ONE, source="other"), r"no folder is known for source \['other'\]"),
    ],
)
def test_a_record_that_is_not_sound_is_refused(record: Record, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        index_of([record], roots=ROOTS)


def test_many_wrong_rows_are_counted_and_three_named() -> None:
    records = [replace(ONE, image_id=str(n), path=f"{n}.png", assessment=9) for n in range(5)]

    with pytest.raises(SourceError, match="own/0, own/1, own/2 and 2 more"):
        index_of(records, roots=ROOTS)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
cells = st.fixed_dictionaries(
    {"patient_id": words, "image_id": words},
    optional={
        "laterality": st.sampled_from(Laterality),
        "age_years": st.floats(0, 120),
        "malignant": st.booleans(),
        "density": st.sampled_from(Density),
        "lesion_id": words,
        "lesion_polygon": st.lists(st.floats(0, 1e4), max_size=6).map(tuple),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells)
def test_what_is_written_is_what_is_read(tmp_path: Path, filled: dict[str, object]) -> None:
    index = index_of([replace(ONE, **filled)], roots={"own": tmp_path})

    write_index(index, tmp_path / "index.parquet")
    back = read_index(tmp_path / "index.parquet")

    assert back.table.equals(index.table)
    assert dict(back.table.schema) == COLUMNS
    assert back.roots == {"own": tmp_path.resolve()}


def test_a_data_set_that_has_moved_is_found_under_its_new_root(tmp_path: Path) -> None:
    write_index(index_of([ONE], roots={"own": tmp_path / "old"}), tmp_path / "index.parquet")

    back = read_index(tmp_path / "index.parquet", roots={"own": tmp_path / "new"})

    assert back.file("own", "a.png") == tmp_path / "new" / "a.png"


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("image,label\n")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")

    with pytest.raises(SourceError, match=r"none\.parquet: no such index\. Make one with"):
        read_index(tmp_path / "none.parquet")
    with pytest.raises(SourceError, match=r"text\.parquet: not a readable Parquet file"):
        read_index(tmp_path / "text.parquet")
    with pytest.raises(SourceError, match=r"other\.parquet: index schema is none, not '1'"):
        read_index(tmp_path / "other.parquet")


def test_columns_that_do_not_match_the_schema_are_named(tmp_path: Path) -> None:
    table = index_of([ONE], roots=ROOTS).table.with_columns(pl.lit(1).alias("site"), pl.lit(1).alias("density"))

    with pytest.raises(SourceError, match=r"columns \['density', 'site'\] do not match"):
        write_index(Index(table=table, roots=ROOTS), tmp_path / "index.parquet")
    assert not list(tmp_path.iterdir())


def test_a_path_outside_the_root_is_refused_by_name_only(tmp_path: Path) -> None:
    assert relative_path(tmp_path / "a" / "b.png", tmp_path) == "a/b.png"
    with pytest.raises(SourceError, match=r"^b\.png: lies outside"):
        relative_path(tmp_path / "b.png", tmp_path / "a")


def test_an_image_listed_in_train_and_in_test_counts_for_both_and_is_tested() -> None:
    rows = [replace(ONE, lesion_id=str(n), official_part=part) for n, part in enumerate((Part.TRAIN, Part.TEST))]

    image = image_table(index_of(rows, roots={"own": Path()})).row(0, named=True)

    assert image["official_part"] == "test"
    assert image["official_parts"] == ["test", "train"]
