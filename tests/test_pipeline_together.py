"""A recipe that names members: each is run beside it, then all answer together."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import RecipeError
from mammoscope.pipeline import Done, divide, fit, make_ready
from mammoscope.training import Recipe, find_recipe
from mammoscope.training.together import find_ensemble, members_of

if TYPE_CHECKING:
    from mammoscope.pipeline import Work

MEMBER = """name = "{name}"
source = "cbis_ddsm"
[preprocess]
rows = 32
cols = 24
[model]
kind = "simple-cnn"
channels = [4]
pool = "{pool}"
[measure]
replicates = 100
[[stages]]
epochs = 1
"""
GROUP = 'name = "both"\nmembers = ["first.toml", "second.toml"]\n'


@pytest.fixture
def both(tmp_path: Path) -> Path:
    for name, pool in (("first", "max"), ("second", "mean")):
        (tmp_path / f"{name}.toml").write_text(MEMBER.format(name=name, pool=pool))
    (tmp_path / "both.toml").write_text(GROUP)
    return tmp_path / "both.toml"


def scores(run: Path) -> np.ndarray:
    return pl.read_parquet(run / "predictions.parquet").sort("image_id")["score"].to_numpy()


def test_one_command_runs_each_member_beside_the_ensemble_and_then_their_mean(
    both: Path, tmp_path: Path, work: "Work", monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def quick(recipe: Recipe, *, run: Path, say: Callable[[str], None], **chain: object) -> Done:
        """The chain without index, audit, maps and report, which have tests of their own."""
        assert set(chain) == {"data", "cache", "workers", "device", "counted", "epochs", "track"}
        say("quick")
        divide(recipe, work.index, run=run)
        make_ready(recipe, work.index, run=run, cache=work.cache, workers=0)
        fit(recipe, run=run, cache=work.cache, device="cpu")
        ran.append(recipe.name)
        return Done(report=run, findings=2 - len(ran), lines=[])

    monkeypatch.setattr("mammoscope.pipeline.together.run_recipe", quick)
    runs = tmp_path / "runs"

    done = CliRunner().invoke(app, ["run", str(both), "--data", str(tmp_path), "--out", str(runs / "both")])

    assert done.exit_code == 1, done.output  # the first member has a finding
    assert ran == ["first", "second"]
    assert done.stdout.splitlines()[-1] == str(runs / "both" / "report.html")
    np.testing.assert_allclose(scores(runs / "both"), (scores(runs / "first") + scores(runs / "second")) / 2)
    assert (runs / "both" / "bundle" / "ensemble.json").is_file()


def test_the_four_networks_are_an_ensemble_that_only_run_takes() -> None:
    group = find_ensemble("four-cnn-ensemble")

    assert group is not None
    assert [one.name for one in members_of(group, "four-cnn-ensemble")] == list(group.members)
    with pytest.raises(RecipeError, match=r"four-cnn-ensemble is an ensemble of recipes: only `mammoscope run`"):
        find_recipe("four-cnn-ensemble")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('name = "both"\nmembers = ["a"]\n', r"both\.toml:2: members is \['a'\]: "),
        ('name = "both"\nmembers = ["a", "a"]\n', r"both\.toml:2: .*each member may stand once"),
        (GROUP + 'by = "vote"\n', r"both\.toml:3: by is 'vote': .*'mean'"),
        (GROUP + "epochs = 3\n", r"both\.toml:3: unknown key 'epochs'"),
        (GROUP.replace("both", "first"), "called first, second. Give each"),
        (GROUP.replace("first.toml", "nowhere"), "no recipe 'nowhere'"),
    ],
)
def test_what_is_no_ensemble_is_refused_with_its_line(both: Path, text: str, says: str) -> None:
    both.write_text(text)

    with pytest.raises(RecipeError, match=says):
        members_of(find_ensemble(str(both)), str(both))  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["--start", "--permute-labels"])
def test_options_of_one_recipe_are_refused(both: Path, tmp_path: Path, option: str) -> None:
    words = ["run", str(both), "--data", str(tmp_path), "--out", str(tmp_path / "out"), option, "1"]

    done = CliRunner().invoke(app, words)

    assert done.exit_code == 2
    assert "both is an ensemble" in done.output
    assert not (tmp_path / "out").exists()
