"""The report of a run and the comparison of runs: what they show, what they refuse, what they survive."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import polars as pl
import pytest

from mammoscope.errors import SourceError
from mammoscope.report import summary_lines, write_comparison, write_report
from report_runs import Checker, evaluated, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("runs") / "first")
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_page_is_sound_html_without_script_or_outside_address(page: str) -> None:
    checker = Checker(page)

    assert checker.wrong == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert not re.search(r"(?:src|href)=\"https?:|@import|url\((?!#)", page)


def test_headline_interval_and_counts_are_those_of_the_metrics(run: Path, page: str) -> None:
    auc = json.loads((run / "metrics.json").read_text())["units"]["image"]["test"]["auc"]

    lead = re.search(r'<p class="lead">(.*?)</p>', page, re.DOTALL).group(1)

    assert f"{auc['value']:.3f}" in lead
    assert f"{auc['low']:.3f} to {auc['high']:.3f}" in lead
    assert f"{auc['n']} images, {auc['positives']} positive, of {auc['patients']} patients" in lead


def test_every_defined_number_of_every_unit_stands_in_the_page(run: Path, page: str) -> None:
    units = json.loads((run / "metrics.json").read_text())["units"]

    numbers = {f"{e['value']:.3f}" for u in units.values() for e in u["test"].values() if e["value"] is not None}

    assert {number for number in numbers if number not in page} == set()


def test_each_section_shows_its_file(page: str) -> None:
    for text in (
        "Not a medical device",
        "not distinguishable from it",
        "pixel data ends after 1,024 bytes",
        "two densities for one patient",
        "phantom-resnet18",
        "official-repaired",
        "ab12ab12",
        "Known lesion outlined.",
        "4 patients of the test part were taken out of train",
        "<small>records</small>",
        "resnet18",
        "1b425d1",
        "mammoscope evaluate first",
    ):
        assert text in page, text
    assert page.count("data:image/jpeg;base64,") == 4
    assert "Not available" not in page


def test_text_of_the_files_is_escaped(page: str) -> None:
    assert "&lt;b&gt;P_00009_L_CC&lt;/b&gt;" in page
    assert "<b>P_00009_L_CC" not in page


def test_figures_are_files_too_sound_and_in_real_colours(run: Path) -> None:
    names = {file.stem for file in (run / "figures").glob("*.svg")}

    assert names >= {
        "roc-image",
        "roc-breast",
        "precision-recall-image",
        "confusion-image",
        "scores",
        "training",
        "cohort",
    }
    for file in (run / "figures").glob("*.svg"):
        text = file.read_text(encoding="utf-8")
        ET.fromstring(text)  # noqa: S314 - written a moment ago
        assert "var(--" not in text


def test_figures_in_the_page_take_their_colours_from_the_page(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)

    left = {colour for svg in drawings for colour in re.findall(r"#[0-9a-f]{6}\b", svg)}

    assert left <= {"#000000", "#ffffff"}


def test_the_same_run_gives_the_same_page(run: Path, page: str) -> None:
    assert write_report(run).read_text(encoding="utf-8") == page


FILES = (
    *("recipe.json", "environment.json", "audit.json", "split.json", "prepare.json", "metrics.json"),
    *("flow.json", "explanations.json", "history.jsonl", "cohort.parquet", "predictions.parquet"),
)


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_named_with_the_command_that_makes_it(
    run: Path, tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FILES:
        if name != file:
            (tmp_path / name).write_bytes((run / name).read_bytes())
    monkeypatch.setattr("mammoscope.report.page.run_figures", lambda _: {})  # drawn in the tests around this one

    page = write_report(tmp_path).read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    assert re.search(rf"{re.escape(file)} \(not in the run folder\). Make it with: <code>mammoscope \w+</code>", page)
    assert set(re.findall(r"Not available:</strong> ([\w.]+) ", page)) == {file}


@pytest.mark.parametrize("content", ["{not json", '"text"', ""])
def test_damaged_files_are_named_like_missing_ones(tmp_path: Path, content: str) -> None:
    for name in FILES:
        (tmp_path / name).write_text(content)

    page = write_report(tmp_path).read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    assert {name for name in FILES if f"</strong> {name} (damaged" not in page} == set()


def test_an_empty_folder_gives_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    page = write_report(tmp_path).read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    assert {name for name in FILES if f"</strong> {name} (not in the run folder)" not in page} == set()


def test_metrics_of_another_version_are_not_read(run: Path, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"schema": "0"}')

    assert "metrics.json (written by another version)" in write_report(tmp_path).read_text(encoding="utf-8")


def test_a_single_class_test_part_gives_a_page_that_says_so(run: Path, tmp_path: Path) -> None:
    rows = pl.read_parquet(run / "predictions.parquet").filter((pl.col("part") == "tune") | (pl.col("label") == 0))
    rows.write_parquet(tmp_path / "predictions.parquet")
    evaluated(tmp_path, replicates=20)

    page = write_report(tmp_path).read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    assert "the AUC is not defined: single class: no positive" in page
    assert "No curves per image" in page


def test_a_run_without_tune_rows_has_no_confusion_matrix_and_says_why(run: Path, tmp_path: Path) -> None:
    pl.read_parquet(run / "predictions.parquet").filter(pl.col("part") == "test").write_parquet(
        tmp_path / "predictions.parquet"
    )
    evaluated(tmp_path, replicates=20)

    page = write_report(tmp_path).read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    assert "No confusion matrix per image" in page
    assert "there is no threshold per image" in page


def test_a_picture_outside_the_run_folder_is_not_read(run: Path, tmp_path: Path) -> None:
    inside = tmp_path / "run"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    row = {"image_id": "a", "label": 1, "score": 0.5, "group": "true positive", "file": "../secret.png"}
    (inside / "explanations.json").write_text(json.dumps([row]))

    page = write_report(inside).read_text(encoding="utf-8")

    assert "no picture" in page
    assert "data:image" not in page.split("</style>")[1]


def test_a_dollar_sign_in_a_name_is_a_dollar_sign(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / n, patients=40, name=n) for n in ("a $x", "b$ & <c>")]

    page = write_comparison(runs, out=tmp_path / "c.html").read_text(encoding="utf-8")

    assert Checker(page).wrong == []
    assert "a $x: " in page
    assert "b$ &amp; &lt;c&gt;" in page


def test_no_such_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: no such run folder. Make one with: mammoscope run"):
        write_report(tmp_path / "nowhere")


def test_the_terminal_lines_say_what_the_page_says(run: Path) -> None:
    metrics = json.loads((run / "metrics.json").read_text())

    lines = summary_lines(metrics)

    assert lines[0].startswith(f"AUC per image {metrics['units']['image']['test']['auc']['value']:.3f} (95 % ")
    assert any(line.startswith("per image at score >= ") and "sensitivity" in line for line in lines)
    assert sum("metadata only" in line for line in lines) == 1


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    return write_run(run.parent / "second", signal=0.5, name="phantom-simple-cnn")


def test_runs_on_the_same_test_part_are_compared_with_a_verdict(run: Path, second: Path) -> None:
    out = write_comparison([run, second], out=run.parent / "comparison.html")

    page = out.read_text(encoding="utf-8")
    aucs = [
        json.loads((r / "metrics.json").read_text())["units"]["image"]["test"]["auc"]["value"] for r in (run, second)
    ]
    lead = re.search(r'<p class="lead">(.*?)</p>', page, re.DOTALL).group(1)
    assert f"difference {aucs[0] - aucs[1]:.3f}".replace("-", "\N{MINUS SIGN}") in lead
    assert "phantom-resnet18 is above phantom-simple-cnn" in lead or "not distinguishable" in lead
    assert '<a href="first/report.html">' in page
    assert [w for w in Checker(page).wrong if "report.html" not in w] == []
    assert (run.parent / "comparison-roc-image.svg").is_file()


def test_a_run_is_not_distinguishable_from_itself(run: Path) -> None:
    page = write_comparison([run, run], out=run.parent / "same.html").read_text(encoding="utf-8")

    assert "are not distinguishable (difference 0.000, 0.000 to 0.000)" in page
    assert "1: phantom-resnet18" in page


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: None, r"1 run folders given, 2 to 12 are allowed"),
        (
            lambda f: (f / "metrics.json").unlink(),
            r"metrics.json is not in the run folder. Make it with: mammoscope eval",
        ),
        (lambda f: (f / "predictions.parquet").unlink(), r"predictions.parquet is not in the run folder"),
        (lambda f: _rewrite(f, lambda t: t.filter(pl.col("image_id") != t["image_id"][-1])), "different test images"),
        (
            lambda f: _rewrite(f, lambda t: t.with_columns((1 - pl.col("label")).alias("label"))),
            "with other labels or patients",
        ),
        (lambda f: (f / "split.json").write_text('{"fingerprint": "ff"}'), r"different splits \(fingerprints ab12"),
        (lambda f: evaluated(f, replicates=50), r"other settings \(replicates 200 and 50\)"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(run: Path, tmp_path: Path, change, says: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in FILES:
        (other / name).write_bytes((run / name).read_bytes())
    runs = [run] if change(other) is None and "given" in says else [run, other]

    with pytest.raises(SourceError, match=says):
        write_comparison(runs, out=tmp_path / "c.html")


def _rewrite(folder: Path, change) -> bool:
    file = folder / "predictions.parquet"
    test_last = pl.read_parquet(file).sort("part", descending=True)
    change(test_last).write_parquet(file)
    return True
