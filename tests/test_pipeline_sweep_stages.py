"""What a sweep compares where a recipe has a stage on patches: epochs on samples, counted from the first of them."""

import json
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest

from mammoscope.pipeline.sweeping import _told, _watching
from mammoscope.training import Moment, Watch

PATCHES, SAMPLES = "patches", "samples"


def tell(watch: Watch, rows: Sequence[tuple[str, float]], *, first: int = 1) -> None:
    for epoch, (on, auc) in enumerate(rows, start=first):
        watch(Moment(epoch=epoch, epochs=9, step=1, steps=2, train_loss=0.0))
        row = {"epoch": epoch, "on": on, "tune_auc": auc}
        watch(Moment(epoch=epoch, epochs=9, step=2, steps=2, train_loss=0.0, tune_auc=auc, row=row))


def completed(aucs: Sequence[float]) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(value=max(aucs), intermediate_values=dict(enumerate(aucs, start=1)))


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.add_trials([completed([0.5, 0.7]), completed([0.5, 0.7])])
    return study


def test_epochs_on_patches_are_not_told_and_those_on_samples_are_counted_from_the_first(
    study: optuna.Study, tmp_path: Path
) -> None:
    trial = study.ask()

    tell(_watching(trial, tmp_path, None), [(PATCHES, 0.2), (PATCHES, 0.3), (SAMPLES, 0.6)])

    (kept,) = study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    assert kept.intermediate_values == {1: 0.6}
    assert kept.user_attrs["epochs"] == 3


def test_a_high_auc_of_patches_does_not_hide_a_low_one_of_pictures(study: optuna.Study, tmp_path: Path) -> None:
    trial = study.ask()

    with pytest.raises(optuna.TrialPruned):
        tell(_watching(trial, tmp_path, None), [(PATCHES, 0.9), (SAMPLES, 0.45), (SAMPLES, 0.6)])


def test_after_an_interruption_the_same_epochs_are_told(study: optuna.Study, tmp_path: Path) -> None:
    before = [(PATCHES, 0.9), (SAMPLES, 0.55)]
    rows = [{"epoch": epoch, "on": on, "tune_auc": auc} for epoch, (on, auc) in enumerate(before, start=1)]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.safetensors").touch()
    trial = study.ask()

    tell(_watching(trial, tmp_path, None), [(SAMPLES, 0.75)], first=3)

    (kept,) = study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    assert kept.intermediate_values == {1: 0.55, 2: 0.75}


def test_a_pruned_trial_is_listed_with_its_best_auc_of_pictures_or_none(study: optuna.Study) -> None:
    state = optuna.trial.TrialState.PRUNED
    fell = optuna.trial.create_trial(state=state, value=0.4, intermediate_values={1: 0.6, 2: 0.4})

    assert _told(fell).tune_auc == 0.6
    assert _told(optuna.trial.create_trial(state=state)).tune_auc is None
