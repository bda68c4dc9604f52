"""Several indexes as one: nothing lost, nobody twice, nothing guessed."""

import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammoscope.cohort import merge
from mammoscope.errors import SourceError
from mammoscope.records import COLUMNS, Index, Record, image_table, index_of
from mammoscope.sources import CBIS_DDSM, build_index
from mammoscope.vocabulary import LabelOrigin, Laterality, Part, View

HERE = Path("data")
MASS = Record(
    source="cbis_ddsm",
    patient_id="P_1",
    image_id="P_1_LEFT_CC",
    path="mass/1.dcm",
    laterality=Laterality.LEFT,
    view=View.CC,
    official_part=Part.TRAIN,
    malignant=False,
    label_origin=LabelOrigin.READER,
    lesion_id="mass-1",
)
CALC = replace(
    MASS,
    path="calc/1.dcm",
    official_part=Part.TEST,
    malignant=True,
    label_origin=LabelOrigin.BIOPSY,
    lesion_id="calc-1",
)


def index(*records: Record, root: Path = HERE) -> Index:
    return index_of(records, roots={record.source: root for record in records})


def test_one_view_in_two_halves_is_one_image_with_all_findings() -> None:
    merged = merge([index(MASS), index(CALC)])

    (image,) = image_table(merged).to_dicts()
    assert image["image_id"] == "P_1_LEFT_CC"
    assert image["path"] == "mass/1.dcm"
    assert (image["malignant"], image["findings"], image["official_part"]) == (True, 2, "test")
    assert merged.table["label_origin"].to_list() == ["reader", "biopsy"]
    assert merged.table["patient_id"].to_list() == ["P_1", "P_1"]


def test_several_sources_are_named_apart() -> None:
    other = replace(MASS, source="rsna", path="1.dcm", machine_id="29", label_origin=LabelOrigin.DERIVED)

    merged = merge([index(MASS), index(other)])

    assert merged.table["patient_id"].to_list() == ["cbis_ddsm:P_1", "rsna:P_1"]
    assert merged.table["image_id"].n_unique() == 2
    assert merged.table["machine_id"].to_list() == [None, "rsna:29"]
    assert merged.table["exam_id"].to_list() == [None, None]
    assert set(merged.roots) == {"cbis_ddsm", "rsna"}
    assert merged.table["label_origin"].to_list() == ["reader", "derived"]


def test_merging_in_steps_is_merging_at_once() -> None:
    parts = [index(replace(MASS, source=name)) for name in ("rsna", "vindr", "cmmd")]

    assert merge([merge(parts[:2]), parts[2]]).table.equals(merge(parts).table)


def test_merging_twice_the_same_changes_nothing() -> None:
    both = index(MASS, replace(CALC, path=MASS.path, official_part=MASS.official_part))

    assert merge([both, both]).table.equals(both.table)
    assert merge([both]).table.equals(both.table)


def test_an_unknown_fact_is_filled_by_a_known_one() -> None:
    known = replace(CALC, age_years=50.0)

    merged = merge([index(MASS), index(known)])

    assert merged.table["age_years"].to_list() == [50.0, 50.0]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (replace(CALC, age_years=51.0), "cbis_ddsm/P_1_LEFT_CC: one image, several values of age_years"),
        (replace(CALC, patient_id="P_2"), "several values of patient_id"),
        (replace(CALC, view=View.MLO), "several values of view"),
        (replace(CALC, lesion_id="mass-1"), "one lesion, two rows that differ"),
    ],
)
def test_contradictions_are_refused_by_name(second: Record, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        merge([index(replace(MASS, age_years=50.0)), index(second)])


@pytest.mark.parametrize("pair", [("cbis_ddsm", "cbis_ddsm_jpeg"), ("cdd_cesm", "cdd_cesm_subtracted")])
def test_two_editions_of_the_same_women_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(SourceError, match=f"{pair[0]} and {pair[1]} show the same women"):
        merge([index(replace(MASS, source=name)) for name in pair])


def test_two_roots_of_one_source_become_the_folder_above_both(tmp_path: Path) -> None:
    halves = [
        index(replace(record, mask_path="m.png"), root=tmp_path / name) for record, name in ((MASS, "a"), (CALC, "b"))
    ]

    merged = merge(halves)

    assert merged.roots == {"cbis_ddsm": tmp_path}
    assert merged.table["path"].unique().to_list() == ["a/mass/1.dcm"]
    assert merged.table["mask_path"].to_list() == ["a/m.png", "b/m.png"]


def test_one_root_inside_the_other_is_no_trouble(tmp_path: Path) -> None:
    merged = merge([index(MASS, root=tmp_path), index(replace(CALC, image_id="b"), root=tmp_path / "more")])

    assert merged.table["path"].to_list() == ["mass/1.dcm", "more/calc/1.dcm"]


def test_tables_of_ones_own_need_names(tmp_path: Path) -> None:
    own = [index(replace(MASS, source="table"), root=tmp_path / name) for name in ("north", "south")]

    with pytest.raises(SourceError, match="2 folders of source 'table'. Give names"):
        merge(own)

    merged = merge(own, names=["north", "south"])
    assert merged.table["patient_id"].to_list() == ["north:P_1", "south:P_1"]
    assert merged.roots == {"north": tmp_path / "north", "south": tmp_path / "south"}


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a"], "1 names for 2 indexes"), (["a", ""], "is no source name"), (["a:b", "c"], "without a colon")],
)
def test_names_are_checked(names: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        merge([index(MASS), index(CALC)], names=names)


def test_a_merged_index_cannot_be_renamed() -> None:
    several = merge([index(MASS), index(replace(MASS, source="rsna"))])

    with pytest.raises(SourceError, match="would name 2 sources at once"):
        merge([several], names=["a"])


def test_nothing_to_merge_is_refused() -> None:
    with pytest.raises(SourceError, match="no index is given"):
        merge([])


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["rsna", "vindr", "cmmd"]), st.sampled_from("12345"), st.sampled_from("abc"), st.booleans()
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[:3],
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_however_records_are_dealt_out_merging_gives_them_all_back(
    rows: list[tuple[str, str, str, bool]], data: st.DataObject
) -> None:
    piles: list[list[Record]] = [[], [], []]
    for source, patient, lesion, malignant in rows:
        pile = piles[data.draw(st.integers(0, 2))]
        names = {"patient_id": patient, "image_id": f"{patient}-cc", "path": f"{patient}.png", "lesion_id": lesion}
        pile.append(Record(source=source, malignant=malignant, **names))

    merged = merge([index(*pile) for pile in piles if pile])

    name = pl.col("image_id").str.split(":").list.last().str.head(1)
    assert sorted(merged.table.select("source", name, "lesion_id", "malignant").rows()) == sorted(rows)
    several = len({row[0] for row in rows}) > 1
    assert all(who.startswith(f"{s}:") == several for s, who in merged.table.select("source", "patient_id").rows())


def test_two_hundred_thousand_rows_merge_in_seconds() -> None:
    half = pl.DataFrame({"n": range(100_000)}).select(
        source=pl.lit("cbis_ddsm"),
        patient_id=pl.format("P{}", pl.col("n") // 8),
        image_id=pl.format("P{}_{}", pl.col("n") // 8, pl.col("n") % 8 // 2),
        path=pl.format("{}.dcm", pl.col("n") // 2),
        lesion_id=pl.format("mass-{}", pl.col("n") % 2),
        malignant=pl.col("n") % 3 == 0,
    )
    full = half.select(
        half[name].cast(kind) if name in half.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in COLUMNS.items()
    )
    other = full.with_columns(lesion_id=pl.col("lesion_id").str.replace("mass", "calc"), path="calc/" + pl.col("path"))

    start = time.perf_counter()
    merged = merge([Index(table=full, roots={"cbis_ddsm": HERE}), Index(table=other, roots={"cbis_ddsm": HERE})])
    seconds = time.perf_counter() - start

    assert merged.table.height == 200_000
    assert seconds < 20


@pytest.mark.data
def test_the_mass_and_the_calc_half_merge_to_what_reading_both_gives(real_data: Path, tmp_path: Path) -> None:
    tables = sorted((real_data / "cbis_ddsm_csv").glob("*_set.csv"))
    halves = []
    for kind in ("mass", "calc"):
        folder = tmp_path / kind
        folder.mkdir()
        for table in tables:
            if table.name.startswith(kind):
                (folder / table.name).symlink_to(table)
        halves.append(build_index(CBIS_DDSM, folder))
    halves = [Index(table=half.table, roots={"cbis_ddsm": tmp_path}) for half in halves]
    for table in tables:
        (tmp_path / table.name).symlink_to(table)

    merged = merge(halves)

    order = ["patient_id", "image_id", "lesion_id"]
    assert merged.table.sort(order).equals(build_index(CBIS_DDSM, tmp_path).table.sort(order))
    assert image_table(merged).height == 3032
