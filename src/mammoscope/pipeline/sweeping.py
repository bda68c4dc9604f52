"""Searching a recipe's values by its tune AUC: Optuna proposes, unpromising trials stop early.

The test part takes no part: its rows leave the cohort after the split, before a picture is prepared.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile, rmtree
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mammoscope.errors import MammoscopeError, RecipeError
from mammoscope.pipeline.beginning import refuse_untrainable
from mammoscope.pipeline.cohort import Division, divided, keep_division, make_ready
from mammoscope.pipeline.fitting import fit
from mammoscope.pipeline.folder import claim, read_json, read_table, write_table
from mammoscope.pipeline.siblings import Work
from mammoscope.pipeline.study import EPOCHS, REASON, ended, interrupted, opened_study, proposed, take_up
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from mammoscope.training import Moment, Recipe, Watch
    from mammoscope.training.space import Space

RESULT = "trial.json"
INTERRUPTED = "interrupted"
ENOUGH = 4  # finished trials before importances are told
LONGEST = 300  # characters of a reason that is not ours
FAULTS = (ValueError, RuntimeError, MemoryError)
"""What ends a trial with a reason, as it would each time: errors of ours and of torch, but none of storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptTrial:
    """One trial.

    Attributes:
        number: In the order they began.
        state: `complete`, `pruned` (stopped early), `failed`, `interrupted`, or `running` elsewhere.
        tune_auc: Of its best epoch on samples; None where it reached none.
        values: Dotted place to value.
        epochs: That it reached.
        reason: Why it failed.
    """

    number: int
    state: str
    tune_auc: float | None
    values: dict[str, Any]
    epochs: int
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep found.

    Attributes:
        recipe: Name of the recipe that was varied.
        trials: All of them.
        best: The complete trial with the highest tune AUC.
        importances: Place to its share of the variance of the tune AUC; empty where too little is known.
        tune: Rows, positives or classes, and patients that trials are compared on.
    """

    recipe: str
    trials: tuple[SweptTrial, ...]
    best: SweptTrial
    importances: dict[str, float]
    tune: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def sweep(
    recipe: "Recipe",
    *,
    space: "Space",
    out: Path,
    work: Work,
    trials: int = 20,
    storage: str | None = None,
    seed: int = 0,
    join: bool = False,
    start: Path | None = None,
) -> Swept:
    """Search a space of recipes for the highest tune AUC; goes on where it was stopped.

    The first trial is the recipe as it is, where the space holds its values. Leaves `sweep.json`, `best.toml`, and in
    `trials/` the recipe and history of each; weights are not kept.

    Args:
        recipe: What is varied.
        space: What `read_space` gave.
        out: Folder to make, or to go on with.
        work: Data, cache and devices.
        trials: Trials in all that end by themselves, those of earlier calls counted.
        storage: URL of an Optuna storage; `sweep.sqlite3` in the folder when None.
        seed: Of the proposals.
        join: Another process works on the same storage: leave its running trials alone. Otherwise a trial that is
            marked as running was interrupted, and is taken up again.
        start: Run or bundle to begin with, where the recipe has a `start`.

    Returns:
        All trials, and the best.

    Raises:
        RecipeError: The recipe, or it with one end or choice of the space, cannot be trained; the storage holds another
            sweep; every trial failed; or Optuna is not installed.
        StorageError: The storage cannot be opened.

    Source:
        Akiba et al., Optuna, KDD (2019); tree-structured Parzen estimator, Bergstra et al., NeurIPS (2011); median
        stopping, Golovin et al., Google Vizier, KDD (2017), section 3.2.1.
    """
    begin = start if recipe.start is None or start else out.absolute().parent / recipe.start
    made = _checked(recipe, space=space, out=out, work=work, start=begin)
    base = _base(recipe, made, out=out, work=work)
    study = opened_study(recipe, space=space, base=base, storage=storage or _beside(out), seed=seed)
    take_up(study, join=join)
    while (left := trials - len(ended(study))) > 0:
        study.optimize(
            lambda trial: _tried(trial, recipe, space=space, made=made, out=out, work=work, start=begin),
            n_trials=left,
            catch=FAULTS,
            callbacks=[lambda _, trial: work.say(_line(_told(trial), trials))],
        )
    return _written(study, recipe, out=out, base=base)


def _beside(out: Path) -> str:
    out.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{out / 'sweep.sqlite3'}"


def _checked(recipe: "Recipe", *, space: "Space", out: Path, work: Work, start: Path | None) -> Division:
    """Divide, and refuse a recipe that cannot be trained, as it is or with one value of the space."""
    from mammoscope.training.dotted import with_values

    made = divided(recipe, work.index)
    refuse_untrainable(recipe, made, run=out, device=work.device, start=start)
    for key, one in space.items():
        for value in one.ends:
            try:
                refuse_untrainable(with_values(recipe, {key: value}), made, run=out, device=work.device, start=start)
            except RecipeError as error:
                raise RecipeError(f"{key} = {json.dumps(value)}: {error}") from error
    return made


def _base(recipe: "Recipe", made: Division, *, out: Path, work: Work) -> Path:
    """The split that all trials share, its cohort without the test part."""
    base = out / "base"
    keep_division(made, recipe=recipe, index=work.index, run=base)
    write_table(made.cohort.filter(pl.col("part").cast(pl.String) != Part.TEST.value), base / "cohort.parquet")
    return base


def _tried(
    trial: "Trial", recipe: "Recipe", *, space: "Space", made: Division, out: Path, work: Work, start: Path | None
) -> float:
    """Train one proposal; its tune AUC. Equal proposals have one folder, so none is trained twice."""
    from mammoscope.training.dotted import with_values

    try:
        values = proposed(trial, space)
        trial.set_user_attr("values", values)
        own = with_values(recipe, values)
        run = out / "trials" / own.fingerprint[:12]
        if (run / RESULT).is_file():
            known: dict[str, Any] = read_json(run, RESULT, made_by="mammoscope sweep")
            trial.set_user_attr(EPOCHS, known["epochs"])
            return float(known["tune_auc"])
        return _trained(trial, own, run=run, base=out / "base", made=made, work=work, start=start)
    except FAULTS as error:
        ours = isinstance(error, MammoscopeError)
        trial.set_user_attr(REASON, str(error) if ours else f"{type(error).__name__}: {error}"[:LONGEST])
        raise


def _trained(
    trial: "Trial", own: "Recipe", *, run: Path, base: Path, made: Division, work: Work, start: Path | None
) -> float:
    from optuna import TrialPruned

    refuse_untrainable(own, made, run=run, device=work.device, start=start)
    claim(run, own)
    for name in ("cohort.parquet", "split.json"):
        copyfile(base / name, run / name)
    with work.counted(f"preparing trial {trial.number}") as progress:
        make_ready(own, work.index, run=run, cache=work.cache, workers=work.workers, progress=progress)
    try:
        with work.epochs() as shown:
            watch = _watching(trial, run, shown)
            fit(own, run=run, cache=work.cache, device=work.device, start=start, watch=watch)
    except TrialPruned:
        _without_weights(run)
        raise
    auc = tune_auc(read_table(run, "predictions.parquet", made_by="mammoscope sweep"))
    epochs = len(_history(run))
    trial.set_user_attr(EPOCHS, epochs)
    write_text(run / RESULT, json.dumps({"tune_auc": auc, "epochs": epochs}))
    _without_weights(run)
    return auc


def _watching(trial: "Trial", run: Path, shown: "Watch | None") -> "Watch":
    """Tell the study the tune AUC of each epoch on samples, those before an interruption first; stop where it says so.

    The study counts these epochs from 1: epochs on patches answer another question, and trials may differ in them.
    """
    from optuna import TrialPruned

    begun = (run / "checkpoints" / "last.safetensors").is_file()
    told: set[int] = set()

    def tell(row: dict[str, Any]) -> bool:
        if row["on"] != "samples" or row["epoch"] in told:
            return False
        told.add(row["epoch"])
        trial.report(row["tune_auc"], len(told))
        return True

    for row in _history(run) if begun else ():
        tell(row)

    def watch(moment: "Moment") -> None:
        if shown is not None:
            shown(moment)
        if moment.row is None:
            return
        trial.set_user_attr(EPOCHS, moment.epoch)
        if tell(moment.row) and trial.should_prune():
            raise TrialPruned

    return watch


def tune_auc(predictions: pl.DataFrame) -> float:
    """ROC AUC of the tune rows; of several classes the mean of each against the rest, of those that occur.

    Example:
        >>> tune_auc(pl.DataFrame({"part": ["tune"] * 3, "label": [0, 1, 1], "score": [0.2, 0.1, 0.9]}))
        0.5
    """
    from sklearn.metrics import roc_auc_score

    rows = predictions.filter(pl.col("part").cast(pl.String) == Part.TUNE.value)
    if "score" in rows.columns:
        return float(roc_auc_score(rows["label"].to_numpy(), rows["score"].to_numpy()))
    truth = rows["label"].cast(pl.String)
    each = [
        roc_auc_score((truth == name).to_numpy(), rows[f"score_{name}"].to_numpy())
        for name in truth.unique().sort().to_list()
    ]
    return float(np.mean(each))


def _history(run: Path) -> list[dict[str, Any]]:
    file = run / "history.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def _without_weights(run: Path) -> None:
    """A trial is a number; the best recipe is trained again, whole."""
    for name in ("checkpoints", "bundle"):
        rmtree(run / name, ignore_errors=True)


def _told(trial: "FrozenTrial") -> SweptTrial:
    about = trial.user_attrs
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    state = INTERRUPTED if interrupted(trial) else states.get(trial.state.name, "running")
    return SweptTrial(
        number=trial.number,
        state=state,
        tune_auc=max(trial.intermediate_values.values(), default=None) if state == "pruned" else trial.value,
        values=about.get("values", {}),
        epochs=about.get(EPOCHS, 0),
        reason=about.get(REASON),
    )


def _line(trial: SweptTrial, trials: int) -> str:
    said = "" if trial.tune_auc is None else f" tune AUC {trial.tune_auc:.4f}"
    return f"trial {trial.number} ({trials} asked for): {trial.state}{said} {_words(trial.values)}{_why(trial)}"


def _why(trial: SweptTrial) -> str:
    return f": {trial.reason}" if trial.reason else ""


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in values.items()
    )


def _written(study: "Study", recipe: "Recipe", *, out: Path, base: Path) -> Swept:
    from mammoscope.training.dotted import recipe_toml, with_values

    told = [_told(trial) for trial in study.get_trials(deepcopy=False)]
    complete = [trial for trial in told if trial.state == "complete" and trial.tune_auc is not None]
    if not complete:
        reason = next((trial.reason for trial in told if trial.reason), "none came to its end")
        raise RecipeError(f"sweep {recipe.name}: no trial of {len(told)} is complete. The first reason: {reason}")
    best = max(complete, key=lambda trial: (trial.tune_auc or 0.0, -trial.number))
    cohort = read_table(base, "cohort.parquet", made_by="mammoscope sweep")
    tune = cohort.filter(pl.col("part").cast(pl.String) == Part.TUNE.value)
    found = Swept(
        recipe=recipe.name,
        trials=tuple(told),
        best=best,
        importances=_importances(study, len(complete)),
        tune={"rows": tune.height, "patients": tune.select("source", "patient_id").n_unique()},
    )
    winner = with_values(recipe, best.values).model_copy(update={"name": f"{recipe.name}-swept"})
    write_text(out / "best.toml", recipe_toml(winner, header=_header(recipe, found)))
    write_text(out / "sweep.json", json.dumps(found.to_json(), indent=1))
    return found


def _header(recipe: "Recipe", found: Swept) -> list[str]:
    tune, best = found.tune, found.best
    tried = sum(trial.state in {"complete", "pruned"} for trial in found.trials)
    on = f"{tune['rows']} rows of {tune['patients']} women"
    return [
        f"{recipe.name} with the values of trial {best.number}, the best of {tried}: {_words(best.values)}.",
        "Run:     mammoscope run best.toml --data <folder> --out <folder>",
        "Cost:    unknown: train it once",
        f"Expect:  not measured on a test part. Tune AUC {best.tune_auc:.4f} on {on}: optimistic, chosen there",
    ]


def _importances(study: "Study", complete: int) -> dict[str, float]:
    """Functional ANOVA over the complete trials; nothing where they do not differ."""
    if complete < ENOUGH:
        return {}
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    found: dict[str, float] = {}
    with suppress(ValueError, RuntimeError):
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {key: float(value) for key, value in found.items() if np.isfinite(value)}
