"""Original to final pixels and back."""

from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammoscope.images import Geometry


@st.composite
def plans(draw: st.DrawFn) -> dict:
    rows, cols, factor = draw(st.integers(40, 300)), draw(st.integers(40, 300)), draw(st.integers(1, 5))
    smaller = (-(-rows // factor), -(-cols // factor))
    x0, y0 = draw(st.integers(0, smaller[1] // 2)), draw(st.integers(0, smaller[0] // 2))
    return {
        "shape": (rows, cols),
        "factor": factor,
        "grid": draw(st.sampled_from(["blocks", "samples"])),
        "box": (x0, y0, draw(st.integers(x0 + 4, smaller[1])), draw(st.integers(y0 + 4, smaller[0]))),
        "mirror": draw(st.booleans()),
        "size": (draw(st.integers(4, 80)), draw(st.integers(4, 80))),
        "left": draw(st.integers(0, 9)),
        "below": draw(st.integers(0, 9)),
    }


def built(plan: dict) -> Geometry:
    geometry = Geometry.of(plan["shape"], spacing_mm=(0.1, 0.05))
    geometry = geometry.reduced(plan["factor"], grid=plan["grid"]).cropped(plan["box"])
    if plan["mirror"]:
        geometry = geometry.mirrored()
    rows, cols = plan["size"]
    return geometry.resized(rows, cols).padded(rows + plan["below"], cols + plan["left"], left=plan["left"])


@given(plans(), st.floats(0, 1), st.floats(0, 1))
def test_points_and_boxes_come_back(plan: dict, across: float, down: float) -> None:
    geometry = built(plan)
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
@given(plans(), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_a_spot_in_a_heatmap_lands_where_its_point_lands(plan: dict, across: float, down: float) -> None:
    geometry = built(plan)
    x0, y0, x1, y1 = geometry.box_to_final(geometry.kept)
    col, row = int(x0 + across * (x1 - x0)), int(y0 + down * (y1 - y0))
    heat = np.zeros(geometry.shape)
    heat[row, col] = 1.0

    back = geometry.heatmap_to_original(heat)

    pixel_w, pixel_h = 1 / abs(geometry.x_scale), 1 / geometry.y_scale
    if min(pixel_w, pixel_h) < 2 or not back.sum() > 0 or across < 0.1 or across > 0.9 or down < 0.1 or down > 0.9:
        return  # a final pixel smaller than the original's, or at the rim: its weight is cut off
    y, x = (np.average(axis + 0.5, weights=back) for axis in np.mgrid[: back.shape[0], : back.shape[1]])
    landed = geometry.to_final(np.array([[x, y]]))[0]
    np.testing.assert_allclose(landed, (col + 0.5, row + 0.5), atol=0.5)


@settings(max_examples=100)
@given(plans(), st.data())
def test_a_box_drawn_as_a_mask_lands_within_half_a_pixel(plan: dict, data: st.DataObject) -> None:
    geometry = built(plan)
    x0, y0 = (ceil(edge) for edge in geometry.kept[:2])
    x1, y1 = (floor(edge) for edge in geometry.kept[2:])
    left, top = data.draw(st.integers(x0, x1 - 3)), data.draw(st.integers(y0, y1 - 3))
    box = (left, top, data.draw(st.integers(left + 2, x1)), data.draw(st.integers(top + 2, y1)))
    mask = np.zeros(geometry.original_shape, dtype=bool)
    mask[box[1] : box[3], box[0] : box[2]] = True

    final = geometry.mask_to_final(mask)

    rows, cols = final.shape
    wanted = np.clip(geometry.box_to_final(tuple(float(edge) for edge in box)), 0, (cols, rows, cols, rows))
    ys, xs = np.nonzero(final)
    if min(wanted[2] - wanted[0], wanted[3] - wanted[1]) < 2:
        return  # smaller than two pixels: only its presence can be kept
    np.testing.assert_allclose(
        (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1), wanted, atol=0.63
    )  # half a pixel, and half of a quarter


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
