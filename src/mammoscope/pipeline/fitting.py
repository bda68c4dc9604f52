"""From a cohort to weights and predictions."""

import json
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope import __version__
from mammoscope.errors import RecipeError
from mammoscope.pipeline.answering import CONTROL, meaning, write_answers
from mammoscope.pipeline.folder import read_json, read_table
from mammoscope.pipeline.gating import fitted_gate, refuse_few
from mammoscope.pipeline.lesions import read_lesions
from mammoscope.pipeline.machine import commit, device_named, environment
from mammoscope.pipeline.starting import starting
from mammoscope.pipeline.tracking import Tracker, tracked
from mammoscope.storage import write_text

if TYPE_CHECKING:
    from mammoscope.models import ClinicalEncoding
    from mammoscope.training import Recipe, Start, Team, Trained, Watch


def fit(
    recipe: "Recipe",
    *,
    run: Path,
    cache: Path,
    device: str = "auto",
    start: Path | None = None,
    watch: "Watch | None" = None,
    track: Sequence[Tracker] = (),
    team: "Team | None" = None,
) -> "Trained":
    """Train, then score the tune and test parts once with the best weights.

    Leaves `checkpoints/`, `history.jsonl`, `events.jsonl`, `predictions.parquet`, `environment.json`, `bundle/`; where
    there are further tasks `tasks/`, and where there are other answers to the same question `members/`.

    Args:
        recipe: What decides the result.
        run: The run folder, with a cohort whose pictures are prepared.
        cache: Folder of the prepared pictures.
        device: Where to train: cpu, cuda, mps, auto.
        start: Run folder or bundle to begin with; that of the recipe's `start` beside this run when not given.
        watch: Told after each step.
        track: Where the curves go, besides `history.jsonl`.
        team: Processes that train together, as `mammoscope.training.joined` gives it; each calls this function, and
            the first one writes.

    Raises:
        RecipeError: The cohort cannot be trained on, the start cannot be used, the folder holds another run's
            checkpoint, a tracker is not installed, or several processes were started and no team is given.
        ClusterError: Another process of the team ended.
    """
    from mammoscope.models import Bundle, keep_memory
    from mammoscope.report import write_augmentations
    from mammoscope.training import ALONE, launched, own_device, train, training_data

    team = team or ALONE
    if team.count < launched().count:
        raise RecipeError(
            f"{launched().count} processes were started, and each would do the whole of this. Only `train` and `run` "
            "share their work between processes: start this command without torchrun"
        )
    started = time.perf_counter()
    keeps = keep_memory()
    where = device_named(own_device(device, team=team))
    ready = pl.read_parquet(run / "cohort.parquet").filter(pl.col("file").is_not_null())
    begun = starting(recipe, run=run, start=start, split=_split(run), sources=_sources(run))
    data = training_data(ready, recipe=recipe, cache=cache, lesions=read_lesions(recipe, run=run))
    if team.first:
        write_augmentations(recipe.augment, samples=data.train, seed=recipe.seed, run=run)
    refuse_few(recipe, data=data)
    with tracked(track if team.first else (), run=run, name=recipe.name, watch=watch) as told:
        trained = train(recipe, data=data, folder=run, device=where, start=begun, watch=told, team=team)
    if not team.first:
        return trained
    write_answers(recipe, trained.network, ready, run=run, cache=cache, clinical=data.clinical)
    manifest = _manifest(recipe, run=run, clinical=data.clinical)
    gate = fitted_gate(recipe, network=trained.network, data=data)
    Bundle(manifest=manifest, network=trained.network, gate=gate).save_pretrained(run / "bundle")
    facts = environment(where) | {
        "allocator_keeps_memory": keeps,
        "processes_of_training": team.count,
        "seed": recipe.seed,
        "start": None if begun is None else _start(begun, trained),
        "parameters": sum(parameter.numel() for parameter in trained.network.parameters()),
        "training_seconds": round(sum(row["seconds"] for row in trained.history), 2),
        "seconds_this_time": round(time.perf_counter() - started, 2),
        "resumed_after_epoch": trained.resumed_after,
    }
    write_text(run / "environment.json", json.dumps(facts, indent=2))
    return trained


def _start(begun: "Start", trained: "Trained") -> dict[str, Any]:
    """Which weights a run began with, and what of its network they do not hold."""
    return {
        "recipe": begun.name,
        "weights_sha256": begun.fingerprint,
        "finished": begun.finished,
        "begun_anew": trained.begun_anew,
    }


def _manifest(recipe: "Recipe", *, run: Path, clinical: "ClinicalEncoding | None") -> Any:
    from mammoscope.models import Manifest

    return Manifest(
        name=recipe.name,
        tasks=recipe.tasks,
        unit=recipe.input.unit,
        meaning=CONTROL if recipe.permute_labels is not None else meaning(recipe.tasks[0].name, recipe.input.unit),
        model=recipe.model,
        clinical=clinical,
        estimator=recipe.estimator,
        preprocess=recipe.preprocess,
        precision=recipe.training.precision,
        turns=recipe.measure.turns,
        recipe=recipe.model_dump(mode="json"),
        data={
            "sources": _sources(run),
            "split": _split(run),
        },
        code={"mammoscope": __version__, "commit": commit(), "torch": version("torch"), "timm": version("timm")},
    )


def _split(run: Path) -> str:
    """Fingerprint of a run's split."""
    found: str = read_json(run, "split.json", made_by="mammoscope split")["fingerprint"]
    return found


def _sources(run: Path) -> list[str]:
    """The data sets that a run was made of, as its cohort says."""
    return sorted(read_table(run, "cohort.parquet", made_by="mammoscope split")["source"].unique())
