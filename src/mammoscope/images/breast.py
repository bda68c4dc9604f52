"""What the pixels themselves say: which end is background, where the breast is, where the chest wall is.

All functions take a thumbnail (longest side about 256 pixels); the numbers below were chosen on it.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int, Real, UInt8

Side = Literal["left", "right"]

THUMB_SIDE = 256  # longest side of the thumbnail
UNCLEAR = 0.05  # a side must be straight over this much more of the breast's height than the other ...
CLEAR = 0.2  # ... and over this much more to overrule the laterality
SUDDEN = 0.4  # a white border loses this share of its length ...
BLUR_PX = 2  # ... within so many lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Polarity:
    """Which end of the value range is background.

    Attributes:
        inverted: The background is bright and the breast dark.
        dark: Share of pixels piled up at one value near the dark end.
        bright: Share of pixels piled up at one value near the bright end.
    """

    inverted: bool
    dark: float
    bright: float


def polarity(thumb: Real[np.ndarray, "rows cols"]) -> Polarity:
    """Tell a bright background from a dark one.

    Air is nearly one value, tissue is spread over many: the end of the histogram with
    the higher peak is the background. A bright peak counts only in the last 8 % of the
    range, where air lies in an inverted picture and smooth tissue does not.

    Example:
        >>> picture = np.full((64, 64), 255.0)
        >>> picture[16:48, :32] = np.linspace(60, 180, 32)
        >>> polarity(picture).inverted
        True
    """
    low, high = float(thumb.min()), float(thumb.max())
    level = (thumb.astype(np.float64) - low) / max(high - low, 1e-9)
    count = np.bincount((level * 63.999).astype(np.int64).ravel(), minlength=64) / level.size
    pairs = count[:-1] + count[1:]  # a value on the edge of two bins counts once
    dark, bright = float(pairs[:20].max()), float(pairs[-5:].max())
    return Polarity(inverted=bright > dark, dark=dark, bright=bright)


def stretched(thumb: Real[np.ndarray, "rows cols"], *, invert: bool) -> Float32[np.ndarray, "rows cols"]:
    """Scale a thumbnail to [0, 1] with the breast bright, for the functions below."""
    values = thumb.astype(np.float32)
    if invert:
        values = -values
    low, high = float(values.min()), float(np.percentile(values, 99.9))
    return np.asarray(np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0), dtype=np.float32)


def breast_mask(shown: Float32[np.ndarray, "rows cols"]) -> Bool[np.ndarray, "rows cols"] | None:
    """The breast: the largest bright area once frame, labels, markers and thin lines are gone.

    Args:
        shown: From `stretched`: breast bright, in [0, 1].

    Returns:
        The mask with its holes filled, or None if nothing stands out.
    """
    inner = _without_frame(shown)
    level = (cv2.GaussianBlur(inner, (0, 0), 1.0) * 255).astype(np.uint8)
    split = _otsu(level)
    air = np.bincount(level.ravel(), minlength=256)[: int(split) + 1]
    background = int(air.argmax())
    haze = 4.0 * _median_distance(air, to=background)
    faint = min(max(14.0, haze), 0.2 * (split - background))  # of 255; an implant must not hide the fat around it
    above = (level > background + max(3.0, faint)).astype(np.uint8)
    opened = cv2.morphologyEx(above, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    parts, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if parts < 2:
        return None
    area = stats[1:, cv2.CC_STAT_AREA].astype(np.float64)
    left, width = stats[1:, cv2.CC_STAT_LEFT], stats[1:, cv2.CC_STAT_WIDTH]
    at_side = (left <= 2) | (left + width >= level.shape[1] - 2)
    largest = int(np.argmax(np.where(at_side, area, 0.5 * area)))  # a breast is cut by the edge, a label is not
    if area[largest] < 0.005 * level.size:
        return None
    return _filled((labels == largest + 1).astype(np.uint8)).astype(bool)


def chest_side(mask: Bool[np.ndarray, "rows cols"], *, expected: Side | None) -> Side | None:
    """The side of the chest wall: where the outline of the breast is straight and upright.

    Args:
        mask: From `breast_mask`.
        expected: The usual side for the laterality, if that is known; it decides where the outline does not.

    Returns:
        None if neither side is straighter and none is expected.

    Example:
        >>> half_disc = np.hypot(*np.mgrid[-32:32, 0:40]) < 30
        >>> chest_side(half_disc, expected=None)
        'left'
    """
    rows = mask[mask.any(axis=1)]
    first = rows.argmax(axis=1)
    last = rows[:, ::-1].argmax(axis=1)
    left, right = (int(np.convolve(np.bincount(edge), [1, 1, 1]).max()) for edge in (first, last))
    if abs(left - right) < (UNCLEAR if expected is None else CLEAR) * len(rows):
        return expected
    return "left" if left > right else "right"


def bounding_box(mask: Bool[np.ndarray, "rows cols"]) -> tuple[int, int, int, int]:
    """Columns and rows of the mask as (x0, y0, x1, y1), half open.

    Example:
        >>> bounding_box(np.array([[False, True], [False, True]]))
        (1, 0, 2, 2)
    """
    y, x = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1


def grown(mask: Bool[np.ndarray, "rows cols"], *, pixels: int) -> Bool[np.ndarray, "rows cols"]:
    """Widen a mask by some pixels, so that the faint skin line stays."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), dtype=bool)


def _without_frame(shown: Float32[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "rows cols"]:
    """Blacken white borders of a scan: bright lines at an edge that end within 8 % of the picture, and end at once.

    A bright breast at the edge ends little by little: its lines get shorter from one to the next.
    """
    inner = shown.copy()
    for turned in (inner, inner[::-1], inner.T, inner.T[::-1]):
        depth = max(2, round(0.08 * len(turned)))
        bright = (turned[: depth + BLUR_PX + 1] > 0.75).mean(axis=1)
        long = bright > 0.8
        border = len(long) if long.all() else int(long.argmin())
        if 0 < border <= depth and bright[min(border + BLUR_PX, len(bright) - 1)] < bright[:border].max() - SUDDEN:
            turned[:border] = 0.0
    return inner


def _median_distance(counts: Int[np.ndarray, " greys"], *, to: int) -> float:
    """Median of |grey - to| over pixels of which a histogram is given."""
    away = np.bincount(np.abs(np.arange(len(counts)) - to), weights=counts)
    upto = np.cumsum(away)
    middle = np.searchsorted(upto, ((upto[-1] - 1) // 2, upto[-1] // 2), side="right")
    return float(middle.mean())


def _otsu(level: UInt8[np.ndarray, "rows cols"]) -> float:
    split, _ = cv2.threshold(level, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(split)


def _filled(mask: UInt8[np.ndarray, "rows cols"]) -> UInt8[np.ndarray, "rows cols"]:
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(framed, None, (0, 0), 1)
    return np.asarray(mask | (1 - framed[1:-1, 1:-1]), dtype=np.uint8)
