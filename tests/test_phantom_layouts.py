"""Every layout is read by its own source, with the labels and boxes of the truth."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mammoscope.errors import RecipeError
from mammoscope.images import Preprocess, read_mammogram
from mammoscope.phantom import LAYOUTS, ideal_auc, write_phantom
from mammoscope.phantom.screening import best_by_breast, draw_screened
from mammoscope.phantom.settings import Settings
from mammoscope.records import Index, image_table
from mammoscope.sources import SOURCES, build_index

ALL = sorted(LAYOUTS)
SCREENING = ["mini_mias", "rsna", "vindr"]
WHOLE = Preprocess(rows=128, cols=128, region="whole", flip="none", clear_background=False)
SMALL = {"patients": 7, "seed": 1, "rows": 128, "calcifications": 0.3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("layouts")
    for name in ALL:
        write_phantom(parent / name, layout=name, **SMALL)  # type: ignore[arg-type]
    return {name: parent / name for name in ALL}


def truth_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "phantom_truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def index_of(name: str, folder: Path) -> Index:
    return build_index(SOURCES[name], folder)


def test_every_layout_is_named_after_the_source_that_reads_it() -> None:
    assert {*LAYOUTS} == {"cbis_ddsm", "cbis_ddsm_jpeg", "rsna", "vindr", "mini_mias"}
    assert {*LAYOUTS} <= set(SOURCES)


@pytest.mark.parametrize("name", ALL)
def test_its_source_reads_the_label_side_view_and_density_of_the_truth(folders: dict[str, Path], name: str) -> None:
    index = index_of(name, folders[name])
    truth = {row["image"]: row for row in truth_of(folders[name])}

    images = image_table(index)

    assert {*images["path"]} == {*truth}
    for row in images.iter_rows(named=True):
        wanted = truth[row["path"]]
        assert row["patient_id"] == wanted["patient_id"]
        assert (row["laterality"], row["view"]) == (wanted["laterality"], wanted["view"])
        assert row["malignant"] == {"1": True, "0": False, "": None}[wanted["malignant"]]
        assert row["density"] in {None, wanted["density"]}
        assert row["official_part"] == (wanted["part"] or None)
        assert index.file(name, row["path"]).is_file()


@pytest.mark.parametrize("name", ALL)
def test_its_pictures_are_read_with_the_breast_on_the_side_of_the_chest_wall(
    folders: dict[str, Path], name: str
) -> None:
    index = index_of(name, folders[name])

    for row in image_table(index).head(8).iter_rows(named=True):
        pixels = read_mammogram(index.file(name, row["path"]), preprocess=WHOLE).pixels
        left, right = np.array_split(pixels, 2, axis=1)

        assert (left.mean() > right.mean()) == (row["laterality"] == "L")
        assert pixels.std() > 0.05


@pytest.mark.parametrize("name", [name for name in ALL if name != "cbis_ddsm"])  # which has a test of its own
def test_the_same_seed_gives_the_same_bytes_in_two_processes(
    folders: dict[str, Path], name: str, tmp_path: Path
) -> None:
    if name != "vindr":  # one is enough for the processes, each for the bytes
        write_phantom(tmp_path / name, layout=name, **SMALL)  # type: ignore[arg-type]
    else:
        write_phantom(tmp_path / name, layout=name, workers=2, **SMALL)  # type: ignore[arg-type]

    assert digests(tmp_path / name) == digests(folders[name])


@pytest.mark.parametrize("name", SCREENING)
def test_most_breasts_are_normal_and_the_best_auc_is_stated(folders: dict[str, Path], name: str) -> None:
    truth = truth_of(folders[name])
    marker = json.loads((folders[name] / "phantom.json").read_text())

    normal = [row for row in truth if not row["lesion_id"]]

    assert len(normal) > 0.4 * len(truth)
    assert {row["malignant"] for row in normal} == {"0"}
    assert ideal_auc(0.3) < marker["ideal_auc"] < 1


@pytest.mark.parametrize("name", ["rsna", "vindr"])
def test_a_screened_woman_has_four_views_of_both_breasts(folders: dict[str, Path], name: str) -> None:
    images = image_table(index_of(name, folders[name]))

    views = images.group_by("patient_id").agg(pl.struct("laterality", "view").n_unique().alias("n"))

    assert views["n"].to_list() == [4] * SMALL["patients"]
    assert images["age_years"].is_between(32, 88).all()


def test_vindr_boxes_are_those_of_the_masks_and_a_lesion_below_category_3_has_none(folders: dict[str, Path]) -> None:
    truth = {row["image_id"]: row for row in truth_of(folders["vindr"])}

    table = index_of("vindr", folders["vindr"]).table

    for row in table.iter_rows(named=True):
        wanted = truth[row["image_id"]]
        boxed = wanted["lesion_id"] and wanted["malignant"] != "0"
        box = [row[f"lesion_{corner}"] for corner in ("x0", "y0", "x1", "y1")]
        assert box == ([float(wanted[corner]) for corner in ("x0", "y0", "x1", "y1")] if boxed else [None] * 4)
        assert row["machine_id"] == wanted["machine_id"]
    assert table["lesion_x0"].drop_nulls().len() > 0


def test_mini_mias_circles_hold_the_masks_and_count_rows_from_the_bottom(folders: dict[str, Path]) -> None:
    truth = {row["image_id"]: row for row in truth_of(folders["mini_mias"])}

    table = index_of("mini_mias", folders["mini_mias"]).table.drop_nulls("lesion_x0")

    assert table.height > 0
    for row in table.iter_rows(named=True):
        x0, y0, x1, y1 = (float(truth[row["image_id"]][corner]) for corner in ("x0", "y0", "x1", "y1"))
        assert row["lesion_x0"] <= x0 + 1
        assert row["lesion_y0"] <= y0 + 1
        assert row["lesion_x1"] >= x1 - 2
        assert row["lesion_y1"] >= y1 - 2
        assert row["lesion_x1"] - row["lesion_x0"] < 1.6 * max(x1 - x0, y1 - y0) + 8
    with Image.open(folders["mini_mias"] / "mdb001.pgm") as picture:
        assert (picture.size, picture.mode) == ((1024, 1024), "L")


def test_rsna_tables_have_the_challenges_columns_and_the_second_site_says_less(folders: dict[str, Path]) -> None:
    text = (folders["rsna"] / "train.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))

    assert text.startswith(
        "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,machine_id,"
        "difficult_negative_case\n"
    )
    assert {row["site_id"] for row in rows} == {"1", "2"}
    assert all((row["density"] == "") == (row["site_id"] == "2") for row in rows)
    assert all(row["biopsy"] == "1" for row in rows if row["cancer"] == "1")


def test_the_jpeg_edition_lists_its_files_in_dicom_info(folders: dict[str, Path]) -> None:
    with (folders["cbis_ddsm_jpeg"] / "csv" / "dicom_info.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    files = {str(path.relative_to(folders["cbis_ddsm_jpeg"])) for path in folders["cbis_ddsm_jpeg"].rglob("*.jpg")}

    assert {row["image_path"].removeprefix("CBIS-DDSM/") for row in rows} == files
    assert {row["SeriesDescription"] for row in rows} >= {"full mammogram images", "cropped images", "ROI mask images"}


def test_masks_and_crops_of_the_jpeg_edition_are_told_apart(folders: dict[str, Path]) -> None:
    truth = {row["image"]: row for row in truth_of(folders["cbis_ddsm_jpeg"])}

    for row in index_of("cbis_ddsm_jpeg", folders["cbis_ddsm_jpeg"]).table.iter_rows(named=True):
        assert (row["mask_path"], row["crop_path"]) == (truth[row["path"]]["mask"], truth[row["path"]]["crop"])


def test_a_screened_woman_is_the_same_whoever_else_is_drawn_and_cancer_is_as_frequent_as_stated() -> None:
    small, large = (Settings(patients=patients, seed=4, rows=128) for patients in (10, 900))

    assert draw_screened(7, small, share=0.3) == draw_screened(7, large, share=0.3)
    share = np.mean([draw_screened(number, large, share=0.3).malignant for number in range(1, 401)])
    assert 0.10 < share < 0.21


def test_the_best_auc_by_breast_is_that_of_a_simulation() -> None:
    settings = Settings(patients=1000, seed=2, rows=128, difficulty=0.5)
    sides = [side for number in range(1, 1001) for side in draw_screened(number, settings, share=0.3).sides]
    score = np.array([-1.0 if side.finding is None else side.finding.lesion.suspicion for side in sides])
    label = np.array([side.malignant for side in sides])

    ranks = np.argsort(np.argsort(score + 1e-9 * np.arange(len(score))))
    positives = int(label.sum())
    area = (ranks[label].sum() - positives * (positives - 1) / 2) / (positives * (len(label) - positives))

    assert best_by_breast(0.5, share=0.3, bilateral=0.08) == pytest.approx(area, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "rnsa"}, r"layout 'rnsa' is not one of cbis_ddsm, .*; did you mean 'rsna'"),
        ({"layout": "rsna", "wear": 0.5}, "wear 0.5: rsna holds no films"),
        ({"layout": "mini_mias", "patients": 500}, "patients 500 is not from 2 to 499"),
        ({"layout": "rsna", "quirks": ("zero-bite",)}, "quirk 'zero-bite' is not one of .*; did you mean 'zero-byte'"),
        ({"layout": "rsna", "quirks": ("missing-mask",)}, "'missing-mask' is not one of .* which rsna can have"),
    ],
)
def test_what_a_layout_cannot_have_is_refused(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        write_phantom(tmp_path / "p", **({"patients": 4, "rows": 128} | arguments))  # type: ignore[arg-type]

    assert not (tmp_path / "p").exists()
