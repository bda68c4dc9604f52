"""Crop, flip, scale, background: what a `Preprocess` does to one picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from full_resolution import averaged
from mammoscope.images import CODES, Geometry, Preprocess, read_mammogram, write_png
from mammoscope.images.breast import grown
from mammoscope.images.reading import SKIN_PX, read_with_sight
from mammoscope.images.sight import TINY, resampled
from mammoscope.trail import refusal
from mammoscope.vocabulary import Laterality


def picture(*, side: str = "left", label: bool = True) -> np.ndarray:
    """A breast of 300 x 180 pixels in a film of 400 x 320, with a label and a small bright spot at (60, 130)."""
    y, x = np.mgrid[:400, :320]
    inside = ((y - 200) / 150.0) ** 2 + (x / 180.0) ** 2 < 1
    values = np.where(inside, 120, 3).astype(np.uint8)
    values[125:135, 55:65] = 250
    if label:
        values[20:50, 250:300] = 255
    return values if side == "left" else np.ascontiguousarray(values[:, ::-1])


def saved(values: np.ndarray, folder: Path) -> Path:
    file = folder / "one.png"
    assert cv2.imwrite(str(file), values)
    return file


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_chest_wall_comes_to_the_left_and_the_spot_stays_findable(tmp_path: Path, side: str) -> None:
    mammogram = read_mammogram(saved(picture(side=side), tmp_path))

    assert mammogram.pixels.shape == (224, 224)
    assert mammogram.pixels[:, :3].mean() > 0.3
    assert mammogram.geometry.flipped is (side == "right")
    row, col = np.unravel_index(mammogram.pixels.argmax(), (224, 224))
    spot = mammogram.geometry.to_original(np.array([[col + 0.5, row + 0.5]]))[0]
    np.testing.assert_allclose(spot, (60 if side == "left" else 320 - 60, 130), atol=7)


def test_without_flip_padding_is_away_from_the_chest_wall(tmp_path: Path) -> None:
    mammogram = read_mammogram(saved(picture(side="right"), tmp_path), preprocess=Preprocess(flip="none"))

    assert not mammogram.geometry.flipped
    assert mammogram.pixels[:, :50].max() == 0.0
    assert mammogram.pixels[100:124, -1].min() > 0.3


def test_the_breast_fills_the_picture_and_keeps_its_shape(tmp_path: Path) -> None:
    pixels = read_mammogram(saved(picture(), tmp_path), preprocess=Preprocess(margin=0.0)).pixels

    rows, cols = np.nonzero(pixels > 0.2)
    height, width = np.ptp(rows) + 1, np.ptp(cols) + 1
    assert height >= 220
    assert width / height == pytest.approx(180 / 300, abs=0.03)


def test_the_label_is_gone_unless_the_background_is_kept(tmp_path: Path) -> None:
    file = saved(picture(), tmp_path)
    whole = Preprocess(region="whole", rows=400, cols=320)

    cleared = read_mammogram(file, preprocess=whole)
    kept = read_mammogram(file, preprocess=whole.model_copy(update={"clear_background": False}))

    assert cleared.pixels[20:50, 250:300].max() == 0.0
    assert kept.pixels[20:50, 250:300].min() == 1.0
    np.testing.assert_allclose(cleared.pixels[100:300, :100], kept.pixels[100:300, :100])
    assert [step.cause for step in cleared.trail if step.name == "background"] == ["clear_background"]


def test_a_margin_widens_the_crop(tmp_path: Path) -> None:
    file = saved(picture(), tmp_path)

    tight, wide = (read_mammogram(file, preprocess=Preprocess(margin=margin)) for margin in (0.0, 0.1))

    assert wide.geometry.kept[2] - tight.geometry.kept[2] == pytest.approx(18, abs=3)
    assert tight.geometry.kept[1] - wide.geometry.kept[1] == pytest.approx(30, abs=3)


def test_a_crop_full_of_tissue_is_used_whole(tmp_path: Path) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(1).integers(60, 200, (120, 90), np.uint8), (0, 0), 3)

    mammogram = read_mammogram(saved(noise, tmp_path), preprocess=Preprocess(region="whole", clear_background=False))

    assert mammogram.geometry.kept == (0.0, 0.0, 90.0, 120.0)


def test_small_pictures_are_enlarged_and_large_ones_averaged(tmp_path: Path) -> None:
    file = saved(picture(label=False), tmp_path)
    wanted = Preprocess(region="whole", rows=100, cols=80, clear_background=False)

    pixels = read_mammogram(file, preprocess=wanted).pixels

    means = picture(label=False).reshape(100, 4, 80, 4).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(pixels, means, atol=0.5 / 255 + 1e-6)  # averages are rounded to stored values
    large = read_mammogram(file, preprocess=Preprocess(region="whole", rows=800, cols=640))
    assert large.pixels.shape == (800, 640)


def test_a_wrong_side_said_by_the_data_set_is_noted_and_the_pixels_followed(tmp_path: Path) -> None:
    mammogram = read_mammogram(saved(picture(side="right"), tmp_path), laterality=Laterality.LEFT)

    assert mammogram.laterality is Laterality.LEFT
    assert mammogram.geometry.flipped
    assert any("mirrored, or its side is wrong" in step.detail for step in mammogram.trail)


@given(more=st.integers(0, 3), seed=st.integers(0, 9))
def test_a_picture_of_nearly_the_right_size_is_interpolated_to_within_half_that_excess_of_the_mean(
    more: int, seed: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 4096, (600 + more, 64)).astype(np.uint16)
    assert more / 600 <= TINY

    ours = resampled(values, shape=(600, 64))

    mean = averaged(values, Geometry.of(values.shape).resized(600, 64))
    assert np.abs(ours - mean).max() <= 4096 * (more / 600) / 2 + 0.01


def test_the_outline_of_the_breast_is_where_the_thumbnail_has_it(tmp_path: Path) -> None:
    large = cv2.resize(picture(), None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    cv2.imwrite(str(tmp_path / "a.png"), large)
    wanted = Preprocess(rows=1000, cols=800, region="whole")

    cleared, sight = read_with_sight(tmp_path / "a.png", preprocess=wanted)
    kept = read_mammogram(tmp_path / "a.png", preprocess=wanted.model_copy(update={"clear_background": False}))

    near = grown(sight.mask, pixels=SKIN_PX).astype(np.float32)
    there = cleared.geometry.seen_from(sight.geometry, near) >= 0.5
    differs = cleared.pixels != kept.pixels * there
    outline = cv2.dilate(there.astype(np.uint8), np.ones((5, 5))) - cv2.erode(there.astype(np.uint8), np.ones((5, 5)))
    assert not differs[outline == 0].any()  # placed coarsely and enlarged, it moves by two final pixels at the most
    assert differs.mean() < 0.002


def test_reading_twice_gives_the_same_bits(tmp_path: Path) -> None:
    file = saved(picture(), tmp_path)

    first, second = read_mammogram(file), read_mammogram(file)

    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert first.trail == second.trail
    assert first.geometry == second.geometry


def test_the_written_png_is_the_final_picture(tmp_path: Path) -> None:
    mammogram = read_mammogram(saved(picture(), tmp_path))

    write_png(mammogram, tmp_path / "out" / "final.png")

    back = cv2.imread(str(tmp_path / "out" / "final.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(back / 255, mammogram.pixels, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize(
    "fields", [{"rows": 8}, {"cols": 9000}, {"margin": 0.6}, {"flip": "right"}, {"region": "box"}, {"heigth": 3}]
)
def test_a_senseless_setting_is_refused(fields: dict) -> None:
    with pytest.raises(ValidationError, match=next(iter(fields))):
        Preprocess(**fields)


def test_codes_are_closed_and_described(tmp_path: Path) -> None:
    assert all(meaning and code.isidentifier() for code, meaning in CODES.items())
    with pytest.raises(KeyError, match="unheard_of"):
        refusal(tmp_path, "unheard_of", "x")
