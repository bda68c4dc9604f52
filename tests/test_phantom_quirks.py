"""Faults that are planted on request are where the truth says, and the audit finds them."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread

from mammoscope.cohort import audit, read_pixels
from mammoscope.errors import RecipeError
from mammoscope.phantom import LAYOUTS, write_phantom
from mammoscope.sources import SOURCES, build_index

FOUND = {  # what the audit calls each quirk that it looks for, at the picture, its patient or the whole set
    "missing-file": "missing-file",
    "truncated-file": "truncated-file",
    "zero-byte": "empty-file",
    "blank-picture": "blank-picture",
    "inverted-background": "inverted-background",
    "duplicate-across-patients": "same-bytes-patients",
    "wrong-laterality-tag": "laterality-in-tags",
    "missing-mask": "missing-masks",
    "mixed-labels-in-a-view": "mixed-labels",
    "patient-on-both-sides": "official-leak",
    "same-view-twice": "same-view-twice",
    "contradictory-labels": "contradictory-labels",
    "wrong-side-in-table": "laterality-in-tags",
    "age-conflict": "age-conflict",
    "density-conflict": "density-conflict",
}
HEALED = {"swapped-mask-crop"}  # the source goes by content
UNSEEN = {"mask-of-other-size"}  # nothing in the audit looks at masks
ERRORS = {"missing-file", "truncated-file", "zero-byte", "blank-picture", "duplicate-across-patients"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def findings(name: str, folder: Path) -> pl.DataFrame:
    index = build_index(SOURCES[name], folder)
    return audit(index, duplicates=True, pixels=read_pixels(index, workers=0)).table


def is_found(quirk: dict[str, str], found: pl.DataFrame) -> bool:
    """By the image, else by a message that names image or patient, else by the check alone for a count of a set."""
    rows = found.filter(pl.col("check") == FOUND[quirk["quirk"]])
    named = (pl.col("image_id") == quirk["image"]) | (pl.col("patient_id") == quirk["patient"])
    named |= pl.col("message").str.contains(quirk["image"], literal=True)
    named |= pl.col("message").str.contains(quirk["patient"], literal=True)
    return not rows.filter(named | (pl.col("check") == "mixed-labels")).is_empty()


def unplanted_errors(quirks: list[dict[str, str]], found: pl.DataFrame) -> list[str]:
    guilty = [row for row in quirks if row["quirk"] in ERRORS]
    return [
        row["message"]
        for row in found.filter(pl.col("severity") == "error").iter_rows(named=True)
        if not any(one["image"] == row["image_id"] or one["image"] in row["message"] for one in guilty)
    ]


def test_every_quirk_of_every_layout_has_an_expectation_here() -> None:
    named = {name for layout in LAYOUTS.values() for name in layout.quirks}

    assert named == {*FOUND, *HEALED, *UNSEEN}


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_audit_finds_every_planted_quirk_and_no_other_error(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    write_phantom(folder, layout=name, patients=15, rows=128, seed=8, quirks=list(LAYOUTS[name].quirks))
    quirks = rows_of(folder / "phantom_quirks.csv")

    found = findings(name, folder)

    assert sorted(row["quirk"] for row in quirks) == sorted(LAYOUTS[name].quirks)
    assert len({row["patient"] for row in quirks}) == len(quirks)
    assert [row["quirk"] for row in quirks if row["quirk"] in FOUND and not is_found(row, found)] == []
    assert unplanted_errors(quirks, found) == []


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    names=st.lists(st.sampled_from(sorted(ERRORS | {"wrong-laterality-tag", "missing-mask"})), max_size=3, unique=True),
)
def test_whatever_is_planted_is_found_and_a_clean_phantom_has_no_error(
    tmp_path: Path, seed: int, names: list[str]
) -> None:
    folder = tmp_path / "p"
    # of 5 women without another quirk, 2 agree in side and label: there is always one to copy
    write_phantom(folder, patients=7, rows=128, seed=seed, quirks=names)
    quirks = rows_of(folder / "phantom_quirks.csv") if names else []

    found = findings("cbis_ddsm", folder)

    assert sorted(row["quirk"] for row in quirks) == sorted(names)
    assert all(is_found(row, found) for row in quirks)
    assert unplanted_errors(quirks, found) == []


def test_masks_and_crops_stay_right_where_the_table_exchanges_them(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    write_phantom(folder, patients=5, rows=128, quirks=["swapped-mask-crop", "swapped-mask-crop"])
    truth = {row["image"]: row for row in rows_of(folder / "phantom_truth.csv")}
    quirks = rows_of(folder / "phantom_quirks.csv")

    table = build_index(SOURCES["cbis_ddsm"], folder).table

    assert {row["file"] for row in quirks} <= {row["mask"] for row in truth.values()}
    for row in table.iter_rows(named=True):
        assert (row["mask_path"], row["crop_path"]) == (truth[row["path"]]["mask"], truth[row["path"]]["crop"])


def test_a_mask_of_other_size_has_half_the_rows_and_columns(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    write_phantom(folder, layout="cbis_ddsm_jpeg", patients=4, rows=128, quirks=["mask-of-other-size"])
    (quirk,) = rows_of(folder / "phantom_quirks.csv")
    image = next(row["image"] for row in rows_of(folder / "phantom_truth.csv") if row["mask"] == quirk["file"])

    with Image.open(folder / quirk["file"]) as mask, Image.open(folder / image) as picture:
        assert mask.size == (picture.width // 2, picture.height // 2)


def test_a_view_taken_again_is_a_file_and_a_row_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    write_phantom(folder, layout="rsna", patients=4, rows=128, quirks=["same-view-twice"])
    (quirk,) = rows_of(folder / "phantom_quirks.csv")
    truth = rows_of(folder / "phantom_truth.csv")
    old = next(row for row in truth if row["image_id"] == quirk["image"])
    new = next(row for row in truth if row["image"] == quirk["file"])

    first, second = (dcmread(folder / row["image"]) for row in (old, new))

    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert (first.ImageLaterality, old["view"]) == (second.ImageLaterality, new["view"])
    assert not np.array_equal(first.pixel_array, second.pixel_array)
    assert build_index(SOURCES["rsna"], folder).table.height == 17


def test_a_mixed_view_lists_a_second_finding_whose_mask_is_there(tmp_path: Path) -> None:
    for name in ("cbis_ddsm", "cbis_ddsm_jpeg"):
        folder = tmp_path / name
        write_phantom(folder, layout=name, patients=4, rows=128, quirks=["mixed-labels-in-a-view"])
        (quirk,) = rows_of(folder / "phantom_quirks.csv")

        rows = build_index(SOURCES[name], folder).table.filter(pl.col("image_id") == quirk["image"])

        assert sorted(rows["malignant"].to_list()) == [False, True]
        assert rows["mask_path"].n_unique() == 2
        assert quirk["file"] in rows["mask_path"].to_list()
        assert all((folder / path).is_file() for path in (*rows["mask_path"], *rows["crop_path"]))


def test_more_quirks_than_patients_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"quirk 'zero-byte': no picture is left for it\. Draw more patients"):
        write_phantom(tmp_path / "p", patients=2, rows=128, quirks=["zero-byte"] * 3)


def test_the_same_arguments_plant_the_same_quirks(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_phantom(tmp_path / folder, patients=3, rows=128, quirks=["zero-byte", "missing-mask"])

    assert (tmp_path / "a" / "phantom_quirks.csv").read_bytes() == (tmp_path / "b" / "phantom_quirks.csv").read_bytes()
