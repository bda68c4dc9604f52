"""Patches: on the lesion, off every lesion, within the breast, and the same whenever the same is asked for."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mammoscope.batches import prepare
from mammoscope.batches.patches import (
    Patches,
    PatchSettings,
    _start,
    patch_batches,
    patch_corner,
    patch_table,
    patches_of,
)
from mammoscope.errors import RecipeError, SourceError
from mammoscope.images import Preprocess
from mammoscope.records import Index, Record, image_table, index_of
from mammoscope.vocabulary import Laterality, LesionKind, View

THREE = ("background", "benign", "malignant")
FIVE = ("background", "benign mass", "malignant mass", "benign calcification", "malignant calcification")
WHOLE = Preprocess(rows=320, cols=240, region="whole", flip="left", bits=8)
RIGHT = {"laterality": Laterality.RIGHT, "view": View.CC}


def planted(folder: Path, *records: Record) -> tuple[pl.DataFrame, Index, Path]:
    """Right breasts of 320 x 240 pixels, prepared mirrored: half discs of radius 150 at the right edge."""
    y, x = np.mgrid[:320, :240]
    pixels = np.where((y - 160) ** 2 + (239 - x) ** 2 < 150**2, 100, 0).astype(np.uint8)
    for record in records:
        cv2.imwrite(str(folder / record.path), pixels)
    found = index_of(records, roots={"own": folder})
    images = image_table(found)
    done = prepare(images, roots=found.roots, preprocess=WHOLE, folder=folder / "cache", workers=0)
    return images.hstack(done.select("file")), found, folder / "cache"


def finding(number: int, *, image: str = "a", **facts: object) -> Record:
    one = Record(source="own", patient_id="1", image_id=image, path=f"{image}.png", lesion_id=str(number), **RIGHT)
    return replace(one, lesion_x0=150.0, lesion_y0=150.0, lesion_x1=180.0, lesion_y1=170.0, **facts)


def drawn(folder: Path, *records: Record, classes: tuple[str, ...] = THREE, **how: object) -> Patches:
    cohort, found, cache = planted(folder, *records)
    lesions, unlocated = patch_table(cohort, index=found, cache=cache, workers=0)
    asked = PatchSettings(**{"patch_px": 48, "each": 4} | how)
    return patches_of(lesions, cache=cache, classes=classes, settings=asked, unlocated=unlocated)


def test_lesions_lie_where_the_prepared_picture_shows_them(tmp_path: Path) -> None:
    """Columns 150 to 180 of 240, mirrored, are 60 to 90."""
    cohort, found, cache = planted(tmp_path, finding(1, malignant=True))

    table, unlocated = patch_table(cohort, index=found, cache=cache, workers=0)

    assert table.select("x0", "y0", "x1", "y1").row(0) == pytest.approx((60, 150, 90, 170))
    assert unlocated == 0


def test_patches_hold_their_lesion_and_backgrounds_none(tmp_path: Path) -> None:
    patches = drawn(tmp_path, finding(1, malignant=True), each=20)

    for number, (lesion, _) in enumerate(patches.samples.tolist()):
        y, x = patch_corner(patches, number, seed=1, epoch=2)
        width, height = min(x + 48, 90) - max(x, 60), min(y + 48, 170) - max(y, 150)
        if lesion >= 0:
            assert width * height >= 0.9 * 30 * 20
        else:
            assert min(width, height) <= 0


def test_background_shows_tissue(tmp_path: Path) -> None:
    patches = drawn(tmp_path, finding(1, malignant=True), tissue=0.9)
    grey = np.load(patches.files[0])

    shares = [float((grey[y : y + 48, x : x + 48] > 0).mean()) for y, x in patches.places[0]]

    assert len(shares) > 5
    assert min(shares) >= 0.9


def test_an_epoch_has_as_much_background_as_lesions_and_every_label_is_right(tmp_path: Path) -> None:
    patches = drawn(tmp_path, finding(1, malignant=True), finding(2, image="b", malignant=False))

    batches = list(patch_batches(patches, seed=0, epoch=0, batch_size=6))

    labels = torch.cat([batch.labels for batch in batches])[:, 0]
    samples = np.concatenate([batch.samples for batch in batches])
    assert np.bincount(labels.numpy()).tolist() == [8, 4, 4]
    assert sorted(samples.tolist()) == list(range(len(patches))) == list(range(16))
    assert [tuple(batch.pixels.shape) for batch in batches] == [(6, 1, 48, 48), (6, 1, 48, 48), (4, 1, 48, 48)]
    for batch in batches:
        for pixels, number, picture in zip(batch.pixels, batch.samples, batch.pictures, strict=True):
            y, x = patch_corner(patches, int(number), seed=0, epoch=0)
            grey = np.load(patches.files[picture])[y : y + 48, x : x + 48]
            np.testing.assert_array_equal(np.rint(pixels[0].numpy() * 255), grey)


def test_another_epoch_draws_others_and_the_same_epoch_the_same_in_any_batch(tmp_path: Path) -> None:
    patches = drawn(tmp_path, finding(1, malignant=True), each=10)

    def corners(epoch: int) -> list[tuple[int, int]]:
        return [patch_corner(patches, number, seed=3, epoch=epoch) for number in range(len(patches))]

    def by_number(size: int) -> torch.Tensor:
        batches = list(patch_batches(patches, seed=3, epoch=5, batch_size=size))
        order = np.argsort(np.concatenate([batch.samples for batch in batches]))
        return torch.cat([batch.pixels for batch in batches])[order]

    assert corners(5) == corners(5)
    assert sum(a != b for a, b in zip(corners(5), corners(6), strict=True)) > 15
    assert torch.equal(by_number(4), by_number(7))


def test_a_lesion_of_unknown_label_is_neither_shown_nor_background(tmp_path: Path) -> None:
    elsewhere = {"lesion_x0": 190.0, "lesion_y0": 60.0, "lesion_x1": 230.0, "lesion_y1": 120.0}
    unknown = replace(finding(2, malignant=None), **elsewhere)
    patches = drawn(tmp_path, finding(1, malignant=True), unknown)

    assert patches.labels.tolist() == [2, -1]
    assert set(patches.samples[:, 0].tolist()) == {0, -1}
    assert all(x >= 50 or x + 48 <= 10 or y >= 120 or y + 48 <= 60 for y, x in patches.places[0])


def test_a_picture_with_a_lesion_without_a_place_is_left_out_and_counted(tmp_path: Path) -> None:
    nowhere = dict.fromkeys(("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1"))
    patches = drawn(
        tmp_path,
        finding(1, malignant=True),
        finding(1, image="b", malignant=True),
        replace(finding(2, image="b", malignant=False), **nowhere),
    )

    assert (len(patches.files), patches.unlocated) == (1, 1)


def test_masses_and_calcifications_may_be_classes_of_their_own(tmp_path: Path) -> None:
    patches = drawn(
        tmp_path,
        finding(1, malignant=True, lesion_kind=LesionKind.MASS),
        finding(1, image="b", malignant=False, lesion_kind=LesionKind.CALCIFICATION),
        finding(1, image="c", malignant=False, lesion_kind=LesionKind.ASYMMETRY),
        classes=FIVE,
    )

    assert sorted(patches.labels.tolist()) == [-1, 2, 3]


def test_a_picture_without_room_for_background_gives_lesions_only(tmp_path: Path) -> None:
    patches = drawn(tmp_path, finding(1, malignant=True), patch_px=160)

    batch = next(patch_batches(patches, seed=0, epoch=0, batch_size=99))

    assert patches.bare == 1
    assert batch.labels[:, 0].tolist() == [2] * 4


def test_what_cannot_be_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="patch_px is 241, and the prepared pictures are 320 x 240"):
        drawn(tmp_path, finding(1, malignant=True), patch_px=241)
    with pytest.raises(SourceError, match="none of 1 lesions with a place is one of benign, malignant"):
        drawn(tmp_path, finding(1, malignant=None))
    cohort, found, cache = planted(tmp_path, finding(1, malignant=True))
    with pytest.raises(RecipeError, match="the samples are lesions"):
        patch_table(cohort.with_columns(picture_id="image_id"), index=found, cache=cache)


@settings(max_examples=300)
@given(
    start=st.floats(0, 400),
    length=st.floats(0.5, 300),
    side=st.integers(16, 256),
    share=st.floats(0.5, 1),
    seed=st.integers(0, 9),
)
def test_along_an_axis_a_patch_keeps_the_share_that_was_asked_for(
    start: float, length: float, side: int, share: float, seed: int
) -> None:
    end = 512
    last = min(start + length, float(end))

    at = _start(start, last, side, share, end, np.random.default_rng(seed))

    common = min(at + side, last) - max(at, start)
    assert 0 <= at <= end - side
    assert common >= share * min(side, last - start) - 0.51  # half a pixel, where no whole one will do
