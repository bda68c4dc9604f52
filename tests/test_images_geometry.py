"""Original to final pixels and back: on numbers, and against what is found in the pixels of files."""

from collections.abc import Sequence
from math import ceil, floor
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from mammoscope.images import Geometry, Preprocess, codecs, read_mammogram
from mammoscope.images import levels as levels_module
from mammoscope.images.levels import ArrayLevels, Levels, block_mean
from mammoscope.images.reading import picture_of
from mammoscope.images.sight import resampled
from mg_files import compressed, mg, saved

LEAST_PX = 12  # sides of what a chain keeps, in pixels of the file and of the final picture


def any_chain(draw: st.DrawFn) -> Geometry:
    """Crop, mirror, reduce, resize and pad, in any order and number."""
    geometry = Geometry.of((draw(st.integers(40, 300)), draw(st.integers(40, 300))), spacing_mm=(0.1, 0.05))
    for kind in draw(st.lists(st.sampled_from(["crop", "mirror", "reduce", "resize", "pad"]), max_size=7)):
        rows, cols = geometry.shape
        match kind:
            case "crop":
                x0, x1 = draw(spans(cols, least=ceil(LEAST_PX * max(1.0, abs(geometry.x_scale)))))
                y0, y1 = draw(spans(rows, least=ceil(LEAST_PX * max(1.0, geometry.y_scale))))
                geometry = geometry.cropped((x0, y0, x1, y1))
            case "mirror":
                geometry = geometry.mirrored()
            case "reduce":
                factor = draw(st.integers(1, max(1, min(5, min(rows, cols) // (2 * LEAST_PX)))))
                geometry = geometry.reduced(factor, grid=draw(st.sampled_from(["blocks", "samples"])))
            case "resize":
                geometry = geometry.resized(draw(st.integers(24, 120)), draw(st.integers(24, 120)))
            case "pad":
                left, top, right, below = (draw(st.integers(0, 9)) for _ in range(4))
                geometry = geometry.padded(rows + top + below, cols + left + right, left=left, top=top)
    return geometry


@st.composite
def spans(draw: st.DrawFn, side: int, *, least: int) -> tuple[int, int]:
    """A part of a side, half open; all of it where that is shorter than the part has to be."""
    length = draw(st.integers(min(least, side), side))
    first = draw(st.integers(0, side - length))
    return first, first + length


def inner(geometry: Geometry) -> tuple[float, float, float, float]:
    """What the final picture shows of the file, in its own pixels."""
    rows, cols = geometry.shape
    x0, y0, x1, y1 = geometry.box_to_final(geometry.kept)
    return max(0.0, x0), max(0.0, y0), min(float(cols), x1), min(float(rows), y1)


@given(st.data(), st.floats(0, 1), st.floats(0, 1))
def test_points_and_boxes_come_back(data: st.DataObject, across: float, down: float) -> None:
    geometry = any_chain(data.draw)
    rows, cols = geometry.original_shape
    points = np.array([[across * cols, down * rows], [0.0, float(rows)]])
    box = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())

    np.testing.assert_allclose(geometry.to_original(geometry.to_final(points)), points, atol=1e-6)
    np.testing.assert_allclose(geometry.box_to_original(geometry.box_to_final(box)), box, atol=1e-6)
    millimetres = geometry.to_mm(geometry.to_final(points))
    assert millimetres is not None
    np.testing.assert_allclose(millimetres, points * (0.05, 0.1), atol=1e-6)
    np.testing.assert_allclose(geometry.from_mm(millimetres), geometry.to_final(points), atol=1e-6)
    polygon = tuple(points.ravel().tolist())
    np.testing.assert_allclose(geometry.polygon_to_original(geometry.polygon_to_final(polygon)), polygon, atol=1e-6)


@settings(max_examples=100)
@given(st.data(), st.floats(0, 1), st.floats(0, 1))
def test_a_spot_in_a_heatmap_lands_where_its_point_lands(data: st.DataObject, across: float, down: float) -> None:
    geometry = any_chain(data.draw)
    sigmas = [max(1.0, 1.5 * abs(scale)) for scale in (geometry.x_scale, geometry.y_scale)]
    x0, y0, x1, y1 = inner(geometry)
    ends = [(low + 3 * sigma, high - 3 * sigma) for low, high, sigma in zip((x0, y0), (x1, y1), sigmas, strict=True)]
    assume(all(low <= high for low, high in ends))
    x, y = (low + share * (high - low) for (low, high), share in zip(ends, (across, down), strict=True))

    back = geometry.heatmap_to_original(spot_on(geometry.shape, x=x, y=y, sigmas=sigmas))

    np.testing.assert_allclose(geometry.to_final(np.array([centroid(back)]))[0], (x, y), atol=0.25)


@settings(max_examples=100)
@given(st.data())
def test_a_box_drawn_as_a_mask_lands_within_half_a_pixel(data: st.DataObject) -> None:
    geometry = any_chain(data.draw)
    x0, y0 = (ceil(edge) for edge in geometry.kept[:2])
    x1, y1 = (floor(edge) for edge in geometry.kept[2:])
    width, height = (max(2, ceil(2 / abs(scale))) for scale in (geometry.x_scale, geometry.y_scale))
    assume(x1 - x0 >= width and y1 - y0 >= height)  # smaller than two final pixels: only its presence can be kept
    left, top = data.draw(st.integers(x0, x1 - width)), data.draw(st.integers(y0, y1 - height))
    box = (left, top, data.draw(st.integers(left + width, x1)), data.draw(st.integers(top + height, y1)))
    mask = np.zeros(geometry.original_shape, dtype=bool)
    mask[box[1] : box[3], box[0] : box[2]] = True

    final = geometry.mask_to_final(mask)

    rows, cols = final.shape
    wanted = np.clip(geometry.box_to_final(tuple(float(edge) for edge in box)), 0, (cols, rows, cols, rows))
    ys, xs = np.nonzero(final)
    np.testing.assert_allclose(
        (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1), wanted, atol=0.63
    )  # half a pixel, and half of a quarter


def spot_on(shape: tuple[int, int], *, x: float, y: float, sigmas: Sequence[float]) -> np.ndarray:
    """A Gaussian of height 1 about a point, at the centres of pixels."""
    down, across = (np.arange(side) + 0.5 for side in shape)
    return np.exp(-0.5 * ((across - x) / sigmas[0]) ** 2) * np.exp(-0.5 * ((down - y) / sigmas[1]) ** 2)[:, None]


def centroid(shown: np.ndarray) -> tuple[float, float]:
    """Where the brightest spot of a picture is, as (x, y): the mean of what rises over a third of its height."""
    low = float(np.median(shown[shown > 0]))
    above = np.clip(shown.astype(np.float64) - (low + (shown.max() - low) / 3), 0, None)
    top, left = np.unravel_index(int(above.argmax()), above.shape)
    parts, labels = cv2.connectedComponents((above > 0).astype(np.uint8))
    assert parts >= 2
    above[labels != labels[top, left]] = 0
    y, x = (np.average(axis + 0.5, weights=above) for axis in np.mgrid[: above.shape[0], : above.shape[1]])
    return float(x), float(y)


FORMATS = ("native", "rle", "jpeg2000", "dicom jpeg", "png", "jpeg")


def written(pixels: np.ndarray, kind: str, folder: Path) -> Path:
    """A picture of 12 bits as a file; those of 8 bits lose the lower ones."""
    small = (pixels >> 4).astype(np.uint8)
    match kind:
        case "native":
            return saved(mg(pixels, WindowCenter=2048, WindowWidth=4096), folder)
        case "rle" | "jpeg2000":
            syntax = RLELossless if kind == "rle" else JPEG2000Lossless
            return saved(compressed(pixels, syntax), folder, syntax=syntax)
        case "dicom jpeg":
            dataset = mg(small, bits=8, WindowCenter=128, WindowWidth=256)
            dataset.BitsAllocated = 8
            stream = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            dataset.PixelData = encapsulate([stream])
            dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
            return saved(dataset, folder, syntax=JPEGBaseline8Bit)
        case _:
            file = folder / f"one.{kind}"
            assert cv2.imwrite(str(file), small)
            return file


SPOT_PX = 8.0  # standard deviation of the spot that is drawn, in pixels of the file


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_a_spot_drawn_in_a_file_is_found_where_any_chain_sends_its_point(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    """Each step is done on the pixels with the program's own code, and on the geometry."""
    rows, cols = data.draw(st.integers(120, 260)), data.draw(st.integers(120, 260))
    x, y = data.draw(st.floats(30, cols - 30)), data.draw(st.floats(30, rows - 30))
    drawn = np.rint(200 + 3000 * spot_on((rows, cols), x=x, y=y, sigmas=(SPOT_PX, SPOT_PX))).astype(np.uint16)
    levels = picture_of(written(drawn, kind, tmp_path_factory.mktemp("spot")), Preprocess()).levels

    pixels, geometry = chained(levels, data, point=np.array([[x, y]]))

    assert pixels.shape == geometry.shape
    np.testing.assert_allclose(centroid(pixels), geometry.to_final(np.array([[x, y]]))[0], atol=0.3)


def chained(levels: Levels, data: st.DataObject, *, point: np.ndarray) -> tuple[np.ndarray, Geometry]:
    """Read a level of a file, then crop, mirror, reduce, resize and pad it in any order and number."""
    factor = data.draw(st.sampled_from([1, 2, 3, 4]))
    if not isinstance(levels, ArrayLevels):
        factor = {3: 2}.get(factor, factor)
    pixels = levels.read(factor)
    geometry = Geometry.of(levels.shape).reduced(factor, grid=levels.grid)
    for kind in data.draw(st.lists(st.sampled_from(["crop", "mirror", "reduce", "resize", "pad"]), max_size=7)):
        sigmas = SPOT_PX * abs(geometry.x_scale), SPOT_PX * geometry.y_scale
        match kind:
            case "crop":
                around = zip(geometry.to_final(point)[0], sigmas, geometry.shape[::-1], strict=True)
                (x0, x1), (y0, y1) = (data.draw(holding(at, 3.5 * sigma, side)) for at, sigma, side in around)
                pixels, geometry = pixels[y0:y1, x0:x1], geometry.cropped((x0, y0, x1, y1))
            case "mirror":
                pixels, geometry = cv2.flip(pixels, 1), geometry.mirrored()
            case "reduce" if min(sigmas) >= 2:
                pixels, geometry = block_mean(pixels, rows=2, cols=2), geometry.reduced(2, grid="blocks")
            case "resize":
                shape = tuple(
                    max(1, round(side * data.draw(st.floats(min(1.0, 1.0 / sigma), max(1.0, min(2.5, 12 / sigma))))))
                    for side, sigma in zip(geometry.shape, sigmas[::-1], strict=True)
                )
                pixels = np.rint(resampled(pixels, shape=shape)).astype(np.uint16)
                geometry = geometry.resized(*shape)
            case "pad":
                left, top, right, below = (data.draw(st.integers(0, 20)) for _ in range(4))
                pixels = np.pad(pixels, ((top, below), (left, right)))
                geometry = geometry.padded(*pixels.shape, left=left, top=top)
    return pixels, geometry


@st.composite
def holding(draw: st.DrawFn, at: float, reach: float, side: int) -> tuple[int, int]:
    """A part of a side that holds a point and what is around it."""
    first = draw(st.integers(0, max(0, floor(at - reach))))
    return first, draw(st.integers(min(side, ceil(at + reach)), side))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), st.data())
def test_a_spot_in_a_breast_is_found_where_reading_says(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    """The chain that `read_mammogram` takes; files count as large ones, so that levels are read."""
    rows, cols, mirrored = data.draw(st.integers(300, 480)), data.draw(st.integers(240, 400)), data.draw(st.booleans())
    radius = 0.45 * rows
    x, y = data.draw(st.floats(40, min(0.6 * radius, cols - 40))), rows / 2 + radius * data.draw(st.floats(-0.5, 0.5))
    down, across = np.mgrid[:rows, :cols] + 0.5
    drawn = np.where(np.hypot(down - rows / 2, across) < radius, 900, 20)
    drawn = np.rint(drawn + 2800 * spot_on((rows, cols), x=x, y=y, sigmas=(6, 6))).astype(np.uint16)
    drawn = np.ascontiguousarray(drawn[:, ::-1]) if mirrored else drawn
    wanted = Preprocess(
        rows=data.draw(st.integers(64, 300)),
        cols=data.draw(st.integers(64, 300)),
        region=data.draw(st.sampled_from(["breast", "whole"])),
        flip=data.draw(st.sampled_from(["left", "none"])),
        margin=data.draw(st.floats(0, 0.2)),
    )
    file = written(drawn, kind, tmp_path_factory.mktemp("breast"))

    with patch.object(levels_module, "SMALL", 0), patch.object(codecs, "SMALL", 0):
        mammogram = read_mammogram(file, preprocess=wanted)

    point = np.array([[cols - x if mirrored else x, y]])
    np.testing.assert_allclose(centroid(mammogram.pixels), mammogram.geometry.to_final(point)[0], atol=0.5)


def test_the_centre_of_the_first_pixel_is_half_a_pixel_in() -> None:
    halved = Geometry.of((4, 4)).resized(2, 2)

    assert halved.to_final(np.array([[1.0, 1.0]])).tolist() == [[0.5, 0.5]]


def test_low_pass_samples_stand_on_every_second_pixel() -> None:
    geometry = Geometry.of((64, 64)).reduced(4, grid="samples")

    centres = geometry.to_original(np.array([[0.5, 0.5], [1.5, 2.5]]))

    assert centres.tolist() == [[0.5, 0.5], [4.5, 8.5]]


def test_blocks_lie_side_by_side() -> None:
    geometry = Geometry.of((66, 64)).reduced(4, grid="blocks")

    assert geometry.shape == (17, 16)
    assert geometry.to_original(np.array([[0.0, 0.0], [1.0, 2.0]])).tolist() == [[0.0, 0.0], [4.0, 8.0]]


def test_what_was_seen_on_a_thumbnail_lies_where_its_points_lie() -> None:
    thumb = Geometry.of((1000, 800), spacing_mm=None).reduced(4, grid="samples").resized(100, 80)
    final = (
        Geometry.of((1000, 800)).reduced(2, grid="samples").cropped((50, 100, 350, 400)).mirrored().resized(150, 150)
    )
    seen = np.zeros((100, 80), dtype=np.float32)
    seen[40:60, 20:40] = 1.0

    shown = final.seen_from(thumb, seen) >= 0.5

    rows, cols = np.nonzero(shown)
    expected = final.box_to_final(thumb.box_to_original((20.0, 40.0, 40.0, 60.0)))
    np.testing.assert_allclose((cols.min(), rows.min(), cols.max() + 1, rows.max() + 1), expected, atol=1.0)


def test_without_spacing_there_are_no_millimetres() -> None:
    geometry, point = Geometry.of((10, 20)), np.array([[1.0, 2.0]])

    assert (geometry.to_mm(point), geometry.from_mm(point), geometry.box_mm((0.0, 0.0, 1.0, 1.0))) == (None, None, None)


def test_mirroring_keeps_boxes_ordered() -> None:
    geometry = Geometry.of((10, 20)).mirrored()

    assert geometry.flipped
    assert geometry.box_to_final((0.0, 0.0, 5.0, 10.0)) == (15.0, 0.0, 20.0, 10.0)


def test_spacing_follows_the_scale() -> None:
    geometry = Geometry.of((100, 50), spacing_mm=(0.1, 0.2)).mirrored().resized(50, 10)

    assert geometry.spacing_mm == pytest.approx((0.2, 1.0))
    assert geometry.box_mm((0.0, 0.0, 10.0, 50.0)) == pytest.approx((10.0, 10.0))
    assert Geometry.of((10, 10)).box_mm((0.0, 0.0, 1.0, 1.0)) is None


def test_a_coarse_map_covers_the_final_picture() -> None:
    geometry = Geometry.of((40, 40)).cropped((0, 0, 20, 40)).resized(80, 40)

    back = geometry.heatmap_to_original(np.ones((7, 7)))

    assert back[:, :20].min() == 1.0
    assert back[:, 20:].max() == 0.0


def test_a_lesion_smaller_than_a_final_pixel_is_kept() -> None:
    mask = np.zeros((100, 100), dtype=bool)
    mask[50, 50] = True

    final = Geometry.of((100, 100)).resized(10, 10).mask_to_final(mask)

    assert final.sum() == 1
    assert final[5, 5]


def test_an_empty_mask_stays_empty() -> None:
    assert not Geometry.of((20, 20)).resized(10, 10).mask_to_final(np.zeros((20, 20), dtype=bool)).any()


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (0, 0, 11, 5), (-1, 0, 5, 5)])
def test_a_crop_outside_the_picture_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="empty or leaves the picture"):
        Geometry.of((10, 10)).cropped(box)


def test_padding_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Geometry.of((10, 10)).padded(9, 12)
    with pytest.raises(ValueError, match="at least one row"):
        Geometry.of((10, 10)).resized(0, 12)
