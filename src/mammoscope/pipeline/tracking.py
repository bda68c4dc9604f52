"""Training as TensorBoard and MLflow show it: the rows of the history as points of curves, each written once.

A tracker is asked which points it holds already, so a run that was killed and goes on repeats none, and one that is
tracked from its third epoch on still gets the first two. Nothing but numbers is written: no patient, file or folder.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, assert_never

from mammoscope.errors import RecipeError, StorageError, nearest
from mammoscope.pipeline.folder import read_json
from mammoscope.storage import write_text

if TYPE_CHECKING:
    from mammoscope.training import Moment, Watch

Tracker = Literal["tensorboard", "mlflow"]

CURVES = {
    "train_loss": "loss/train",
    "tune_loss": "loss/tune",
    "tune_auc": "auc/tune",
    "train_accuracy": "accuracy/train",
    "tune_accuracy": "accuracy/tune",
    "tune_sensitivity": "sensitivity/tune",
    "tune_specificity": "specificity/tune",
    "lr": "lr",
    "images_per_s": "speed/images_per_s",
    "wait_share": "speed/wait_share",
    "device_share": "speed/device_share",
    "seconds": "speed/seconds",
    "peak_mib": "speed/peak_mib",
}
"""Columns of the history to names of curves."""

NEEDS: dict[Tracker, tuple[str, ...]] = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
EXPERIMENT = "mammoscope"
MARK = "tracking.json"
"""Which run of an MLflow server this run folder is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One number of one curve.

    Attributes:
        name: Of the curve.
        step: Epoch, from 1.
        value: The number.
    """

    name: str
    step: int
    value: float


Write = Callable[[Sequence[Point]], None]
"""Gives points to a tracker, which keeps those that it does not hold yet."""


def trackers_named(names: Sequence[str]) -> tuple[Tracker, ...]:
    """Trackers by their names, each once; what is not installed is refused before anything is spent on it.

    Raises:
        RecipeError: There is no tracker of that name, or its package is missing.

    Example:
        >>> trackers_named([])
        ()
    """
    for name in names:
        if name not in NEEDS:
            raise RecipeError(f"--track {name}: is not one of {', '.join(NEEDS)}{nearest(name, list(NEEDS))}")
        missing = [package for package in NEEDS[name] if find_spec(package) is None]
        if missing:
            raise RecipeError(
                f"--track {name} needs {' and '.join(missing)}. Install with: pip install 'mammoscope[track]'"
            )
    return tuple(known for known in NEEDS if known in names)


def points_of(row: dict[str, Any]) -> list[Point]:
    """The points of one epoch.

    Args:
        row: Of the history.

    Example:
        >>> points_of({"epoch": 2, "tune_auc": 0.75, "best": True, "alarms": []})
        [Point(name='auc/tune', step=2, value=0.75)]
    """
    return [
        Point(name=name, step=row["epoch"], value=float(row[key]))
        for key, name in CURVES.items()
        if row.get(key) is not None
    ]


def points_of_results(metrics: dict[str, Any], *, step: int) -> list[Point]:
    """What was measured on test in the end, each number with the ends of its interval.

    Args:
        metrics: What `measure` returns.
        step: Of the best epoch.
    """
    unit = metrics.get("headline") or metrics.get("row")
    test = metrics["units"][unit]["test"]
    return [
        Point(name=f"test/{name}{suffix}", step=step, value=float(found[key]))
        for name, found in test.items()
        if isinstance(found, dict)
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
        if isinstance(found.get(key), int | float)
    ]


@contextmanager
def tracked(
    trackers: Sequence[Tracker], *, run: Path, name: str, watch: "Watch | None" = None
) -> "Iterator[Watch | None]":
    """Send what the history says to trackers, while a `with` block trains.

    Args:
        trackers: Where to.
        run: The run folder; epochs that are in its history and not in a tracker yet are sent first.
        name: Of the run, where a tracker shows one.
        watch: Told after each step, too.

    Returns:
        A context manager; it gives what training shall tell of each step.

    Raises:
        RecipeError: A tracker's package is missing.
        StorageError: A tracker cannot be reached or written.
    """
    trackers_named(trackers)
    with ExitStack() as stack:
        writes = [stack.enter_context(_writer(tracker, run=run, name=name)) for tracker in trackers]
        before = [point for row in _history(run) for point in points_of(row)]
        for write in writes:
            write(before)

        def told(moment: "Moment") -> None:
            if watch is not None:
                watch(moment)
            if moment.row is not None:
                for write in writes:
                    write(points_of(moment.row))

        yield told if writes else watch


def track_results(trackers: Sequence[Tracker], *, run: Path, name: str) -> None:
    """Send what was measured on test to trackers, at the best epoch.

    Args:
        trackers: Where to.
        run: A measured run folder.
        name: Of the run.

    Raises:
        SourceError: The run is not measured.
    """
    if not trackers:
        return
    metrics = read_json(run, "metrics.json", made_by="mammoscope evaluate")
    best = max((row["epoch"] for row in _history(run) if row["best"]), default=0)
    for tracker in trackers:
        with _writer(tracker, run=run, name=name) as write:
            write(points_of_results(metrics, step=best))


def _history(run: Path) -> list[dict[str, Any]]:
    file = run / "history.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def _writer(tracker: Tracker, *, run: Path, name: str) -> AbstractContextManager[Write]:
    match tracker:
        case "tensorboard":
            return _tensorboard(run / "tensorboard")
        case "mlflow":
            return _mlflow(run, name=name)
        case _:
            assert_never(tracker)


# ------------------------------------------------------------------ TensorBoard


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Write]:
    """An event file of this process's own: one that a killed process left may end in half a record."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    held = _in_tensorboard(folder)
    with ExitStack() as stack:
        writers: list[RecordWriter] = []

        def write(points: Sequence[Point]) -> None:
            new = [point for point in points if (point.name, point.step) not in held]
            if new and not writers:
                file = folder / f"events.out.tfevents.{int(time.time())}.mammoscope.{time.time_ns() % 10**9:09d}"
                writers.append(RecordWriter(stack.enter_context(_opened(file))))
                writers[0].write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
            for point in new:
                value = Summary.Value(tag=point.name, simple_value=point.value)
                event = Event(wall_time=time.time(), step=point.step, summary=Summary(value=[value]))
                writers[0].write(event.SerializeToString())
                held.add((point.name, point.step))
            if new:
                writers[0].flush()

        yield write


def _opened(file: Path) -> Any:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.open("xb")
    except OSError as error:
        raise StorageError(f"{file.parent.name}: cannot be written ({error.strerror}). Choose another --out") from error


def _in_tensorboard(folder: Path) -> set[tuple[str, int]]:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    return {
        (value.tag, event.step)
        for file in sorted(folder.glob("events.out.tfevents.*"))
        for event in LegacyEventFileLoader(str(file)).Load()
        for value in event.summary.value
    }


# ----------------------------------------------------------------------- MLflow


@contextmanager
def _mlflow(run: Path, *, name: str) -> Iterator[Write]:
    """A run on the server that MLFLOW_TRACKING_URI names, or in `mlflow.db` beside the run folder."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would tell its makers of each use
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.exceptions import MlflowException

    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.absolute().parent / 'mlflow.db'}"
    status = "FAILED"
    try:
        client = MlflowClient(tracking_uri=uri)
        number = _mlflow_run(client, run=run, name=name, own=uri.startswith("sqlite:"))
        held: dict[str, set[int]] = {}

        def write(points: Sequence[Point]) -> None:
            for key in {point.name for point in points} - set(held):
                held[key] = {metric.step for metric in client.get_metric_history(number, key)}
            new = [point for point in points if point.step not in held[point.name]]
            now = int(time.time() * 1000)
            client.log_batch(number, [Metric(point.name, point.value, now, point.step) for point in new])
            for point in new:
                held[point.name].add(point.step)

        try:
            yield write
            status = "FINISHED"
        finally:
            client.set_terminated(number, status=status)
    except MlflowException as error:
        reason = str(error).splitlines()[0]
        raise StorageError(f"--track mlflow: {reason}. Check MLFLOW_TRACKING_URI and the server") from error


def _mlflow_run(client: Any, *, run: Path, name: str, own: bool) -> str:
    """The id of the tracker's run that belongs to this folder; a new one where there is none yet."""
    from mlflow.exceptions import MlflowException

    if (run / MARK).is_file():
        known: str = read_json(run, MARK, made_by="mammoscope train --track mlflow")["mlflow"]
        try:
            client.update_run(known, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        else:
            return known
    found = client.get_experiment_by_name(EXPERIMENT)
    # nothing but numbers is sent, so a store of our own needs no folder for files, whose path it would keep
    nowhere = {"artifact_location": f"mlflow-artifacts:/{EXPERIMENT}"} if own else {}
    experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT, **nowhere)
    made: str = client.create_run(experiment, run_name=name).info.run_id
    write_text(run / MARK, json.dumps({"mlflow": made}))
    return made
