"""Model card and checklists of a run: every item has an answer or a visible gap, and nothing is made up."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
import yaml

from mammoscope.errors import SourceError
from mammoscope.evaluation import Targets, evaluate, subgroups
from mammoscope.report import write_cards
from mammoscope.report.checklists import GUIDELINES, QUESTIONS, answers_of, filled, guideline
from mammoscope.report.folder import read_run
from report_runs import evaluated, write_run

RESULTS = ("Evaluation", "Threshold", "Calibration", "Subgroups")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("runs") / "one")
    cohort, table = (pl.read_parquet(folder / f"{name}.parquet") for name in ("cohort", "predictions"))
    settings = {"cohort": cohort, "replicates": 100}
    found = evaluate(table, targets=Targets(prevalence=0.01), calibration="platt", **settings)  # type: ignore[arg-type]
    groups = subgroups(table, unit=found.headline, threshold=0.5, few=3, **settings)  # type: ignore[arg-type]
    (folder / "metrics.json").write_text(json.dumps(found.to_json() | {"subgroups": groups.to_json()}))
    return folder


def section(card: str, title: str) -> str:
    return card.partition(f"## {title}\n")[2].partition("\n## ")[0]


def numbers_in(value: object) -> set[str]:
    """Every number of a JSON file, in the ways a card prints it, also those inside its texts."""
    match value:
        case bool() | None:
            return set()
        case int() | float():
            return {f"{abs(value):.3f}", f"{abs(value):g}", f"{abs(value):,}", f"{100 * abs(value):g}"}
        case str():
            return set(re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", value))
        case dict():
            return set().union(*(numbers_in(part) for pair in value.items() for part in pair))
        case list():
            return set().union(*(numbers_in(part) for part in value))
    return set()


@pytest.mark.parametrize("key", GUIDELINES)
def test_a_guideline_is_whole_and_asks_only_what_can_be_asked(key: str) -> None:
    found = guideline(key)

    numbers = [item.n for item in found.items]
    assert len(numbers) == len(set(numbers)) == {"claim-2024": 44, "tripod-ai-2024": 52, "stard-ai-2025": 48}[key]
    top = sorted({int(re.match(r"\d+", n).group()) for n in numbers})  # type: ignore[union-attr]
    assert top == list(range(1, {"claim-2024": 44, "tripod-ai-2024": 27, "stard-ai-2025": 40}[key] + 1))
    assert {name for item in found.items for name in item.said} <= set(QUESTIONS)
    assert all(item.said or item.open for item in found.items)


@pytest.mark.parametrize("key", GUIDELINES)
def test_every_item_has_an_answer_or_a_visible_gap(run: Path, key: str) -> None:
    files = write_cards(run)

    texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    checklist = filled(key, answers_of(read_run(run)))
    assert {row.status for row in checklist.rows} == {"answered", "partly", "open"}
    for row in checklist.rows:
        line = next(line for line in texts[f"{key}.md"].splitlines() if line.startswith(f"| {row.item.n} |"))
        assert row.answers or "**Not answered by the run: " in line
        assert all(gap in line for gap in row.gaps)
        assert bool(row.files) == bool(row.answers)
    assert f'id="{key}"' in texts["checklists.html"]


def test_no_result_in_the_card_is_not_in_the_metrics(run: Path) -> None:
    card = write_cards(run)[0].read_text(encoding="utf-8")

    known = numbers_in(json.loads((run / "metrics.json").read_text()))
    for title in RESULTS:
        said = section(card, title)
        printed = set(re.findall(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?", said))
        assert printed, title
        assert printed - known == set(), title


def test_the_card_has_the_hubs_header_with_the_measured_auc(run: Path) -> None:
    card = write_cards(run)[0].read_text(encoding="utf-8")

    header = yaml.safe_load(card.split("---\n")[1])
    metrics = json.loads((run / "metrics.json").read_text())
    measured = metrics["units"][metrics["headline"]]["test"]["auc"]["value"]
    result = header["model-index"][0]["results"][0]
    assert result["metrics"][0]["value"] == pytest.approx(measured, abs=5e-4)
    assert header["library_name"] == "mammoscope"
    assert "Not a medical device" in card


def test_a_bundle_gets_the_same_card(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_text('{"meaning": "a finding"}')

    written = write_cards(tmp_path)

    assert written[-1] == tmp_path / "bundle" / "README.md"
    assert written[-1].read_bytes() == written[0].read_bytes()
    assert "**A score near 1 says**: a finding" in written[0].read_text(encoding="utf-8")


def test_an_empty_folder_gives_gaps_and_says_what_makes_them_good(tmp_path: Path) -> None:
    card, claim, *_ = (path.read_text(encoding="utf-8") for path in write_cards(tmp_path))

    assert "*not answered by the run: metrics.json is not in the run folder; made by `mammoscope evaluate`*" in card
    assert "model-index" not in card
    assert "**Not answered by the run: split.json is not in the run folder; made by `mammoscope split`**" in claim


def test_damaged_files_are_gaps_not_errors(tmp_path: Path) -> None:
    for name in ("recipe", "environment", "audit", "split", "prepare"):
        (tmp_path / f"{name}.json").write_text('{"model": 3, "stages": "x", "findings": [1]}')
    (tmp_path / "flow.json").write_text('[["records"]]')
    (tmp_path / "explanations.json").write_text("[1]")
    (tmp_path / "metrics.json").write_text('{"schema": "0"}')
    (tmp_path / "robustness.json").write_text("[]")
    (tmp_path / "history.jsonl").write_text('{"best": true}\n')

    card, claim, *_ = (path.read_text(encoding="utf-8") for path in write_cards(tmp_path))

    assert "recipe.json is damaged or of another version" in card
    assert "metrics.json is written by another version" in claim


def test_metrics_of_a_single_class_have_reasons_in_place_of_numbers(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", patients=20)
    table = pl.read_parquet(run / "predictions.parquet")
    table.with_columns(pl.when(pl.col("part") == "test").then(0).otherwise("label").alias("label")).write_parquet(
        run / "predictions.parquet"
    )
    evaluated(run, replicates=100)

    card = write_cards(run)[0].read_text(encoding="utf-8")

    assert "model-index" not in card
    assert "is not defined: single class" in card.split("## Use")[0]


def test_patients_in_two_parts_are_called_so(run: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(run / "cohort.parquet")
    swapped = pl.when(pl.col("image_id") == "P_00000_L_CC").then(pl.lit("test")).otherwise("part").alias("part")
    table.with_columns(swapped).write_parquet(tmp_path / "cohort.parquet")

    card = write_cards(tmp_path)[0].read_text(encoding="utf-8")

    assert "NOT disjoint: 1 of 60 patients are in more than one part" in card


def test_no_full_path_and_no_markup_of_a_run_gets_out(tmp_path: Path) -> None:
    recipe = {
        "name": "mine <script> | x",
        "source": "/data/private/own.py:MINE",
        "seed": 0,
        "model": {"kind": "timm", "backbone": "resnet18", "pretrained": "/data/private/weights.safetensors"},
        "preprocess": {"rows": 8, "cols": 8},
        "split": {"kind": "file", "file": "C:\\private\\split.csv"},
        "stages": [{"epochs": 1}],
        "training": {"class_weight": "none", "sampling": "natural", "init": "/data/private/a.bin"},
    }
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))

    texts = [path.read_text(encoding="utf-8") for path in write_cards(tmp_path)]

    assert not any("private" in text or str(tmp_path) in text or "<script" in text for text in texts)
    assert "weights.safetensors" in texts[0]
    assert yaml.safe_load(texts[0].split("---\n")[1])["tags"] == ["mammography", "research-only"]


def test_the_page_needs_nothing_and_closes_what_it_opens(run: Path) -> None:
    page = write_cards(run)[4].read_text(encoding="utf-8")

    opened: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 given
            opened.extend([tag] if tag != "meta" else [])

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Tags().feed(page)
    assert opened == []
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_the_same_run_gives_the_same_cards(run: Path) -> None:
    one, other = ([path.read_bytes() for path in write_cards(run)] for _ in range(2))

    assert one == other


def test_no_such_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gone: no such run folder"):
        write_cards(tmp_path / "gone")
