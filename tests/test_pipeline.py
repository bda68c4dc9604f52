"""The whole chain on synthetic mammograms, through the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.phantom import write_cbis_ddsm
from mammoscope.pipeline import measure, run_recipe
from mammoscope.training import read_recipe

RECIPE = """
name = "tiny"
source = "cbis_ddsm"
[split]
kind = "ratio"
train = 0.5
tune = 0.25
test = 0.25
[preprocess]
rows = 64
cols = 48
[model]
kind = "simple-cnn"
channels = [8, 16]
[training]
batch_size = 8
[[stages]]
epochs = 2
lr = 2e-3
[measure]
replicates = 200
"""


def cli(*words: object, code: int = 0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "data"
    write_cbis_ddsm(folder, patients=24, seed=0, rows=256)
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(scope="module")
def run(phantom: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    done = run_recipe(read_recipe(recipe), data=phantom, run=folder, cache=folder.parent / "cache", workers=0)
    assert done.report == folder / "report.html"
    return folder


def test_a_run_leaves_every_file_of_a_run_folder(run: Path) -> None:
    expected = (
        "recipe.json index.parquet audit.json split.json flow.json cohort.parquet prepare.json history.jsonl "
        "predictions.parquet environment.json metrics.json explanations.json report.html bundle/bundle.json"
    ).split()

    assert [name for name in expected if not (run / name).is_file()] == []
    assert len(list((run / "figures").glob("*.svg"))) > 3


def test_every_number_follows_from_the_predictions_alone(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("predictions.parquet", "cohort.parquet", "recipe.json"):
        shutil.copy(run / name, copy / name)

    assert measure(copy) == json.loads((run / "metrics.json").read_text())


def test_no_test_patient_is_in_train_or_tune(run: Path) -> None:
    cohort = pl.read_parquet(run / "cohort.parquet")

    parts = cohort.group_by("patient_id").agg(pl.col("part").n_unique())

    assert parts["part"].max() == 1


def test_a_second_run_of_the_same_recipe_gives_identical_predictions(
    run: Path, phantom: Path, recipe: Path, tmp_path: Path
) -> None:
    run_recipe(read_recipe(recipe), data=phantom, run=tmp_path / "again", cache=tmp_path / "cache", workers=2)

    first, second = (pl.read_parquet(folder / "predictions.parquet") for folder in (run, tmp_path / "again"))
    assert first.equals(second)


def test_running_again_in_the_same_folder_trains_nothing_and_changes_no_number(
    run: Path, phantom: Path, recipe: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "tiny")
    before = (tmp_path / "tiny" / "metrics.json").read_text()

    done = run_recipe(read_recipe(recipe), data=phantom, run=tmp_path / "tiny", cache=run.parent / "cache", workers=0)

    environment = json.loads((tmp_path / "tiny" / "environment.json").read_text())
    assert environment["resumed_after_epoch"] == 2
    assert (tmp_path / "tiny" / "metrics.json").read_text() == before
    assert done.lines


def test_the_bundle_scores_files_as_the_run_did(run: Path, phantom: Path) -> None:
    predictions = pl.read_parquet(run / "predictions.parquet").filter(pl.col("part") == "test")
    index = pl.read_parquet(run / "index.parquet")
    row = predictions.row(0, named=True)
    file = phantom / index.filter(pl.col("image_id") == row["image_id"])["path"][0]

    answer = json.loads(cli("predict", run / "bundle", file, "--json").stdout)

    assert answer[0]["score"] == pytest.approx(row["score"], abs=1e-5)
    assert answer[0]["call"] in {"positive", "negative"}


def test_the_verbs_one_by_one_do_what_run_does(run: Path, phantom: Path, recipe: Path, tmp_path: Path) -> None:
    index, out = tmp_path / "index.parquet", tmp_path / "tiny"

    counts = json.loads(cli("index", "cbis_ddsm", phantom, "--out", index, "--json").stdout)
    cli("audit", index)
    split = json.loads(cli("split", recipe, index, "--out", out, "--json").stdout)
    ready = json.loads(cli("prepare", recipe, index, "--cache", tmp_path / "cache", "--workers", 0, "--json").stdout)
    cli("train", recipe, index, "--out", out, "--cache", tmp_path / "cache", "--workers", 0, "--device", "cpu")
    metrics = json.loads(cli("evaluate", out, "--json").stdout)
    cli("explain", out, "--each", 1)
    report = cli("report", out).stdout.strip()
    comparison = cli("compare", run, out, "--out", tmp_path / "both.html").stdout.strip()

    assert counts["images"] == ready["prepared"] == sum(split["images"].values())
    assert metrics == json.loads((run / "metrics.json").read_text())
    assert Path(report).read_text().startswith("<!doctype html>")
    assert Path(comparison).is_file()
    assert pl.read_parquet(out / "predictions.parquet").equals(pl.read_parquet(run / "predictions.parquet"))


def test_another_recipe_in_the_same_folder_is_refused(run: Path, recipe: Path, tmp_path: Path) -> None:
    changed = tmp_path / "tiny.toml"
    changed.write_text(RECIPE.replace("lr = 2e-3", "lr = 1e-3"))

    done = CliRunner().invoke(app, ["split", str(changed), str(run / "index.parquet"), "--out", str(run)])

    assert "is the run of another recipe" in str(done.exception)


def test_images_that_cannot_be_read_are_counted_and_the_run_goes_on(
    phantom: Path, recipe: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "data"
    shutil.copytree(phantom, broken)
    index = pl.read_parquet(_index(broken, tmp_path))
    paths = index["path"].unique(maintain_order=True).to_list()
    (broken / paths[0]).write_bytes(b"")
    whole = (broken / paths[1]).read_bytes()
    (broken / paths[1]).write_bytes(whole[: len(whole) // 2])
    (broken / paths[2]).unlink()

    done = run_recipe(
        read_recipe(recipe), data=broken, run=tmp_path / "run", cache=tmp_path / "cache", workers=0, device="cpu"
    )

    failed = json.loads((tmp_path / "run" / "prepare.json").read_text())["failed"]
    assert sorted(row["code"] for row in failed) == ["empty", "missing", "truncated"]
    assert done.findings >= 3
    assert (tmp_path / "run" / "report.html").is_file()


def _index(data: Path, folder: Path) -> Path:
    cli("index", "cbis_ddsm", data, "--out", folder / "i.parquet")
    return folder / "i.parquet"


@pytest.mark.data
@pytest.mark.slow
def test_the_seven_real_dicom_files_come_out_as_mammograms(real_data: Path, tmp_path: Path) -> None:
    from mammoscope.images import Preprocess, read_mammogram
    from mammoscope.records import image_table
    from mammoscope.sources import SOURCES, build_index

    images = image_table(build_index(SOURCES["rsna"], real_data / "rsna_dicom"))
    present = [row for row in images.iter_rows(named=True) if (real_data / "rsna_dicom" / row["path"]).is_file()]

    assert (images.height, len(present)) == (8, 7)
    for row in present:
        mammogram = read_mammogram(real_data / "rsna_dicom" / row["path"], preprocess=Preprocess(rows=256, cols=192))
        assert mammogram.pixels.min() >= 0
        assert mammogram.pixels.max() <= 1
        assert np.median(mammogram.pixels[:, :8]) > np.median(mammogram.pixels[:, -8:])  # chest wall on the left


def test_two_folders_of_class_folders_are_merged_under_names(tmp_path: Path) -> None:
    for hospital in ("north", "south"):
        for kind in ("benign", "malignant"):
            folder = tmp_path / hospital / kind
            folder.mkdir(parents=True)
            (folder / "1.png").write_bytes(b"")
        cli("index", "folders", tmp_path / hospital, "--out", tmp_path / f"{hospital}.parquet")

    files = [tmp_path / f"{hospital}.parquet" for hospital in ("north", "south")]
    names = ["--name", "north", "--name", "south"]
    counts = json.loads(cli("merge", *files, *names, "--out", tmp_path / "both.parquet", "--json").stdout)

    assert (counts["images"], counts["patients"], counts["malignant_images"]) == (4, 4, 2)
