"""What the pixels say against the header is noted, and changes nothing."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mammoscope.images.doubts import LENGTH_MM, doubts
from mammoscope.images.geometry import Geometry
from mammoscope.vocabulary import View
from mg_files import mg, read, said


def picture(*, muscle: float = 0.3, top: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A breast of 220 x 130 pixels at the left edge, with a wedge in its upper corner; and its outline."""
    y, x = np.mgrid[:256, :200].astype(np.float32)
    y -= top
    breast = (np.hypot((y - 110) / 1.25, x) < 130) & (y >= 0) & (y < 220)
    clouds = cv2.GaussianBlur(np.random.default_rng(1).normal(size=y.shape).astype(np.float32), (0, 0), 3.0)
    shown = np.where(breast, 0.4 + 0.3 * clouds + muscle * (x / 80 + y / 130 < 1), 0.0)
    return np.clip(shown, 0, 1).astype(np.float32), breast


@pytest.mark.parametrize(("pixel_mm", "noted"), [(0.1, True), (0.3, False), (1.0, False), (1.6, True), (None, False)])
def test_a_breast_of_a_size_that_none_has_is_noted(pixel_mm: float | None, noted: bool) -> None:  # noqa: FBT001
    shown, breast = picture()
    spacing = None if pixel_mm is None else (pixel_mm, pixel_mm)
    geometry = Geometry.of((256, 200), spacing_mm=spacing)

    found = doubts(shown, breast=breast, chest="left", view=None, geometry=geometry)

    sizes = [] if pixel_mm is None else [f"the breast would be {220 * pixel_mm:.0f} x {130 * pixel_mm:.0f} mm"]
    assert [step.detail.split(",")[0] for step in found] == (sizes if noted else [])
    assert pixel_mm is None or noted != (LENGTH_MM[0] <= 220 * pixel_mm <= LENGTH_MM[1])


@pytest.mark.parametrize(
    ("view", "muscle", "top", "noted"),
    [
        (View.CC, 0.3, 0, True),
        (View.FB, 0.3, 0, True),
        (View.CC, 0.0, 0, False),
        (View.CC, 0.3, 30, False),  # what reaches no edge of the picture is no muscle
        (View.MLO, 0.3, 0, False),
        (None, 0.3, 0, False),
    ],
)
def test_a_muscle_on_a_view_from_above_is_noted(view: View | None, muscle: float, top: int, noted: bool) -> None:  # noqa: FBT001
    shown, breast = picture(muscle=muscle, top=top)

    found = doubts(shown, breast=breast, chest="left", view=view, geometry=Geometry.of((256, 200)))

    assert [step.name for step in found] == ["oddity"] * noted
    assert all("the edge of a muscle is seen" in step.detail for step in found)


@pytest.mark.parametrize("shape", [(1, 256), (2, 40), (256, 1), (5, 5), (16, 256)])
def test_a_picture_of_any_shape_is_looked_at(shape: tuple[int, int]) -> None:
    breast = np.ones(shape, dtype=bool)
    shown = np.linspace(1, 0, breast.size, dtype=np.float32).reshape(shape)

    for chest in ("left", "right"):
        assert doubts(shown, breast=breast, chest=chest, view=View.CC, geometry=Geometry.of(shape)) == []


def test_a_doubt_changes_neither_view_nor_spacing_nor_pixels(tmp_path: Path) -> None:
    shown, _ = picture()
    stored = np.rint(shown * 4095).astype(np.uint16)
    about = {"WindowCenter": 2048, "WindowWidth": 4096}

    sure = read(mg(stored, **about), tmp_path)
    odd = read(mg(stored, ViewPosition="CC", PixelSpacing=[0.1, 0.1], **about), tmp_path)

    assert (odd.view, odd.spacing_mm is None) == (View.CC, False)
    assert len(said(odd, "oddity")) == 2
    assert not said(sure, "oddity")
    np.testing.assert_array_equal(odd.pixels, sure.pixels)
