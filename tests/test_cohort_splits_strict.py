"""Leaving out one site or machine, patients on both sides, views; and what changes a fingerprint."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammoscope.cohort import (
    FileSplit,
    KFoldSplit,
    LeaveOutSplit,
    OfficialRawSplit,
    OfficialRepairedSplit,
    OfficialStrictSplit,
    RatioSplit,
    SplitSettings,
    apply_split,
    leaking_patients,
    split,
)
from mammoscope.errors import SourceError
from mammoscope.records import Index, Record, image_table, index_of
from mammoscope.sources import CBIS_DDSM, RSNA, build_index
from mammoscope.vocabulary import Part, View

MACHINE = LeaveOutSplit(column="machine_id", value="29", tune=0.3)


def cohort(machines: list[str | None], *, official: bool = False) -> pl.DataFrame:
    """Two images a patient, on the machines given, two at a time; every other patient is malignant."""
    records = [
        Record(
            source="own",
            patient_id=f"p{at // 2:02d}",
            image_id=f"{at:03d}",
            path=f"{at}.png",
            view=View.CC if at % 2 else View.MLO,
            malignant=at // 2 % 2 == 0,
            machine_id=machine,
            official_part=(Part.TEST if at // 2 % 3 == 0 else Part.TRAIN) if official else None,
        )
        for at, machine in enumerate(machines)
    ]
    return image_table(index_of(records, roots={"own": Path()}))


def test_a_machine_left_out_is_the_test_and_its_patients_are_nowhere_else() -> None:
    images = cohort([*["29"] * 8, "29", "48", *["48"] * 22, None, None])

    made = split(images, MACHINE, seed=0)

    joined = apply_split(images, made)
    assert set(joined.filter(pl.col("part") == "test")["machine_id"]) == {"29"}
    assert set(joined.filter(pl.col("part") != "test")["machine_id"]) == {"48"}
    assert leaking_patients(joined).is_empty()
    assert images.height - joined.height == 3
    assert made.notes == (
        "1 images that patients of machine_id 29 have elsewhere are left out",
        "2 images without machine_id are left out",
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["29", "48", "7", None]), max_size=40), st.integers(0, 5))
def test_no_patient_of_the_machine_left_out_is_learned_from(more: list[str | None], seed: int) -> None:
    images = cohort([*["29"] * 4, *["48"] * 16, *more])

    joined = apply_split(images, split(images, MACHINE, seed=seed))

    tested = joined.filter(pl.col("part") == "test")
    assert tested.height == images.filter(pl.col("machine_id") == "29").height
    assert not set(tested["patient_id"]) & set(joined.filter(pl.col("part") != "test")["patient_id"])


@pytest.mark.parametrize(
    ("machines", "message"),
    [
        (["290", "48"] * 9, r"no image has machine_id '29'; did you mean '290'\?\. The cohort has 290, 48$"),
        ([None] * 18, r"no image has machine_id '29'\. The data set does not state it"),
    ],
)
def test_a_machine_that_is_not_there_is_refused(machines: list[str | None], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        split(cohort(machines), MACHINE, seed=0)


def test_the_strict_split_takes_patients_of_both_sides_out_of_both() -> None:
    images = cohort(["1"] * 60, official=True)
    crossed = pl.when(pl.col("image_id") == "000").then(pl.lit("train")).otherwise(pl.col("official_part"))
    both = images.drop("official_parts").with_columns(official_part=crossed)

    made = split(both, OfficialStrictSplit(tune=0.3), seed=0)

    assert "own/p00" not in made.parts
    assert len(made.parts) == 29
    (note,) = made.notes
    assert "split (p00) are left out: 1 train and 1 test images. The test set is smaller than published" in note


def test_sets_of_views_are_shared_out_within_a_label() -> None:
    views = ["CC", "MLO", "MLO", "MLO"] * 40
    images = cohort(["1"] * 160).with_columns(pl.Series("view", views, dtype=pl.Enum([view.value for view in View])))

    joined = apply_split(images, split(images, RatioSplit(train=0.5, tune=0.25, test=0.25), seed=3))

    one_view = joined.group_by("patient_id").agg(pl.col("view").n_unique() == 1, pl.col("part", "malignant").first())
    train = one_view.filter(pl.col("malignant") & (pl.col("part") == "train"))
    assert train["view"].value_counts().height <= 2
    assert abs(train["view"].sum() - one_view.filter("malignant")["view"].sum() / 2) <= 1


BASE = cohort([*["1"] * 4, *["2"] * 4] * 8, official=True)
WAYS: list[SplitSettings] = [
    RatioSplit(),
    KFoldSplit(folds=3),
    OfficialRepairedSplit(),
    LeaveOutSplit(column="machine_id", value="1"),
]
MATTERS = {
    "a label": BASE.with_columns(malignant=pl.col("malignant") ^ (pl.col("image_id") == "004")),
    "a patient's id": BASE.with_columns(pl.col("patient_id").replace("p03", "p99")),
    "an image's id": BASE.with_columns(pl.col("image_id").replace("004", "999")),
    "a source": BASE.with_columns(source=pl.lit("other")),
    "an image less": BASE.filter(pl.col("image_id") != "004"),
}
DOES_NOT_MATTER = {
    "the order of rows": BASE.reverse(),
    "where a file lies": BASE.with_columns(path="elsewhere/" + pl.col("path")),
    "an age": BASE.with_columns(age_years=pl.lit(50.0)),
}


@pytest.mark.parametrize("how", WAYS, ids=lambda how: how.kind)
@pytest.mark.parametrize("what", MATTERS)
def test_the_fingerprint_changes_with(what: str, how: SplitSettings) -> None:
    assert split(MATTERS[what], how, seed=0).fingerprint != split(BASE, how, seed=0).fingerprint


@pytest.mark.parametrize("how", WAYS, ids=lambda how: how.kind)
@pytest.mark.parametrize("what", DOES_NOT_MATTER)
def test_the_fingerprint_does_not_change_with(what: str, how: SplitSettings) -> None:
    assert split(DOES_NOT_MATTER[what], how, seed=0).fingerprint == split(BASE, how, seed=0).fingerprint


def test_two_ways_that_give_the_same_parts_have_one_fingerprint(tmp_path: Path) -> None:
    made = split(BASE, RatioSplit(), seed=0)
    rows = [f"{who.partition('/')[2]},{part}" for who, part in made.parts.items()]
    (tmp_path / "own.csv").write_text("\n".join(["patient_id,part", *rows]))

    again = split(BASE, FileSplit(path=tmp_path / "own.csv"), seed=7)

    assert again.fingerprint == made.fingerprint


@pytest.mark.data
def test_real_data_sets_are_divided_strictly_and_by_machine(real_data: Path) -> None:
    cbis = build_index(CBIS_DDSM, real_data / "cbis_ddsm_csv")
    images = image_table(Index(table=cbis.table, roots={}))
    strict = apply_split(images, split(images, OfficialStrictSplit(), seed=0))
    raw = apply_split(images, split(images, OfficialRawSplit(), seed=0))
    rsna = image_table(build_index(RSNA, real_data / "rsna_jpeg640"))
    machine = apply_split(rsna, split(rsna, LeaveOutSplit(column="machine_id", value="29"), seed=0))

    assert (strict["patient_id"].n_unique(), raw["patient_id"].n_unique()) == (1566 - 31, 1566)
    assert set(machine.filter(pl.col("part") == "test")["machine_id"]) == {"29"}
    assert leaking_patients(machine).is_empty()
