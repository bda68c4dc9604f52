"""Files below a folder, and lesions inside a picture: found once, in order, or refused."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammoscope.errors import SourceError
from mammoscope.sources.birads import suspicion
from mammoscope.sources.regions import boxed, ellipse, outlined
from mammoscope.sources.tree import files_below, inside, only_one


def test_files_come_in_order_and_hidden_ones_do_not(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.png", "a.dcm", ".hidden/3.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    assert list(files_below(tmp_path)) == ["a.dcm", "b/1.png", "b/2.png"]


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(b"")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")

    assert list(files_below(tmp_path / "data")) == ["link/1.png"]


@pytest.mark.parametrize("target", [".", "a", ".."])
def test_a_loop_of_links_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "a" / "loop").symlink_to((tmp_path / "root" / target).resolve())

    with pytest.raises(SourceError, match="is a link back into a folder above it. Remove the link"):
        list(files_below(tmp_path / "root"))


def test_two_links_to_one_folder_are_no_loop(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    assert list(files_below(tmp_path)) == ["a/1.png", "b/1.png"]


@pytest.mark.parametrize("listed", ["/etc/a.png", "../a.png", "x/../../a.png", "C:\\a.png", "..\\a.png", ""])
def test_a_path_that_leaves_the_folder_is_refused_without_showing_it(listed: str) -> None:
    with pytest.raises(SourceError, match=r"^own\.csv:2: path of .* leaves the data set's folder") as refused:
        inside(listed, where="own.csv:2")

    assert "etc" not in str(refused.value)


def test_several_files_for_one_image_are_refused() -> None:
    assert only_one([], image="a") is None
    assert only_one(["x/a.png"], image="a") == "x/a.png"
    with pytest.raises(SourceError, match="a: 2 files for one image, a.dcm, a.png. Keep one"):
        only_one(["y/a.png", "x/a.dcm"], image="a")


def test_incomplete_and_probably_benign_are_unknown_never_negative() -> None:
    assert [suspicion(category) for category in (None, 0, 1, 2, 3, 4, 5, 6)] == [
        *(None, None, False, False, None, True, True, True)
    ]


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ((5, 5, 5, 9), "box 5,5,5,9 is empty or turned round"),
        ((5, 5, 2, 9), "turned round"),
        ((-50, -50, -10, -10), "lies outside the picture of 100 x 200 pixels"),
        ((-6, 0, 50, 50), "lies outside the picture"),
        ((0, 0, 50, 211), "lies outside the picture"),
        ((101, 0, 104, 5), "lies outside the picture"),
        ((math.nan, 0, 1, 1), "is not made of numbers"),
        ((0, 0, math.inf, 1), "is not made of numbers"),
    ],
)
def test_a_box_that_is_none_or_is_elsewhere_is_refused(corners: tuple[float, ...], message: str) -> None:
    with pytest.raises(SourceError, match=f"^own.csv:2: .*{message}"):
        boxed(corners, where="own.csv:2", width=100, height=200)


def test_where_the_size_is_unknown_only_what_lies_far_left_or_above_is_refused() -> None:
    assert boxed((-3, 0, 9000, 5), where="x") == (0.0, 0.0, 9000.0, 5.0)
    with pytest.raises(SourceError, match="box -101,0,5,5 lies outside the picture. Correct"):
        boxed((-101, 0, 5, 5), where="x")


NUMBERS = st.integers(-300, 600)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_a_box_comes_out_inside_the_picture_or_not_at_all(x0: int, y0: int, x1: int, y1: int) -> None:
    try:
        left, top, right, bottom = boxed((x0, y0, x1, y1), where="x", width=300, height=200)
    except SourceError:
        assert x1 <= x0 or y1 <= y0 or min(x0 + 15, y0 + 10, 315 - x1, 210 - y1, x1 - 1, y1 - 1, 299 - x0, 199 - y0) < 0
        return

    assert 0 <= left < right <= 300
    assert 0 <= top < bottom <= 200
    assert (left, top, right, bottom) == (max(x0, 0), max(y0, 0), min(x1, 300), min(y1, 200))


def test_one_point_is_the_pixel_that_it_lies_in() -> None:
    region = outlined([(10.9, 20.1)], where="x")

    assert region.box == (10, 20, 11, 21)
    assert region.polygon is None


def test_an_outline_keeps_what_passes_the_edge_and_its_box_does_not() -> None:
    region = outlined([(-2, 5), (30, 5), (30, 40)], where="x", width=100, height=100)

    assert region.polygon == (-2, 5, 30, 5, 30, 40)
    assert region.box == (0, 5, 31, 41)


@pytest.mark.parametrize("points", [[], [(math.nan, 1.0)], [(500.0, 500.0), (510.0, 500.0), (505.0, 510.0)]])
def test_an_outline_of_nothing_or_elsewhere_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(SourceError, match="^x: .*Correct the region"):
        outlined(points, where="x", width=100, height=100)


def test_an_ellipse_touches_its_box_on_four_sides() -> None:
    region = ellipse((50, 60), (10, 20), where="x")

    assert region.polygon is not None
    xs, ys = region.polygon[::2], region.polygon[1::2]
    assert (min(xs), min(ys), max(xs), max(ys)) == pytest.approx(region.box) == (40, 40, 60, 80)


@pytest.mark.parametrize("radii", [(0, 5), (5, -1), (math.nan, 5)])
def test_a_radius_that_is_none_is_refused(radii: tuple[float, float]) -> None:
    with pytest.raises(SourceError, match="is not above 0"):
        ellipse((50, 50), radii, where="x")
