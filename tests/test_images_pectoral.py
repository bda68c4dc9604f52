"""The pectoral muscle on thumbnails: drawn ones with known truth, the phantom's, and real ones."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Bool, Float32

from mammoscope.images.breast import Side, breast_mask, chest_side, polarity, stretched
from mammoscope.images.pectoral import SHOWS_MUSCLE, look_for_muscle, pectoral_mask
from mammoscope.phantom.exam import Breast
from mammoscope.phantom.outline import FIELD_MM, draw_shape, inward_mm
from mammoscope.phantom.picture import take
from mammoscope.phantom.tissue import SHARES, power_law
from mammoscope.vocabulary import Density, Laterality, View

Grey = Float32[np.ndarray, "rows cols"]
Mask = Bool[np.ndarray, "rows cols"]


def oblique(*, top: float = 80, bottom: float = 130, bow: float = 0.0, muscle: float = 0.3) -> tuple[Grey, Mask, Mask]:
    """A breast with its chest wall on the left, and a muscle from `top` on the upper edge to `bottom` on the left one.

    Returns the picture, the breast and the muscle. `bow` pixels is how far the edge of the muscle bulges.
    """
    y, x = np.mgrid[:256, :200].astype(np.float32)
    breast = np.hypot((y - 110) / 1.25, x) < 130
    along = (x / top + y / bottom).clip(0, 1)
    reach = 1 + bow / 80 * np.sin(np.pi * y / bottom).clip(0, 1)
    truth = (x / top + y / bottom < reach) & (y < bottom) & breast if bow else (along < 1) & breast
    clouds = cv2.GaussianBlur(np.random.default_rng(1).normal(size=y.shape).astype(np.float32), (0, 0), 3.0)
    shown = np.where(breast, 0.4 + 0.3 * clouds + muscle * truth, 0.0)
    return np.clip(shown, 0, 1).astype(np.float32), breast, np.asarray(truth, dtype=bool)


def dice(first: Mask, second: Mask) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@given(st.floats(50, 100), st.floats(80, 190))
def test_a_straight_edge_is_found_where_it_is(top: float, bottom: float) -> None:
    shown, breast, truth = oblique(top=top, bottom=bottom)

    muscle = pectoral_mask(shown, breast=breast, chest="left")

    assert muscle is not None
    assert dice(muscle, truth) > 0.93
    assert not (muscle & ~breast).any()


def test_a_bulging_edge_is_followed() -> None:
    shown, breast, truth = oblique(bow=12)
    _, _, straight = oblique()

    muscle = pectoral_mask(shown, breast=breast, chest="left")

    assert muscle is not None
    assert dice(muscle, truth) > 0.95
    assert dice(muscle, truth) > dice(straight, truth)


@given(st.floats(60, 100), st.floats(90, 180))
def test_a_mirrored_picture_gives_the_mirrored_muscle(top: float, bottom: float) -> None:
    shown, breast, _ = oblique(top=top, bottom=bottom)

    left = pectoral_mask(shown, breast=breast, chest="left")
    right = pectoral_mask(shown[:, ::-1].copy(), breast=breast[:, ::-1].copy(), chest="right")

    assert left is not None
    assert right is not None
    assert np.array_equal(right[:, ::-1], left)


@given(st.floats(0.2, 1.0), st.floats(0.0, 0.2))
def test_gain_and_offset_of_the_grey_do_not_matter(gain: float, offset: float) -> None:
    shown, breast, _ = oblique()
    plain = pectoral_mask(shown, breast=breast, chest="left")

    other = pectoral_mask((shown * gain * 0.8 + offset).astype(np.float32), breast=breast, chest="left")

    assert plain is not None
    assert other is not None
    assert dice(plain, other) > 0.99


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.1])
def test_noise_of_a_fast_thumbnail_moves_little(noise: float) -> None:
    shown, breast, truth = oblique()
    grain = np.random.default_rng(7).normal(0, noise, shown.shape)

    muscle = pectoral_mask(np.clip(shown + grain, 0, 1).astype(np.float32), breast=breast, chest="left")

    assert muscle is not None
    assert dice(muscle, truth) > 0.95


def test_a_film_with_air_behind_the_chest_wall_is_read_the_same() -> None:
    shown, breast, truth = oblique()
    wide = [np.pad(each, ((0, 0), (30, 20))) for each in (shown, breast, truth)]

    muscle = pectoral_mask(wide[0], breast=wide[1], chest="left")

    assert muscle is not None
    assert dice(muscle, wide[2]) > 0.95


@pytest.mark.parametrize("muscle", [0.0, -0.2, 0.01])
def test_no_muscle_is_made_up_where_none_is_brighter(muscle: float) -> None:
    shown, breast, _ = oblique(muscle=muscle)

    assert pectoral_mask(shown, breast=breast, chest="left") is None


def test_mere_texture_shows_a_muscle_in_few_of_many_draws() -> None:
    """Clouds with the power spectrum of breast tissue, without any muscle: 3 of 60."""
    _, breast, _ = oblique()
    drawn = [power_law(np.random.default_rng(seed), rows=256, cols=200) for seed in range(30)]
    clouds = [np.clip((0.5 + 0.15 * each) * breast, 0, 1).astype(np.float32) for each in drawn]

    made_up = [pectoral_mask(shown, breast=breast, chest="left") is not None for shown in clouds]

    assert sum(made_up) <= 3


def test_an_upright_strip_at_the_chest_wall_is_no_muscle() -> None:
    shown, breast, _ = oblique(muscle=0.0)
    shown[:, :10] += 0.3 * breast[:, :10]

    assert pectoral_mask(shown, breast=breast, chest="left") is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (20, 20), (256, 4)])
def test_a_tiny_or_flat_or_empty_breast_has_no_muscle(shape: tuple[int, int]) -> None:
    flat, full = np.full(shape, 0.5, dtype=np.float32), np.ones(shape, dtype=bool)
    grain = np.random.default_rng(0).random(shape).astype(np.float32)

    assert pectoral_mask(flat, breast=full, chest="left") is None
    assert pectoral_mask(grain, breast=full, chest="right") is None
    assert pectoral_mask(grain, breast=~full, chest="left") is None


def test_it_is_not_looked_for_where_the_view_does_not_show_it() -> None:
    shown, breast, _ = oblique()

    for view in [None, *View]:
        muscle, told = look_for_muscle(view, shown=shown, breast=breast, chest="left")

        assert told.name == "pectoral"
        assert (muscle is not None) is (view in SHOWS_MUSCLE)
        assert ("not looked for" in told.detail) is (view not in SHOWS_MUSCLE)
    assert "the view is not known" in look_for_muscle(None, shown=shown, breast=breast, chest="left")[1].cause
    assert "the breast was not" in look_for_muscle(View.MLO, shown=shown, breast=None, chest="left")[1].cause
    assert "the chest wall was not" in look_for_muscle(View.MLO, shown=shown, breast=breast, chest=None)[1].cause


def test_the_trail_says_what_was_found_or_what_was_asked_for() -> None:
    shown, breast, _ = oblique(top=80, bottom=128)
    found = look_for_muscle(View.MLO, shown=shown, breast=breast, chest="left")[1]
    missed = look_for_muscle(View.MLO, shown=0 * shown, breast=breast, chest="left")[1]

    assert "% of the breast, at the upper left, down to row 5" in found.detail
    assert "no clear edge" in missed.detail
    assert "1% to 40% of the breast" in missed.cause


def phantom(seed: int) -> tuple[Grey, Mask, Mask, Side]:
    """Thumbnail, breast, truth and chest wall of an oblique view of the phantom."""
    random = np.random.default_rng(seed)
    side, density = list(Laterality)[seed % 2], list(Density)[seed % 4]
    breast = Breast(
        laterality=side,
        density=density,
        shape=draw_shape(random),
        place=(0.5, 0.5, 0.5),
        share=random.uniform(*SHARES[density]),
        lesion=None,
        key=(seed,),
    )
    picture = take(breast, view=View.MLO, rows=256)
    shown = stretched(picture.pixels, invert=False)
    mask, corner = breast_mask(shown), breast.outline(View.MLO).muscle
    assert mask is not None
    assert corner is not None
    rows, cols = shown.shape
    truth = inward_mm(corner, rows=rows, cols=cols, spacing_mm=FIELD_MM[0] / rows) > 0
    right = side is Laterality.RIGHT
    return shown, mask, mask & (truth[:, ::-1] if right else truth), "right" if right else "left"


def test_on_the_phantom_what_is_found_is_the_muscle() -> None:
    """Over seeds 0 to 47, 41 were found, with a Dice of 0.97 in the median and 0.91 at least."""
    found = []
    for seed in range(16):
        shown, breast, truth, chest = phantom(seed)
        muscle = pectoral_mask(shown, breast=breast, chest=chest)
        if muscle is not None:
            found.append(dice(muscle, truth))

    assert len(found) >= 14
    assert min(found) > 0.9
    assert np.median(found) > 0.96


def found_in(file: Path, *, side: Laterality) -> bool:
    values = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    assert values is not None
    thumb = cv2.resize(values, (256, 256), interpolation=cv2.INTER_AREA)
    shown = stretched(thumb, invert=polarity(thumb).inverted)
    mask = breast_mask(shown)
    assert mask is not None
    chest = chest_side(mask, expected="left" if side is Laterality.LEFT else "right")
    return look_for_muscle(View.MLO, shown=shown, breast=mask, chest=chest)[0] is not None


@pytest.mark.data
def test_on_real_pictures_it_is_found_in_most_and_not_made_up_where_it_is_gone(real_data: Path) -> None:
    """Of 128 oblique views, 104 were found: 101 by eye right, 3 a part of it; of the other 24, 14 show no wedge.

    In this copy of mini-MIAS the muscle is painted out, so that one found there is made up: none of 150 was.
    """
    with (real_data / "rsna_jpeg640" / "train.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["view"] == "MLO"][::8]
    folder = real_data / "rsna_jpeg640" / "train_images"
    films = sorted((real_data / "mini_mias").glob("*.png"))

    found = [
        found_in(folder / row["patient_id"] / f"{row['image_id']}.jpg", side=Laterality(row["laterality"]))
        for row in rows
    ]
    made_up = [found_in(file, side=list(Laterality)[int(file.stem[-1]) % 2]) for file in films]

    assert len(found) > 120
    assert np.mean(found) > 0.78
    assert len(made_up) == 150
    assert sum(made_up) <= 1
