"""A split on disk is the same split, and is refused for other images."""

import json
from pathlib import Path

import polars as pl
import pytest

from mammoscope.cohort import (
    OfficialRawSplit,
    OfficialRepairedSplit,
    RatioSplit,
    SplitSettings,
    read_split,
    split,
    split_summary,
    write_split,
)
from mammoscope.errors import SourceError
from mammoscope.records import Record, image_table, index_of
from mammoscope.vocabulary import Part


def images() -> pl.DataFrame:
    """Twelve patients with two images; the first two patients have one on each official side."""
    records = [
        Record(
            source="own",
            patient_id=str(n),
            image_id=f"{n}{side}",
            path=f"{n}{side}.png",
            malignant=n % 2 == 0 and side == "a",
            official_part=Part.TEST if n > 8 or (n < 2 and side == "b") else Part.TRAIN,
        )
        for n in range(12)
        for side in "ab"
    ]
    return image_table(index_of(records, roots={"own": Path()}))


@pytest.mark.parametrize("how", [RatioSplit(), OfficialRepairedSplit(tune=0.3), OfficialRawSplit(tune=0.3)])
def test_what_is_written_is_what_is_read(tmp_path: Path, how: SplitSettings) -> None:
    made = split(images(), how, seed=4)

    write_split(made, tmp_path / "split.json")
    back = read_split(tmp_path / "split.json", images=images().reverse())

    assert back.fingerprint == made.fingerprint
    assert back.images.equals(made.images)
    assert (back.kind, back.seed, back.label, back.notes) == (made.kind, made.seed, made.label, made.notes)


def test_the_file_says_who_is_where_and_how_many(tmp_path: Path) -> None:
    made = split(images(), OfficialRepairedSplit(tune=0.3), seed=0)

    write_split(made, tmp_path / "split.json")
    stored = json.loads((tmp_path / "split.json").read_text())

    assert stored["patients"] == {"train": 5, "tune": 2, "test": 5}
    assert stored["images"] == {"train": 10, "tune": 4, "test": 8}
    assert stored["positives"]["test"] == 1
    assert stored["left out"] == 2
    assert stored["assignments"]["own"]["left out"] == ["0a", "1a"]
    assert {key: stored[key] for key in split_summary(made)} == split_summary(made)


def test_a_file_for_other_labels_is_refused(tmp_path: Path) -> None:
    write_split(split(images(), RatioSplit(), seed=0), tmp_path / "split.json")

    with pytest.raises(SourceError, match=r"split\.json: made for other images, patients or labels than these 24"):
        read_split(tmp_path / "split.json", images=images().with_columns(malignant=pl.lit(value=True)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "0"}, r"split\.json: not a split: seed: Input should be a valid integer"),
        ({"unit": "breast"}, "not a split: unit"),
        ({"assignments": {"own": {"val": ["1"]}}}, "a part is not one of train, tune, test, left out"),
        ({"fingerprint": "0"}, "made for other images"),
    ],
)
def test_a_file_that_was_edited_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_split(split(images(), RatioSplit(), seed=0), tmp_path / "split.json")
    stored = json.loads((tmp_path / "split.json").read_text())
    (tmp_path / "split.json").write_text(json.dumps(stored | change))

    with pytest.raises(SourceError, match=message):
        read_split(tmp_path / "split.json", images=images())


@pytest.mark.parametrize(("text", "message"), [(None, "no such file"), ("{", "not a split: the text: Invalid JSON")])
def test_a_missing_or_torn_file_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "split.json").write_text(text)

    with pytest.raises(SourceError, match=message):
        read_split(tmp_path / "split.json", images=images())
