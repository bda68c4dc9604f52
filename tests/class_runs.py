"""Run folders whose question has several classes, or which hold other tasks and members; tiny and random."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from mammoscope.pipeline import measure
from report_runs import cohort, write_overlays, write_run

ABCD = ("A", "B", "C", "D")
KINDS = ("mass", "calcification", "architectural distortion")


def scored(labels: Sequence[str], *, classes: Sequence[str], signal: float, seed: int) -> dict[str, np.ndarray]:
    """Scores that sum to 1, highest near the label's place among the classes."""
    rng = np.random.default_rng(seed)
    at = np.array([classes.index(label) for label in labels])
    logits = rng.normal(size=(len(at), len(classes))) - signal * np.abs(at[:, None] - np.arange(len(classes)))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return {f"score_{name}": shares[:, number] for number, name in enumerate(classes)}


def answered(table: pl.DataFrame, *, task: str, classes: Sequence[str], signal: float, seed: int) -> pl.DataFrame:
    """Predictions of the tune and test rows whose label is known."""
    rows = table.filter(pl.col("part") != "train").drop_nulls(task)
    scores = scored(rows[task].to_list(), classes=list(classes), signal=signal, seed=seed)
    made = rows.with_columns(
        pl.col(task).alias("label"),
        (pl.col("patient_id") + "_" + pl.col("laterality")).alias("breast_id"),
        **{name: pl.Series(values) for name, values in scores.items()},
    )
    called = np.array(list(classes))[np.column_stack(list(scores.values())).argmax(axis=1)]
    return made.with_columns(prediction=pl.Series(called)).drop("malignant", "mean_intensity", "density")


def write_class_run(
    folder: Path,
    *,
    name: str = "density-resnet50",
    task: str = "density",
    classes: Sequence[str] = ABCD,
    signal: float = 1.5,
    patients: int = 60,
    seed: int = 1,
    replicates: int = 100,
) -> Path:
    """A run folder of several classes, not yet measured."""
    write_run(folder, patients=patients, name=name)
    (folder / "metrics.json").unlink()
    table = cohort(patients)
    if task != "density":
        rng = np.random.default_rng(7)
        table = table.with_columns(pl.Series(task, rng.choice(list(classes), size=table.height)))
    table.write_parquet(folder / "cohort.parquet")
    answered(table, task=task, classes=classes, signal=signal, seed=seed).write_parquet(folder / "predictions.parquet")
    set_recipe(folder, target=task, measure={"threshold": "youden", "replicates": replicates, "confidence": 0.95})
    write_overlays(folder)
    return folder


def measured_density(folder: Path) -> Path:
    """A run of density, measured."""
    write_class_run(folder, signal=0.8, replicates=60)
    measure(folder)
    return folder


def set_recipe(folder: Path, **changes: object) -> None:
    file = folder / "recipe.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def write_members(folder: Path, *, signals: dict[str, float]) -> None:
    """Members of a run of yes or no: its own rows with other scores."""
    rows = pl.read_parquet(folder / "predictions.parquet")
    (folder / "members").mkdir(exist_ok=True)
    for seed, (name, signal) in enumerate(signals.items()):
        rng = np.random.default_rng(seed)
        logit = signal * rows["label"].to_numpy() + rng.normal(size=rows.height) - 0.8
        rows.with_columns(score=pl.Series(1 / (1 + np.exp(-logit)))).write_parquet(
            folder / "members" / f"{name}.parquet"
        )


MEASURE = {"threshold": "youden", "replicates": 60, "confidence": 0.95}


def with_everything(folder: Path) -> Path:
    """A run of yes or no with two members and two other tasks, not measured."""
    write_run(folder, patients=40)
    set_recipe(folder, measure=MEASURE)
    write_members(folder, signals={"cnn-head": 1.6, "forest": 0.0})
    (folder / "tasks").mkdir()
    cohort, rows = (pl.read_parquet(folder / f"{name}.parquet") for name in ("cohort", "predictions"))
    told = answered(cohort, task="density", classes=ABCD, signal=1.0, seed=3)
    told.write_parquet(folder / "tasks" / "density.parquet")
    dense = rows.with_columns(label=pl.col("density").is_in(["C", "D"]).cast(pl.Int8)).drop_nulls("label")
    dense.write_parquet(folder / "tasks" / "dense.parquet")
    return folder
