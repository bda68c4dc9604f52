"""Runs of one recipe that share an index and a cache: all are made ready first, then each is trained once."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope.cohort import label_codes
from mammoscope.errors import SourceError
from mammoscope.pipeline.beginning import refuse_untrainable
from mammoscope.pipeline.cohort import Progress, divided, keep_division, make_ready
from mammoscope.pipeline.fitting import fit
from mammoscope.pipeline.folder import read_json, read_table
from mammoscope.pipeline.results import measure
from mammoscope.records import Index
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.evaluation.spread import Trial
    from mammoscope.training import Recipe, Watch

FINISHED = "finished.json"
"""What a trained and measured run was trained on; while it is the same the run is not trained again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What runs of one recipe share, and how they are worked on; nothing of it decides a result.

    Attributes:
        index: The data.
        cache: Folder of the prepared pictures.
        workers: Processes that read images; one per processor when None.
        device: Where to train: cpu, cuda, mps, auto.
        say: Told a line before each step.
        counted: Gives a progress bar for work on files.
        epochs: Gives a progress bar for training.
    """

    index: Index
    cache: Path
    workers: int | None = None
    device: str = "auto"
    say: Callable[[str], None] = lambda _: None
    counted: Callable[[str], AbstractContextManager[Progress]] = lambda _: nullcontext(lambda _done, _all: None)
    epochs: Callable[[], AbstractContextManager["Watch | None"]] = nullcontext


def all_readied(recipes: "Mapping[Path, Recipe]", *, work: Work, starts: Mapping[Path, Path | None]) -> dict[Path, str]:
    """Split and prepare several runs; none is prepared before all are known to be trainable.

    Args:
        recipes: Run folder to recipe.
        work: How.
        starts: Run folder to the run or bundle it begins with.

    Returns:
        Run folder to SHA-256 of who is in it, with which label and which picture.

    Raises:
        SourceError: A split cannot be made; or the test samples that can be read are of a single class.
        RecipeError: One cannot be trained, or its folder holds the run of another recipe.
    """
    made = {run: divided(recipe, work.index) for run, recipe in recipes.items()}
    for run, recipe in recipes.items():
        if not (run / FINISHED).is_file():
            refuse_untrainable(recipe, made[run], run=run, device=work.device, start=starts[run])
    for run, recipe in recipes.items():
        keep_division(made[run], recipe=recipe, index=work.index, run=run)
    return {run: _readied(recipe, run=run, work=work) for run, recipe in recipes.items()}


def _readied(recipe: "Recipe", *, run: Path, work: Work) -> str:
    with work.counted(f"preparing {run.name}") as progress:
        ready = make_ready(recipe, work.index, run=run, cache=work.cache, workers=work.workers, progress=progress)
    known = ready.filter(pl.col("file").is_not_null())
    for part in Part:
        codes = label_codes(known.filter(pl.col("part").cast(pl.String) == part.value), recipe.target)
        if len(set(codes.tolist())) < 2:
            raise SourceError(
                f"split {recipe.split.kind}: of {part} only samples with one {recipe.target} can be read; "
                "nothing can be learned or measured on them"
            )
    columns = ["source", "image_id", "patient_id", "part", "file", recipe.target]
    told = known.select(pl.col(columns).cast(pl.String)).sort("source", "image_id").write_csv()
    return hashlib.sha256(told.encode()).hexdigest()


def trained(recipe: "Recipe", *, run: Path, data: str, work: Work, start: Path | None = None) -> dict[str, Any]:
    """Train and measure one run that is ready, or take it as it is where that was done before.

    Args:
        recipe: Of the run.
        run: The run folder.
        data: What `all_readied` gave of it.
        work: How.
        start: Run or bundle to begin with, where the recipe has a `start`.

    Returns:
        What its `metrics.json` holds.
    """
    if _finished(run) == data:
        work.say(f"{run.name}: trained and measured before")
        found: dict[str, Any] = read_json(run, "metrics.json", made_by="mammoscope evaluate")
        return found
    work.say(f"{run.name}: train")
    with work.epochs() as watch:
        fit(recipe, run=run, cache=work.cache, device=work.device, start=start, watch=watch)
    facts = measure(run)
    write_text(run / FINISHED, json.dumps({"data": data}))
    return facts


def trial_of(run: Path, facts: dict[str, Any]) -> "Trial":
    """The answers of a measured run, with its threshold per the unit that is quoted first."""
    from mammoscope.evaluation.spread import Trial

    threshold = facts["units"][facts["headline"]].get("threshold") or {}
    rows = read_table(run, "predictions.parquet", made_by="mammoscope train")
    return Trial(name=run.name, rows=rows, threshold=threshold.get("value"))


def how_measured(facts: dict[str, Any]) -> dict[str, Any]:
    """Unit, aggregation, replicates and confidence of a measured run, for a summary of several."""
    from mammoscope.evaluation import Aggregation

    row = facts.get("row", "image")
    aggregation = Aggregation(**facts["aggregation"]) if "aggregation" in facts else Aggregation(row=row)
    same = {key: facts[key] for key in ("replicates", "confidence", "seed")}
    return {"unit": facts["headline"], "aggregation": aggregation, **same}


def _finished(run: Path) -> str | None:
    """What the run was trained on, if everything that is read of it is still there."""
    needed = (FINISHED, "metrics.json", "predictions.parquet")
    if not all((run / name).is_file() for name in needed):
        return None
    data: str = read_json(run, FINISHED, made_by="mammoscope train")["data"]
    return data
