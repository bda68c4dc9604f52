"""A canvas as pixels and as a PNG file."""

from collections.abc import Iterator
from typing import assert_never

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from mammoscope.errors import StorageError
from mammoscope.explain.canvas import BLACK, PAPER, Block, Canvas, Raster, Stroke, Words, font_of

SHIFT = 4  # binary digits of a pixel that OpenCV draws lines with
ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}  # Pillow's, on the base line
COMPRESSION = 6


def canvas_pixels(canvas: Canvas) -> UInt8[np.ndarray, "height width 3"]:
    """Draw a canvas.

    Args:
        canvas: What to draw.

    Returns:
        Red, green and blue.

    Example:
        >>> canvas_pixels(Canvas(width=4, height=3, marks=(), title="nothing")).shape
        (3, 4, 3)
    """
    pixels = np.full((canvas.height, canvas.width, 3), PAPER, dtype=np.uint8)
    for mark in canvas.marks:
        match mark:
            case Raster():
                rows, cols = mark.pixels.shape[:2]
                pixels[mark.y : mark.y + rows, mark.x : mark.x + cols] = mark.pixels
            case Stroke():
                _stroke(pixels, mark)
            case Words():
                _words(pixels, mark)
            case Block():
                _block(pixels, mark)
            case _:
                assert_never(mark)
    return pixels


def canvas_png(canvas: Canvas) -> bytes:
    """Draw a canvas as a PNG file.

    Args:
        canvas: What to draw.

    Returns:
        The bytes of the file.

    Raises:
        StorageError: OpenCV has no PNG.

    Example:
        >>> canvas_png(Canvas(width=4, height=3, marks=(), title="nothing"))[1:4]
        b'PNG'
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION]
    done, encoded = cv2.imencode(".png", canvas_pixels(canvas)[:, :, ::-1], options)
    if not done:
        raise StorageError("a drawing: OpenCV could not write it as PNG. Install opencv-python-headless again")
    return encoded.tobytes()


def dashes(points: Float[np.ndarray, "points 2"], *, dash: tuple[float, float]) -> Iterator[Float[np.ndarray, "_ 2"]]:
    """The pieces of a line that is drawn as dashes.

    Example:
        >>> [piece.tolist() for piece in dashes(np.array([[0.0, 0.0], [10.0, 0.0]]), dash=(4, 3))]
        [[[0.0, 0.0], [4.0, 0.0]], [[7.0, 0.0], [10.0, 0.0]]]
    """
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    for start in np.arange(0.0, along[-1], sum(dash)):
        end = min(start + dash[0], along[-1])
        inner = points[(along > start) & (along < end)]
        ends = [[np.interp(at, along, points[:, axis]) for axis in (0, 1)] for at in (start, end)]
        yield np.concatenate([ends[:1], inner, ends[1:]])


def _stroke(pixels: UInt8[np.ndarray, "height width 3"], mark: Stroke) -> None:
    points = np.concatenate([mark.points, mark.points[:1]]) if mark.closed else mark.points
    pieces = [points] if mark.dash is None else list(dashes(points, dash=mark.dash))
    for colour, width in [(BLACK, mark.width + 2)] * mark.casing + [(mark.colour, mark.width)]:
        for piece in pieces:
            fixed = np.rint((piece - 0.5) * 2**SHIFT).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(
                pixels, [fixed], isClosed=False, color=colour, thickness=width, lineType=cv2.LINE_AA, shift=SHIFT
            )


def _words(pixels: UInt8[np.ndarray, "height width 3"], mark: Words) -> None:
    """Only the lines around the text become a picture of Pillow."""
    top, bottom = max(0, round(mark.y - 1.3 * mark.size)), round(mark.y + 0.6 * mark.size)
    part = Image.fromarray(pixels[top:bottom])
    rim = max(1, mark.size // 8) if mark.halo else 0
    ImageDraw.Draw(part).text(
        (mark.x, mark.y - top),
        mark.text.encode("ascii", "replace").decode("ascii"),  # the letters that the font has
        fill=mark.colour,
        font=font_of(mark.size),
        anchor=ANCHORS[mark.anchor],
        stroke_width=rim,
        stroke_fill=BLACK,
    )
    pixels[top:bottom] = np.asarray(part)


def _block(pixels: UInt8[np.ndarray, "height width 3"], mark: Block) -> None:
    left, top = round(mark.x), round(mark.y)
    right, bottom = round(mark.x + mark.width), round(mark.y + mark.height)
    if mark.fill is not None:
        pixels[max(0, top) : bottom, max(0, left) : right] = mark.fill
    if mark.edge is not None:
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) + 0.5
        _stroke(pixels, Stroke(points=corners, colour=mark.edge, width=1, closed=True, dash=mark.dash, casing=False))
