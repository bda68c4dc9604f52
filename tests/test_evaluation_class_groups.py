"""Several classes beyond their numbers: subgroups, ranked runs, the same rows refused alike."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score
from typer.testing import CliRunner

from class_runs import ABCD, scored
from mammoscope.cli import app
from mammoscope.errors import SourceError
from mammoscope.evaluation import (
    Contender,
    class_sample,
    leaderboard,
    measure_classes,
    metric_difference,
    read_contender,
    subgroups,
)
from mammoscope.report import subgroup_lines


def answers(patients: int = 60, *, signal: float = 1.0, seed: int = 0, worse_on: str = "") -> pl.DataFrame:
    """Two views of each woman; in one view the scores may say nothing."""
    rng = np.random.default_rng(7)
    density = [ABCD[at] for at in rng.integers(4, size=patients)]
    rows = pl.DataFrame(
        {
            "part": "test",
            "source": "own",
            "patient_id": [f"{n:03d}" for n in range(patients) for _ in range(2)],
            "image_id": [f"{n:03d}_{view}" for n in range(patients) for view in ("CC", "MLO")],
            "view": ["CC", "MLO"] * patients,
            "label": [name for name in density for _ in range(2)],
        }
    ).with_columns(density="label")
    good = scored(rows["label"].to_list(), classes=ABCD, signal=signal, seed=seed)
    blind = scored(rows["label"].to_list(), classes=ABCD, signal=0.0, seed=seed + 1)
    lost = (rows["view"] == worse_on).to_numpy()
    return rows.with_columns(pl.Series(name, np.where(lost, blind[name], good[name])) for name in good)


def called(rows: pl.DataFrame) -> np.ndarray:
    return np.array(ABCD)[rows.select(f"score_{name}" for name in ABCD).to_numpy().argmax(axis=1)]


def test_each_group_has_the_kappa_and_accuracy_that_scikit_learn_gives_for_its_rows() -> None:
    rows = answers()

    found = subgroups(rows, task="density", replicates=40)

    assert found.primary == "kappa_quadratic"
    views = next(factor for factor in found.factors if factor.name == "view")
    for group in views.groups:
        own = rows.filter(pl.col("view") == group.name)
        kappa = cohen_kappa_score(own["label"], called(own), weights="quadratic")
        assert group.metrics["kappa_quadratic"].value == pytest.approx(kappa)
        assert group.metrics["accuracy"].value == pytest.approx(accuracy_score(own["label"], called(own)))
        assert (group.n, group.patients) == (60, 60)


def test_the_group_in_which_the_model_guesses_is_named_worst_and_differs() -> None:
    found = subgroups(answers(signal=2.0, worse_on="MLO"), task="density", replicates=300)

    views = next(factor for factor in found.factors if factor.name == "view")
    gap = views.gaps["kappa_quadratic"]
    assert (gap.worst, gap.best, gap.differs) == ("MLO", "CC", True)
    assert gap.gap.n == 120
    line = next(line for line in subgroup_lines(found.to_json()) if line.startswith("view"))
    assert "worst quadratic kappa" in line
    assert "in MLO" in line
    assert "differs from CC" in line


def test_what_is_asked_makes_no_groups_of_its_own_answers() -> None:
    found = subgroups(answers(), task="density", replicates=5)

    assert found.unavailable["density"] == "it is what is asked"
    assert "density" not in {factor.name for factor in found.factors}
    assert "density" in {factor.name for factor in subgroups(answers(), task="lesion_kind", replicates=5).factors}


def test_classes_in_no_order_have_a_macro_auc_which_needs_patients_of_each() -> None:
    rows = answers()
    few = rows.with_columns(machine_id=pl.when(pl.col("patient_id") < "012").then(pl.lit("a")).otherwise(pl.lit("b")))

    found = subgroups(few, task="lesion_kind", replicates=20)

    assert found.primary == "macro_auc"
    views, machines = (next(one for one in found.factors if one.name == name) for name in ("view", "machine"))
    own = rows.filter(pl.col("view") == "CC")
    auc = roc_auc_score(own["label"], own.select(f"score_{name}" for name in ABCD).to_numpy(), multi_class="ovr")
    assert views.groups[0].metrics["macro_auc"].value == pytest.approx(auc)
    assert "patients with a row of class" in machines.groups[0].metrics["macro_auc"].reason
    assert machines.groups[0].metrics["accuracy"].value is not None
    assert any("no macro AUC of" in text for text in found.warnings)


def contenders(**signals: float) -> list[Contender]:
    return [
        Contender(name=name, rows=answers(signal=signal, seed=4), task="density", row="image")
        for name, signal in signals.items()
    ]


def test_runs_of_classes_are_ranked_by_kappa_and_told_apart_by_the_paired_bootstrap() -> None:
    board = leaderboard(contenders(poor=0.0, good=2.0, better=2.1), replicates=400)

    assert (board.metric, board.classes, board.unit) == ("kappa_quadratic", ABCD, "image")
    assert [line.name for line in board.standings][-1] == "poor"
    assert board.standings[-1].distinguishable
    assert len(board.not_distinguishable) == 2
    measured = [
        measure_classes(class_sample(answers(signal=signal, seed=4), classes=ABCD), replicates=400)
        for signal in (2.1, 0.0)
    ]
    told = metric_difference(*measured, metric="kappa_quadratic")
    assert board.standings[-1].behind == told.difference or board.standings[0].name == "good"
    assert board.standings[-1].p_adjusted == pytest.approx(min(1.0, 2 * told.p_value))


def test_per_patient_the_mean_of_the_scores_is_ranked_and_said() -> None:
    board = leaderboard(contenders(poor=0.0, good=2.0), unit="patient", replicates=50)

    assert (board.n, board.patients) == (60, 60)
    assert board.aggregation == "mean of the scores of the patient, class by class"


def test_too_few_replicates_to_tell_anything_apart_are_said() -> None:
    board = leaderboard(contenders(poor=0.0, good=2.0), replicates=30)

    assert any("no corrected p of 1 comparisons can fall below 0.05" in note for note in board.notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: {"task": "assessment"}, "answer different questions"),
        (lambda one: {"rows": one.rows.rename({"score_D": "score_E"})}, "and among A, B, C, E"),
        (lambda one: {"rows": one.rows.head(100)}, "other patients"),
        (lambda one: {"rows": one.rows.with_columns(label=pl.col("label").reverse())}, "other labels"),
    ],
)  # fmt: skip
def test_answers_that_are_not_alike_are_not_ranked(change, said: str) -> None:
    one, other = contenders(one=1.0, other=1.0)
    about = {"name": "other", "rows": other.rows, "task": "density", "row": "image"} | change(other)

    with pytest.raises(SourceError, match=said):
        leaderboard([one, Contender(**about)], replicates=5)


def test_the_command_ranks_run_folders_of_classes_and_tables(tmp_path: Path) -> None:
    for name, signal in (("good", 2.0), ("poor", 0.0)):
        (tmp_path / name).mkdir()
        answers(signal=signal).write_parquet(tmp_path / name / "predictions.parquet")
        facts = {"headline": "patient", "row": "image", "task": "density"}
        (tmp_path / name / "metrics.json").write_text(json.dumps(facts))
        answers(signal=signal).write_csv(tmp_path / f"{name}.csv")

    run, other = read_contender(tmp_path / "good"), read_contender(tmp_path / "good.csv")
    folders = CliRunner().invoke(app, ["leaderboard", str(tmp_path / "poor"), str(tmp_path / "good")])
    tables = CliRunner().invoke(app, ["leaderboard", str(tmp_path / "poor.csv"), str(tmp_path / "good.csv")])

    assert (run.task, run.headline, other.task) == ("density", "patient", None)
    assert folders.exit_code == 0, folders.output
    assert "Quadratic kappa" in folders.output
    assert "good is shown to be better than every other." in folders.output
    assert "Per patient: 60 rows, among A, B, C, D, 60 patients" in folders.output
    assert "Macro AUC" in tables.output
