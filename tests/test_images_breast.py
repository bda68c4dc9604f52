"""What the pixels say: polarity, breast, chest wall."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammoscope.images.breast import bounding_box, breast_mask, chest_side, grown, polarity, stretched


def half_disc(*, radius: int = 80, rows: int = 256, cols: int = 200) -> np.ndarray:
    """A breast whose chest wall is on the left, brighter towards the middle, on black."""
    y, x = np.mgrid[:rows, :cols]
    away = np.hypot(y - rows / 2, x)
    return np.where(away < radius, 90 + 100 * (1 - away / radius), 4).astype(np.float32)


@given(st.integers(30, 120), st.floats(0.2, 60), st.floats(-50, 50), st.booleans())
def test_polarity_holds_for_any_size_gain_and_offset(radius: int, gain: float, offset: float, invert: bool) -> None:  # noqa: FBT001
    picture = half_disc(radius=radius) * gain + offset

    assert polarity(-picture if invert else picture).inverted is invert


def test_a_white_label_does_not_turn_the_polarity() -> None:
    picture = half_disc()
    picture[10:30, 150:190] = 255

    assert not polarity(picture).inverted
    assert polarity(255 - picture).inverted


def test_label_frame_line_and_second_object_are_not_the_breast() -> None:
    picture = half_disc()
    truth = picture > 50
    picture[10:30, 150:190] = 255  # label
    picture[:, -6:] = 255  # white border of a scan
    picture[:5] = 255
    picture[:, 140] = 200  # edge of a detector
    picture[230:256, :12] = 120  # fold of the abdomen

    mask = breast_mask(stretched(picture, invert=False))

    assert mask is not None
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


def test_a_bright_breast_along_a_whole_edge_is_no_frame() -> None:
    picture = np.full((256, 200), 4, dtype=np.float32)
    picture[:, :120] = 240

    mask = breast_mask(stretched(picture, invert=False))

    assert mask is not None
    assert bounding_box(mask)[0] == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_bright_round_breast_keeps_its_strip_at_the_chest_wall(turns: int) -> None:
    """Seen on some 150 of 2,311 pictures: the first lines are bright nearly all along, and get shorter bit by bit."""
    y, x = np.mgrid[:256, :200]
    picture = np.rot90(np.where(np.hypot((y - 128) / 1.02, x) < 101, 230, 4), turns).astype(np.float32)

    mask = breast_mask(stretched(picture, invert=False))

    assert mask is not None
    assert (mask & (picture > 50)).sum() > 0.99 * (picture > 50).sum()


def test_a_white_border_beside_the_breast_is_still_removed() -> None:
    picture = half_disc(radius=110)
    picture[:, :5] = 255

    mask = breast_mask(stretched(picture, invert=False))

    assert mask is not None
    assert not mask[:, :4].any()
    assert mask[128, 8]


def test_haze_and_noise_of_a_film_are_not_the_breast() -> None:
    haze = np.linspace(0, 12, 200)[None, :] + np.random.default_rng(3).normal(0, 4, (256, 200))
    truth = half_disc() > 50

    mask = breast_mask(stretched((half_disc() + haze).astype(np.float32), invert=False))

    assert mask is not None
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


def test_a_white_implant_does_not_hide_the_fat_around_it() -> None:
    picture = np.where(half_disc(radius=110) > 50, 40, 2).astype(np.float32)
    picture[half_disc(radius=80) > 50] = 255

    mask = breast_mask(stretched(picture, invert=False))

    assert mask is not None
    assert mask[128, 100]
    assert mask.sum() > 0.95 * (picture > 30).sum()


def test_a_dark_hole_belongs_to_the_breast() -> None:
    picture = half_disc()
    picture[118:138, 30:50] = 0

    mask = breast_mask(stretched(picture, invert=False))

    assert mask is not None
    assert mask[128, 40]


def test_noise_without_a_breast_gives_no_mask() -> None:
    picture = np.zeros((128, 128), dtype=np.float32)
    picture[60:63, 60:63] = 1.0

    assert breast_mask(picture) is None


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_chest_wall_is_where_the_outline_is_straight(side: str) -> None:
    mask = half_disc() > 50
    mask = mask if side == "left" else mask[:, ::-1]
    shifted = np.zeros((256, 300), dtype=bool)
    shifted[:, 50:250] = mask  # film scans have air on both sides

    assert chest_side(mask, expected=None) == side
    assert chest_side(shifted, expected="left") == side


def test_a_round_shape_has_no_chest_wall_but_the_usual_one() -> None:
    y, x = np.mgrid[:101, :101]
    disc = np.hypot(y - 50, x - 50) < 40

    assert chest_side(disc, expected=None) is None
    assert chest_side(disc, expected="right") == "right"


def test_growing_adds_pixels_on_every_side() -> None:
    mask = np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True

    assert bounding_box(grown(mask, pixels=2)) == (2, 2, 7, 7)


def test_a_fat_breast_beside_a_bright_muscle_is_kept_whole() -> None:
    picture = np.where(half_disc(radius=125) > 50, 60, 2).astype(np.float32)
    picture[:110, :60] = np.where(picture[:110, :60] > 30, 250, 2)

    mask = breast_mask(stretched(picture, invert=False))

    assert mask is not None
    assert mask.sum() > 0.97 * (picture > 30).sum()
