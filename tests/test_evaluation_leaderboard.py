"""Runs are ranked only on the same test patients, and told apart only where a test can."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import (
    Contender,
    delong_difference,
    holm,
    leaderboard,
    read_contender,
    sample_of,
    unit_rows,
)


def table(gain: float, *, seed: int = 0, patients: int = 120) -> pl.DataFrame:
    """Four images a patient with shared noise; `gain` is how well the scores know the label."""
    same = np.random.default_rng(99)
    codes = np.repeat(np.arange(patients), 4)
    labels = (same.random(patients) < 0.4)[codes]
    shared = same.normal(size=patients)[codes]
    noise = np.random.default_rng(seed).normal(size=len(codes))
    return pl.DataFrame(
        {
            "part": "test",
            "patient_id": [f"p{code:03d}" for code in codes],
            "image_id": [f"i{row:04d}" for row in range(len(codes))],
            "breast_id": [f"p{code:03d}_{'LR'[row % 4 // 2]}" for row, code in enumerate(codes)],
            "label": labels.astype(int),
            "score": 1 / (1 + np.exp(-(gain * labels + shared + noise))),
        }
    )


def contenders() -> list[Contender]:
    gains = {"plain": 0.9, "wide": 2.2, "deep": 2.3, "chance": 0.0}
    return [Contender(name=name, rows=table(gain, seed=at)) for at, (name, gain) in enumerate(gains.items())]


def test_the_best_stands_first_and_whoever_is_not_shown_to_be_worse_beside_it() -> None:
    board = leaderboard(contenders(), replicates=200)

    assert [line.place for line in board.standings] == [1, 2, 3, 4]
    assert [line.name for line in board.standings][2:] == ["plain", "chance"]
    assert set(board.not_distinguishable) == {"wide", "deep"}
    assert [line.distinguishable for line in board.standings] == [None, False, True, True]
    assert board.standings[0].result.method == "clustered DeLong, logit"
    assert (board.n, board.patients) == (480, 120)


def test_p_values_are_those_of_the_paired_test_corrected_by_holm() -> None:
    board = leaderboard(contenders(), replicates=20, unit="breast")

    samples = {one.name: sample_of(unit_rows(one.rows, unit="breast")) for one in contenders()}
    best, *others = board.standings
    raw = [delong_difference(samples[best.name], samples[line.name]).p_value for line in others]
    assert [line.p_value for line in others] == raw
    np.testing.assert_array_equal([line.p_adjusted for line in others], holm(np.array(raw)))


def test_the_order_of_contenders_and_of_their_rows_changes_nothing() -> None:
    shuffled = [Contender(name=c.name, rows=c.rows.sample(fraction=1.0, shuffle=True, seed=1)) for c in contenders()]

    assert leaderboard(contenders(), replicates=50) == leaderboard(shuffled[::-1], replicates=50)


def test_equal_scores_share_a_place() -> None:
    one, other = table(1.0), table(1.0)

    board = leaderboard([Contender(name="a", rows=one), Contender(name="b", rows=other)], replicates=20)

    assert [line.place for line in board.standings] == [1, 1]
    assert board.standings[1].p_value == 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda rows: rows.filter(pl.col("patient_id") > "p001"),
            r"a and b were tested on other patients: 2 \(p000, p001\) only by the first, 0 only by the second, 118",
        ),
        (
            lambda rows: rows.filter(pl.col("image_id") != "i0000"),
            r"other images: 1 \(i0000\) only by the first, 0 only by the second, 479 by both",
        ),
        (
            lambda rows: rows.with_columns(pl.when(pl.col("image_id") < "i0005").then(1).otherwise(0).alias("label")),
            r"other labels for the same images: \d+ \(",
        ),
        (
            lambda rows: rows.with_columns(
                pl.when(pl.col("image_id") == "i0000")
                .then(pl.lit("p001"))
                .otherwise(pl.col("patient_id"))
                .alias("patient_id")
            ),
            r"other patients for the same images: 1 \(i0000\)",
        ),
    ],
)
def test_runs_tested_on_other_patients_images_or_labels_are_not_ranked(change, said: str) -> None:
    one, other = Contender(name="a", rows=table(1.0)), Contender(name="b", rows=change(table(1.0, seed=1)))

    with pytest.raises(SourceError, match=said):
        leaderboard([one, other], replicates=10)


def test_what_cannot_be_a_board_is_refused() -> None:
    one, other, *_ = contenders()
    single = [Contender(name=c.name, rows=c.rows.with_columns(pl.lit(0).alias("label"))) for c in (one, other)]
    mixed = [
        Contender(name="a", rows=one.rows, headline="breast"),
        Contender(name="b", rows=other.rows, headline="image"),
    ]

    with pytest.raises(SourceError, match="1 contender given"):
        leaderboard([one])
    with pytest.raises(SourceError, match="two contenders are called plain"):
        leaderboard([one, one])
    with pytest.raises(SourceError, match="auc of plain per image is not defined: single class: no positive"):
        leaderboard(single, replicates=10)
    with pytest.raises(SourceError, match="quote other units first .a per breast, b per image"):
        leaderboard(mixed, replicates=10)
    with pytest.raises(RecipeError, match="alpha must be between 0 and 1, got 5"):
        leaderboard([one, other], alpha=5)


def test_a_perfect_model_is_ranked_and_what_cannot_be_tested_is_said() -> None:
    rows = table(0.0)
    perfect, worst = (rows.with_columns(pl.Series("score", s)) for s in (rows["label"] * 0.5, 1 - rows["label"] * 0.5))

    board = leaderboard([Contender(name="up", rows=perfect), Contender(name="down", rows=worst)], replicates=10)

    assert board.standings[1].distinguishable is None
    assert any("down: not compared with the best" in note for note in board.notes)


def planted(folder: Path) -> list[str]:
    runs = []
    for at, (name, gain) in enumerate({"one": 2.0, "two": 0.2}.items()):
        run = folder / name
        run.mkdir()
        tune = table(gain, seed=at).with_columns(
            pl.lit("tune").alias("part"), *(("t" + pl.col(key)).alias(key) for key in ("patient_id", "image_id"))
        )
        pl.concat([table(gain, seed=at), tune]).write_parquet(run / "predictions.parquet")
        (run / "metrics.json").write_text(json.dumps({"headline": "breast"}), encoding="utf-8")
        runs.append(str(run))
    return runs


def test_the_command_ranks_run_folders_per_their_headline(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["leaderboard", *planted(tmp_path), "--replicates", "50"])

    assert found.exit_code == 0, found.output
    assert "1.  one" in found.stdout
    assert "one is shown to be better than every other." in found.stdout
    assert "Per breast: 240 rows" in found.stdout


def test_the_command_gives_json_and_takes_tables(tmp_path: Path) -> None:
    files = []
    for at in range(2):
        file = tmp_path / f"model{at}.csv"
        table(1.0, seed=at).write_csv(file)
        files.append(str(file))

    found = CliRunner().invoke(app, ["leaderboard", *files, "--replicates", "20", "--unit", "patient", "--json"])

    board = json.loads(found.stdout)
    assert board["unit"] == "patient"
    assert board["patients"] == board["n"] == 120
    assert {line["name"] for line in board["standings"]} == {"model0", "model1"}


def test_a_folder_without_predictions_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(SourceError, match="not in run folder 'empty'"):
        read_contender(tmp_path / "empty")
    with pytest.raises(SourceError, match="nowhere: no such run folder or file"):
        read_contender(tmp_path / "nowhere")
    file = tmp_path / "bad.parquet"
    table(1.0).with_columns(pl.lit(2.0).alias("score")).write_parquet(file)
    with pytest.raises(SourceError, match=r"bad.parquet: .*score"):
        read_contender(file)


def test_models_of_other_pictures_are_ranked_per_patient_where_the_patients_are_the_same() -> None:
    whole, cc = table(1.0), table(1.0, seed=1).filter(pl.int_range(pl.len()) % 2 == 0)
    same = whole.group_by("patient_id").agg(pl.col("label").max())
    kept = cc.group_by("patient_id").agg(pl.col("label").max())
    alike = same.join(kept, on=["patient_id", "label"])["patient_id"].implode()
    one, other = (rows.filter(pl.col("patient_id").is_in(alike)) for rows in (whole, cc))

    board = leaderboard([Contender(name="whole", rows=one), Contender(name="cc", rows=other)], unit="patient")

    assert board.n == one["patient_id"].n_unique() == other["patient_id"].n_unique()
    with pytest.raises(SourceError, match="were tested on other images"):
        leaderboard([Contender(name="whole", rows=one), Contender(name="cc", rows=other)], unit="image")
