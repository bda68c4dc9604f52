"""One page that shows what phantoms look like, and the verb that writes phantoms."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import RecipeError
from mammoscope.phantom import LAYOUTS, contact_page, page
from mammoscope.phantom.developing import Look
from mammoscope.phantom.exam import draw_patient
from mammoscope.phantom.picture import take
from mammoscope.vocabulary import View


def test_the_page_shows_bright_breasts_on_black_and_the_same_seed_gives_the_same_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "ROWS", 128)

    found = contact_page(5)

    assert found.shape == (2116, 1608)
    assert found.dtype == np.uint8
    assert 0.2 < np.mean(found > 60) < 0.7
    assert np.array_equal(found, contact_page(5))
    with pytest.raises(RecipeError, match="seed -1 is below 0"):
        contact_page(-1)


def test_digital_looks_show_the_skin_that_film_leaves_dark_and_black_beside_it() -> None:
    breast = draw_patient(1, seed=0, difficulty=0.3).findings[0].breast
    film, strong, flat = (take(breast, view=View.CC, rows=256, look=look).pixels / 65535 for look in Look)

    rim = (flat > 0.2) & (film < 0.1)

    assert rim.sum() > 200
    assert strong[rim].mean() > film[rim].mean()
    assert np.median(flat[flat == flat.min()]) == 0
    inside = film > 0.5
    assert np.ptp(np.quantile(strong[inside], (0.05, 0.95))) > np.ptp(np.quantile(flat[inside], (0.05, 0.95)))


def test_the_verb_writes_a_layout_with_quirks_and_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "ROWS", 128)
    arguments = [
        "phantom",
        "mini-mias",
        "--out",
        str(tmp_path / "p"),
        "--patients",
        "6",
        "--rows",
        "128",
        "--seed",
        "8",
    ]
    more = ["--quirks", "zero-byte, missing-file", "--difficulty", "0.4", "--workers", "1"]

    ran = CliRunner().invoke(app, [*arguments, *more, "--sheet", str(tmp_path / "page.png")])

    assert ran.exit_code == 0, ran.output
    assert json.loads((tmp_path / "p" / "phantom.json").read_text())["phantom"] == "mini_mias"
    with (tmp_path / "p" / "phantom_quirks.csv").open(newline="") as file:
        assert {row["quirk"] for row in csv.DictReader(file)} == {"zero-byte", "missing-file"}
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.format == "PNG"


def test_all_quirks_of_a_layout_have_one_word(tmp_path: Path) -> None:
    arguments = ["phantom", "cbis_ddsm_jpeg", "--out", str(tmp_path / "p"), "--patients", "16", "--rows", "128"]

    ran = CliRunner().invoke(app, [*arguments, "--quirks", "all", "--workers", "1"])

    assert ran.exit_code == 0, ran.output
    with (tmp_path / "p" / "phantom_quirks.csv").open(newline="") as file:
        assert {row["quirk"] for row in csv.DictReader(file)} == {*LAYOUTS["cbis_ddsm_jpeg"].quirks}


def test_a_page_is_a_png(tmp_path: Path) -> None:
    arguments = ["phantom", "rsna", "--out", str(tmp_path / "p"), "--sheet", str(tmp_path / "page.jpg")]

    ran = CliRunner().invoke(app, arguments)

    assert ran.exit_code == 2
    assert not (tmp_path / "p").exists()
