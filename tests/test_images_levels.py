"""Pictures at part of their resolution: block means, wavelets, scaled cosine transforms, slabs."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openjpeg.utils import encode_array
from PIL import Image

from mammoscope.images.area import area_mean
from mammoscope.images.codecs import DctLevels, WaveletLevels
from mammoscope.images.codestream import precision, wavelet_levels
from mammoscope.images.levels import ArrayLevels, SlabLevels, block_mean

RANDOM = np.random.default_rng(4)


def smooth(rows: int, cols: int) -> np.ndarray:
    """Values of 12 bit that change slowly, with a bright spot."""
    y, x = np.mgrid[:rows, :cols]
    return (1500 + 900 * np.sin(y / 37) * np.cos(x / 29) + 1200 * np.exp(-np.hypot(y - 90, x - 60) / 12)).astype(
        np.uint16
    )


def straightforward(values: np.ndarray, factor: int) -> np.ndarray:
    """Block means by plain numpy, in floating point; smaller blocks at the right and the bottom."""
    rows, cols = values.shape
    starts = [np.arange(0, side, factor) for side in (rows, cols)]
    sums = np.add.reduceat(np.add.reduceat(values.astype(float), starts[0], axis=0), starts[1], axis=1)
    heights, widths = (np.diff([*start, side]) for start, side in zip(starts, (rows, cols), strict=True))
    return sums / np.outer(heights, widths)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.sampled_from(["u1", "u2", "i2"]))
def test_block_means_equal_plain_numpy_to_half_a_grey_level(rows: int, cols: int, factor: int, kind: str) -> None:
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind != "i2" else (-1000, 3000)
    values = np.random.default_rng(rows * 61 + cols).integers(low, high, (rows, cols)).astype(kind)

    small = block_mean(values, rows=factor, cols=factor)

    assert small.dtype == values.dtype
    np.testing.assert_allclose(small, straightforward(values, factor), atol=0.5 + 1e-3)


def test_a_crop_is_the_same_part_of_the_whole_level() -> None:
    levels = ArrayLevels(values=smooth(403, 301))

    np.testing.assert_array_equal(levels.read(5, (3, 10, 40, 70)), levels.read(5)[10:70, 3:40])
    np.testing.assert_array_equal(levels.read(5, (50, 70, 61, 81)), levels.read(5)[70:81, 50:61])


def test_a_glance_reads_few_rows_and_sees_the_same() -> None:
    values = smooth(2101, 1303)
    whole = straightforward(values, 16)

    small, factor = ArrayLevels(values=values).glance(needed=16.4, final=4.0)

    assert factor == 16
    assert small.shape == whole.shape
    assert np.abs(small - whole).mean() < 900 / 37 / 2  # half a pixel of the steepest slope


@given(rows=st.integers(16, 3000), needed=st.floats(8.0, 260.0))
def test_a_glance_has_the_rows_that_its_factor_says(rows: int, needed: float) -> None:
    """A band of 16 rows once gave none at all, and one row too few moved what was found by up to a block."""
    small, factor = ArrayLevels(values=np.zeros((rows, 20), dtype=np.uint16)).glance(needed=needed, final=4.0)

    assert small.shape == (-(-rows // factor), -(-20 // factor))


def test_what_lies_in_the_file_is_made_stored_values_part_by_part() -> None:
    asked: list[tuple[int, ...]] = []

    def masked(part: np.ndarray) -> np.ndarray:
        asked.append(part.shape)
        return np.bitwise_and(part, 0x0FFF)

    levels = ArrayLevels(values=np.full((100, 80), 0xF123, dtype=np.uint16), stored=masked)

    assert (levels.read(4, (0, 5, 10, 20)) == 0x123).all()
    assert asked == [(0, 80), (60, 80)]  # what type they have; then rows, whole: they lie together


def wavelets(values: np.ndarray, *, bits: int = 12) -> WaveletLevels:
    stream = bytes(encode_array(values, bits_stored=bits))
    return WaveletLevels(stream=stream, shape=values.shape, bits=bits, whole=lambda: values)


@pytest.mark.parametrize(("rows", "cols"), [(512, 384), (517, 389), (515, 386), (513, 391)])
@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_a_wavelet_level_is_nearly_the_block_mean_around_its_samples(rows: int, cols: int, factor: int) -> None:
    values = smooth(rows, cols)
    levels = wavelets(values)

    level = levels.read(factor)

    shifted = np.pad(values, ((factor // 2, 0), (factor // 2, 0)), mode="edge")[:rows, :cols]  # samples are centred
    assert level.shape == (-(-rows // factor), -(-cols // factor))
    assert np.abs(level.astype(float) - straightforward(shifted, factor)).mean() < 12 * factor


def test_the_wavelet_factor_never_asks_for_enlarging_or_for_more_than_the_stream_has() -> None:
    levels = wavelets(smooth(512, 384))

    assert wavelet_levels(levels.stream) == 5
    assert precision(levels.stream) == 12
    assert [levels.factor_for(needed) for needed in (0.5, 1.9, 2.0, 3.99, 4.0, 31.0, 500.0)] == [1, 1, 2, 2, 4, 16, 32]


def test_a_stream_that_cannot_be_reduced_is_decoded_whole_and_averaged() -> None:
    values = smooth(256, 192)
    stream = b"\xff\x4f\xff\x51 no picture"
    levels = WaveletLevels(stream=stream, shape=values.shape, bits=12, whole=lambda: values)

    np.testing.assert_array_equal(levels.read(4), block_mean(values, rows=4, cols=4))


def jpeg(values: np.ndarray, **options: object) -> DctLevels:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "JPEG", quality=95, **options)
    return DctLevels(stream=buffer.getvalue(), shape=values.shape, grey=lambda image: np.asarray(image.convert("L")))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_a_scaled_jpeg_is_nearly_the_block_mean(factor: int, progressive: bool) -> None:  # noqa: FBT001
    values = (smooth(517, 389) // 16).astype(np.uint8)

    level = jpeg(values, progressive=progressive).read(factor)

    whole = straightforward(values, factor)
    assert level.shape == whole.shape
    assert np.abs(level.astype(float) - whole)[:-1, :-1].mean() < 1.0


def test_a_glance_at_a_jpeg_is_fine_enough_for_most_crops() -> None:
    large, small = (jpeg((smooth(rows, rows) // 16).astype(np.uint8)) for rows in (2400, 800))

    level, factor = large.glance(needed=9.4, final=5.0)

    assert (factor, level.shape) == (4, (600, 600))
    assert small.glance(needed=3.1, final=5.0)[1] == 1  # decoding all of it costs next to nothing


@pytest.mark.parametrize("by", ["mean", "max"])
def test_a_slab_is_the_slices_combined(by: str) -> None:
    slices = RANDOM.integers(0, 4000, (4, 40, 30)).astype(np.uint16)
    slab = SlabLevels(slices=tuple(ArrayLevels(values=one) for one in slices), by=by)

    whole, part = slab.read(1), slab.read(2, (1, 2, 5, 9))

    expected = slices.max(axis=0) if by == "max" else np.rint(slices.mean(axis=0))
    np.testing.assert_array_equal(whole, expected)
    assert slab.shape == (40, 30)
    assert part.shape == (7, 4)


@given(st.integers(1, 90), st.integers(1, 90), st.floats(0.02, 1.0), st.sampled_from(["u1", "u2", "i2"]))
def test_area_means_equal_plain_numpy(rows: int, cols: int, scale: float, kind: str) -> None:
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max) if kind != "i2" else (-1000, 3000)
    values = np.random.default_rng(rows * 91 + cols).integers(low, high, (rows, cols)).astype(kind)
    shape = max(1, round(rows * scale)), max(1, round(cols * scale))

    means = area_mean(values, shape=shape)

    cover = [covered(side, fewer) for side, fewer in zip((rows, cols), shape, strict=True)]
    np.testing.assert_allclose(means, cover[0] @ values.astype(float) @ cover[1].T, atol=0.01 if kind == "u1" else 0.6)


def covered(side: int, fewer: int) -> np.ndarray:
    """The share of each of `fewer` new pixels that each old one has."""
    edges = np.linspace(0, side, fewer + 1)[:, None]
    lengths = np.minimum(edges[1:], np.arange(1, side + 1)) - np.maximum(edges[:-1], np.arange(side))
    return np.maximum(lengths, 0) * fewer / side


def test_bands_of_a_large_picture_join_without_a_seam() -> None:
    values = RANDOM.integers(0, 4096, (2501, 2203)).astype(
        np.uint16
    )  # three bands, the last block of each side smaller

    np.testing.assert_array_equal(ArrayLevels(values=values).read(3), block_mean(values, rows=3, cols=3))
