"""mini-MIAS: Info.txt read exactly, coordinates turned over, no row lost."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mammoscope.errors import SourceError
from mammoscope.records import Record, image_table
from mammoscope.sources import MINI_MIAS, build_index

PROSE = "mini database\n\n2nd column: Character of background tissue\n=====\n\n"


def read(root: Path, *lines: str) -> list[Record]:
    (root / "Info.txt").write_bytes((PROSE + "\r\n".join(lines) + "\r\n\r\n=====\r\n").encode())
    return list(MINI_MIAS.read(root))


def test_rows_are_counted_from_the_bottom_and_boxes_from_the_top(tmp_path: Path) -> None:
    (record,) = read(tmp_path, "mdb001 G CIRC B 535 425 197")

    box = (record.lesion_x0, record.lesion_y0, record.lesion_x1, record.lesion_y1)
    assert box == (535 - 197, 1024 - 425 - 197, 535 + 197, 1024 - 425 + 197)
    assert record.lesion_round is True
    assert (record.lesion_kind, record.lesion_margins, record.tissue) == ("mass", "CIRCUMSCRIBED", "G")
    assert (record.malignant, record.pathology, record.label_origin) == (False, "benign", "reader")


def test_a_normal_film_has_no_lesion(tmp_path: Path) -> None:
    (record,) = read(tmp_path, "mdb003 D NORM ")

    assert (record.malignant, record.pathology, record.lesion_id, record.lesion_kind) == (False, "normal", None, None)
    assert (record.lesion_x0, record.lesion_round) == (None, None)


@pytest.mark.parametrize("line", ["mdb059 F CIRC B", "mdb233 G CALC M *NOTE 3*", "mdb216 D CALC M *NOTE 3* "])
def test_an_abnormality_without_coordinates_keeps_its_label(tmp_path: Path, line: str) -> None:
    (record,) = read(tmp_path, line)

    assert record.malignant is (" M" in line)
    assert (record.lesion_id, record.lesion_x0, record.lesion_round) == ("1", None, None)


def test_several_rows_of_one_film_are_several_findings(tmp_path: Path) -> None:
    records = read(tmp_path, "mdb005 F CIRC B 477 133 30", "mdb005 F CIRC M 500 168 26")

    assert [record.lesion_id for record in records] == ["1", "2"]
    images = image_table(build_index(MINI_MIAS, tmp_path))
    assert images.select("malignant", "findings").rows() == [(True, 2)]


def test_films_come_in_pairs_of_one_woman_right_then_left(tmp_path: Path) -> None:
    records = read(tmp_path, *(f"mdb{number:03d} G NORM" for number in (1, 2, 3, 322)))

    assert [record.patient_id for record in records] == ["001", "001", "002", "161"]
    assert [record.laterality for record in records] == ["R", "L", "R", "L"]
    assert {record.view for record in records} == {"MLO"}


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ((), "mdb003.pgm"),
        (("mdb003.png",), "mdb003.png"),
        (("mdb003.png", "mdb003.pgm"), "mdb003.pgm"),
        (("all-mias/mdb003.pgm",), "all-mias/mdb003.pgm"),
        (("mdb004.png",), "mdb003.png"),
    ],
)
def test_a_film_is_found_or_expected(tmp_path: Path, files: tuple[str, ...], path: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    (record,) = read(tmp_path, "mdb003 D NORM")

    assert record.path == path


@pytest.mark.parametrize(
    "line",
    [
        "mdb001 G CIRC X 535 425 197",
        "mdb001 G MASS B 535 425 197",
        "mdb001 E NORM",
        "mdb001 G CIRC B 535 425",
        "mdb001 G CIRC B 535 425 0",
        "mdb001 G CIRC",
        "mdb001 G NORM 1 2 3",
        "mdb1 G NORM",
    ],
)
def test_a_row_that_is_not_as_described_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(SourceError, match=rf"Info\.txt:6: '{line}' is not a row"):
        read(tmp_path, line)


def test_text_between_the_rows_is_refused_and_text_above_them_is_not(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Info\.txt:7: 'mbd002 G NORM' is not a row"):
        read(tmp_path, "mdb001 G NORM", "mbd002 G NORM")


def test_a_folder_without_its_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Info\.txt: no such file"):
        list(MINI_MIAS.read(tmp_path))


@pytest.mark.data
def test_the_published_description_holds_330_rows_of_322_films(real_data: Path) -> None:
    index = build_index(MINI_MIAS, real_data / "mini_mias")
    images = image_table(index)

    assert (index.table.height, images.height, images["patient_id"].n_unique()) == (330, 322, 161)
    assert images["malignant"].sum() == 52
    assert index.table["lesion_kind"].drop_nulls().len() == 123
    assert index.table["lesion_x0"].drop_nulls().len() == 119


@pytest.mark.data
def test_lesions_lie_on_brighter_tissue_and_left_breasts_point_right(real_data: Path) -> None:
    index = build_index(MINI_MIAS, real_data / "mini_mias")
    brighter, sided = [], []

    for row in index.table.to_dicts():
        file = index.file("mini_mias", row["path"])
        if not file.is_file():  # the folder holds 150 of the 322 films
            continue
        pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE).astype(float)
        sided.append((pixels[200:824, :512].mean() > pixels[200:824, 512:].mean()) == (row["laterality"] == "L"))
        if row["lesion_x0"] is not None:
            x0, y0, x1, y1 = (int(row[f"lesion_{name}"]) for name in ("x0", "y0", "x1", "y1"))
            brighter.append(pixels[y0:y1, x0:x1].mean() - pixels[1024 - y1 : 1024 - y0, x0:x1].mean())

    assert np.mean(sided) > 0.95  # the chest wall of a left breast is at the left edge
    assert np.mean(brighter) > 10  # brighter than the same box turned upside down
