"""A map over its picture as a drawing: both side by side, with outlines, colour bar, scale bar, side and view."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mammoscope.explain.canvas import (
    FRAME,
    INK,
    MUTED,
    Anchor,
    Block,
    Canvas,
    Colour,
    Mark,
    Raster,
    Stroke,
    Words,
    baseline,
    line_height,
    moved,
    paragraph,
    text_width,
)
from mammoscope.explain.picture import Laid, grey, mixed
from mammoscope.images.breast import Side
from mammoscope.vocabulary import Laterality

TRUTH_RGB = (90, 200, 250)  # light blue: apart from the map's colours for every common colour blindness
EDGE_RGB = (255, 255, 255)
DASH = (9.0, 6.0)  # of the map's outline: apart from the lesion's by its line, too
BARS_MM = (5, 10, 20, 50)  # lengths of a scale bar
BAR_SHARE = 0.34  # of the picture's width, at most
EDGE_PX, GAP_PX = 14, 8
LETTERS = (15, 30)  # smallest and largest


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What is said of a map.

    Attributes:
        method: That made it.
        scale: What the colours mean, such as `evidence for malignant`.
        notes: What must be known to read the picture.
    """

    method: str
    scale: str
    notes: tuple[str, ...] = ()


def overlay(laid: Laid, *, caption: Caption) -> Canvas:
    """Draw a picture, and beside it the same picture under its map.

    Args:
        laid: The map over its picture.
        caption: What is said of it.

    Returns:
        The drawing. Where the map is not defined, the picture alone, and a line that says so; where the spacing is not
        known, no scale bar, and a line that says so.

    Example:
        >>> from mammoscope.explain import Anatomy, laid_over
        >>> from mammoscope.images import Geometry
        >>> geometry = Geometry.of((400, 300))
        >>> picture = Anatomy(pixels=np.zeros((400, 300), np.float32), geometry=geometry, laterality=None, view=None,
        ...     mirrored=False)
        >>> drawn = overlay(laid_over(picture, None, seen=geometry), caption=Caption(method="RISE", scale="evidence"))
        >>> [mark.text for mark in drawn.marks if isinstance(mark, Words)][0]
        'RISE: the map is not defined, so none is drawn.'
    """
    rows, cols = laid.anatomy.pixels.shape
    shown = [False] if laid.heat is None else [False, True]
    width = max(len(shown) * cols + (len(shown) - 1) * GAP_PX, 300)
    size = letters(width)
    marks: list[Mark] = []
    for place, with_map in enumerate(shown):
        marks += moved(panel(laid, with_map=with_map, size=size), x=place * (cols + GAP_PX), y=0)
    y = rows + round(0.5 * size)
    for row in (_legend(laid, size=size, width=width), *_scale(laid, caption, size=size, width=width)):
        marks += moved(row.marks, x=0, y=y)
        y += row.height
    for text in notes_of(laid, caption):
        lines = paragraph(text, x=0, y=y, width=width, size=round(0.82 * size))
        marks += lines
        y += len(lines) * line_height(round(0.82 * size))
    return Canvas(
        width=width + 2 * EDGE_PX,
        height=y + 2 * EDGE_PX - round(0.2 * size),
        marks=tuple(moved(marks, x=EDGE_PX, y=EDGE_PX)),
        title=_title(laid, caption),
    )


def letters(width: float) -> int:
    """Height of letters on a drawing, so that they can be read where it is shown small."""
    return min(LETTERS[1], max(LETTERS[0], round(0.027 * width)))


def panel(laid: Laid, *, with_map: bool, size: int) -> list[Mark]:
    """One picture with what is drawn on it, its top left corner at 0."""
    anatomy, (rows, cols) = laid.anatomy, laid.anatomy.pixels.shape
    heat = laid.heat if with_map else None
    pixels = grey(anatomy.pixels) if heat is None else mixed(anatomy.pixels, heat)
    marks: list[Mark] = [Raster(x=0, y=0, pixels=pixels)]
    marks += [_closed(lesion, TRUTH_RGB, rows=rows, cols=cols) for lesion in laid.lesions]
    if heat is not None:
        marks += [_closed(edge, EDGE_RGB, rows=rows, cols=cols, dash=DASH) for edge in laid.edges]
        marks += [] if laid.peak is None else cross(laid.peak, arm=0.6 * size)
    outer = _outer(laid)
    if anatomy.mark:
        y, at = 0.3 * size + baseline(size), 0.5 * size if outer == "left" else cols - 0.5 * size
        anchor: Anchor = "start" if outer == "left" else "end"
        marks.append(Words(x=at, y=y, text=anatomy.mark, size=size, anchor=anchor, halo=True))
    return marks if with_map else marks + scale_bar(laid, size=size)


def scale_bar(laid: Laid, *, size: int) -> list[Mark]:
    """A length in mm at the lower corner away from the chest wall; nothing where the spacing is not known."""
    rows, cols = laid.anatomy.pixels.shape
    spacing = laid.anatomy.spacing_mm
    if spacing is None:
        return []
    fitting = [length for length in BARS_MM if length / spacing[1] <= BAR_SHARE * cols]
    if not fitting:
        return []
    long, left = fitting[-1] / spacing[1], _outer(laid) == "left"
    start = 0.6 * size if left else cols - 0.6 * size - long
    foot, tick = rows - 0.8 * size, 0.28 * size
    bracket = np.array([[0.0, -tick], [0.0, 0.0], [long, 0.0], [long, -tick]]) + np.array([start, foot])
    text = f"{fitting[-1]} mm"
    return [
        Stroke(points=bracket, colour=INK, width=2),
        Words(x=start + long / 2, y=foot - 0.45 * size, text=text, size=size, anchor="middle", halo=True),
    ]


def cross(place: tuple[float, float], *, arm: float) -> list[Mark]:
    """Marks a place with a cross that is open in the middle."""
    arms = [np.array([[one, 0.0], [other, 0.0]]) for one, other in ((-arm, -0.35 * arm), (0.35 * arm, arm))]
    both = [*arms, *(one[:, ::-1] for one in arms)]
    return [Stroke(points=one + np.array(place), colour=EDGE_RGB, width=2) for one in both]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """Marks with the height that they take."""

    marks: list[Mark]
    height: int


def _legend(laid: Laid, *, size: int, width: float) -> Row:
    return legend(known=bool(laid.lesions), mapped=laid.heat is not None, whole="picture", size=size, width=width)


def legend(*, known: bool, mapped: bool, whole: str, size: int, width: float) -> Row:
    """What the lines mean, of those that are drawn."""
    half = "map above half its maximum" if whole == "picture" else f"above half the {whole}'s maximum"
    items: list[tuple[str, list[Mark]]] = []
    sample = np.array([[0.0, 0.0], [1.9 * size, 0.0]])
    if known:
        items.append(("known lesion", [Stroke(points=sample, colour=TRUTH_RGB, width=2)]))
    if mapped:
        items.append((half, [Stroke(points=sample, colour=EDGE_RGB, width=2, dash=DASH)]))
        items.append(("its highest place", cross((0.95 * size, 0.0), arm=0.55 * size)))
    marks: list[Mark] = []
    x, y, line = 0.0, 0, round(1.25 * line_height(size))
    for text, drawn in items:
        long = 2.7 * size + text_width(text, size=size)
        if x > 0 and x + long > width:
            x, y = 0.0, y + line
        middle = y + round(0.65 * line_height(size))
        marks += moved(drawn, x=round(x), y=middle)
        marks.append(Words(x=x + 2.6 * size, y=y + baseline(size), text=text, size=size, colour=MUTED))
        x += long + 1.1 * size
    return Row(marks=marks, height=y + line if items else 0)


def _scale(laid: Laid, caption: Caption, *, size: int, width: float) -> list[Row]:
    """The colours, and what 0 and 1 stand for."""
    if laid.heat is None:
        return []
    return [colour_bar(f"{caption.method}: {caption.scale}", whole="picture", size=size, width=width)]


def colour_bar(text: str, *, whole: str, size: int, width: float) -> Row:
    """The colours as they are over the middle grey of tissue, from 0 to 1, and what they mean."""
    bar = round(min(9 * size, 0.5 * width))
    high = round(0.75 * size)
    ramp = np.repeat(np.linspace(0, 1, bar, dtype=np.float32)[None], high, axis=0)
    middle = np.full_like(ramp, 0.35)
    top = round(0.3 * size)
    ends = ("0: none", f"1: strongest place of this {whole}")
    x = text_width(ends[0], size=size) + 0.6 * size
    marks: list[Mark] = [
        Words(x=0, y=baseline(size), text=ends[0], size=size, colour=MUTED),
        Raster(x=round(x), y=top, pixels=mixed(middle, ramp)),
        Block(x=round(x) - 1, y=top - 1, width=bar + 1, height=high + 1, edge=FRAME),
    ]
    after = x + bar + 0.6 * size
    height = line_height(size)
    if after + text_width(ends[1], size=size) <= width:
        marks.append(Words(x=after, y=baseline(size), text=ends[1], size=size, colour=MUTED))
    else:
        marks.append(Words(x=after, y=baseline(size), text="1", size=size, colour=MUTED))
        text = f"{text}; {ends[1]}"
    said = paragraph(text, x=0, y=0, width=width, size=size)
    above = len(said) * line_height(size)
    return Row(marks=[*said, *moved(marks, x=0, y=above)], height=above + height + round(0.15 * size))


def notes_of(laid: Laid, caption: Caption) -> list[str]:
    """What a reader of the picture must know."""
    found = list(caption.notes)
    if laid.heat is None and not any("map" in note for note in found):
        found.insert(0, f"{caption.method}: the map is not defined, so none is drawn")
    if laid.outside:
        many = "a known lesion lies" if laid.outside == 1 else f"{laid.outside} known lesions lie"
        found.append(f"{many} outside what the network sees and cannot be outlined")
    if laid.beside:
        found.append("the map is highest beside the picture, in what is filled up with black")
    if laid.anatomy.spacing_mm is None:
        found.append("no scale bar: the file does not state its spacing")
    if laid.anatomy.mirrored:
        found.append("left and right are exchanged against the file")
    return [f"{text[:1].upper()}{text[1:]}." for text in found]


def _title(laid: Laid, caption: Caption) -> str:
    what = laid.anatomy.mark or "A mammogram, side and view unknown"
    told = "no map" if laid.heat is None else f"under a map by {caption.method}"
    return f"{what}, {told}"


def _closed(
    outline: Float[np.ndarray, "_ 2"], colour: Colour, *, rows: int, cols: int, dash: tuple[float, float] | None = None
) -> Stroke:
    """An outline, kept within the picture."""
    points = np.clip(outline, (0.5, 0.5), (cols - 0.5, rows - 0.5))
    return Stroke(points=points, colour=colour, width=2, closed=True, dash=dash)


def _outer(laid: Laid) -> Side:
    """The side away from the chest wall, where films are marked."""
    return "left" if laid.anatomy.laterality is Laterality.RIGHT else "right"
