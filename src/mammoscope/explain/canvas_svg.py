"""A canvas as an SVG file: lines and texts stay lines and texts, over the pixels of the anatomy."""

import base64
from html import escape
from typing import assert_never

import cv2
import numpy as np
from jaxtyping import Float

from mammoscope.explain.canvas import BLACK, PAPER, Block, Canvas, Colour, Mark, Raster, Stroke, Words

FONTS = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
SOFT_PX, RIM_PX = 0.6, 2.6  # what OpenCV adds to a line with soft edges, and to its rim
COARSE_PX = 0.3  # how far a line may stray when points are left out


def canvas_svg(canvas: Canvas) -> str:
    """Draw a canvas as an SVG file that needs nothing else.

    Args:
        canvas: What to draw.

    Returns:
        The text of the file; the same canvas gives the same text.

    Example:
        >>> canvas_svg(Canvas(width=4, height=3, marks=(), title="nothing"))[:70]
        '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="3" viewBox="'
    """
    size = f'width="{canvas.width}" height="{canvas.height}" viewBox="0 0 {canvas.width} {canvas.height}"'
    title = escape(canvas.title)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}" font-family="{FONTS}">'
    ground = f'<rect width="{canvas.width}" height="{canvas.height}" fill="{_hex(PAPER)}"/>'
    return "\n".join(
        [head, f"<title>{title}</title>", ground, *(_element(mark) for mark in canvas.marks), "</svg>", ""]
    )


def _element(mark: Mark) -> str:
    match mark:
        case Raster():
            rows, cols = mark.pixels.shape[:2]
            encoded = cv2.imencode(".png", mark.pixels[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()
            place = f'x="{mark.x}" y="{mark.y}" width="{cols}" height="{rows}"'
            return f'<image {place} href="data:image/png;base64,{base64.b64encode(encoded).decode("ascii")}"/>'
        case Stroke():
            return _line(mark)
        case Words():
            rim = "" if not mark.halo else f' stroke="#000" stroke-width="{mark.size / 4:g}" paint-order="stroke"'
            place = f'x="{mark.x:g}" y="{mark.y:g}" font-size="{mark.size}" text-anchor="{mark.anchor}"'
            return f'<text {place} fill="{_hex(mark.colour)}"{rim} stroke-linejoin="round">{escape(mark.text)}</text>'
        case Block():
            fill = "none" if mark.fill is None else _hex(mark.fill)
            edge = "" if mark.edge is None else f' stroke="{_hex(mark.edge)}"{_dashed(mark.dash)}'
            place = f'x="{mark.x:g}" y="{mark.y:g}" width="{mark.width:g}" height="{mark.height:g}"'
            return f'<rect {place} fill="{fill}"{edge}/>'
        case _:
            assert_never(mark)


def _line(mark: Stroke) -> str:
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in _simple(mark.points, closed=mark.closed)) + "Z" * mark.closed
    how = f'd="{path}" fill="none" stroke-linejoin="round"{_dashed(mark.dash)}'
    rim = f'<path {how} stroke="{_hex(BLACK)}" stroke-width="{mark.width + RIM_PX:g}"/>' if mark.casing else ""
    return f'{rim}<path {how} stroke="{_hex(mark.colour)}" stroke-width="{mark.width + SOFT_PX:g}"/>'


def _simple(points: Float[np.ndarray, "points 2"], *, closed: bool) -> list[tuple[float, float]]:
    if len(points) < 3:
        return [(round(float(x), 1), round(float(y), 1)) for x, y in points]
    fewer = cv2.approxPolyDP(points.astype(np.float32).reshape(-1, 1, 2), COARSE_PX, closed=closed)
    return [(round(float(x), 1), round(float(y), 1)) for x, y in fewer.reshape(-1, 2)]


def _dashed(dash: tuple[float, float] | None) -> str:
    return "" if dash is None else f' stroke-dasharray="{dash[0]:g} {dash[1]:g}"'


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)
