"""A sealed test set counts who looks: under a kill, under a race, and when its ledger is tampered with."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import SourceError
from mammoscope.evaluation import SealError, close_look, open_look, predictions_digest, read_seal, seal_patients
from mammoscope.pipeline import compare_runs, measure, rank_runs, seal_run
from mammoscope.pipeline.sealing import counted_look

WOMEN = pl.DataFrame({"source": ["own"] * 3, "patient_id": ["1", "2", "3"]})
LOOK = {"patients": WOMEN, "what": "evaluate", "model": "mine"}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    file = tmp_path / "sealed.jsonl"
    seal_patients(file, patients=WOMEN, budget=2)
    return file


def run_folder(folder: Path, *, name: str = "mine", scores: tuple[float, ...] = (0.2, 0.8, 0.3, 0.9)) -> Path:
    folder.mkdir(parents=True)
    rows = pl.DataFrame(
        {
            "source": ["own"] * 10,
            "patient_id": [str(n) for n in range(10)],
            "image_id": [str(n) for n in range(10)],
            "part": ["test"] * 4 + ["tune"] * 4 + ["train"] * 2,
            "label": [0, 1] * 5,
            "score": [*scores, 0.1, 0.7, 0.2, 0.6, 0.5, 0.5],
        }
    )
    rows.filter(pl.col("part") != "train").write_parquet(folder / "predictions.parquet")
    rows.select("source", "patient_id", "image_id", "part", malignant=pl.col("label") == 1).write_parquet(
        folder / "cohort.parquet"
    )
    settings = {"threshold": "youden", "at_least": 0.9, "replicates": 20, "confidence": 0.95}
    (folder / "recipe.json").write_text(json.dumps({"name": name, "measure": settings}))
    return folder


def test_a_look_is_in_the_ledger_before_its_result_is(ledger: Path) -> None:
    look = open_look(ledger, predictions="aa", **LOOK)
    opened = read_seal(ledger).looks

    close_look(ledger, look=look, result={"auc": 0.8})

    assert [(one.number, one.result) for one in opened] == [(1, None)]
    assert read_seal(ledger).looks[0].result == {"auc": 0.8}


def test_the_same_predictions_are_counted_again_but_spend_no_budget(ledger: Path) -> None:
    for digest in ("aa", "bb", "aa", "bb"):
        open_look(ledger, predictions=digest, **LOOK)

    found = read_seal(ledger)

    assert (len(found.looks), found.distinct) == (4, 2)


def test_a_spent_budget_refuses_new_predictions_unless_the_seal_is_broken_on_record(ledger: Path) -> None:
    for digest in ("aa", "bb"):
        open_look(ledger, predictions=digest, **LOOK)

    with pytest.raises(SealError, match="budget of 2 different predictions is spent"):
        open_look(ledger, predictions="cc", **LOOK)
    open_look(ledger, predictions="cc", break_seal=True, **LOOK)

    assert [look.broke_seal for look in read_seal(ledger).looks] == [False, False, True]
    assert "SEAL BROKEN 1 times" in read_seal(ledger).sentence


def test_breaking_a_seal_that_still_has_budget_is_no_break(ledger: Path) -> None:
    open_look(ledger, predictions="aa", break_seal=True, **LOOK)

    assert not read_seal(ledger).looks[0].broke_seal


def test_no_id_of_a_patient_stands_in_the_ledger(tmp_path: Path) -> None:
    file = tmp_path / "sealed.jsonl"

    seal_patients(file, patients=pl.DataFrame({"source": ["own"], "patient_id": ["MARIA-1950"]}))

    assert "MARIA" not in file.read_text()


def test_sealing_again_is_the_same_seal_and_sealing_others_is_refused(ledger: Path) -> None:
    again = seal_patients(ledger, patients=WOMEN)

    assert again.budget == 2
    with pytest.raises(SealError, match="seals other patients"):
        seal_patients(ledger, patients=WOMEN.head(2))
    with pytest.raises(SealError, match="cannot become 9"):
        seal_patients(ledger, patients=WOMEN, budget=9)


@pytest.mark.parametrize("line", [0, 1, 2])
@pytest.mark.parametrize("how", ["changed", "taken out"])
def test_a_line_that_is_changed_or_taken_out_is_seen(ledger: Path, line: int, how: str) -> None:
    for digest in ("aa", "bb", "aa"):
        open_look(ledger, predictions=digest, **LOOK)
    lines = ledger.read_text().splitlines()
    lines[line : line + 1] = [lines[line].replace("20", "19", 1)] if how == "changed" else []
    ledger.write_text("\n".join(lines) + "\n")

    with pytest.raises(SealError, match="was changed"):
        read_seal(ledger)


def test_a_line_cut_off_by_a_kill_is_mended_by_the_next_look(ledger: Path) -> None:
    open_look(ledger, predictions="aa", **LOOK)
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"kind": "opened", "at": "20')

    assert len(read_seal(ledger).looks) == 1
    assert open_look(ledger, predictions="bb", **LOOK) == 2
    assert len(read_seal(ledger).looks) == 2


def test_looks_from_many_processes_are_all_counted(tmp_path: Path) -> None:
    file = tmp_path / "sealed.jsonl"
    seal_patients(file, patients=WOMEN)
    code = (
        "import sys, polars as pl; from pathlib import Path; from mammoscope.evaluation import open_look, close_look\n"
        "women = pl.DataFrame({'source': ['own'], 'patient_id': ['1']})\n"
        "for n in range(15):\n"
        "    look = open_look(Path(sys.argv[1]), patients=women, what='evaluate', model='m', predictions=sys.argv[2])\n"
        "    close_look(Path(sys.argv[1]), look=look, result={})\n"
    )

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda n: subprocess.run([sys.executable, "-c", code, file, n], check=True), "ab"))

    found = read_seal(file)
    assert len(done) == 2
    assert [look.number for look in found.looks] == list(range(1, 31))
    assert found.distinct == 2
    assert all(look.result == {} for look in found.looks)


def test_the_digest_is_of_the_test_rows_whatever_their_order() -> None:
    rows = pl.DataFrame(
        {"part": ["test", "test", "tune"], "patient_id": ["1", "2", "3"], "image_id": ["a", "b", "c"]}
        | {"label": [1, 0, 1], "score": [0.1, 0.2, 0.3]}
    )

    assert predictions_digest(rows) == predictions_digest(rows.reverse()) == predictions_digest(rows.head(2))
    assert predictions_digest(rows) != predictions_digest(rows.with_columns(score=pl.col("score") + 1e-9))


def test_measuring_a_sealed_run_counts_and_says_so(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "one")
    file, _ = seal_run(run)

    first, second = measure(run), measure(run)

    assert first["sealed"][0]["sentence"].endswith("evaluated 1 time, 1 different predictions")
    assert second["sealed"][0]["sentence"].endswith("evaluated 2 times, 1 different predictions")
    assert read_seal(file).looks[1].result["auc"] == second["units"]["image"]["test"]["auc"]["value"]


def test_other_runs_beside_it_on_the_same_women_are_counted_in_the_same_ledger(tmp_path: Path) -> None:
    seal_run(run_folder(tmp_path / "one"), budget=1)
    other = run_folder(tmp_path / "two", scores=(0.1, 0.9, 0.4, 0.2))
    measure(tmp_path / "one")

    with pytest.raises(SealError, match="budget of 1"):
        measure(other)

    assert not (other / "metrics.json").exists()
    assert "SEAL BROKEN" in measure(other, break_seal=True)["sealed"][0]["sentence"]


def test_a_ledger_that_is_gone_or_shorter_than_the_run_knows_it_is_refused(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "one")
    file, _ = seal_run(run)
    before = file.read_bytes()
    measure(run)

    file.write_bytes(before)
    with pytest.raises(SealError, match="shorter than one knows it"):
        measure(run)
    file.unlink()
    with pytest.raises(SealError, match="is not where seal.json says"):
        measure(run)


def test_run_and_ledger_can_be_moved_together(tmp_path: Path) -> None:
    seal_run(run_folder(tmp_path / "here" / "one"))
    measure(tmp_path / "here" / "one")
    (tmp_path / "here").rename(tmp_path / "there")

    assert measure(tmp_path / "there" / "one")["sealed"][0]["sentence"].endswith("2 times, 1 different predictions")


def test_a_run_that_was_evaluated_before_it_was_sealed_says_so(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "one")
    measure(run)

    _, found = seal_run(run)

    assert "it had been evaluated before it was sealed" in found.sentence


def test_a_model_trained_on_sealed_women_is_said_aloud(tmp_path: Path) -> None:
    seal_run(run_folder(tmp_path / "one"))
    other = run_folder(tmp_path / "two")
    moved = pl.read_parquet(other / "cohort.parquet").with_columns(
        part=pl.when(pl.col("patient_id") == "0").then(pl.lit("train")).otherwise(pl.col("part"))
    )
    moved.write_parquet(other / "cohort.parquet")
    pl.read_parquet(other / "predictions.parquet").filter(pl.col("patient_id") != "0").write_parquet(
        other / "predictions.parquet"
    )

    assert "1 patients of a sealed test set are in train or tune of this run" in measure(other)["warnings"]


def test_a_run_whose_test_women_are_not_sealed_is_not_counted(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "one")
    seal_patients(tmp_path / "sealed-others.jsonl", patients=pl.DataFrame({"source": ["x"], "patient_id": ["1"]}))

    assert "sealed" not in measure(run)


def test_a_look_that_fails_is_still_counted(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "one")
    file, _ = seal_run(run)

    with (
        pytest.raises(RuntimeError),
        counted_look(run, what="evaluate", predictions=pl.read_parquet(run / "predictions.parquet"), model="m"),
    ):
        raise RuntimeError

    assert [look.result for look in read_seal(file).looks] == [None]


def test_the_verb_seals_and_tells_who_looked(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "one")

    sealed = CliRunner().invoke(app, ["seal", str(run), "--budget", "3"])
    measure(run)
    told = CliRunner().invoke(app, ["seal", str(run)])

    assert "evaluated 0 times, 0 different predictions of 3 allowed" in sealed.output
    assert "1 different predictions of 3 allowed" in told.output
    assert "evaluate    mine  AUC " in told.output


def test_a_leaderboard_is_a_look_at_each_run(tmp_path: Path) -> None:
    file, _ = seal_run(run_folder(tmp_path / "one"))
    run_folder(tmp_path / "two", name="other", scores=(0.1, 0.9, 0.4, 0.2))

    board = rank_runs([tmp_path / "one", tmp_path / "two"], replicates=20)

    looks = read_seal(file).looks
    assert [(look.what, look.model) for look in looks] == [("leaderboard", "mine"), ("leaderboard", "other")]
    assert sorted(look.result["auc"] for look in looks) == sorted(line.result.value for line in board.standings)


def test_a_leaderboard_of_measured_runs_spends_no_budget_and_one_of_others_does(tmp_path: Path) -> None:
    seal_run(run_folder(tmp_path / "one"), budget=1)
    measure(tmp_path / "one")
    run_folder(tmp_path / "two", scores=(0.1, 0.9, 0.4, 0.2))
    command = ["leaderboard", str(tmp_path / "one"), str(tmp_path / "two"), "--replicates", "20"]

    refused = CliRunner().invoke(app, command)
    broken = CliRunner().invoke(app, [*command, "--break-seal"])

    assert isinstance(refused.exception, SealError)
    assert "AUC" not in refused.output
    assert "Not distinguishable" in broken.output


def test_a_comparison_is_a_look_even_where_it_is_refused(tmp_path: Path) -> None:
    file, _ = seal_run(run_folder(tmp_path / "one"))
    other = run_folder(tmp_path / "two", name="other")
    for run in (tmp_path / "one", other):
        measure(run)

    with pytest.raises(SourceError, match="comparison"):
        compare_runs([tmp_path / "one"], out=tmp_path / "c.html")
    compare_runs([tmp_path / "one", other], out=tmp_path / "c.html")

    looks = [look for look in read_seal(file).looks if look.what == "compare"]
    assert [(look.model, look.result is None) for look in looks] == [("mine", True), ("mine", False), ("other", False)]
    assert {look.new for look in looks} == {False}


def test_a_table_in_a_sealed_run_is_counted_as_the_run_is(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "one")
    file, _ = seal_run(run)
    (run / "members").mkdir()
    pl.read_parquet(run / "predictions.parquet").with_columns(pl.col("score") / 2).write_parquet(
        run / "members" / "forest.parquet"
    )

    for table in ("predictions.parquet", "members/forest.parquet"):
        assert CliRunner().invoke(app, ["evaluate", str(run / table), "--replicates", "20"]).exit_code == 0

    found = read_seal(file)
    assert (len(found.looks), found.distinct) == (2, 2)
