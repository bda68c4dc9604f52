"""Corruptions: seeded per image, graded, and what each says it does."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammoscope.images.corruptions import CORRUPTIONS, corrupted


def named(name: str):
    return next(one for one in CORRUPTIONS if one.name == name)


def breast(rows: int = 96, cols: int = 64) -> np.ndarray:
    y, x = np.mgrid[:rows, :cols]
    inside = np.hypot((y - rows / 2) / rows, x / cols / 1.6) < 0.45
    texture = np.random.default_rng(0).normal(0.5, 0.08, size=(rows, cols))
    return np.where(inside, np.clip(texture, 0.05, 0.95), 0).astype(np.float32)


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda one: one.name)
def test_the_same_image_is_corrupted_the_same_and_another_is_not_touched(corruption) -> None:
    pixels = breast()
    before = pixels.copy()

    first, second = (corrupted(pixels, corruption, severity=corruption.severities[-1], image_id="a") for _ in range(2))

    assert np.array_equal(first, second)
    assert np.array_equal(pixels, before)
    assert first.dtype == np.float32
    assert first.shape == pixels.shape


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda one: one.name)
def test_each_severity_goes_further_from_the_picture_than_the_one_before(corruption) -> None:
    pixels = breast()

    away = [
        np.mean([np.abs(corrupted(pixels, corruption, severity=s, image_id=i) - pixels).mean() for i in "abcdef"])
        for s in corruption.severities
    ]

    assert away[0] > 0
    assert away == sorted(away)


@pytest.mark.parametrize("name", ["noise", "crop jitter", "label", "line", "dust"])
def test_another_image_or_seed_is_corrupted_otherwise(name: str) -> None:
    strong = {"severity": named(name).severities[-1]}
    one = corrupted(breast(), named(name), image_id="a", **strong)

    assert not np.array_equal(one, corrupted(breast(), named(name), image_id="b", **strong))
    assert not np.array_equal(one, corrupted(breast(), named(name), image_id="a", seed=1, **strong))


@pytest.mark.parametrize("name", ["noise", "contrast"])
def test_the_background_stays_black(name: str) -> None:
    pixels = breast()

    out = corrupted(pixels, named(name), severity=named(name).severities[-1], image_id="a")

    assert not out[pixels == 0].any()


def test_noise_is_the_same_pattern_at_every_severity() -> None:
    grey = np.full((64, 64), 0.5, dtype=np.float32)

    weak, strong = (corrupted(grey, named("noise"), severity=s, image_id="a") - grey for s in (0.01, 0.04))

    np.testing.assert_allclose(4 * weak, strong, atol=1e-6)


def test_compression_is_what_opencv_writes_and_reads() -> None:
    pixels = breast()
    _, coded = cv2.imencode(".jpg", np.rint(pixels * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 25])

    out = corrupted(pixels, named("compression"), severity=25.0, image_id="a")

    np.testing.assert_allclose(out * 255, cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), atol=1e-3)


def test_contrast_keeps_the_mean_of_the_breast() -> None:
    pixels = breast()

    out = corrupted(pixels, named("contrast"), severity=0.4, image_id="a")

    assert out[pixels > 0].mean() == pytest.approx(pixels[pixels > 0].mean(), abs=1e-4)
    assert out[pixels > 0].std() == pytest.approx(0.4 * pixels[pixels > 0].std(), rel=1e-3)


@pytest.mark.parametrize("blank", [0.0, 1.0])
@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda one: one.name)
def test_a_blank_picture_does_no_harm(corruption, blank: float) -> None:
    out = corrupted(np.full((16, 16), blank, np.float32), corruption, severity=corruption.severities[-1], image_id="a")

    assert np.isfinite(out).all()


@given(st.sampled_from(CORRUPTIONS), st.integers(16, 70), st.integers(16, 70), st.integers(0, 4), st.text(max_size=5))
def test_any_size_stays_in_range(corruption, rows: int, cols: int, grade: int, name: str) -> None:
    out = corrupted(breast(rows, cols), corruption, severity=corruption.severities[grade], image_id=name)

    assert out.min() >= 0
    assert out.max() <= 1
