"""The storage of a sweep: which trials there are, which ended, which were interrupted, what the next one is."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mammoscope.errors import RecipeError, StorageError
from mammoscope.pipeline.folder import read_json

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from mammoscope.training import Recipe
    from mammoscope.training.space import Space

STARTUP = 5  # trials that run to their end before any is stopped early
WARMUP = 1  # epochs that every trial gets
TAKES = 2  # how often an interrupted trial that gets no further is taken up
REASON, AGAIN, EPOCHS = "reason", "again", "epochs"
"""Attributes of a trial: why its recipe failed; the number of the interrupted one that it takes up; how far it got."""


def opened_study(recipe: "Recipe", *, space: "Space", base: Path, storage: str, seed: int) -> "Study":
    """The study of a sweep, new or gone on with.

    Args:
        recipe: What is varied; the study has its name.
        space: What may change.
        base: Folder with the split.
        storage: URL.
        seed: Of the proposals.

    Raises:
        RecipeError: The storage holds another sweep of that name, or Optuna is not installed.
        StorageError: The storage cannot be opened.
    """
    try:
        import optuna
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise RecipeError("sweep needs Optuna: pip install 'mammoscope[sweep]'") from error
    optuna.logging.set_verbosity(logging.WARNING)
    split = read_json(base, "split.json", made_by="mammoscope sweep")["fingerprint"]
    asked = {
        "recipe": recipe.fingerprint,
        "space": {key: one.model_dump(mode="json") for key, one in space.items()},
        "split": split,
    }
    try:
        study = optuna.create_study(
            study_name=recipe.name,
            storage=storage,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=WARMUP),
            load_if_exists=True,
        )
        done = len(study.get_trials(deepcopy=False))
    except (SQLAlchemyError, StorageInternalError, ImportError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise StorageError(
            f"--storage: cannot be opened ({reason}). Give an URL such as sqlite:///sweep.sqlite3"
        ) from error
    # a sampler that begins again with the same seed would propose the same trials again
    study.sampler = optuna.samplers.TPESampler(seed=int(np.random.SeedSequence((seed, done)).generate_state(1)[0]))
    _refuse_other(study, asked)
    if not done:
        _enqueue_recipe(study, recipe, space)
    return study


def _refuse_other(study: "Study", asked: dict[str, Any]) -> None:
    known = study.user_attrs
    changed = [name for name, value in asked.items() if name in known and known[name] != json.loads(json.dumps(value))]
    if changed:
        raise RecipeError(
            f"sweep {study.study_name}: the storage holds a sweep with another {' and '.join(changed)}: its trials "
            "cannot be compared. Choose another --out or --storage"
        )
    for name, value in asked.items():
        if name not in known:
            study.set_user_attr(name, value)


def _enqueue_recipe(study: "Study", recipe: "Recipe", space: "Space") -> None:
    from mammoscope.training.dotted import value_at

    now = {key: value_at(recipe, key) for key in space}
    if all(space[key].holds(value) for key, value in now.items()):
        study.enqueue_trial({key: _stored(space, key, value) for key, value in now.items()})


def take_up(study: "Study", *, join: bool) -> None:
    """Begin trials that were interrupted again, with the same values; not one that ends at the same epoch each time.

    Args:
        study: Of the sweep.
        join: Leave trials that are marked as running alone: another process may be at work on them.
    """
    from optuna.trial import TrialState

    if not join:
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
    trials = study.get_trials(deepcopy=False)
    taken = {trial.user_attrs.get(AGAIN) for trial in trials}
    for trial in trials:
        if interrupted(trial) and trial.number not in taken and trial.params and not _stuck(trial, trials):
            study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})


def _stuck(trial: "FrozenTrial", trials: "list[FrozenTrial]") -> bool:
    """Whether a trial was taken up as often as may be, and never got further."""
    chain = [trial]
    while (before := chain[-1].user_attrs.get(AGAIN)) is not None:
        chain.append(trials[before])
    reached = [one.user_attrs.get(EPOCHS, 0) for one in chain[: TAKES + 1]]
    return len(reached) > TAKES and len(set(reached)) == 1


def interrupted(trial: "FrozenTrial") -> bool:
    """Whether it failed through no fault of its recipe."""
    return trial.state.name == "FAIL" and REASON not in trial.user_attrs


def ended(study: "Study") -> "list[FrozenTrial]":
    """Trials that ended by themselves."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished() and not interrupted(trial)]


def _stored(space: "Space", key: str, value: Any) -> Any:
    """A value as Optuna keeps it: numbers of a range as they are, choices as JSON."""
    return json.dumps(value) if space[key].kind == "choices" else value


def proposed(trial: "Trial", space: "Space") -> dict[str, Any]:
    """The values that a trial shall try."""
    values: dict[str, Any] = {}
    for key, one in space.items():
        if one.kind == "choices":
            values[key] = json.loads(trial.suggest_categorical(key, [json.dumps(choice) for choice in one.choices]))
        elif one.whole:
            values[key] = trial.suggest_int(key, int(one.low), int(one.high), step=int(one.step or 1), log=one.log)
        else:
            values[key] = trial.suggest_float(key, one.low, one.high, step=one.step, log=one.log)
    return values
