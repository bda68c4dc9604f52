"""A drawing as the list of what is on it; `canvas_png` and `canvas_svg` make pictures of the same list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, assert_never

import numpy as np
from jaxtyping import Float, UInt8
from PIL import ImageFont

Colour = tuple[int, int, int]
Anchor = Literal["start", "middle", "end"]

PAPER, INK, MUTED, FRAME, BLACK = (18, 23, 29), (236, 240, 244), (168, 179, 191), (84, 97, 111), (0, 0, 0)
SLACK = 1.15  # fonts of SVG viewers differ from the one that is measured


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raster:
    """Pixels with their top left corner at x, y."""

    x: int
    y: int
    pixels: UInt8[np.ndarray, "rows cols 3"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stroke:
    """A line through points; `dash` are lengths of line and gap, `casing` a dark rim that keeps it apart."""

    points: Float[np.ndarray, "points 2"]
    colour: Colour
    width: int
    closed: bool = False
    dash: tuple[float, float] | None = None
    casing: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One line of text whose base line begins, has its middle or ends at x, y; `halo` is a dark rim."""

    x: float
    y: float
    text: str
    size: int
    colour: Colour = INK
    anchor: Anchor = "start"
    halo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: Colour | None = None
    edge: Colour | None = None
    dash: tuple[float, float] | None = None


Mark = Raster | Stroke | Words | Block


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Canvas:
    """A drawing.

    Attributes:
        width: In pixels.
        height: In pixels.
        marks: What is on it, the lowest first.
        title: What it shows, for a reader who does not see it.
    """

    width: int
    height: int
    marks: tuple[Mark, ...]
    title: str


@cache
def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow."""
    return ImageFont.load_default(size)


def text_width(text: str, *, size: int) -> float:
    """Pixels that a line of text takes, with some room.

    Example:
        >>> text_width("R MLO", size=20) < text_width("R MLO, from below", size=20)
        True
    """
    return SLACK * font_of(size).getlength(text)


def wrapped(text: str, *, size: int, width: float) -> Iterator[str]:
    """Lines that fit; a word that is too long is cut.

    Example:
        >>> list(wrapped("no place speaks for the class", size=20, width=120))
        ['no place', 'speaks for', 'the class']
    """
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if text_width(longer, size=size) <= width:
            line = longer
            continue
        if line:
            yield line
        line = word
        while text_width(line, size=size) > width and len(line) > 1:
            fits = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or text_width(line[:n], size=size) <= width)
            yield line[:fits]
            line = line[fits:]
    yield line


def paragraph(text: str, *, x: float, y: float, width: float, size: int, colour: Colour = MUTED) -> list[Words]:
    """Lines of text below each other, the top of the first at y."""
    lines = wrapped(text, size=size, width=width)
    return [
        Words(x=x, y=y + baseline(size) + number * line_height(size), text=line, size=size, colour=colour)
        for number, line in enumerate(lines)
    ]


def line_height(size: int) -> int:
    """From one line of text to the next."""
    return round(1.35 * size)


def baseline(size: int) -> int:
    """From the top of a line of text to where its letters stand."""
    return round(1.02 * size)


def moved(marks: Sequence[Mark], *, x: int, y: int) -> list[Mark]:
    """Marks at another place."""
    return [_moved(mark, x=x, y=y) for mark in marks]


def _moved(mark: Mark, *, x: int, y: int) -> Mark:
    match mark:
        case Stroke():
            return replace(mark, points=mark.points + np.array([x, y]))
        case Raster():
            return replace(mark, x=mark.x + x, y=mark.y + y)
        case Words() | Block():
            return replace(mark, x=mark.x + x, y=mark.y + y)
        case _:
            assert_never(mark)
