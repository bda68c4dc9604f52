"""What a report says of calibration, a thousand women, subgroups, robustness, the sealed test, and several runs."""

import io
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.metrics import classification_report

from mammoscope.evaluation import (
    Targets,
    delong_interval,
    evaluate,
    leaderboard,
    read_contender,
    sample_of,
    subgroups,
    unit_rows,
)
from mammoscope.report import write_comparison, write_report
from mammoscope.report.class_report import class_report
from mammoscope.report.measured import interval_table
from mammoscope.report.tables import as_csv
from mammoscope.report.words import rule_words
from report_runs import Checker, write_run

SEAL = {
    "fingerprint": "641b8cddf825" * 5,
    "patients": 12,
    "sealed_at": "2026-01-01T00:00:00Z",
    "evaluated_before": False,
    "budget": 1,
    "looks": [
        {
            "number": number,
            "at": f"2026-01-0{number}T00:00:00Z",
            "what": "evaluate",
            "model": "phantom-resnet18",
            "patients": 12,
            "predictions": f"{number}" * 64,
            "new": True,
            "broke_seal": number == 2,
            "result": {"auc": 0.8, "low": 0.7, "high": 0.9} if number == 1 else None,
        }
        for number in (1, 2)
    ],
    "lines": 3,
    "head": "ff",
    "distinct": 2,
    "sentence": "sealed test set of 12 patients: evaluated 2 times, 2 different predictions of 1 allowed",
}


def estimate(value: float | None, *, reach: float = 0.05) -> dict[str, Any]:
    ends = (None, None) if value is None else (value - reach, value + reach)
    return {"value": value, "low": ends[0], "high": ends[1], "n": 48, "positives": 20, "patients": 12, "reason": None}


def robustness() -> dict[str, Any]:
    def point(severity: float, auc: float) -> dict[str, Any]:
        drop = {"difference": estimate(0.9 - auc), "verdict": "above" if auc < 0.8 else "not distinguishable"}
        return {"severity": severity, "metrics": {"auc": estimate(auc)}, "drop": drop}

    curves = [
        {"name": "noise", "says": "of full scale", "points": [point(0.1, 0.88), point(0.2, 0.7)], "first_fall": 0.2},
        {"name": "blur", "says": "in pixels", "points": [point(1, 0.9), point(2, 0.89)], "first_fall": None},
    ]
    rest = {"threshold": 0.5, "images": 48, "of": 48, "seed": 0, "replicates": 200, "confidence": 0.95}
    return {
        "metric": "auc",
        "clean": {"auc": estimate(0.9)},
        "curves": curves,
        **rest,
        "warnings": ["seen once"],
        "sealed": [],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every block that `metrics.json` can hold."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "full", patients=150)
    rows, people = (pl.read_parquet(folder / f"{name}.parquet") for name in ("predictions", "cohort"))
    found = evaluate(
        rows, cohort=people, calibration="platt", targets=Targets(prevalence=0.006), replicates=200, rule="youden"
    )
    groups = subgroups(rows, cohort=people, threshold=found.units["image"].threshold.value, replicates=200)
    facts = found.to_json() | {"subgroups": groups.to_json(), "sealed": [SEAL]}
    (folder / "metrics.json").write_text(json.dumps(facts))
    (folder / "robustness.json").write_text(json.dumps(robustness()))
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def metrics(run: Path) -> dict[str, Any]:
    return json.loads((run / "metrics.json").read_text())


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def section(page: str, anchor: str) -> str:
    found = re.search(rf'<h2 id="{anchor}">.*?(?=<h2 id=|</main>)', page, re.DOTALL)
    assert found, anchor
    return found.group(0)


def test_the_page_with_every_block_is_sound(page: str) -> None:
    assert Checker(page).wrong == []
    assert "Not available" not in page


def test_calibration_stands_with_its_intervals_bins_and_calibrator(page: str, metrics: dict[str, Any]) -> None:
    text, found = section(page, "calibration"), metrics["units"]["image"]["calibration"]

    for side in ("scores", "probabilities"):
        slope = found[side]["slope"]
        assert f"{slope['value']:.3f}<small>{slope['low']:.3f} to {slope['high']:.3f}</small>" in text
    assert "ECE, 10 bins of equal width" in text
    assert "Platt scaling, fitted on the tune part" in text
    assert "figures/calibration-image.svg" in text


def test_a_thousand_women_are_told_in_words_at_the_largest_unit(page: str, metrics: dict[str, Any]) -> None:
    text = section(page, "clinic")

    assert metrics["units"]["patient"]["per_thousand"]["sentence"] in text
    assert "6 in 1,000 with cancer: stated, not measured" in text
    assert "recall all" in text
    assert "figures/decision-patient.svg" in text


def test_every_group_has_a_number_or_says_too_few(page: str, metrics: dict[str, Any]) -> None:
    text, factors = section(page, "subgroups"), metrics["subgroups"]["factors"]

    groups = [group for factor in factors for group in factor["groups"]]
    few = sum(
        one["value"] is None and one["reason"].startswith("too few") for g in groups for one in g["metrics"].values()
    )
    assert few > 0
    assert text.count(">too few</td>") == few
    for group in groups:
        auc = group["metrics"]["auc"]
        assert auc["value"] is None or f"{auc['low']:.3f} to {auc['high']:.3f}" in text
    for gap in (gap for factor in factors for gap in factor["gaps"].values()):
        assert (gap["reason"] or f"{gap['worst_value']['value']:.3f}") in text


def test_the_seal_is_shown_with_every_look(page: str) -> None:
    text = section(page, "sealed")

    assert "Sealed test set of 12 patients: evaluated 2 times" in text
    assert text.count("2026-01-0") == 3  # sealed, and two looks
    assert text.count("seal broken") == 1
    assert "0.800 (0.700 to 0.900)" in text


def test_robustness_is_drawn_and_says_where_the_auc_falls(page: str) -> None:
    text = section(page, "robustness")

    assert "noise falls from 0.2 on, blur has no lasting fall" in text
    assert "figures/robustness.svg" in text


def test_the_head_sums_the_sections_up(page: str) -> None:
    head = page[: page.index("<main>")]

    assert "Of 1,000 women screened" in head
    assert "The AUC falls for good under 1 of 2 graded corruptions: noise." in head
    assert "calibration slope" in head
    assert "lowest AUC of a group" in head


def test_three_intervals_are_those_of_the_library(run: Path, page: str, metrics: dict[str, Any]) -> None:
    test = pl.read_parquet(run / "predictions.parquet").filter(pl.col("part") == "test")
    sample = sample_of(unit_rows(test, unit="image"))

    found = interval_table(metrics, test)

    assert found is not None
    ends = [row["cells"][0]["value"] for row in found["rows"]]
    auc, delong = metrics["units"]["image"]["test"]["auc"], delong_interval(sample, scale="logit")
    quoted, told = (f"{low:.3f} to {high:.3f}" for low, high in ((auc["low"], auc["high"]), (delong.low, delong.high)))
    assert ends[0] == quoted
    assert told in ends
    assert len(set(ends)) == 3
    assert all(end in page for end in ends)


def test_intervals_of_other_predictions_than_those_measured_are_not_shown(run: Path, metrics: dict[str, Any]) -> None:
    rows = pl.read_parquet(run / "predictions.parquet").with_columns((1 - pl.col("score")).alias("score"))

    assert interval_table(metrics, rows) is None


def test_tables_are_files_with_the_numbers_of_the_metrics(run: Path, metrics: dict[str, Any]) -> None:
    names = {file.stem for file in (run / "tables").glob("*.csv")}

    table = pl.read_csv(run / "tables" / "metrics.csv")
    auc = table.filter(unit="image", part="test", metric="auc")
    assert auc["value"].item() == metrics["units"]["image"]["test"]["auc"]["value"]
    assert auc["low"].item() == metrics["units"]["image"]["test"]["auc"]["low"]
    assert names >= {"confusion", "baselines", "calibration", "reliability", "decision-curve", "per-thousand"}
    assert names >= {"subgroups", "gaps", "sealed", "hardest", "history", "parts", "flow", "curves"}
    shares = pl.read_csv(run / "tables" / "confusion.csv").group_by("unit", "truth").agg(pl.col("share_of_truth").sum())
    assert shares["share_of_truth"].to_list() == pytest.approx([1.0] * shares.height)


def test_rows_that_differ_in_type_become_one_table() -> None:
    assert pl.read_csv(io.StringIO(as_csv([{"a": 1, "b": None}, {"a": 0.5, "b": "x", "c": [1]}]))).rows() == [
        (1.0, None),
        (0.5, "x"),
    ]


@pytest.mark.parametrize(
    ("block", "anchor", "says"),
    [
        ("calibration", "calibration", "Not measured:"),
        ("per_thousand", "clinic", "Not reckoned:"),
        ("subgroups", "subgroups", "Not analysed:"),
        ("sealed", "sealed", "The test set is not sealed"),
    ],
)
def test_a_block_that_is_missing_is_said_in_its_place(
    run: Path, tmp_path: Path, metrics: dict[str, Any], block: str, anchor: str, says: str
) -> None:
    units = {name: {k: v for k, v in unit.items() if k != block} for name, unit in metrics["units"].items()}
    (tmp_path / "metrics.json").write_text(
        json.dumps({k: v for k, v in metrics.items() if k != block} | {"units": units})
    )

    page = write_report(tmp_path).read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    assert says in section(page, anchor)


def test_a_run_without_robustness_says_how_to_test_it(tmp_path: Path) -> None:
    text = section(write_report(tmp_path).read_text(encoding="utf-8"), "robustness")

    assert "Not tested:" in text
    assert f"mammoscope robustness {tmp_path.name}" in text


def test_accuracy_is_drawn_where_the_history_has_it(run: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    (tmp_path / "history.jsonl").write_text("\n".join(json.dumps(row | {"tune_accuracy": 0.7}) for row in rows))

    write_report(tmp_path)

    assert "Accuracy" in (tmp_path / "figures" / "training.svg").read_text()
    assert "Accuracy" not in (run / "figures" / "training.svg").read_text()


@pytest.mark.parametrize("rule", ["youden", "sensitivity", "specificity", "recall_rate", "cost", "fixed"])
def test_every_rule_of_a_threshold_has_words(rule: str) -> None:
    assert rule_words({"rule": rule, "at_least": 0.9, "at_most": 0.1, "miss_cost": 20.0})


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("three")
    strengths = {"strong": 4.0, "weaker": 3.6, "none": 0.0}
    return [write_run(folder / name, patients=100, signal=signal, name=name) for name, signal in strengths.items()]


def test_runs_stand_in_the_order_of_the_leaderboard_with_its_verdicts(three: list[Path]) -> None:
    page = write_comparison(three, out=three[0].parent / "c.html").read_text(encoding="utf-8")

    board = leaderboard([read_contender(one) for one in three], replicates=200)
    text = section(page, "places")
    assert [text.index(f'<th scope="row" class="who">{line.name}</th>') for line in board.standings] == sorted(
        text.index(f'<th scope="row" class="who">{line.name}</th>') for line in board.standings
    )
    assert board.standings[-1].distinguishable
    assert text.count(">below it<") == sum(bool(line.distinguishable) for line in board.standings)
    lead = re.search(r'<p class="lead">(.*?)</p>', page, re.DOTALL)
    assert lead
    assert f"{board.standings[0].name} has the highest ROC AUC per image" in lead.group(1)
    assert "Shown to be below it: none." in lead.group(1)


def test_the_head_names_only_what_the_recipes_do_otherwise(three: list[Path]) -> None:
    models = (
        {"kind": "timm", "backbone": "vgg16.tv_in1k", "pretrained": True, "drop_rate": 0.5},
        {"kind": "light-cnn"},
    )
    texts = [(run / "recipe.json").read_text() for run in three]
    for run, text, model in zip(three, texts, (*models, models[0]), strict=True):
        (run / "recipe.json").write_text(json.dumps(json.loads(text) | {"model": model, "seed": 3}))

    page = write_comparison(three, out=three[0].parent / "h.html").read_text(encoding="utf-8")
    for run, text in zip(three, texts, strict=True):
        (run / "recipe.json").write_text(text)

    head = page.partition("<main>")[0]
    assert re.findall(r'<span class="fine">: (.*?)</span>', head) == ["vgg16", "light-cnn", "vgg16"]
    settings = section(page, "recipes")
    assert "model: drop_rate" not in settings  # the same wherever there is one
    assert "model: kind" in settings


def test_paired_differences_are_a_table_too_and_never_claim_more_than_holm_allows(three: list[Path]) -> None:
    write_comparison(three, out=three[0].parent / "d.html")

    table = pl.read_csv(three[0].parent / "d-differences.csv")
    places = pl.read_csv(three[0].parent / "d-places.csv")
    assert table.filter(unit="image").height == 3
    assert (table["p_adjusted"] >= table["p_value"]).all()
    claimed = table.filter(pl.col("verdict") != "not distinguishable")
    assert claimed.height
    assert (claimed["p_adjusted"] < 0.05).all()
    assert ((claimed["low"] > 0) | (claimed["high"] < 0)).all()
    assert places["place"].to_list() == [1, 2, 3]


def test_both_classes_are_reported_as_scikit_learn_does(run: Path, metrics: dict[str, Any]) -> None:
    cells = metrics["units"]["image"]["confusion"]
    truth = [1] * (cells["true_positive"] + cells["false_negative"])
    truth += [0] * (cells["false_positive"] + cells["true_negative"])
    called = [1] * cells["true_positive"] + [0] * cells["false_negative"]
    called += [1] * cells["false_positive"] + [0] * cells["true_negative"]
    theirs = classification_report(truth, called, target_names=["negative", "positive"], output_dict=True)
    names = {"mean of both": "macro avg", "mean by count": "weighted avg"}

    ours = pl.read_csv(run / "tables" / "class-report.csv").filter(unit="image").drop("unit").to_dicts()

    assert [row["name"] for row in ours] == ["negative", "positive", "accuracy", *names]
    for row in ours:
        if row["name"] == "accuracy":
            assert (row["f1"], row["precision"], row["recall"]) == (pytest.approx(theirs["accuracy"]), None, None)
            continue
        expected = theirs[names.get(row["name"], row["name"])]
        found = {"precision": row["precision"], "recall": row["recall"], "f1-score": row["f1"]}
        assert found | {"support": row["support"]} == pytest.approx(expected)


def test_the_page_shows_both_classes_with_the_intervals_that_were_measured(run: Path, metrics: dict[str, Any]) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    table = page.partition('aria-label="Both classes per image"')[2].partition("</table>")[0]
    lines = table.split("<tr>")[2:]
    test = metrics["units"]["image"]["test"]

    assert [line.partition("</th>")[0].removeprefix('<th scope="row">') for line in lines] == [
        row["name"] for row in class_report(metrics["units"]["image"])
    ]
    for line, names in zip(lines, (("npv", "specificity"), ("ppv", "sensitivity", "f1")), strict=False):
        assert all(f"{test[name]['low']:.3f} to {test[name]['high']:.3f}" in line for name in names)


def test_a_class_that_is_never_called_has_no_precision_and_no_mean_of_it() -> None:
    counts = {"true_positive": 0, "false_negative": 2, "false_positive": 0, "true_negative": 3}

    negative, positive, _, mean, _ = class_report({"confusion": counts})

    assert (positive["precision"], positive["recall"], positive["f1"]) == (None, 0.0, 0.0)
    assert (negative["recall"], mean["precision"], mean["recall"]) == (1.0, None, 0.5)
    assert class_report({"confusion": None}) == []
