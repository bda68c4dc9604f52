"""What is said and drawn of one file: where the breast, the crop and the input lie, in order and in true places."""

import io
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mammoscope.errors import SourceError
from mammoscope.images import Preprocess
from mammoscope.images.captions import printable, window_words
from mammoscope.images.folder import Found, find_pictures
from mammoscope.images.inspection import Inspected, Inspection, inspect_file, inspect_files, picture_names
from mammoscope.images.panels import BREAST, CROP, display_settings, draw_panels, outlines
from mammoscope.images.plate import CHEST, FRAME
from mammoscope.images.reading import read_with_sight
from mammoscope.trail import Step
from planted import half_disc, mammogram_file

SMALL = Preprocess(rows=64, cols=48)
ROWS, COLS, RADIUS = 240, 200, 80  # of half_disc, at the right edge


@pytest.fixture
def dicom(tmp_path: Path) -> Found:
    path = mammogram_file(tmp_path / "one.dcm", half_disc(ROWS, COLS, RADIUS), ImageLaterality="R")
    return Found(path=path, name="one.dcm")


def opened(png: bytes | None) -> np.ndarray:
    assert png is not None
    return np.asarray(Image.open(io.BytesIO(png)))


def test_facts_are_in_pixels_and_millimetres_of_the_file(dicom: Found) -> None:
    found = inspect_file(dicom, preprocess=SMALL)

    assert found.breast is not None
    assert np.allclose(found.breast, (COLS - RADIUS, ROWS / 2 - RADIUS, COLS, ROWS / 2 + RADIUS), atol=4)
    assert (found.chest, found.geometry.flipped, found.inverted) == ("right", True, False)
    about = found.as_json()
    assert about["original"] == {"rows": 240, "cols": 200, "spacing_mm": (1.0, 2.0), "size_mm": (240.0, 400.0)}
    assert (about["laterality"], about["view"], about["window"]) == ("R", "MLO", "LINEAR 2048 / 4096")
    assert about["transfer_syntax_uid"] == "1.2.840.10008.1.2.1"
    assert about["input"]["rows"] == 64


def test_the_crop_holds_the_breast_and_the_input_holds_the_crop(dicom: Found) -> None:
    found = inspect_file(dicom, preprocess=SMALL)

    x0, y0, x1, y1 = found.as_json()["geometry"]["crop_px"]
    assert found.breast is not None
    assert x0 <= found.breast[0]
    assert y0 <= found.breast[1]
    assert x1 >= found.breast[2]
    assert y1 >= found.breast[3]
    px0, py0, px1, py1 = found.as_json()["input"]["picture_px"]
    assert 0 <= px0 < px1 <= 48
    assert 0 <= py0 < py1 <= 64


def test_the_outline_lies_on_the_edge_of_the_breast(dicom: Found) -> None:
    shown, sight = read_with_sight(dicom.path, preprocess=display_settings(SMALL))

    assert sight.mask is not None
    (line,) = outlines(sight.mask, seen_at=sight.geometry, geometry=shown.geometry)

    at = shown.geometry.to_original(line.astype(np.float64))
    at = at[at[:, 0] < COLS - 4]  # the chest wall is the edge of the picture
    away = np.hypot(at[:, 0] - COLS, at[:, 1] - ROWS / 2)
    assert np.abs(away - RADIUS).max() < 4


def test_the_outline_of_the_thumb_encloses_what_is_bright(dicom: Found) -> None:
    thumb = inspect_file(dicom, preprocess=SMALL, thumb=True).thumb

    assert thumb is not None
    grey = np.asarray(Image.open(io.BytesIO(thumb.jpeg)))
    assert grey.shape == (thumb.rows, thumb.cols) == (64, 48)
    inside = np.zeros(grey.shape, np.uint8)
    for line in thumb.outline:
        cv2.fillPoly(inside, [np.rint(np.reshape(line, (-1, 2))).astype(np.int32)], 1)
    assert (inside.astype(bool) == (grey > 60)).mean() > 0.95


def test_the_picture_has_three_panels_and_the_last_is_the_input_pixel_for_pixel(dicom: Found) -> None:
    picture = opened(inspect_file(dicom, preprocess=SMALL, picture=True).picture)
    final, _ = read_with_sight(dicom.path, preprocess=SMALL)

    middle = picture[len(picture) // 2]
    assert (middle == FRAME).all(axis=1).sum() == 6
    assert (middle == CHEST).all(axis=1).sum() == 14  # beside the second and the third
    times = round(800 / 64)
    grey = np.rint(final.pixels * 255).astype(np.uint8)
    expected = np.kron(grey, np.ones((times, times), np.uint8))
    right = int(np.flatnonzero((middle == FRAME).all(axis=1))[-1])
    column = (picture[:, right] == FRAME).all(axis=1)
    top = int(np.flatnonzero(column)[0]) + 1
    assert (picture[top : top + expected.shape[0], right - expected.shape[1] : right, 0] == expected).all()


def test_the_crop_is_drawn_where_it_is(dicom: Found) -> None:
    final, sight = read_with_sight(dicom.path, preprocess=SMALL)
    shown, _ = read_with_sight(dicom.path, preprocess=display_settings(SMALL))

    picture = draw_panels(final, sight=sight, shown=shown, preprocess=SMALL, name="one.dcm")

    frames = np.flatnonzero((picture[len(picture) // 2] == FRAME).all(axis=1))
    panel = picture[:, frames[2] + 1 : frames[3]]
    top = int(np.flatnonzero((picture[:, frames[2]] == FRAME).all(axis=1))[0]) + 1
    y, x = np.nonzero((panel == CROP).all(axis=2))
    y, x = y[y < top + shown.pixels.shape[0]], x[y < top + shown.pixels.shape[0]]
    x0, y0, x1, y1 = shown.geometry.box_to_final(final.geometry.kept)
    left = shown.geometry.box_to_final(shown.geometry.kept)[0]
    assert abs(x.min() + left - x0) < 4
    assert abs(x.max() + left - x1) < 4
    assert abs(y.min() - top - y0) < 4
    assert abs(y.max() - top - y1) < 4
    assert (panel == BREAST).all(axis=2).any()


def test_the_original_is_shown_through_the_same_window(dicom: Found) -> None:
    settings = SMALL.model_copy(update={"window": "percentile", "percentiles": (5.0, 90.0), "clahe": 3.0})

    shown = display_settings(settings)

    assert (shown.window, shown.percentiles, shown.clahe) == ("percentile", (5.0, 90.0), 0.0)
    assert (shown.region, shown.flip, shown.clear_background) == ("whole", "none", False)


@pytest.mark.parametrize("name", ["a" * 300 + ".dcm", "Бреаст 乳房.dcm", "line\nbreak\x1b[31m.dcm", "w " * 200])
def test_a_caption_of_any_letters_fits(dicom: Found, name: str) -> None:
    final, sight = read_with_sight(dicom.path, preprocess=SMALL)
    shown, _ = read_with_sight(dicom.path, preprocess=display_settings(SMALL))

    plain = draw_panels(final, sight=sight, shown=shown, preprocess=SMALL, name="a")
    long = draw_panels(final, sight=sight, shown=shown, preprocess=SMALL, name=name)

    assert long.shape[1] == plain.shape[1]
    assert long.shape[0] >= plain.shape[0]


def test_oddities_stand_at_the_foot_of_the_picture(tmp_path: Path) -> None:
    wrong = mammogram_file(tmp_path / "wrong.dcm", half_disc(ROWS, COLS, RADIUS), ImageLaterality="L")

    found = inspect_file(Found(path=wrong, name="wrong.dcm"), preprocess=SMALL, picture=True)

    assert found.as_json()["oddities"] == 1
    assert (opened(found.picture)[-70:] == (244, 176, 78)).all(axis=2).any()


def test_a_picture_without_a_breast_says_so(tmp_path: Path) -> None:
    specks = np.zeros((80, 80), dtype=np.uint16)
    specks[::16, ::16] = 4095
    path = mammogram_file(tmp_path / "specks.dcm", specks)

    found = inspect_file(Found(path=path, name="specks.dcm"), preprocess=SMALL, picture=True, thumb=True)

    about = found.as_json()
    assert about["breast"] == {"box_px": None, "share": None, "chest_wall": found.chest}
    assert about["geometry"]["crop_px"] == (0.0, 0.0, 80.0, 80.0)
    assert found.thumb is not None
    assert found.thumb.outline == ()


def test_the_muscle_is_named_where_it_is_asked_for(tmp_path: Path) -> None:
    y, x = np.mgrid[:512, :400]
    breast = np.hypot(y - 256, x) < 240
    path = mammogram_file(tmp_path / "m.dcm", 1600 * breast + 1600 * (breast & (2 * x + y < 320)), ImageLaterality="L")
    settings = SMALL.model_copy(update={"pectoral": "clear"})

    picture = opened(inspect_file(Found(path=path, name="m"), preprocess=settings, picture=True).picture)

    assert (picture == (184, 144, 255)).all(axis=2).sum() > 200


def test_many_are_answered_in_the_order_given_by_guarded_processes(tmp_path: Path) -> None:
    sound = mammogram_file(tmp_path / "sound.dcm", half_disc(ROWS, COLS, RADIUS))
    (tmp_path / "broken.dcm").write_bytes(b"nothing")
    paths = [sound, tmp_path / "broken.dcm", tmp_path / "gone.dcm", sound]
    told: list[tuple[int, int]] = []

    every = list(
        inspect_files(
            [Found(path=path, name=path.name) for path in paths],
            preprocess=SMALL,
            pictures=tmp_path / "out",
            workers=2,
            progress=lambda done, total: told.append((done, total)),
        )
    )

    assert [(one.file, one.code) for one in every] == [
        ("sound.dcm", None),
        ("broken.dcm", "not_an_image"),
        ("gone.dcm", "missing"),
        ("sound.dcm", None),
    ]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["sound.dcm-2.png", "sound.dcm.png"]
    assert every[0].inspection is not None
    assert every[0].inspection.picture is None  # it lies in its file


def test_everything_can_be_written_as_json(dicom: Found) -> None:
    found = inspect_file(dicom, preprocess=SMALL, picture=True, thumb=True)

    about = json.loads(json.dumps(Inspected(file="one.dcm", inspection=found).as_json()))

    page = (Path(__file__).parents[1] / "docs" / "how-to" / "inspect.md").read_text(encoding="utf-8")
    keys = [*about, *(f"{name}.{key}" for name in about if isinstance(about[name], dict) for key in about[name])]
    assert [key for key in keys if f"`{key}`" not in page] == []
    assert not re.search(r"[A-Za-z0-9+/]{500}", json.dumps(about))  # no picture in it


def test_a_failure_is_a_code_and_a_message() -> None:
    failed = Inspected(file="a.dcm", code="empty", message="a.dcm: has no bytes")

    told = {"file": "a.dcm", "slice": None, "code": "empty", "message": "a.dcm: has no bytes", "picture": None}
    assert failed.as_json() == told


def test_names_of_pictures_differ_and_stay_in_their_folder() -> None:
    names = ["../up.dcm", "A.dcm", "a.dcm", "x" * 400, ".hidden", "tab\t.dcm"]

    made = picture_names([Found(path=Path(name), name=name) for name in names])

    assert len({name.casefold() for name in made}) == len(names)
    assert all("/" not in name and name[0] != "." and name.isprintable() and len(name) < 200 for name in made)


def test_a_folder_gives_its_pictures_by_name_and_leaves_out_what_is_written(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "a.dicom", "notes.txt", "out/a.png", "plain"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0" * 128 + b"DICM")

    found = find_pictures([tmp_path, tmp_path / "notes.txt"], leave_out=tmp_path / "out")

    assert [one.name for one in found] == ["a.dicom", "b/2.PNG", "plain", "notes.txt"]


def test_a_folder_without_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file in it ends in"):
        find_pictures([tmp_path])


def test_nothing_that_a_terminal_obeys_is_printable() -> None:
    assert printable("a\x1b]0;x\x07\n\u202e\udcff.dcm") == "a?]0;x????.dcm"


def test_a_window_in_few_words() -> None:
    detail = "percentiles 0.5 to 99.5 of the breast: centre 1.5, width 0.25"

    assert window_words((Step(name="window", detail=detail, cause=""),)) == "percentiles 1.5 / 0.25"
    assert window_words(()) == "none"
    assert window_words((Step(name="window", detail="table of 4096 entries, number 1 of 1", cause=""),)) == "table"


@pytest.mark.data
def test_real_mammograms_are_drawn(real_data: Path) -> None:
    files = sorted((real_data / "rsna_dicom").rglob("*.dcm"))[:2]

    for path in files:
        found: Inspection = inspect_file(Found(path=path, name=path.name), preprocess=SMALL, picture=True)
        assert found.breast is not None
        assert 0.05 < float(found.breast_share or 0) < 0.6
        assert opened(found.picture).shape[2] == 3


def test_linked_folders_are_searched_and_each_once(tmp_path: Path) -> None:
    """Archives are often folders of links. Their files were once left out, without a word."""
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.png").touch()
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "link").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "back").symlink_to(tmp_path / "near")

    assert [found.name for found in find_pictures([tmp_path / "near"])] == ["link/a.png"]
