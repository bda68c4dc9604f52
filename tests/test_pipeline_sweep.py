"""Sweeps: the test part is not read, interruptions cost little, nothing unlike is compared."""

import json
from dataclasses import replace
from pathlib import Path

import optuna
import polars as pl
import pytest
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import RecipeError, SourceError, StorageError
from mammoscope.pipeline import Work, sweep, sweeping
from mammoscope.records import Index, image_table
from mammoscope.training import Recipe, read_recipe
from mammoscope.training.space import Choices, Range
from report_runs import Checker

RECIPE = Recipe.model_validate(
    {
        "name": "tiny",
        "source": "cbis_ddsm",
        "preprocess": {"rows": 32, "cols": 32},
        "model": {"kind": "simple-cnn", "channels": [4, 8]},
        "training": {"batch_size": 16},
        "stages": [{"epochs": 2, "lr": 2e-3}],
    }
)
SPACE = {
    "stages.0.lr": Range(low=1e-4, high=1e-2, log=True),
    "model.channels": Choices(choices=([4, 8], [8, 8])),
}


@pytest.fixture(scope="module")
def swept(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "out"
    sweep(RECIPE, space=SPACE, out=out, work=work, trials=4)
    return out


def test_the_first_trial_is_the_recipe_as_it_is_and_the_best_is_the_highest(swept: Path) -> None:
    facts = json.loads((swept / "sweep.json").read_text())

    assert facts["trials"][0]["values"] == {"stages.0.lr": 2e-3, "model.channels": [4, 8]}
    complete = [trial["tune_auc"] for trial in facts["trials"] if trial["state"] == "complete"]
    assert facts["best"]["tune_auc"] == max(complete)
    assert len(facts["trials"]) == 4


def test_the_best_recipe_can_be_read_and_has_the_values_of_the_best_trial(swept: Path) -> None:
    best = json.loads((swept / "sweep.json").read_text())["best"]["values"]

    recipe = read_recipe(swept / "best.toml")

    assert recipe.stages[0].lr == best["stages.0.lr"]
    assert list(recipe.model.channels) == best["model.channels"]
    assert "# Expect:  not measured on a test part" in (swept / "best.toml").read_text()
    assert recipe.split == RECIPE.split


def test_the_value_of_a_trial_is_the_auc_of_its_tune_rows_and_no_weights_stay(swept: Path) -> None:
    from sklearn.metrics import roc_auc_score

    facts = json.loads((swept / "sweep.json").read_text())
    known = {trial["tune_auc"] for trial in facts["trials"] if trial["state"] == "complete"}

    found = set()
    for run in (swept / "trials").iterdir():
        rows = pl.read_parquet(run / "predictions.parquet")
        assert set(rows["part"].cast(pl.String)) == {"tune"}
        found.add(roc_auc_score(rows["label"], rows["score"]))
    assert sorted(found) == pytest.approx(sorted(known))
    assert not list(swept.rglob("*.safetensors"))


def test_the_same_is_found_when_the_pictures_of_the_test_part_are_not_there(
    swept: Path, work: Work, tmp_path: Path
) -> None:
    split = json.loads((swept / "base" / "split.json").read_text())
    women = split["assignments"]["cbis_ddsm"]["test"]
    rows = image_table(work.index).filter(pl.col("patient_id").is_in(women))
    table = work.index.table.with_columns(
        pl.when(pl.col("patient_id").is_in(women)).then("lost/" + pl.col("path")).otherwise("path").alias("path")
    )
    blind = Index(table=table, roots=work.index.roots)

    sweep(RECIPE, space=SPACE, out=tmp_path / "out", work=replace(work, index=blind, cache=tmp_path / "c"), trials=4)

    one, other = (json.loads((folder / "sweep.json").read_text()) for folder in (swept, tmp_path / "out"))
    assert rows.height > 0
    assert one["trials"] == other["trials"]


def test_a_sweep_that_was_killed_takes_its_trial_up_where_it_stopped(work: Work, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def dying(number: int):
        from contextlib import contextmanager

        seen = []

        @contextmanager
        def epochs():
            def watch(moment) -> None:
                seen.append(moment)
                if moment.epoch == number and moment.step == 1:
                    raise Killed

            yield watch

        return epochs

    with pytest.raises(Killed):
        sweep(RECIPE, space=SPACE, out=tmp_path, work=replace(work, epochs=dying(2)), trials=2)

    found = sweep(RECIPE, space=SPACE, out=tmp_path, work=work, trials=2)

    states = [trial.state for trial in found.trials]
    assert states.count("interrupted") == 1
    assert len(states) == 3
    again = next(trial for trial in found.trials[1:] if trial.values == found.trials[0].values)
    assert again.epochs == 2
    environment = [json.loads(file.read_text()) for file in tmp_path.rglob("environment.json")]
    assert 1 in {one["resumed_after_epoch"] for one in environment}


def test_more_trials_go_on_with_those_that_there_are(swept: Path, work: Work, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(swept, tmp_path / "out")

    found = sweep(RECIPE, space=SPACE, out=tmp_path / "out", work=work, trials=5)

    before = json.loads((swept / "sweep.json").read_text())["trials"]
    assert [trial.tune_auc for trial in found.trials[:4]] == [trial["tune_auc"] for trial in before]
    assert len(found.trials) == 5


def test_a_trial_behind_the_others_is_stopped_early(work: Work, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweep.sqlite3'}"
    recipe = RECIPE.model_copy(update={"stages": (RECIPE.stages[0].model_copy(update={"epochs": 4}),)})
    sweep(recipe, space=SPACE, out=tmp_path, work=work, trials=1)
    study = optuna.load_study(study_name="tiny", storage=url)
    distributions = study.trials[0].distributions
    for number in range(6):
        study.add_trial(
            optuna.trial.create_trial(
                params={"stages.0.lr": 1e-3 + number * 1e-4, "model.channels": "[4, 8]"},
                distributions=distributions,
                value=1.0,
                intermediate_values=dict.fromkeys(range(1, 5), 1.0),
                user_attrs={"values": {"stages.0.lr": 1e-3, "model.channels": [4, 8]}, "epochs": 4},
            )
        )

    found = sweep(recipe, space=SPACE, out=tmp_path, work=work, trials=8)

    assert found.trials[-1].state == "pruned"
    assert found.trials[-1].epochs < 4


def test_a_trial_whose_recipe_cannot_be_trained_fails_with_its_reason_and_the_sweep_goes_on(
    work: Work, tmp_path: Path
) -> None:
    space = {"stages.0.warmup_epochs": Choices(choices=(0.0, 1.0)), "stages.0.epochs": Range(low=1, high=2, whole=True)}
    recipe = RECIPE.model_copy(update={"stages": (RECIPE.stages[0].model_copy(update={"lr": 1e30}),)})

    with pytest.raises(RecipeError, match=r"sweep tiny: no trial of 2 is complete. The first reason: "):
        sweep(recipe, space=space, out=tmp_path, work=work, trials=2)


def test_a_choice_that_cannot_be_trained_is_refused_beside_its_line_before_a_picture_is_prepared(
    data: Path, tmp_path: Path
) -> None:
    text = (
        'name = "tiny"\nsource = "cbis_ddsm"\n[preprocess]\nrows = 32\ncols = 32\n'
        '[model]\nkind = "simple-cnn"\nchannels = [4, 8]\n'
    )
    (tmp_path / "tiny.toml").write_text(text)
    (tmp_path / "space.toml").write_text("# blocks\nmodel.channels = { choices = [[8], [8, 8, 8, 8, 8, 8]] }\n")
    words = ["sweep", tmp_path / "tiny.toml", "--space", tmp_path / "space.toml", "--data", data]

    done = CliRunner().invoke(app, [*map(str, words), "--out", str(tmp_path / "out"), "--device", "cpu"])

    assert isinstance(done.exception, RecipeError)
    assert str(done.exception).startswith(
        "space.toml:2 model.channels = [8, 8, 8, 8, 8, 8]: [preprocess] rows = 32, cols = 32: nothing is left"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), SourceError("none of 9 images could be read")])
def test_a_trial_that_fails_in_any_way_of_its_own_has_a_reason_and_is_not_taken_up_again(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    whole = sweeping.fit

    def failing(recipe: Recipe, **how: object) -> object:
        if recipe.model.channels == (8, 8):
            raise error
        return whole(recipe, **how)

    monkeypatch.setattr(sweeping, "fit", failing)
    both = {"model.channels": Choices(choices=([8, 8], [4, 8]))}
    recipe = RECIPE.model_copy(update={"stages": (RECIPE.stages[0].model_copy(update={"epochs": 1}),)})

    found = [sweep(recipe, space=both, out=tmp_path, work=work, trials=trials) for trials in (4, 6)]

    assert [len(one.trials) for one in found] == [4, 6]
    failed = [trial for trial in found[1].trials if trial.values["model.channels"] == [8, 8]]
    assert failed
    assert all(trial.state == "failed" and str(error) in (trial.reason or "") for trial in failed)


def test_a_trial_that_is_killed_at_the_same_epoch_again_and_again_does_not_hold_up_the_others(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr(sweeping, "fit", killed)
        for _ in range(3):
            with pytest.raises(Killed):
                sweep(RECIPE, space=SPACE, out=tmp_path, work=work, trials=1)

    found = sweep(RECIPE, space=SPACE, out=tmp_path, work=work, trials=1)

    assert [trial.state for trial in found.trials] == ["interrupted"] * 3 + ["complete"]
    assert found.trials[0].values == found.trials[1].values == found.trials[2].values != found.trials[3].values


def test_another_recipe_or_space_on_the_same_storage_is_refused(swept: Path, work: Work) -> None:
    with pytest.raises(RecipeError, match=r"holds a sweep with another space"):
        sweep(RECIPE, space={"stages.0.lr": Range(low=1e-4, high=1e-3)}, out=swept, work=work, trials=9)


def test_a_storage_that_cannot_be_opened_is_an_error_of_storage(work: Work, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"--storage: cannot be opened"):
        sweep(RECIPE, space=SPACE, out=tmp_path, work=work, storage="nonsense://x", trials=1)


def test_the_verb_ends_with_the_page(swept: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.json").write_text(RECIPE.model_dump_json())
    (tmp_path / "space.toml").write_text("stages.0.lr = { low = 1e-4, high = 1e-2, log = true }")
    words = ["sweep", tmp_path / "tiny.json", "--space", tmp_path / "space.toml", "--data", data, "--trials", 1]

    done = CliRunner().invoke(app, [*map(str, words), "--out", str(tmp_path / "out"), "--device", "cpu"])

    assert done.exit_code == 0, done.output
    page = Path(done.stdout.splitlines()[-1]).read_text()
    assert "was chosen there" in page
    assert Checker(page).wrong == []
    assert "[[stages]]" in page


def test_a_running_trial_of_another_process_is_left_alone_and_not_counted(work: Work, tmp_path: Path) -> None:
    sweep(RECIPE, space=SPACE, out=tmp_path, work=work, trials=1)
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{tmp_path / 'sweep.sqlite3'}")
    study.ask()

    found = sweep(RECIPE, space=SPACE, out=tmp_path, work=work, trials=2, join=True)

    assert [trial.state for trial in found.trials] == ["complete", "running", "complete"]
