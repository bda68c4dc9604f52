"""All pictures of a breast or exam on one sheet, hung as in a reading room: right beside left, chest walls inward."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from mammoscope.explain.canvas import (
    BLACK,
    FRAME,
    INK,
    MUTED,
    Block,
    Canvas,
    Mark,
    Words,
    line_height,
    moved,
    paragraph,
    wrapped,
)
from mammoscope.explain.overlay import EDGE_PX, TRUTH_RGB, Caption, colour_bar, legend, notes_of, panel
from mammoscope.explain.picture import Laid
from mammoscope.vocabulary import Laterality, View

HEIGHT_PX = 420  # of the tallest picture
BACK_PX, PAIR_PX, ROW_PX = 3, 22, 8  # between chest walls, between projections, between rows
LETTERS = 17
USUAL = tuple((side, view) for view in (View.CC, View.MLO) for side in (Laterality.RIGHT, Laterality.LEFT))
NARROWEST_PX = 190  # what is said below a picture is given so much room

Place = tuple[Laterality | None, View | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hung:
    """One picture on the sheet.

    Attributes:
        laid: The map over it; None of a file that could not be read.
        score: What the model answers of this picture alone.
        weight: What it counts, of 1; None where the sample is one picture.
        name: Of its file.
    """

    laid: Laid
    score: float | None = None
    weight: float | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Column:
    marks: list[Mark]
    width: int
    height: int


def hanging(places: Sequence[Place], *, expected: Sequence[Place]) -> list[tuple[Place, int | None]]:
    """The order in which pictures hang: R CC, L CC, R MLO, L MLO, then all others.

    Args:
        places: Side and view of each picture.
        expected: Those that a whole exam or breast has.

    Returns:
        Side and view of each frame, and which picture hangs in it; None where the picture is missing. No picture is
        left out, also where two show the same.

    Example:
        >>> hung = hanging([(Laterality.LEFT, View.MLO), (Laterality.RIGHT, View.CC)], expected=USUAL)
        >>> [number for _, number in hung]
        [1, None, None, 0]
    """
    order: dict[Place, int] = {place: at for at, place in enumerate(USUAL)}
    frames: list[tuple[Place, int | None]] = [(place, number) for number, place in enumerate(places)]
    frames += [(place, None) for place in expected if place not in places]
    return sorted(frames, key=lambda one: (order.get(one[0], len(order)), str(one[0][1]), str(one[0][0]), one[1] or 0))


def exam_sheet(
    pictures: Sequence[Hung], *, expected: Sequence[Place], headline: str, caption: Caption, whole: str
) -> Canvas:
    """Draw all pictures of a breast or exam, each as it is and under its map.

    Args:
        pictures: In any order.
        expected: Side and view of the pictures that a whole sample has; for those that are missing a labelled frame.
        headline: The answer in words.
        caption: What is said of the maps.
        whole: What the sample is, such as `exam`.

    Returns:
        The drawing. Where all spacings are known, the pictures have one scale.
    """
    fitted = _fitted(pictures)
    frames = hanging([(one.laid.anatomy.laterality, one.laid.anatomy.view) for one in fitted], expected=expected)
    tall = max((one.laid.anatomy.pixels.shape[0] for one in fitted), default=HEIGHT_PX)
    usual = round(sum(one.laid.anatomy.pixels.shape[1] for one in fitted) / max(1, len(fitted))) or NARROWEST_PX
    marks: list[Mark] = []
    x, below, before = 0, 0, None
    for place, number in frames:
        column = _empty(place, width=usual, tall=tall) if number is None else _column(fitted[number], tall=tall)
        if before is not None:
            back_to_back = before == (Laterality.RIGHT, place[1]) and place[0] is Laterality.LEFT
            x += BACK_PX if back_to_back else PAIR_PX
        marks += moved(column.marks, x=x, y=0)
        x, below, before = x + column.width, max(below, column.height), place
    return _framed(marks, fitted, size=(x, below), headline=headline, caption=caption, whole=whole)


def _framed(
    columns: list[Mark], pictures: Sequence[Hung], *, size: tuple[int, int], headline: str, caption: Caption, whole: str
) -> Canvas:
    """The headline above and what the colours and lines mean below."""
    width, height = max(size[0], 520), size[1]
    title = round(1.25 * LETTERS)
    marks: list[Mark] = list(paragraph(headline, x=0, y=0, width=width, size=title, colour=INK))
    y = len(list(wrapped(headline, size=title, width=width))) * line_height(title) + round(0.4 * LETTERS)
    marks += moved(columns, x=0, y=y)
    y += height + round(0.6 * LETTERS)
    known, mapped = any(one.laid.lesions for one in pictures), any(one.laid.heat is not None for one in pictures)
    rows = [legend(known=known, mapped=mapped, whole=whole, size=LETTERS, width=width)]
    if mapped:
        rows.append(colour_bar(f"{caption.method}: {caption.scale}", whole=whole, size=LETTERS, width=width))
    for row in rows:
        marks += moved(row.marks, x=0, y=y)
        y += row.height
    small = round(0.85 * LETTERS)
    for text in _notes(pictures, caption):
        lines = paragraph(text, x=0, y=y, width=width, size=small)
        marks += lines
        y += len(lines) * line_height(small)
    marks = moved(marks, x=EDGE_PX, y=EDGE_PX)
    return Canvas(width=width + 2 * EDGE_PX, height=y + 2 * EDGE_PX, marks=tuple(marks), title=headline)


def _fitted(pictures: Sequence[Hung]) -> list[Hung]:
    """No taller than the sheet allows, and with one scale where all spacings are known."""
    spacings = [one.laid.anatomy.spacing_mm for one in pictures]
    heights = [one.laid.anatomy.pixels.shape[0] for one in pictures]
    known = [spacing[0] for spacing in spacings if spacing is not None]
    scales = [HEIGHT_PX / height for height in heights]
    if len(known) == len(pictures) and known:
        coarse = max(spacing / scale for spacing, scale in zip(known, scales, strict=True))
        scales = [spacing / coarse for spacing in known]
    return [
        Hung(laid=one.laid.resized(scale), score=one.score, weight=one.weight, name=one.name)
        for one, scale in zip(pictures, scales, strict=True)
    ]


def _column(one: Hung, *, tall: int) -> _Column:
    """A picture, below it the same under its map, below that what the model says of it."""
    rows, cols = one.laid.anatomy.pixels.shape
    width = max(cols, NARROWEST_PX)
    inner = one.laid.anatomy.laterality is Laterality.RIGHT
    x = width - cols if inner else 0  # at the chest wall
    top = (tall - rows) // 2
    marks: list[Mark] = []
    for number in (0, 1):
        y = number * (tall + ROW_PX)
        marks.append(Block(x=0, y=y, width=width, height=tall, fill=BLACK))
        drawn = panel(one.laid, with_map=number == 1, size=LETTERS)
        if number == 1 and one.laid.heat is None:
            drawn.append(Words(x=cols / 2, y=rows / 2, text="no map", size=LETTERS, anchor="middle", halo=True))
        marks += moved(drawn, x=x, y=y + top)
    y = 2 * tall + ROW_PX + round(0.4 * LETTERS)
    for text in _said(one):
        marks += paragraph(text, x=0, y=y, width=width - 6, size=LETTERS, colour=MUTED)
        y += line_height(LETTERS)
    if one.weight is not None:
        room = 0.9 * width
        marks.append(Block(x=0, y=y + 3, width=room, height=7, edge=FRAME))
        marks.append(Block(x=0, y=y + 3, width=max(1.0, room * one.weight), height=7, fill=TRUTH_RGB))
        y += 16
    return _Column(marks=marks, width=width, height=y)


def _said(one: Hung) -> list[str]:
    said = (
        [] if one.score is None else [f"alone {one.score:.2f}" if one.weight is not None else f"score {one.score:.2f}"]
    )
    return said if one.weight is None else [*said, f"counts {one.weight:.0%}"]


def _empty(place: Place, *, width: int, tall: int) -> _Column:
    """A labelled frame where a picture is missing."""
    width = max(width, NARROWEST_PX)
    mark = " ".join(str(one) for one in place if one is not None)
    marks: list[Mark] = []
    for number in (0, 1):
        y = number * (tall + ROW_PX)
        marks.append(Block(x=1, y=y + 1, width=width - 2, height=tall - 2, edge=FRAME, dash=(6, 5)))
        middle = y + tall / 2
        marks.append(Words(x=width / 2, y=middle, text=mark, size=LETTERS, anchor="middle", colour=INK))
        lower = middle + line_height(LETTERS)
        marks.append(Words(x=width / 2, y=lower, text="no such picture", size=LETTERS, anchor="middle", colour=MUTED))
    return _Column(marks=marks, width=width, height=2 * tall + ROW_PX)


def _notes(pictures: Sequence[Hung], caption: Caption) -> list[str]:
    """What must be known of the pictures, once where it is the same of all."""
    each = [(note, one.laid.anatomy.mark or one.name) for one in pictures for note in notes_of(one.laid, caption)]
    order = {note: at for at, (note, _) in reversed(list(enumerate(each)))}
    found = []
    for note, rows in groupby(sorted(each, key=lambda one: order[one[0]]), key=lambda one: one[0]):
        marks = [mark for _, mark in rows]
        found.append(note if len(marks) == len(pictures) else f"{', '.join(marks)}: {note}")
    if any(one.weight is not None for one in pictures):
        found.append("Alone: what the model answers of this picture by itself. Counts: its share in the whole answer.")
    return found
