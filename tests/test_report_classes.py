"""What is told of runs of several classes, of members and other tasks: pages, cards, comparisons, refusals."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from class_runs import KINDS, measured_density, with_everything, write_class_run
from mammoscope.cli import app
from mammoscope.errors import SourceError
from mammoscope.evaluation import evaluate
from mammoscope.pipeline import measure
from mammoscope.report import write_cards, write_comparison, write_report
from report_runs import Checker, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured_density(tmp_path_factory.mktemp("runs") / "density")


@pytest.fixture(scope="module")
def facts(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


def test_the_report_of_a_class_run_is_sound_and_holds_its_numbers(run: Path, facts: dict) -> None:
    page = write_report(run).read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    assert "Not available" not in page
    for unit in facts["units"].values():
        for name in ("accuracy", "kappa_quadratic", "macro_auc"):
            assert f"{unit['test'][name]['value']:.3f}" in page
    for name in ("confusion-image", "roc-image", "baselines", "classes", "scores", "training"):
        assert (run / "figures" / f"{name}.svg").is_file()
    tables = pl.read_csv(run / "tables" / "confusion.csv").filter(pl.col("unit") == "image")
    assert tables["count"].sum() == facts["units"]["image"]["test"]["accuracy"]["n"]
    assert write_report(run).read_text(encoding="utf-8") == page


def test_cards_of_a_class_run_leave_open_what_is_of_yes_or_no_only(run: Path, facts: dict) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in write_cards(run)}

    card = texts["model-card.md"]
    assert "metrics.json is damaged" not in "".join(texts.values())
    assert f"{facts['units']['image']['test']['accuracy']['value']:.3f}" in card
    assert "the class with the highest score is called" in card
    assert "Quadratic kappa per image" in card


def test_members_tasks_and_events_stand_in_the_report(tmp_path: Path) -> None:
    made = with_everything(tmp_path / "one")
    events = [
        {"kind": "class-collapse", "epoch": 3, "text": "97 % are <b>negative</b>"},
        {"kind": "new-kind", "text": ""},
        {"kind": "stopped-early", "epoch": 2, "text": "no alarm"},
    ]
    (made / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in events))
    measure(made)

    page = write_report(made).read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    for text in (
        'id="members"',
        "cnn-head",
        'id="tasks"',
        "Density, class by class",
        "97 % are &lt;b&gt;negative",
        "new kind",
        '<span class="tag note">a stage ended early</span>',
    ):
        assert text in page, text
    assert "Triangles: alarms, listed below (epochs 3)" in page
    assert {"members.csv", "tasks.csv"} <= {file.name for file in (made / "tables").iterdir()}


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no <code>events.jsonl</code>"), ("", "No alarm was raised"), ("{", "no <code>events")]
)
def test_a_run_without_events_says_whether_anybody_watched(content: str | None, said: str, run: Path) -> None:
    (run / "events.jsonl").unlink(missing_ok=True)
    if content is not None:
        (run / "events.jsonl").write_text(content)

    assert said in write_report(run).read_text(encoding="utf-8")


def test_runs_of_the_same_classes_are_compared_in_order_of_what_is_quoted_first(run: Path, tmp_path: Path) -> None:
    others = [
        write_class_run(tmp_path / name, name=name, signal=signal, seed=4, replicates=60)
        for name, signal in (("density-ordinal-with-a-very-long-name-indeed", 2.5), ("density-histogram", 0.0))
    ]
    for other in others:
        measure(other)

    page = write_comparison([run, *others], out=tmp_path / "c.html").read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    lead = page.partition('<p class="lead">')[2].partition("</p>")[0]
    assert lead.startswith("density-ordinal-with-a-very-long-name-indeed has the highest quadratic kappa per image")
    pairs = pl.read_csv(tmp_path / "c-differences.csv")
    kappas = [
        json.loads((one / "metrics.json").read_text())["units"]["image"]["test"]["kappa_quadratic"]
        for one in (run, others[0])
    ]
    assert pairs["value"][0] == pytest.approx(kappas[0]["value"] - kappas[1]["value"])
    assert "no corrected p of 2 comparisons" in page  # three pairs at 60 replicates: no corrected p below 0.05


def test_runs_of_other_questions_are_not_compared(run: Path, tmp_path: Path) -> None:
    kinds = write_class_run(tmp_path / "kinds", task="lesion_kind", classes=KINDS, replicates=20)
    measure(kinds)
    binary = write_run(tmp_path / "binary")

    for other in (kinds, binary):
        with pytest.raises(SourceError, match="answer different questions"):
            write_comparison([run, other], out=tmp_path / "c.html")


def test_what_is_of_yes_or_no_only_says_so_of_a_class_run(run: Path) -> None:
    with pytest.raises(SourceError, match="hold several classes .* Of several classes there are evaluate, report"):
        evaluate(pl.read_parquet(run / "predictions.parquet"))


def test_the_report_of_a_class_run_holds_calibration_and_subgroups(run: Path, facts: dict) -> None:
    page = write_report(run).read_text(encoding="utf-8")

    unit = facts["units"]["image"]
    assert f"{unit['calibration']['scores']['brier']['value']:.3f}" in page
    assert "Classwise ECE, 10 bins of equal width" in page
    assert facts["subgroups"]["primary"] == "kappa_quadratic"
    assert facts["subgroups"]["unavailable"]["density"] == "it is what is asked"
    assert {"age", "view"} <= {factor["name"] for factor in facts["subgroups"]["factors"]}
    assert 'id="subgroups"' in page
    assert (run / "figures" / "calibration-image.svg").is_file()
    assert (run / "figures" / "subgroups.svg").is_file()
    told = pl.read_csv(run / "tables" / "calibration.csv").filter(of="scores")
    assert set(told["group"]) == {"all", "called class", *"ABCD"}
    assert told.filter(group="all", metric="brier")["value"][0] == unit["calibration"]["scores"]["brier"]["value"]
    assert set(pl.read_csv(run / "tables" / "gaps.csv")["metric"]) == {"kappa_quadratic", "accuracy"}


def test_the_command_line_prints_a_class_run(run: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(run)])

    assert done.exit_code == 0, done.output
    assert "Kappa, quadratic weights" in done.output
    assert "label (rows) by call (columns)" in done.output
