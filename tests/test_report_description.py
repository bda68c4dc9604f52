"""The page that describes a data set: what it shows, what it survives."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.phantom import write_cbis_ddsm
from mammoscope.records import Index, Record, image_table, index_of, write_index
from mammoscope.report import write_description
from mammoscope.report.pictures import CROP_PX, SIDES, chosen_images, contact_sheet, resolution_strips
from mammoscope.sources import build_index, source_named
from mammoscope.vocabulary import Laterality, LesionKind, View


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("phantom")
    write_cbis_ddsm(folder, patients=12, seed=5, rows=256)
    return build_index(source_named("cbis_ddsm"), folder)


def breast(path: Path, *, spot: tuple[int, int, int, int]) -> None:
    picture = np.zeros((300, 200), dtype=np.uint8)
    cv2.ellipse(picture, (0, 150), (150, 120), 0, 0, 360, (90,), -1)
    x0, y0, x1, y1 = spot
    picture[y0:y1, x0:x1] = 220
    cv2.imwrite(str(path), picture)


def spotted(folder: Path, *, count: int = 4) -> Index:
    """Pictures of a left breast with a bright square where the index says the mass is."""
    records = []
    for n in range(count):
        breast(folder / f"{n}.png", spot=(40, 120, 70, 150))
        box = {"lesion_x0": 40.0, "lesion_y0": 120.0, "lesion_x1": 70.0, "lesion_y1": 150.0}
        facts = {"laterality": Laterality.LEFT, "view": View.CC, "lesion_id": "1", "lesion_kind": LesionKind.MASS}
        own = {"source": "own", "patient_id": str(n // 2), "image_id": str(n), "path": f"{n}.png"}
        records.append(Record(malignant=n % 2 == 0, **own, **facts, **box))  # type: ignore[arg-type]
    return index_of(records, roots={"own": folder})


def test_the_page_of_phantoms_holds_everything_and_needs_nothing(phantom: Index, tmp_path: Path) -> None:
    facts = write_description(phantom, out=tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    anchors = ("labels", "lesions", "without", "sample", "resolution", "sizes", "patients", "known", "reproduce")
    assert [name for name in anchors if f'id="{name}"' not in page] == []
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert page.count('class="strip"') == len({"mass", "calcification"} & set(phantom.table["lesion_kind"]))
    assert facts["assessment_auc"][0]["part"] == "test"
    assert json.loads(json.dumps(facts)) == facts
    figures = {file.stem for file in (tmp_path / "page-figures").iterdir()}
    assert {"pathology-by-view", "pathology-by-density", "lesion-kinds", "lesion-sizes", "known"} <= figures
    assert {"pathology-by-shape", "pathology-by-margins"} <= figures
    for file in (tmp_path / "page-figures").iterdir():
        ET.parse(file)  # noqa: S314


def test_the_same_seed_gives_the_same_page(phantom: Index, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_description(phantom, out=tmp_path / name / "page.html", headers=5, seed=3)

    one, other = ((tmp_path / name / "page.html").read_bytes() for name in ("a", "b"))
    assert one == other


def test_missing_and_broken_files_are_lines_of_the_page(tmp_path: Path) -> None:
    index = spotted(tmp_path, count=6)
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"not a picture")

    facts = write_description(index, out=tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert {row["code"]: row["n"] for row in facts["image_sizes"]["failed"]} == {"missing": 1, "not_an_image": 1}
    assert "0.png: there is no such file" in page
    assert "1.png" in page
    assert 'class="strip"' in page
    assert "says nothing of the shape or the margins of a mass" in page


def test_a_data_set_without_any_file_is_still_described(tmp_path: Path) -> None:
    index = spotted(tmp_path)
    for file in tmp_path.glob("*.png"):
        file.unlink()

    write_description(index, out=tmp_path / "page.html")

    assert "none of the files is here" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_names_of_the_data_set_are_escaped(tmp_path: Path) -> None:
    breast(tmp_path / "a.png", spot=(40, 120, 70, 150))
    wild = "<b>&x"
    index = index_of(
        [Record(source=wild, patient_id=wild, image_id=wild, path="a.png", machine_id=wild)], roots={wild: tmp_path}
    )

    write_description(index, out=tmp_path / "page.html")

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert wild not in page
    assert "&lt;b&gt;&amp;x" in page


def test_the_sample_is_balanced_over_labels_and_patients(tmp_path: Path) -> None:
    index = spotted(tmp_path, count=8)

    rows = chosen_images(image_table(index), index=index, count=4, seed=0)

    assert [row["malignant"] for row in rows] == [True, True, False, False]
    assert len({row["patient_id"] for row in rows if row["malignant"]}) == 2


def test_each_size_shows_the_lesion_where_it_is(tmp_path: Path) -> None:
    index = spotted(tmp_path)

    (strip,) = resolution_strips(index, image_table(index))

    assert [panel["side"] for panel in strip["panels"]] == list(SIDES)
    sizes = [panel["lesion_px"][0] for panel in strip["panels"]]
    assert sizes == pytest.approx([SIDES[i] / SIDES[0] * sizes[0] for i in range(len(SIDES))], rel=0.06)
    for panel in strip["panels"]:
        crop = decoded(panel["crop"])
        assert crop.shape == (CROP_PX, CROP_PX)
        assert crop[CROP_PX // 2, CROP_PX // 2] > 200  # the spot
        if panel["side"] >= 224:
            assert crop[CROP_PX // 16, CROP_PX // 2] < 150  # beside it


def decoded(uri: str) -> np.ndarray:
    import base64

    pixels = np.frombuffer(base64.b64decode(uri.split(",", 1)[1]), dtype=np.uint8)
    return np.asarray(cv2.imdecode(pixels, cv2.IMREAD_UNCHANGED))


def test_a_picture_stored_dark_on_white_is_said_to_be(tmp_path: Path) -> None:
    index = spotted(tmp_path, count=2)
    cv2.imwrite(str(tmp_path / "0.png"), 255 - cv2.imread(str(tmp_path / "0.png"), cv2.IMREAD_GRAYSCALE))

    sheet = contact_sheet(index, image_table(index))

    assert {row["image_id"]: row["inverted"] for row in sheet} == {"0": True, "1": False}


def test_the_verb_writes_the_page_and_says_what_is_missing(tmp_path: Path) -> None:
    index = spotted(tmp_path)
    write_index(index, tmp_path / "index.parquet")
    (tmp_path / "0.png").unlink()
    words = ["describe", str(tmp_path / "index.parquet"), "--out", str(tmp_path / "page.html"), "--json"]

    done = CliRunner().invoke(app, words)

    assert done.exit_code == 1
    assert json.loads(done.stdout)["summary"]["images"] == 4
    assert (tmp_path / "page.html").is_file()
