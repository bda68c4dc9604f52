"""A map laid over the anatomy: the picture as it is, and beside it the picture with the map."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

TRUTH_RGB = (90, 200, 250)  # light blue: apart from the map's colours for every common colour blindness


def side_by_side(
    picture: Float32[np.ndarray, "rows cols"],
    heat: Float32[np.ndarray, "rows cols"] | None,
    *,
    outlines: Sequence[Float[np.ndarray, "points 2"]] = (),
    height_px: int = 448,
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw a picture, and beside it the same picture under its map.

    Args:
        picture: Display values in [0, 1].
        heat: Map in [0, 1]; None leaves the right picture without colours.
        outlines: Closed outlines of known lesions, x and y in pixels of the picture.
        height_px: Height of the drawing.

    Returns:
        RGB. The anatomy shows through: opacity follows the map.

    Example:
        >>> side_by_side(np.zeros((4, 2), dtype=np.float32), None, height_px=8).shape
        (8, 9, 3)
    """
    rows, cols = picture.shape
    size = (max(1, round(cols * height_px / rows)), height_px)
    grey = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC if height_px > rows else cv2.INTER_AREA)
    plain = np.repeat(np.clip(grey, 0, 1)[:, :, None], 3, axis=2)
    mixed = plain if heat is None else _mixed(plain, cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR))
    left = _outlined(np.rint(plain * 255).astype(np.uint8), outlines, scale=height_px / rows)
    right = _outlined(np.rint(mixed * 255).astype(np.uint8), outlines, scale=height_px / rows)
    gap = np.full((height_px, max(1, height_px // 56), 3), 128, dtype=np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _mixed(plain: np.ndarray, heat: np.ndarray) -> np.ndarray:
    opacity = 0.6 * np.clip(heat, 0, 1)[:, :, None]
    mixed: np.ndarray = plain * (1 - opacity) + colours(np.clip(heat, 0, 1)) * opacity
    return mixed


def colours(heat: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, "rows cols 3"]:
    """The perceptual colour map of every map here: inferno.

    Example:
        >>> colours(np.array([[0.0]])).shape
        (1, 1, 3)
    """
    levels = np.rint(heat * 255).astype(np.uint8)
    rgb: np.ndarray = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, :, ::-1].astype(np.float64) / 255
    return rgb


def _outlined(rgb: np.ndarray, outlines: Sequence[np.ndarray], *, scale: float) -> np.ndarray:
    drawn = np.ascontiguousarray(rgb)
    for outline in outlines:
        points = np.rint(outline * scale).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(drawn, [points], isClosed=True, color=TRUTH_RGB, thickness=2, lineType=cv2.LINE_AA)
    return drawn
