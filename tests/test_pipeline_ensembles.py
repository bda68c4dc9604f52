"""Several runs put together to one more: same rows or nothing, fitted on tune, measured like any run."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import leaderboard, read_contender
from mammoscope.pipeline import ensemble, measure
from report_runs import cohort

MEASURE = {"threshold": "youden", "at_least": 0.9, "at_most": 0.1, "replicates": 100, "confidence": 0.95}


NAMES = ("plain", "wide-net", "deeper")


def write_run(folder: Path, *, signal: float) -> None:
    """What training leaves of a run that `ensemble` reads; the rows and labels are the same for every signal."""
    folder.mkdir()
    table = cohort(60)
    table.write_parquet(folder / "cohort.parquet")
    rows = table.filter(pl.col("part") != "train")
    noise = np.random.default_rng(int(10 * signal)).normal(size=rows.height)
    rows.with_columns(
        pl.Series("score", expit(signal * rows["malignant"].to_numpy() + noise)),
        pl.col("malignant").cast(pl.Int8).alias("label"),
        (pl.col("patient_id") + "_" + pl.col("laterality")).alias("breast_id"),
    ).drop("malignant").write_parquet(folder / "predictions.parquet")
    recipe = {"name": folder.name, "source": "cbis_ddsm", "target": "malignant", "measure": MEASURE}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    (folder / "split.json").write_text(json.dumps({"fingerprint": "ab12" * 16}))


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three runs of three recipes on one split, that answer differently."""
    for name, signal in zip(NAMES, (1.0, 1.4, 0.6), strict=True):
        write_run(tmp_path / name, signal=signal)
    return [tmp_path / name for name in NAMES]


def scores(run: Path) -> pl.DataFrame:
    return pl.read_parquet(run / "predictions.parquet").sort("image_id").select("image_id", "part", "label", "score")


def test_the_mean_is_the_mean_of_the_members_row_by_row(runs: list[Path], tmp_path: Path) -> None:
    ensemble(runs, out=tmp_path / "all", by="mean")

    expected = np.mean([scores(run)["score"].to_numpy() for run in runs], axis=0)
    np.testing.assert_allclose(scores(tmp_path / "all")["score"].to_numpy(), expected)
    assert sorted(file.stem for file in (tmp_path / "all" / "members").iterdir()) == ["deeper", "plain", "wide-net"]


@pytest.mark.parametrize("by", ["rank", "weighted", "stacking"])
def test_a_fitted_rule_does_not_change_with_the_test_labels_or_scores(
    runs: list[Path], tmp_path: Path, by: str
) -> None:
    first = ensemble(runs, out=tmp_path / "one", by=by)
    for run in runs:
        is_test = pl.col("part") == "test"
        table = pl.read_parquet(run / "predictions.parquet")
        changed = table.with_columns(
            pl.when(is_test).then(1 - pl.col("label")).otherwise("label").cast(pl.Int8).alias("label"),
            pl.when(is_test).then(1 - pl.col("score")).otherwise("score").alias("score"),
        )
        changed.write_parquet(run / "predictions.parquet")

    assert ensemble(runs, out=tmp_path / "two", by=by) == first


def test_an_ensemble_is_measured_and_ranked_like_any_run(runs: list[Path], tmp_path: Path) -> None:
    ensemble(runs, out=tmp_path / "all", by="weighted")

    facts = measure(tmp_path / "all")
    board = leaderboard([read_contender(path) for path in (*runs, tmp_path / "all")], replicates=50)

    assert facts["units"]["image"]["test"]["auc"]["n"] == scores(runs[0]).filter(pl.col("part") == "test").height
    assert {line.name for line in board.standings} == {"plain", "wide-net", "deeper", "all"}


def test_several_classes_are_put_together_class_by_class(runs: list[Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tables = []
    for run in runs:
        table = pl.read_parquet(run / "predictions.parquet")
        answer = rng.dirichlet(np.ones(3), size=table.height)
        label = pl.Series("label", [str("ABC"[n % 3]) for n in range(table.height)])
        columns = [pl.Series(f"score_{name}", answer[:, at]) for at, name in enumerate("ABC")]
        tables.append(table.drop("score", "label").with_columns(label, *columns))
        tables[-1].write_parquet(run / "predictions.parquet")

    ensemble(runs, out=tmp_path / "all", by="stacking")

    made = pl.read_parquet(tmp_path / "all" / "predictions.parquet")
    np.testing.assert_allclose(made.select("score_A", "score_B", "score_C").sum_horizontal().to_numpy(), 1.0)
    highest = made.select("score_A", "score_B", "score_C").to_numpy().argmax(axis=1)
    assert made["prediction"].to_list() == ["ABC"[at] for at in highest]


def test_runs_with_other_test_rows_are_refused_with_the_difference(runs: list[Path], tmp_path: Path) -> None:
    table = pl.read_parquet(runs[1] / "predictions.parquet").sort("part", "image_id")
    dropped = table.filter(pl.col("part") == "test")["image_id"][0]
    table.filter(pl.col("image_id") != dropped).write_parquet(runs[1] / "predictions.parquet")

    with pytest.raises(SourceError, match=f"plain and wide-net have other test rows: 1 only in the first.*{dropped}"):
        ensemble(runs, out=tmp_path / "all")


def test_runs_with_other_labels_or_another_question_are_refused(runs: list[Path], tmp_path: Path) -> None:
    recipe = json.loads((runs[2] / "recipe.json").read_text())
    (runs[2] / "recipe.json").write_text(json.dumps(recipe | {"input": {"unit": "breast"}}))
    with pytest.raises(SourceError, match=r"answer other questions \(unit 'image' and 'breast'\)"):
        ensemble(runs, out=tmp_path / "all")
    (runs[2] / "recipe.json").write_text(json.dumps(recipe))

    table = pl.read_parquet(runs[2] / "predictions.parquet")
    other = table.with_columns((1 - pl.col("label")).cast(pl.Int8).alias("label"))
    other.write_parquet(runs[2] / "predictions.parquet")
    with pytest.raises(SourceError, match=r"plain and deeper have other labels for \d+ tune rows"):
        ensemble(runs, out=tmp_path / "all")


def test_a_run_is_never_overwritten_by_an_ensemble(runs: list[Path]) -> None:
    with pytest.raises(RecipeError, match=r"deeper: is the run of a recipe, not an ensemble"):
        ensemble(runs[:2], out=runs[2])


def test_two_runs_of_one_name_are_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"two runs are called plain"):
        ensemble([runs[0], runs[0]], out=tmp_path / "all")


def test_the_verb_leaves_a_report_of_the_ensemble(runs: list[Path], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["ensemble", *map(str, runs), "--out", str(tmp_path / "all"), "--by", "rank"])

    assert done.exit_code == 0, done.output
    assert (tmp_path / "all" / "report.html").is_file()
    assert done.stdout.splitlines()[0].startswith("AUC per image")
