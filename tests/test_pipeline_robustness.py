"""Robustness of a trained bundle: through the scoring code of the run, on its own cached pictures."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mammoscope.batches import Samples
from mammoscope.cli import app
from mammoscope.errors import SourceError
from mammoscope.evaluation import read_seal
from mammoscope.images import Preprocess
from mammoscope.images.corruptions import CORRUPTIONS, Corruption
from mammoscope.models import Bundle, Manifest, SimpleCnn, Task, build
from mammoscope.pipeline import robustness, seal_run
from mammoscope.report import robustness_lines
from mammoscope.training import scores_of

MANIFEST = Manifest(
    name="tiny", meaning="m", model=SimpleCnn(channels=(4,)), preprocess=Preprocess(rows=32, cols=24), threshold=0.5
)
NOTHING = Corruption(name="nothing", says="no change", severities=(0.0,), apply=lambda pixels, _s, _r: pixels)
FLAT = Corruption(name="flat", says="all grey", severities=(0.0,), apply=lambda pixels, _s, _r: pixels * 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder without training: random pictures in a cache, and what an untrained bundle says of them."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    cache = run.parent / "cache"
    cache.mkdir()
    rng = np.random.default_rng(0)
    bundle = Bundle(manifest=MANIFEST, network=build(MANIFEST.design, seed=0))
    labels = np.arange(60) % 2
    for number, label in enumerate(labels):
        grey = rng.integers(1, 30000 + 30000 * label, size=(32, 24)).astype(np.uint16)
        np.save(cache / f"{number}.npy", grey)
    samples = Samples(files=[cache / f"{n}.npy" for n in range(60)], labels=labels[:, None])
    scores = scores_of(bundle.network, samples, batch_size=7)[0][:, 1]
    bundle.save_pretrained(run / "bundle")
    rows = pl.DataFrame(
        {
            "source": ["own"] * 60,
            "patient_id": [str(n // 2) for n in range(60)],
            "image_id": [str(n) for n in range(60)],
            "part": ["test"] * 60,
            "label": labels,
            "score": scores,
        }
    )
    rows.write_parquet(run / "predictions.parquet")
    rows.with_columns(file=pl.col("image_id") + ".npy").drop("score", "label").write_parquet(run / "cohort.parquet")
    settings = {"threshold": "youden", "at_least": 0.9, "replicates": 100, "confidence": 0.95}
    (run / "recipe.json").write_text(json.dumps({"name": "tiny", "measure": settings}))
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made.parent, tmp_path / "runs")
    return tmp_path / "runs" / "tiny"


def test_pictures_that_are_not_changed_lose_nothing(run: Path) -> None:
    found = robustness(run, cache=run.parent / "cache", corruptions=[NOTHING])

    point = found.curves[0].points[0]
    assert (point.drop.difference.value, point.drop.difference.low, point.drop.difference.high) == (0.0, 0.0, 0.0)
    assert point.metrics == found.clean
    assert found.curves[0].first_fall is None


def test_pictures_that_show_nothing_lose_all(run: Path) -> None:
    found = robustness(run, cache=run.parent / "cache", corruptions=[FLAT])

    point = found.curves[0].points[0]
    assert point.metrics["auc"].value == 0.5
    assert point.drop.difference.value == pytest.approx(found.clean["auc"].value - 0.5)


def test_it_leaves_json_and_a_table_and_is_the_same_again(run: Path) -> None:
    some = {"corruptions": CORRUPTIONS[::4], "images": 20}
    first = robustness(run, cache=run.parent / "cache", **some)
    text = (run / "robustness.json").read_text()
    second = robustness(run, cache=run.parent / "cache", **some)

    rows = list(csv.DictReader((run / "robustness.csv").read_text().splitlines()))
    assert first == second
    assert (run / "robustness.json").read_text() == text
    assert json.loads(text) == first.to_json()
    assert len(rows) == 1 + sum(len(curve.points) for curve in first.curves)
    assert float(rows[1]["auc"]) == first.curves[0].points[0].metrics["auc"].value


def test_a_choice_of_images_takes_whole_patients(run: Path) -> None:
    found = robustness(run, cache=run.parent / "cache", corruptions=[NOTHING], images=9)

    assert (found.images, found.of, found.clean["auc"].patients) == (10, 60, 5)
    assert any("10 of 60 test images" in warning for warning in found.warnings)


def test_pictures_that_are_not_in_the_cache_are_named_by_number(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="60 of 60 pictures of the test part are not in the cache"):
        robustness(run, cache=tmp_path / "elsewhere")


def test_predictions_of_another_model_are_refused(run: Path) -> None:
    table = pl.read_parquet(run / "predictions.parquet")
    table.with_columns(score=1 - pl.col("score")).write_parquet(run / "predictions.parquet")

    with pytest.raises(SourceError, match="not of one run"):
        robustness(run, cache=run.parent / "cache", corruptions=[NOTHING])


def test_a_sealed_test_set_counts_it(run: Path) -> None:
    ledger, _ = seal_run(run)

    found = robustness(run, cache=run.parent / "cache", corruptions=[NOTHING])

    assert read_seal(ledger).looks[0].what == "robustness"
    assert found.sealed[0].startswith("sealed test set of 30 patients: evaluated 1 time")


def test_the_verb_prints_a_table(run: Path) -> None:
    done = CliRunner().invoke(app, ["robustness", str(run), "--images", "8", "--device", "cpu"])

    assert done.exit_code == 0, done.output
    assert "clean: AUC" in done.output
    assert "compression (JPEG quality, 8 bits)" in done.output


@pytest.fixture(scope="module")
def of_classes(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures, asked for one of three classes."""
    run = tmp_path_factory.mktemp("classes") / "tiny"
    cache = run.parent / "cache"
    shutil.copytree(made.parent / "cache", cache)
    task = Task(name="density", kind="nominal", classes=("A", "B", "C"))
    manifest = MANIFEST.model_copy(update={"tasks": (task,), "threshold": None})
    bundle = Bundle(manifest=manifest, network=build(manifest.design, seed=0))
    labels = np.arange(60) % 3
    samples = Samples(files=[cache / f"{n}.npy" for n in range(60)], labels=labels[:, None])
    scores = scores_of(bundle.network, samples, batch_size=7)[0]
    bundle.save_pretrained(run / "bundle")
    rows = pl.read_parquet(made / "predictions.parquet").drop("score").with_columns(
        pl.Series("label", np.array(["A", "B", "C"])[labels]),
        *(pl.Series(f"score_{name}", scores[:, at]) for at, name in enumerate("ABC")),
    )  # fmt: skip
    rows.write_parquet(run / "predictions.parquet")
    shutil.copy(made / "cohort.parquet", run)
    settings = {"threshold": "youden", "replicates": 50, "confidence": 0.95}
    (run / "recipe.json").write_text(json.dumps({"name": "tiny", "target": "density", "measure": settings}))
    return run


def test_a_run_of_classes_falls_by_what_it_quotes_first(of_classes: Path) -> None:
    found = robustness(of_classes, cache=of_classes.parent / "cache", corruptions=[NOTHING, FLAT])

    nothing, flat = (curve.points[0] for curve in found.curves)
    assert (found.metric, found.threshold) == ("kappa_quadratic", None)
    assert list(found.clean) == ["kappa_quadratic", "accuracy", "balanced_accuracy"]
    assert nothing.drop.difference.value == 0.0
    assert flat.metrics["kappa_quadratic"].value == 0.0
    assert flat.drop.difference.value == pytest.approx(found.clean["kappa_quadratic"].value)
    rows = list(csv.DictReader((of_classes / "robustness.csv").read_text().splitlines()))
    assert {"kappa_quadratic", "kappa_quadratic_low", "accuracy", "drop"} <= set(rows[0])
    lines = robustness_lines(found.to_json())
    assert lines[0].startswith("clean: quadratic kappa")
