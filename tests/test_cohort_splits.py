"""No patient on two sides, whatever the settings; and everything that matters changes the fingerprint."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mammoscope.cohort import (
    FileSplit,
    KFoldSplit,
    OfficialRawSplit,
    OfficialRepairedSplit,
    OfficialSplit,
    RatioSplit,
    SplitSettings,
    apply_split,
    leaking_patients,
    split,
)
from mammoscope.cohort.stratified import by_fractions
from mammoscope.errors import SourceError
from mammoscope.records import Index, Record, image_table, index_of
from mammoscope.sources import CBIS_DDSM, build_index
from mammoscope.vocabulary import Density, Part

HALVES = RatioSplit(train=0.5, tune=0.25, test=0.25)


def cohort(*patients: tuple[str, str], parts: dict[str, Part] | None = None, source: str = "own") -> pl.DataFrame:
    """A table of patients: each with her images' labels, `+` malignant, `-` not, `?` unknown."""
    marks = {"+": True, "-": False, "?": None}
    records = [
        Record(
            source=source,
            patient_id=patient,
            image_id=f"{patient}.{at}",
            path=f"{patient}.{at}.png",
            malignant=marks[mark],
            official_part=None if parts is None else parts.get(f"{patient}.{at}", parts.get(patient)),
        )
        for patient, images in patients
        for at, mark in enumerate(images)
    ]
    return image_table(index_of(records, roots={source: Path()}))


def many(positive: int, negative: int) -> pl.DataFrame:
    return cohort(*((f"p{n}", "+-") for n in range(positive)), *((f"n{n}", "--") for n in range(negative)))


def official(train: str, test: str, both: str = "") -> pl.DataFrame:
    """One patient per letter; those of `both` have one image on each side."""
    parts = dict.fromkeys(train, Part.TRAIN) | dict.fromkeys(test, Part.TEST)
    parts |= {f"{name}.0": Part.TRAIN for name in both} | {f"{name}.1": Part.TEST for name in both}
    return cohort(*((name, "+-" if name.isupper() else "--") for name in train + test + both), parts=parts)


labels_of_more = st.lists(st.text("+-?", min_size=1, max_size=4), max_size=26)


def fourteen_and(more: list[str]) -> pl.DataFrame:
    """A cohort that any of the settings below can divide, and patients of any kind beside."""
    return cohort(*((f"p{n}", text) for n, text in enumerate([*(["+-"] * 7), *(["--"] * 7), *more])))


@settings(max_examples=25, deadline=None)
@given(
    labels_of_more, st.integers(0, 9), st.sampled_from([RatioSplit(), HALVES, KFoldSplit(folds=3, fold=1, tune=0.3)])
)
def test_every_patient_is_in_exactly_one_part(more: list[str], seed: int, how: SplitSettings) -> None:
    images = fourteen_and(more)

    made = split(images, how, seed=seed)

    joined = apply_split(images, made)
    assert leaking_patients(joined).is_empty()
    assert joined.height == images.height
    assert set(made.parts) == {f"own/{patient}" for patient in images["patient_id"]}


@settings(max_examples=15, deadline=None)
@given(labels_of_more, st.integers(0, 9))
def test_the_order_of_the_rows_does_not_matter(more: list[str], seed: int) -> None:
    images = fourteen_and(more)

    again = split(images.sample(fraction=1, shuffle=True, seed=seed), HALVES, seed=seed)

    assert again.fingerprint == split(images, HALVES, seed=seed).fingerprint


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["true", "false", None]), min_size=1, max_size=60).map(lambda x: sorted(x, key=str)),
    st.sampled_from([(0.7, 0.15, 0.15), (0.5, 0.25, 0.25), (0.85, 0.15)]),
)
def test_each_label_is_shared_out_to_within_one_patient(labels: list[str | None], fractions: tuple[float, ...]) -> None:
    parts = by_fractions(labels, fractions=fractions)

    for label, count in Counter(labels).items():
        for part, share in enumerate(fractions):
            got = sum(one == part and whose == label for one, whose in zip(parts, labels, strict=True))
            assert abs(got - share * count) < 1.5


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    images = many(10, 10)

    fingerprints = [split(images, RatioSplit(), seed=seed).fingerprint for seed in (0, 0, 1)]

    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_density_is_shared_out_within_a_label() -> None:
    images = many(40, 40).with_columns(
        pl.Series("density", [Density.A, Density.A, Density.D, Density.D] * 40, dtype=pl.Enum(list("ABCD")))
    )

    joined = apply_split(images, split(images, HALVES, seed=3))

    counts = joined.group_by("part", "malignant", "density").len().filter(pl.col("malignant"))
    assert dict(counts.filter(pl.col("part") == "train").select("density", "len").rows()) == {"A": 10, "D": 10}


def test_folds_are_disjoint_and_cover_all_patients() -> None:
    images = many(10, 21)

    tests = [
        {who for who, part in split(images, KFoldSplit(fold=fold), seed=5).parts.items() if part is Part.TEST}
        for fold in range(5)
    ]

    assert sum(map(len, tests)) == len(set.union(*tests)) == 31
    assert {len(test) for test in tests} == {6, 7}


@pytest.mark.parametrize("change", ["label", "part", "patient"])
def test_the_fingerprint_changes_with_what_matters(change: str) -> None:
    images = official("ABCDabcd", "EFef")
    other = {
        "label": images.with_columns(
            malignant=pl.when(pl.col("image_id") == "a.0").then(pl.lit(value=True)).otherwise("malignant")
        ),
        "part": official("ABCDabc", "EFefd"),
        "patient": images.with_columns(patient_id=pl.col("patient_id").replace({"a": "x"})),
    }[change]

    before, after = (split(table, OfficialSplit(), seed=0) for table in (images, other))

    assert before.fingerprint != after.fingerprint


def test_the_fingerprint_does_not_change_with_what_does_not_matter() -> None:
    images = many(10, 10)

    made = split(images.with_columns(path=pl.lit("x"), age_years=pl.lit(50.0)), RatioSplit(), seed=0)

    assert made.fingerprint == split(images, RatioSplit(), seed=0).fingerprint


def test_a_patient_of_two_sources_is_two_patients() -> None:
    images = pl.concat([many(10, 10), many(10, 10).with_columns(source=pl.lit("other"))])

    assert len(split(images, RatioSplit(), seed=0).parts) == 40


def test_the_official_test_set_is_kept_and_tune_comes_from_train() -> None:
    images = official("ABCDabcd", "EFef")

    made = split(images, OfficialSplit(tune=0.25), seed=0)

    assert {who for who, part in made.parts.items() if part is Part.TEST} == {"own/E", "own/F", "own/e", "own/f"}
    assert Counter(made.parts.values()) == {Part.TRAIN: 6, Part.TUNE: 2, Part.TEST: 4}
    assert made.notes == ()


def test_an_official_split_that_leaks_is_refused_with_the_patients_named() -> None:
    with pytest.raises(
        SourceError, match=r"split official: 2 patients are on both sides.*: G, h\. Use kind = 'official-re"
    ):
        split(official("ABab", "EFef", "Gh"), OfficialSplit(), seed=0)


def test_the_repaired_split_takes_shared_patients_out_of_train_only() -> None:
    images = official("ABCDabcd", "EFef", "Gh")

    made = split(images, OfficialRepairedSplit(), seed=0)
    joined = apply_split(images, made)

    assert leaking_patients(joined).is_empty()
    assert set(joined.filter(pl.col("part") == "test")["patient_id"]) == set("EFefGh")
    assert joined.height == images.height - 2
    (note,) = made.notes
    assert note.startswith("2 patients on both sides of the published split (G, h): their 2 train images are left out")


def test_the_raw_split_keeps_the_leak_and_says_so() -> None:
    images = official("ABCDabcd", "EFef", "Gh")

    made = split(images, OfficialRawSplit(), seed=0)
    joined = apply_split(images, made)

    assert joined.height == images.height
    assert leaking_patients(joined)["patient_id"].to_list() == ["G", "h"]
    assert set(joined.filter(pl.col("part") == "tune")["patient_id"]) & set("Gh") == set()
    assert made.notes[0].startswith("LEAK: 2 patients on both sides")
    assert made.parts["own/G"] is Part.TEST


def test_a_data_set_with_its_own_tune_part_keeps_it() -> None:
    parts = {"A": Part.TRAIN, "a": Part.TRAIN, "B": Part.TUNE, "b": Part.TUNE, "C": Part.TEST, "c": Part.TEST}
    images = cohort(*((name, "+-" if name.isupper() else "-") for name in parts), parts=parts)

    made = split(images, OfficialSplit(), seed=0)

    assert made.parts == {f"own/{name}": part for name, part in parts.items()}
    assert made.notes == ("tune is the data set's own",)


def test_a_data_set_without_an_official_split_says_what_to_use() -> None:
    with pytest.raises(SourceError, match="6 images of own have no official part. Use kind = 'ratio' or 'kfold'"):
        split(many(1, 2), OfficialSplit(), seed=0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (cohort(("only", "+-")), "train has 1 patients|tune has 0 patients"),
        (many(0, 30), "train has .* patients and only malignant = false.*cohort's patients: 30 with false"),
        (many(2, 30), "only malignant = false.*30 with false, 2 with true"),
        (cohort(*((str(n), "?") for n in range(9))), "no known malignant.*9 with no label"),
        (many(0, 0), "the cohort has no images"),
    ],
)
def test_too_few_patients_are_refused_with_what_is_there(images: pl.DataFrame, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        split(images, RatioSplit(), seed=0)


def test_a_density_split_needs_no_malignancy_labels() -> None:
    images = cohort(*((f"p{n}", "??") for n in range(16))).with_columns(
        pl.Series("density", ["A", "A", "B", "B"] * 8, dtype=pl.Enum(list("ABCD")))
    )

    made = split(images, HALVES, seed=0, label="density")

    assert made.images.group_by("part", "label").len().sort("part", "label").rows() == [
        ("train", "A", 8),
        ("train", "B", 8),
        ("tune", "A", 4),
        ("tune", "B", 4),
        ("test", "A", 4),
        ("test", "B", 4),
    ]


def test_a_label_that_is_no_column_is_refused_with_the_nearest() -> None:
    with pytest.raises(SourceError, match="no column 'densty'; did you mean 'density'"):
        split(many(5, 5), RatioSplit(), seed=0, label="densty")


def test_an_index_in_place_of_an_image_table_is_refused() -> None:
    images = many(5, 5)

    with pytest.raises(SourceError, match="an image is listed twice. Split the image table"):
        split(pl.concat([images, images]), RatioSplit(), seed=0)


@pytest.mark.parametrize("change", ["fewer", "more", "relabelled"])
def test_a_split_is_not_applied_to_other_images(change: str) -> None:
    images = many(10, 10)
    made = split(images, RatioSplit(), seed=0)
    other = {
        "fewer": images.head(30),
        "more": many(10, 11),
        "relabelled": images.with_columns(malignant=~pl.col("malignant")),
    }[change]

    with pytest.raises(SourceError, match=r"made for 40 images, and these \d+ differ.*Split again"):
        apply_split(other, made)


def test_the_cohort_table_is_the_image_table_with_its_part_in_the_same_order() -> None:
    images = many(10, 10).sample(fraction=1, shuffle=True, seed=1)

    joined = apply_split(images, split(images, RatioSplit(), seed=0))

    assert joined.drop("part").equals(images)
    assert joined.schema["part"] == pl.Enum(["train", "tune", "test"])


def file_split(folder: Path, text: str) -> FileSplit:
    (folder / "own.csv").write_text(text)
    return FileSplit(path=folder / "own.csv")


SIX = cohort(("A", "+-"), ("a", "--"), ("B", "+-"), ("b", "--"), ("C", "+-"), ("c", "--"))


def test_a_table_of_patients_is_a_split(tmp_path: Path) -> None:
    text = "patient_id,part\nA,train\na,train\nB,tune\nb,tune\nC,test\nc,test\n"

    made = split(SIX, file_split(tmp_path, text), seed=0)

    assert Counter(made.parts.values()) == {Part.TRAIN: 2, Part.TUNE: 2, Part.TEST: 2}


def test_a_table_of_images_is_a_split_and_what_it_does_not_name_is_left_out(tmp_path: Path) -> None:
    text = "image_id,part\nA.0,train\nA.1,train\nB.0,tune\nB.1,tune\nC.0,test\nC.1,test\n"

    made = split(SIX, file_split(tmp_path, text), seed=0)

    assert made.notes == ("6 images that own.csv does not name are left out",)
    assert apply_split(SIX, made).height == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image_id,part\nA.0,train\nA.1,test\nB.0,tune\n",
            r"1 patients are in more than one part: A \(test, train\)\. Put",
        ),
        ("patient_id,part\nA,train\nA,test\n", r"own\.csv:3: patient_id 'A' stands in train and test"),
        ("patient_id,part\nZ,train\n", r"own\.csv: 1 of its patient_id are not in the cohort: Z\. Correct"),
        ("patient_id,part\nA,val\n", r"own\.csv:2: part 'val' is not one of train, tune, test"),
        ("patient_id,part\nA,\n", r"own\.csv:2: part is empty"),
        ("part\ntrain\n", r"own\.csv:1: no column image_id or patient_id"),
        ("patient_id,part,source\nA,train,other\n", r"own\.csv:2: source 'other' is not one of own"),
    ],
)
def test_a_table_that_leaks_or_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        split(SIX, file_split(tmp_path, text), seed=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "ratio", "train": 0.7, "tune": 0.2, "test": 0.2}, "must add up to 1, got 1.1"),
        ({"kind": "kfold", "folds": 3, "fold": 3}, "fold must be 0 to 2 with 3 folds, got 3"),
        ({"kind": "kfold", "folds": 1}, "greater than or equal to 2"),
        ({"kind": "ratio", "tune": 0}, "greater than 0"),
        ({"kind": "ratio", "seed": 1}, "Extra inputs are not permitted"),
        ({"kind": "random"}, "does not match any of the expected tags"),
        ({"kind": "file"}, "Field required"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(SplitSettings).validate_python(settings)


@pytest.mark.data
def test_the_repaired_cbis_split_keeps_the_published_test_set(real_data: Path) -> None:
    index = build_index(CBIS_DDSM, real_data / "cbis_ddsm_csv")
    images = image_table(Index(table=index.table, roots={}))

    joined = apply_split(images, split(images, OfficialRepairedSplit(), seed=0))

    test = joined.filter(pl.col("part") == "test")
    assert (test.height, test["patient_id"].n_unique(), test["malignant"].sum()) == (641, 349, 267)
    assert (leaking_patients(images, column="official_part").height, images.height - joined.height) == (31, 35)
    with pytest.raises(SourceError, match="31 patients are on both sides"):
        split(images, OfficialSplit(), seed=0)
