"""Curves in TensorBoard and MLflow: every number of the history once, and nothing but numbers."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from mammoscope.errors import RecipeError, SourceError, StorageError
from mammoscope.pipeline.tracking import CURVES, points_of, points_of_results, track_results, tracked, trackers_named
from mammoscope.training import Moment


def row(epoch: int) -> dict:
    return {
        "epoch": epoch,
        "stage": 1,
        "on": "samples",
        "steps": 3,
        "train_loss": 1 / epoch,
        "train_accuracy": 0.5,
        "lr": 1e-3,
        "images_per_s": 12.5,
        "wait_share": 0.25,
        "device_share": 0.8,
        "peak_mib": 300,
        "tune_loss": 0.7,
        "tune_auc": 0.5 + epoch / 100,
        "tune_accuracy": 0.6,
        "tune_sensitivity": 0.4,
        "tune_specificity": 0.8,
        "seconds": 1.5,
        "best": epoch == 2,
        "alarms": ["overfitting"],
    }


def moment(epoch: int) -> Moment:
    return Moment(epoch=epoch, epochs=4, step=3, steps=3, train_loss=0.0, tune_auc=0.5, row=row(epoch))


METRICS = {
    "headline": "breast",
    "units": {
        "breast": {"test": {"auc": {"value": 0.8, "low": 0.7, "high": 0.9}, "brier": {"value": None}, "rows": 12}},
        "image": {"test": {"auc": {"value": 0.1, "low": 0.1, "high": 0.1}}},
    },
}


def history(run: Path, epochs: int) -> None:
    run.mkdir(parents=True, exist_ok=True)
    (run / "history.jsonl").write_text("".join(json.dumps(row(epoch)) + "\n" for epoch in range(1, epochs + 1)))


def in_tensorboard(run: Path) -> list[tuple[str, int, float]]:
    """By TensorBoard's own reader."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    found = accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    found.Reload()
    return [(tag, one.step, one.value) for tag in found.Tags()["scalars"] for one in found.Scalars(tag)]


def in_mlflow(run: Path) -> list[tuple[str, int, float]]:
    mlflow = pytest.importorskip("mlflow", reason="no mlflow-skinny")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{run.parent / 'mlflow.db'}")
    number = json.loads((run / "tracking.json").read_text())["mlflow"]
    found = client.get_run(number).data.metrics
    return [(key, one.step, one.value) for key in found for one in client.get_metric_history(number, key)]


READ = {"tensorboard": in_tensorboard, "mlflow": in_mlflow}


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.filterwarnings("ignore")  # of the trackers' own packages
@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_a_tracker_holds_every_epoch_once_though_training_was_killed(tmp_path: Path, tracker: str) -> None:
    pytest.importorskip(tracker, reason=f"{tracker} is not installed")
    run = tmp_path / "a-secret-folder" / "run"
    history(run, 1)  # trained before it was tracked
    with tracked([tracker], run=run, name="tiny") as told:
        told(moment(2))
        told(moment(3))  # and killed before its checkpoint was written

    history(run, 2)
    with tracked([tracker], run=run, name="tiny") as told:
        told(moment(3))
        told(moment(4))

    held = READ[tracker](run)
    assert Counter((name, step) for name, step, _ in held) == {
        (name, epoch): 1 for name in CURVES.values() for epoch in range(1, 5)
    }
    assert {(step, round(value, 5)) for name, step, value in held if name == "auc/tune"} == {
        (epoch, 0.5 + epoch / 100) for epoch in range(1, 5)
    }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_the_results_on_test_stand_at_the_best_epoch(tmp_path: Path, tracker: str) -> None:
    pytest.importorskip(tracker, reason=f"{tracker} is not installed")
    run = tmp_path / "run"
    history(run, 3)
    (run / "metrics.json").write_text(json.dumps(METRICS))

    for _ in range(2):
        track_results([tracker], run=run, name="tiny")

    held = [(name, step, round(value, 6)) for name, step, value in READ[tracker](run)]
    assert sorted(held) == [("test/auc", 2, 0.8), ("test/auc_high", 2, 0.9), ("test/auc_low", 2, 0.7)]


@pytest.mark.filterwarnings("ignore")
def test_no_folder_and_no_machine_is_written_anywhere(tmp_path: Path) -> None:
    for name in ("tensorboard", "mlflow"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    run = tmp_path / "a-secret-folder" / "run"
    history(run, 2)

    with tracked(["tensorboard", "mlflow"], run=run, name="tiny"):
        pass

    files = [file for file in run.parent.rglob("*") if file.is_file()]
    assert {"mlflow.db", "tracking.json", "history.jsonl"} < {file.name for file in files}
    assert all(b"a-secret-folder" not in file.read_bytes() for file in files)
    (events,) = (run / "tensorboard").iterdir()
    assert re.fullmatch(r"events\.out\.tfevents\.\d{10}\.mammoscope\.\d{9}", events.name)
    assert [file.name for file in tmp_path.iterdir()] == ["a-secret-folder"]


@pytest.mark.filterwarnings("ignore")
def test_half_a_record_of_a_killed_process_costs_that_record_alone(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    history(tmp_path, 1)
    with tracked(["tensorboard"], run=tmp_path, name="tiny"):
        pass
    (events,) = (tmp_path / "tensorboard").iterdir()
    events.write_bytes(events.read_bytes()[:-5])

    with tracked(["tensorboard"], run=tmp_path, name="tiny"):
        pass

    assert Counter(name for name, _, _ in in_tensorboard(tmp_path)) == dict.fromkeys(CURVES.values(), 1)


def test_without_trackers_the_watch_is_the_one_that_was_given(tmp_path: Path) -> None:
    seen: list[Moment] = []

    with tracked([], run=tmp_path, name="tiny", watch=seen.append) as told:
        told(moment(1))
    with tracked([], run=tmp_path, name="tiny") as nothing:
        pass

    assert [one.epoch for one in seen] == [1]
    assert nothing is None


def test_a_row_of_another_kind_has_fewer_points() -> None:
    bare = {key: value for key, value in row(3).items() if key not in {"tune_sensitivity", "tune_specificity"}}

    assert len(points_of(row(3))) - len(points_of(bare)) == 2
    assert points_of_results({"row": "breast", "units": METRICS["units"]}, step=1)[0].name == "test/auc"


def test_a_tracker_that_is_unknown_or_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="--track tensorbord: is not one of tensorboard, mlflow; did you mean 'tens"):
        trackers_named(["tensorbord"])

    monkeypatch.setattr("mammoscope.pipeline.tracking.find_spec", lambda _: None)
    with pytest.raises(
        RecipeError, match=r"--track tensorboard needs tensorboard. .* pip install 'mammoscope\[track]'"
    ):
        trackers_named(["tensorboard"])
    assert trackers_named([]) == ()


def test_results_need_a_measured_run_and_a_folder_that_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no metrics.json. Make it with: mammoscope evaluate"):
        track_results(["tensorboard"], run=tmp_path, name="tiny")

    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    history(tmp_path, 1)
    (tmp_path / "tensorboard").write_text("a file")
    with (
        pytest.raises(StorageError, match="tensorboard: cannot be written"),
        tracked(["tensorboard"], run=tmp_path, name="tiny"),
    ):
        pass
