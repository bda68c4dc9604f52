"""From a cohort to weights and predictions."""

import json
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope import __version__
from mammoscope.pipeline.folder import read_json, read_table, write_table
from mammoscope.pipeline.machine import commit, device_named, environment
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.training import Recipe, Trained, Watch


def fit(recipe: "Recipe", *, run: Path, cache: Path, device: str = "auto", watch: "Watch | None" = None) -> "Trained":
    """Train, then score the tune and test parts once with the best weights.

    Leaves `checkpoints/`, `history.jsonl`, `predictions.parquet`, `environment.json`, `bundle/`.

    Raises:
        RecipeError: The cohort cannot be trained on, or the folder holds another run's checkpoint.
    """
    from mammoscope.models import Bundle, keep_memory
    from mammoscope.training import train, training_data

    started = time.perf_counter()
    keeps = keep_memory()
    where = device_named(device)
    ready = pl.read_parquet(run / "cohort.parquet").filter(pl.col("file").is_not_null())
    trained = train(recipe, data=training_data(ready, cache=cache), folder=run, device=where, watch=watch)
    _write_predictions(recipe, trained, ready, run=run, cache=cache)
    Bundle(manifest=_manifest(recipe, run=run), network=trained.network).save_pretrained(run / "bundle")
    facts = environment(where) | {
        "allocator_keeps_memory": keeps,
        "seed": recipe.seed,
        "training_seconds": round(sum(row["seconds"] for row in trained.history), 2),
        "seconds_this_time": round(time.perf_counter() - started, 2),
        "resumed_after_epoch": trained.resumed_after,
    }
    write_text(run / "environment.json", json.dumps(facts, indent=2))
    return trained


def _write_predictions(recipe: "Recipe", trained: "Trained", ready: pl.DataFrame, *, run: Path, cache: Path) -> None:
    from mammoscope.batches import Samples
    from mammoscope.training import scores_of

    rows = ready.filter(pl.col("part") != Part.TRAIN.value)
    labels = rows["malignant"].to_numpy().astype(bool)
    samples = Samples(files=[cache / name for name in rows["file"]], labels=labels)
    scores = scores_of(trained.network, samples, recipe=recipe)
    table = rows.with_columns(
        pl.Series("score", scores, dtype=pl.Float64),
        pl.col("malignant").cast(pl.Int8).alias("label"),
        pl.concat_str("patient_id", pl.col("laterality").cast(pl.String), separator="_").alias("breast_id"),
    ).drop("file", "path", "malignant")
    write_table(table, run / "predictions.parquet")


def _manifest(recipe: "Recipe", *, run: Path) -> Any:
    from mammoscope.models import Manifest

    return Manifest(
        name=recipe.name,
        target=recipe.target,
        meaning="the breast in this picture has a malignant finding, as the data set's own labels define it",
        model=recipe.model,
        preprocess=recipe.preprocess,
        precision=recipe.training.precision,
        recipe=recipe.model_dump(mode="json"),
        data={
            "sources": _sources(run),
            "split": read_json(run, "split.json", made_by="mammoscope split")["fingerprint"],
        },
        code={"mammoscope": __version__, "commit": commit(), "torch": version("torch"), "timm": version("timm")},
    )


def _sources(run: Path) -> list[str]:
    """The data sets that a run was made of, as its cohort says."""
    return sorted(read_table(run, "cohort.parquet", made_by="mammoscope split")["source"].unique())
