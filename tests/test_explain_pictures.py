"""Maps as drawings: where things land, what is said of them, and the same list of marks as PNG and as SVG."""

from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammoscope.explain import (
    Anatomy,
    Canvas,
    Caption,
    Hung,
    Laid,
    anatomy_of,
    canvas_pixels,
    canvas_png,
    canvas_svg,
    exam_sheet,
    hanging,
    laid_over,
    mixed,
    overlay,
    read_anatomy,
)
from mammoscope.explain.canvas import Block, Raster, Stroke, Words
from mammoscope.explain.canvas_png import dashes
from mammoscope.explain.picture import smoothed
from mammoscope.explain.sheet import USUAL
from mammoscope.images import Geometry, Preprocess, read_mammogram
from mammoscope.vocabulary import Laterality, View
from planted import half_disc, mammogram_file

SQUARE = np.array([[2.0, 3.0], [6.0, 3.0], [6.0, 7.0], [2.0, 7.0]])
LEFT, RIGHT, CC, MLO = Laterality.LEFT, Laterality.RIGHT, View.CC, View.MLO


def anatomy(
    *, rows: int = 300, cols: int = 200, mm: float | None = 0.5, side: Laterality | None = LEFT, view: View | None = CC
) -> Anatomy:
    """A grey picture of a file a tenth of its size."""
    spacing = None if mm is None else (mm * 10, mm * 10)
    geometry = Geometry.of((rows // 10, cols // 10), spacing_mm=spacing).resized(rows, cols)
    pixels = np.full((rows, cols), 0.5, dtype=np.float32)
    return Anatomy(pixels=pixels, geometry=geometry, laterality=side, view=view, mirrored=False)


def spot(rows: int = 30, cols: int = 20, *, at: tuple[int, int] = (5, 4)) -> np.ndarray:
    heat = np.zeros((rows, cols), dtype=np.float32)
    heat[at] = 1.0
    return heat


def laid(**how: object) -> Laid:
    return laid_over(anatomy(**how), spot(), seen=Geometry.of((30, 20)), lesions=[SQUARE])


def said(canvas: Canvas) -> str:
    return " ".join(mark.text for mark in canvas.marks if isinstance(mark, Words))


CAPTION = Caption(method="RISE", scale="evidence for malignant")


def test_the_map_the_lesion_and_the_peak_land_where_they_lie_in_the_file() -> None:
    found = laid()

    assert found.peak == (45.0, 55.0)  # column 4, row 5 of a grid ten times as coarse
    np.testing.assert_allclose(found.lesions[0], SQUARE * 10)
    assert np.unravel_index(int(found.heat.argmax()), found.heat.shape) == pytest.approx((55, 45), abs=6)
    (edge,) = found.edges
    assert edge.mean(axis=0) == pytest.approx((45, 55), abs=3)


def test_a_mirrored_network_grid_is_mirrored_back() -> None:
    found = laid_over(anatomy(), spot(), seen=Geometry.of((30, 20)).mirrored())

    assert found.peak == (155.0, 55.0)


def test_a_peak_in_the_padding_is_not_marked_but_said() -> None:
    seen = Geometry.of((30, 20)).padded(30, 40)

    found = laid_over(anatomy(), spot(30, 40, at=(3, 35)), seen=seen)

    assert (found.peak, found.beside) == (None, True)
    assert "highest beside the picture" in said(overlay(found, caption=CAPTION))


@pytest.mark.parametrize("heat", [None, np.zeros((30, 20), dtype=np.float32)])
def test_a_map_that_is_not_defined_is_said_and_nothing_is_drawn_for_it(heat: np.ndarray | None) -> None:
    found = overlay(laid_over(anatomy(), heat, seen=Geometry.of((30, 20))), caption=CAPTION)

    assert "RISE: the map is not defined" in said(found)
    assert len([mark for mark in found.marks if isinstance(mark, Raster)]) == 1
    assert not any(isinstance(mark, Stroke) and mark.dash for mark in found.marks)


def test_a_lesion_outside_what_the_network_sees_is_said() -> None:
    found = laid_over(anatomy(), spot(), seen=Geometry.of((30, 20)), lesions=[SQUARE + 100])

    assert (found.lesions, found.outside) == ((), 1)
    assert "known lesion lies outside what the network sees" in said(overlay(found, caption=CAPTION))


def test_lesion_and_map_are_apart_by_their_lines_and_not_only_by_colour() -> None:
    lines = [mark for mark in overlay(laid(), caption=CAPTION).marks if isinstance(mark, Stroke) and mark.closed]

    assert {(mark.colour, mark.dash is None) for mark in lines} == {((90, 200, 250), True), ((255, 255, 255), False)}


@pytest.mark.parametrize(("mm", "length", "pixels"), [(0.5, "20 mm", 40), (0.1, "5 mm", 50), (1.0, "50 mm", 50)])
def test_the_scale_bar_is_as_long_as_it_says(mm: float, length: str, pixels: float) -> None:
    found = overlay(laid(mm=mm), caption=CAPTION)

    (bar,) = [mark for mark in found.marks if isinstance(mark, Stroke) and len(mark.points) == 4 and not mark.closed]
    assert np.ptp(bar.points[:, 0]) == pytest.approx(pixels)
    assert length in said(found)


def test_without_a_spacing_there_is_no_scale_bar_and_that_is_said() -> None:
    found = overlay(laid(mm=None), caption=CAPTION)

    assert "No scale bar: the file does not state its spacing." in said(found)
    assert " mm" not in said(found)


@pytest.mark.parametrize(
    ("side", "view", "mark"), [(RIGHT, MLO, "R MLO"), (LEFT, None, "L"), (None, MLO, "MLO"), (None, None, "")]
)
def test_side_and_view_are_marked_away_from_the_chest_wall(
    side: Laterality | None, view: View | None, mark: str
) -> None:
    drawn = overlay(laid(side=side, view=view), caption=CAPTION)

    marks = [one for one in drawn.marks if isinstance(one, Words) and one.halo and not one.text.endswith("mm")]
    assert [one.text for one in marks] == ([mark] * 2 if mark else [])
    assert all((one.anchor == "start") == (side is RIGHT) for one in marks)


@given(
    rows=st.integers(30, 700),
    cols=st.integers(30, 700),
    note=st.text(st.characters(codec="ascii", categories=("L", "N", "Zs")), max_size=60),
)
def test_no_text_is_cut_off(rows: int, cols: int, note: str) -> None:
    picture = anatomy(rows=rows, cols=cols, mm=None)
    drawn = overlay(
        laid_over(picture, spot(), seen=Geometry.of((30, 20))),
        caption=Caption(method="Integrated gradients", scale="what a place adds to the score", notes=(f"note {note}",)),
    )

    below = [mark for mark in drawn.marks if isinstance(mark, Words) and not mark.halo]
    boxes = [(mark.x, mark.x + _long(mark), mark.y) for mark in below if mark.anchor == "start"]
    assert all(x0 >= 0 and x1 <= drawn.width for x0, x1, _ in boxes)
    assert all(0 < y < drawn.height for _, _, y in boxes)
    assert min(mark.size for mark in below) >= 12


def _long(mark: Words) -> float:
    from mammoscope.explain.canvas import font_of

    return font_of(mark.size).getlength(mark.text)


def test_the_png_shows_what_the_list_says() -> None:
    canvas = Canvas(
        width=60,
        height=50,
        title="t",
        marks=(
            Raster(x=10, y=5, pixels=np.full((20, 30, 3), 200, dtype=np.uint8)),
            Stroke(points=np.array([[0.0, 40.0], [60.0, 40.0]]), colour=(255, 0, 0), width=2, dash=(10, 10)),
            Block(x=50, y=0, width=5, height=5, fill=(0, 255, 0)),
        ),
    )

    pixels = canvas_pixels(canvas)

    np.testing.assert_array_equal(pixels, cv2.imdecode(np.frombuffer(canvas_png(canvas), np.uint8), 1)[:, :, ::-1])
    assert pixels[5:25, 10:40].min() == 200
    assert (pixels[2, 52] == (0, 255, 0)).all()
    assert pixels[40, 5, 0] > 200
    assert pixels[40, 15, 0] < 60


def test_dashes_cover_their_share_of_a_bent_line() -> None:
    line = np.array([[0.0, 0.0], [30.0, 0.0], [30.0, 30.0]])

    pieces = list(dashes(line, dash=(6.0, 4.0)))

    assert sum(np.hypot(*np.diff(piece, axis=0).T).sum() for piece in pieces) == pytest.approx(36.0)


def test_the_svg_has_lines_texts_and_the_anatomy_and_the_same_size() -> None:
    canvas = overlay(laid(), caption=Caption(method="<RISE>", scale="a & b"))

    root = ET.fromstring(canvas_svg(canvas))  # noqa: S314 - made here

    name = "{http://www.w3.org/2000/svg}"
    assert (root.get("width"), root.get("height")) == (str(canvas.width), str(canvas.height))
    assert len(root.findall(f"{name}image")) == len([mark for mark in canvas.marks if isinstance(mark, Raster)])
    assert [one.text for one in root.findall(f"{name}text")] == [m.text for m in canvas.marks if isinstance(m, Words)]
    assert any(path.get("stroke-dasharray") for path in root.findall(f"{name}path"))
    assert canvas_svg(canvas) == canvas_svg(canvas)


def test_half_of_the_anatomys_contrast_stays_at_the_strongest_place() -> None:
    dark, bright = (mixed(np.full((1, 1), level, np.float32), np.ones((1, 1), np.float32)) for level in (0.0, 1.0))

    assert (bright.astype(int) - dark).ravel() == pytest.approx([127.5] * 3, abs=1)


def test_smoothing_keeps_one_scale_for_the_pictures_of_an_exam() -> None:
    strong, weak, none = smoothed([spot(), 0.25 * spot(), None])

    assert float(strong.max()) == 1.0
    np.testing.assert_allclose(weak, 0.25 * strong, atol=1e-6)
    assert none is None


@pytest.mark.parametrize(("side", "mirrored"), [(RIGHT, False), (LEFT, True), (None, False)])
def test_the_chest_wall_hangs_on_the_side_of_its_breast(
    tmp_path: Path, side: Laterality | None, *, mirrored: bool
) -> None:
    file = mammogram_file(tmp_path / "a.dcm", half_disc(200, 120, 80))  # chest wall at the right

    found = read_anatomy(file, preprocess=Preprocess(rows=40, cols=40), laterality=side, side_px=150)

    edge = found.pixels[:, 0 if mirrored else -1]
    assert found.mirrored is mirrored
    assert edge.mean() > 0.3
    assert max(found.pixels.shape) == 150
    assert found.spacing_mm == pytest.approx((160 * 1.04 / 150 * 1.0, 160 * 1.04 / 150 * 2.0), rel=0.03)


def test_a_file_that_is_not_at_hand_is_drawn_as_the_network_saw_it_the_right_way_round(tmp_path: Path) -> None:
    file = mammogram_file(tmp_path / "a.dcm", half_disc(200, 120, 80))
    mammogram = read_mammogram(file, preprocess=Preprocess(rows=40, cols=40))

    found = anatomy_of(mammogram, side_px=120)

    assert mammogram.geometry.flipped
    assert found.pixels[:, -1].mean() > 0.3
    assert max(found.pixels.shape) == 120


places = st.tuples(st.sampled_from([None, *Laterality]), st.sampled_from([None, *View]))


@given(found=st.lists(places, max_size=8), whole=st.booleans())
def test_every_picture_hangs_once_and_every_missing_one_has_a_frame(found: list, *, whole: bool) -> None:
    expected = USUAL if whole else ()

    frames = hanging(found, expected=expected)

    assert sorted(number for _, number in frames if number is not None) == list(range(len(found)))
    assert all(found[number] == place for place, number in frames if number is not None)
    assert {place for place, number in frames if number is None} == {place for place in expected if place not in found}
    usual = [USUAL.index(place) for place, _ in frames if place in USUAL]
    assert usual == sorted(usual)


def hung(side: Laterality, view: View, *, mm: float, rows: int = 300) -> Hung:
    return Hung(
        laid=laid_over(anatomy(side=side, view=view, mm=mm, rows=rows), spot(), seen=Geometry.of((30, 20))),
        score=0.25,
        weight=0.5,
    )


def test_on_a_sheet_a_millimetre_is_as_long_everywhere_and_missing_pictures_are_named() -> None:
    pictures = [hung(RIGHT, CC, mm=0.5), hung(LEFT, MLO, mm=1.0)]

    sheet = exam_sheet(pictures, expected=USUAL, headline="e: malignant 0.5", caption=CAPTION, whole="exam")

    words = said(sheet)
    heights = [mark.pixels.shape[0] for mark in sheet.marks if isinstance(mark, Raster) if mark.pixels.shape[0] > 99]
    assert heights == [210, 210, 420, 420]
    assert words.count("no such picture") == 4
    assert "L CC no such picture" in words
    assert "counts 50%" in words
    assert "alone 0.25" in words
    assert "1: strongest place of this exam" in words


def test_chest_walls_of_a_pair_touch() -> None:
    pictures = [hung(side, CC, mm=0.5) for side in (LEFT, RIGHT)]

    sheet = exam_sheet(pictures, expected=(), headline="e", caption=CAPTION, whole="exam")

    right, left = sorted({mark.x for mark in sheet.marks if isinstance(mark, Raster) if mark.pixels.shape[0] == 420})
    assert left - (right + 280) == 3
