"""Where a lesion lies: boxes and outlines in original pixels, checked against the picture."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mammoscope.errors import SourceError

LOG = logging.getLogger(__name__)
SHARE = 0.05  # of a picture's side: so far may a hand-drawn outline pass its edge
MARGIN_PX = 100.0  # the same where the picture's size is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A lesion in original pixels: x from the left, y from the top, the box half open.

    Attributes:
        box: x0, y0, x1, y1, inside the picture.
        polygon: x, y, x, y ... as drawn, which may pass the picture's edge a little; None for a point, a line or a box.
        round: The outline is a circle.
    """

    box: tuple[float, float, float, float]
    polygon: tuple[float, ...] | None = None
    round: bool | None = None


def boxed(
    corners: Sequence[float], *, where: str, width: float | None = None, height: float | None = None
) -> tuple[float, float, float, float]:
    """Check a box and cut it at the edge of its picture.

    Args:
        corners: x0, y0, x1, y1.
        where: File and line, or file and lesion, for the message.
        width: Columns of the picture, if known.
        height: Rows of the picture, if known.

    Returns:
        The box; a part that passes the edge by at most a twentieth of the picture's side is cut off and logged.

    Raises:
        SourceError: A number is not finite, the box is empty or turned round, or it passes the edge by more.

    Example:
        >>> boxed((-3, 10, 50, 60), where="own.csv:2", width=100, height=100)
        (0.0, 10.0, 50.0, 60.0)
        >>> boxed((50, 10, 20, 60), where="own.csv:2")
        Traceback (most recent call last):
        mammoscope.errors.SourceError: own.csv:2: box 50,10,20,60 is empty or turned round. Correct its corners
    """
    x0, y0, x1, y1 = (float(corner) for corner in corners)
    text = ",".join(f"{corner:g}" for corner in (x0, y0, x1, y1))
    if not all(math.isfinite(corner) for corner in (x0, y0, x1, y1)):
        raise SourceError(f"{where}: box {text} is not made of numbers. Correct its corners")
    if x1 <= x0 or y1 <= y0:
        raise SourceError(f"{where}: box {text} is empty or turned round. Correct its corners")
    cut: list[tuple[float, float]] = []
    for low, high, side in ((x0, x1, width), (y0, y1, height)):
        margin = MARGIN_PX if side is None else SHARE * side
        end = math.inf if side is None else float(side)
        if low < -margin or high > end + margin or high <= 0 or low >= end:
            size = "" if width is None or height is None else f" of {width:g} x {height:g} pixels"
            raise SourceError(f"{where}: box {text} lies outside the picture{size}. Correct the region")
        cut.append((max(low, 0.0), min(high, end)))
    (left, right), (top, bottom) = cut
    if (left, top, right, bottom) != (x0, y0, x1, y1):
        LOG.warning("%s: box %s passes the picture's edge and is cut there", where, text)
    return left, top, right, bottom


def outlined(
    points: Sequence[tuple[float, float]], *, where: str, width: float | None = None, height: float | None = None
) -> Region:
    """Make a region of the points of an outline.

    Args:
        points: x and y of each; one or two of them mark a place, not an area.
        where: File and lesion, for the message.
        width: Columns of the picture, if known.
        height: Rows of the picture, if known.

    Returns:
        The outline as drawn, and the box of the pixels that its points touch.

    Raises:
        SourceError: There is no point, or the outline lies outside the picture.

    Example:
        >>> outlined([(10.2, 20.0)], where="own.xml, region 1").box
        (10.0, 20.0, 11.0, 21.0)
        >>> outlined([(0, 0), (4, 0), (4, 6)], where="own.xml, region 1").polygon
        (0.0, 0.0, 4.0, 0.0, 4.0, 6.0)
    """
    if not points:
        raise SourceError(f"{where}: an outline without points. Correct the region")
    flat = [float(number) for point in points for number in point]
    if not all(math.isfinite(number) for number in flat):
        raise SourceError(f"{where}: an outline of no numbers. Correct the region")
    xs, ys = flat[::2], flat[1::2]
    corners = (math.floor(min(xs)), math.floor(min(ys)), math.floor(max(xs)) + 1, math.floor(max(ys)) + 1)
    box = boxed(corners, where=where, width=width, height=height)
    return Region(box=box, polygon=tuple(flat) if len(set(zip(xs, ys, strict=True))) > 2 else None)


def ellipse(
    centre: tuple[float, float],
    radii: tuple[float, float],
    *,
    where: str,
    width: float | None = None,
    height: float | None = None,
) -> Region:
    """Make a region of an ellipse with upright axes: an outline of 64 points, or a round box for a circle.

    Args:
        centre: x and y.
        radii: Half the width and half the height, above 0.
        where: File and lesion, for the message.
        width: Columns of the picture, if known.
        height: Rows of the picture, if known.

    Raises:
        SourceError: A radius is not above 0, or the ellipse lies outside the picture.

    Example:
        >>> ellipse((50, 50), (10, 10), where="own.csv:2")
        Region(box=(40.0, 40.0, 60.0, 60.0), polygon=None, round=True)
    """
    (x, y), (across, down) = centre, radii
    if not (across > 0 and down > 0):
        raise SourceError(f"{where}: radius {across:g}, {down:g} is not above 0. Correct the region")
    box = boxed((x - across, y - down, x + across, y + down), where=where, width=width, height=height)
    if across == down:
        return Region(box=box, round=True)
    turns = [2 * math.pi * step / 64 for step in range(64)]
    outline = [number for turn in turns for number in (x + across * math.cos(turn), y + down * math.sin(turn))]
    return Region(box=box, polygon=tuple(outline))
