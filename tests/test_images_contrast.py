"""Contrast-limited adaptive histogram equalisation of the final pixels."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammoscope.images.contrast import equalised


def tissue(seed: int, *, rows: int = 96, cols: int = 64) -> np.ndarray:
    """Smooth random greys without a 0."""
    noise = np.random.default_rng(seed).normal(size=(rows, cols)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4.0)
    return np.asarray(0.02 + 0.9 * (smooth - smooth.min()) / np.ptp(smooth), dtype=np.float32)


@pytest.mark.parametrize(("limit", "tiles"), [(1.5, 1), (2.0, 1), (4.0, 3), (40.0, 3)])
def test_without_background_it_agrees_with_opencv_to_its_rounding(limit: float, tiles: int) -> None:
    """OpenCV hands out what it clipped in whole counts, darkest bins first: with large tiles that weighs nothing."""
    grey = np.rint(tissue(1, rows=256 * tiles, cols=256 * tiles) * 255).astype(np.uint8)
    theirs = cv2.createCLAHE(limit, (tiles, tiles)).apply(grey)

    ours = equalised(grey.astype(np.float32) / np.float32(255), limit=limit, tiles=tiles) * 255

    off = np.abs(ours - theirs.astype(np.float64))
    assert off.max() < 1.5
    assert off.mean() < 0.5


def test_one_tile_without_a_limit_is_the_rank_of_each_grey() -> None:
    greys = np.array([[51, 102, 102, 204]], dtype=np.float32) / np.float32(255)

    assert equalised(greys, limit=256.0, tiles=1)[0].tolist() == pytest.approx([0.25, 0.75, 0.75, 1.0])


@given(st.integers(0, 50), st.integers(1, 12), st.floats(0.5, 60))
def test_background_stays_0_and_tissue_stays_in_range(seed: int, tiles: int, limit: float) -> None:
    pixels = tissue(seed)
    pixels[:, 40:] = 0.0

    found = equalised(pixels, limit=limit, tiles=tiles)

    assert np.array_equal(found == 0, pixels == 0)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1


@given(st.integers(0, 50), st.floats(1.0, 60))
def test_in_one_tile_a_brighter_pixel_stays_brighter(seed: int, limit: float) -> None:
    pixels = tissue(seed)
    pixels[:, 40:] = 0.0

    found = equalised(pixels, limit=limit, tiles=1)

    order = np.argsort(pixels.ravel(), kind="stable")
    assert (np.diff(found.ravel()[order]) >= -1e-6).all()


def test_the_amount_of_background_does_not_change_the_breast() -> None:
    pixels = tissue(3, rows=64, cols=64)
    wide = np.zeros((64, 128), dtype=np.float32)
    wide[:, :64] = pixels

    narrow = equalised(pixels, limit=3.0, tiles=1)

    assert np.allclose(equalised(wide, limit=3.0, tiles=1)[:, :64], narrow, atol=1e-6)


def test_it_raises_faint_contrast_and_more_with_a_higher_limit() -> None:
    pixels = (0.45 + 0.1 * tissue(5)).astype(np.float32)

    spread = [float(equalised(pixels, limit=limit).std()) for limit in (1.0, 2.0, 4.0, 8.0)]

    assert spread == sorted(spread)
    assert spread[-1] > 2 * float(pixels.std())


@given(st.integers(0, 50))
def test_a_mirrored_picture_gives_the_mirrored_result(seed: int) -> None:
    pixels = tissue(seed)
    pixels[:20, :30] = 0.0

    mirrored = equalised(np.ascontiguousarray(pixels[:, ::-1]), limit=3.0)

    assert np.allclose(mirrored[:, ::-1], equalised(pixels, limit=3.0), atol=1e-5)


def test_a_picture_without_tissue_or_smaller_than_its_tiles_is_no_error() -> None:
    assert not equalised(np.zeros((16, 16), dtype=np.float32), limit=2.0).any()
    assert equalised(np.full((3, 5), 0.5, dtype=np.float32), limit=2.0, tiles=8).shape == (3, 5)


def test_the_argument_is_not_changed() -> None:
    pixels = tissue(6)
    before = pixels.copy()

    equalised(pixels, limit=4.0)

    assert np.array_equal(pixels, before)


@pytest.mark.parametrize(("limit", "tiles", "message"), [(0.0, 8, "limit must be above 0"), (2.0, 0, "tiles must be")])
def test_settings_without_sense_are_refused(limit: float, tiles: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        equalised(tissue(7), limit=limit, tiles=tiles)
