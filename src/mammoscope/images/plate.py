"""Pictures side by side on one dark plate, with captions."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from mammoscope.images.breast import Side

Colour = tuple[int, int, int]
Line = tuple[str, Colour | None]
"""A text, and the colour that it explains."""

Rgb = UInt8[np.ndarray, "_ _ 3"]

PAPER, INK, MUTED, FRAME = (18, 23, 29), (228, 233, 238), (164, 176, 189), (58, 70, 83)
CHEST, ODD = (240, 120, 150), (244, 176, 78)
NAME, TITLE, TEXT = 27.0, 20.0, 17.0  # heights of letters, on a plate as wide as ...
USUAL_WIDTH_PX = 1900  # ... this; those of a wider one grow with it
EDGE_PX, BAR_PX, BESIDE_PX = 28, 7, 20  # around everything; the mark of a chest wall; room for it beside a picture
NARROWEST_PX = 300  # text below a picture is given at least so much room


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One picture with what is said of it.

    Attributes:
        picture: Red, green and blue.
        title: Above it.
        lines: Below it.
        chest: Side at which the chest wall is marked.
    """

    picture: Rgb
    title: str
    lines: tuple[Line, ...]
    chest: Side | None = None


def lay_out(panels: tuple[Panel, ...], *, name: str, head: str, notes: list[str]) -> Rgb:
    """Lay panels out.

    Args:
        panels: From left to right.
        name: Heads the plate.
        head: What is said of all panels.
        notes: What is to be noticed, at the foot.

    Returns:
        Red, green and blue.
    """
    tallest = max(panel.picture.shape[0] for panel in panels)
    widths = [max(panel.picture.shape[1] + 2 * BESIDE_PX, NARROWEST_PX) for panel in panels]
    scale = max(1.0, sum(widths) / USUAL_WIDTH_PX)
    columns = [_column(panel, tallest, width, scale) for panel, width in zip(panels, widths, strict=True)]
    height, width = max(len(column) for column in columns), sum(widths)
    middle = np.hstack([_on_paper(column, (height, column.shape[1])) for column in columns])
    room = width - 2 * BESIDE_PX
    head_lines = [_text(name, NAME * scale, INK, room), _text(head, TEXT * scale, MUTED, room)]
    foot = [_text(note, TEXT * scale, ODD, room) for note in notes]
    stacked = np.vstack([*(_beside(row) for row in head_lines), middle, *(_beside(row) for row in foot)])
    return _on_paper(stacked, (len(stacked) + 2 * EDGE_PX, width + 2 * EDGE_PX), top=EDGE_PX, left=EDGE_PX)


def _column(panel: Panel, tallest: int, width: int, scale: float) -> Rgb:
    """Title, picture and text."""
    rows, cols = panel.picture.shape[:2]
    middle = np.full((tallest + 2, width, 3), PAPER, dtype=np.uint8)
    middle[: rows + 2, BESIDE_PX - 1 : BESIDE_PX + cols + 1] = FRAME
    middle[1 : rows + 1, BESIDE_PX : BESIDE_PX + cols] = panel.picture
    if panel.chest is not None:
        at = BESIDE_PX - BAR_PX - 4 if panel.chest == "left" else BESIDE_PX + cols + 4
        middle[1 : rows + 1, at : at + BAR_PX] = CHEST
    room = width - 2 * BESIDE_PX
    title = _text(panel.title, TITLE * scale, INK, room, before=0.7)
    below = [_text(text, TEXT * scale, MUTED, room, swatch=colour) for text, colour in panel.lines]
    gap = np.full((round(0.4 * TEXT * scale), width, 3), PAPER, dtype=np.uint8)
    return np.vstack([_beside(title), middle, gap, *(_beside(text) for text in below)])


def _text(text: str, size: float, ink: Colour, width: int, *, before: float = 0.0, swatch: Colour | None = None) -> Rgb:
    """Wrapped lines; `before` lines of room above, and a patch of the colour that is explained."""
    font, line = _font(round(size)), round(1.4 * size)
    indent = round(1.25 * size) if swatch is not None else 0
    lines = list(_wrapped(_known(text), font, width - indent))
    above = round(before * line)
    image = Image.new("RGB", (width, above + line * len(lines)), PAPER)
    draw = ImageDraw.Draw(image)
    if swatch is not None:
        draw.rectangle((0, above + 0.25 * size, 0.7 * size, above + 0.95 * size), fill=swatch)
    for number, words in enumerate(lines):
        draw.text((indent, above + number * line), words, fill=ink, font=font)
    return np.array(image, dtype=np.uint8)


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> Iterator[str]:
    """Lines that fit; a word that is too long is cut."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            yield line
        line = word
        while font.getlength(line) > width and len(line) > 1:
            fits = next(n for n in range(len(line) - 1, 0, -1) if n == 1 or font.getlength(line[:n]) <= width)
            yield line[:fits]
            line = line[fits:]
    yield line


def _beside(text: Rgb) -> Rgb:
    return _on_paper(text, (len(text), text.shape[1] + 2 * BESIDE_PX), left=BESIDE_PX)


def _on_paper(picture: Rgb, size: tuple[int, int], *, top: int = 0, left: int = 0) -> Rgb:
    paper = np.full((*size, 3), PAPER, dtype=np.uint8)
    paper[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return paper


def _known(text: str) -> str:
    """In the letters that the font has."""
    return text.encode("ascii", "replace").decode("ascii")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
