"""`mammoscope feature-maps` and `mammoscope importance`, on runs and files."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from mammoscope.cli import app
from mammoscope.errors import BundleError, SourceError
from mammoscope.evaluation import read_seal
from mammoscope.pipeline import draw_activations, importance, seal_run
from planted import picture
from small_runs import small_run

if TYPE_CHECKING:
    from mammoscope.pipeline import Work


@pytest.fixture(scope="module")
def forest(work: "Work", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A forest on the vectors of a network and three columns."""
    columns = ["view", "laterality", "density"]
    run = tmp_path_factory.mktemp("inside") / "forest"
    settings = {"clinical": {"columns": columns, "reader": True}, "estimator": {"kind": "forest", "trees": 5}}
    return small_run(work, run, **settings)


@pytest.fixture(scope="module")
def plain(work: "Work", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of breasts, which are several pictures each, and nothing else."""
    return small_run(work, tmp_path_factory.mktemp("inside") / "plain", input={"unit": "breast"})


def cli(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def tune_rows(run: Path) -> pl.DataFrame:
    cohort = pl.read_parquet(run / "cohort.parquet")
    return cohort.filter((pl.col("part").cast(pl.String) == "tune") & pl.col("file").is_not_null())


def test_a_forest_with_columns_is_weighed_in_every_way_it_has(forest: Path, work: "Work") -> None:
    done = cli("importance", forest, "--cache", work.cache, "--repeats", 2, "--device", "cpu", "--json")

    found = json.loads(done.stdout)
    assert done.exit_code == 0, done.output
    assert found == json.loads((forest / "importance.json").read_text())
    assert found["by"] == ["permutation", "impurity", "shap"]
    assert found["permutation"]["inputs"] == ["view", "laterality", "density", "picture"]
    assert {row["name"] for row in found["shap"]["inputs"]} == {"view", "laterality", "density", "picture"}
    assert sum(row["values"][0] for row in found["impurity"]["inputs"]) == pytest.approx(1.0)
    page = (forest / "importance.html").read_text()
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="http', page)


def test_shares_and_the_expected_answer_are_the_answers_of_the_run(forest: Path, work: "Work") -> None:
    found = importance(forest, cache=work.cache, by=["shap"], device="cpu")

    rows = tune_rows(forest).select("source", "image_id")
    answers = rows.join(
        pl.read_parquet(forest / "predictions.parquet"), on=["source", "image_id"], maintain_order="left"
    )
    shares = np.sum([row["shares"][0] for row in found["shap"]["inputs"]], axis=0)
    np.testing.assert_allclose(shares + found["shap"]["expected"][0], answers["score"].to_numpy(), atol=1e-4)


def test_the_report_of_the_run_shows_what_was_found(forest: Path, work: "Work") -> None:
    before = cli("report", forest)
    importance(forest, cache=work.cache, by=["permutation"], repeats=1, device="cpu")

    after = cli("report", forest)

    assert (before.exit_code, after.exit_code) == (0, 0)
    page = (forest / "report.html").read_text()
    assert 'id="importance"' in page
    assert "importance.html" in page


def test_a_look_at_the_test_part_is_counted_and_one_at_tune_is_not(forest: Path, work: "Work") -> None:
    ledger, _ = seal_run(forest)

    importance(forest, cache=work.cache, by=["permutation"], repeats=1, device="cpu")
    none = len(read_seal(ledger).looks)
    found = cli("importance", forest, "--part", "test", "--by", "permutation", "--cache", work.cache, "--device", "cpu")
    cli("feature-maps", "--run", forest, "--part", "test", "--cache", work.cache, "--device", "cpu")

    assert none == 0
    assert [look.what for look in read_seal(ledger).looks] == ["importance", "feature-maps"]
    assert "sealed test set" in found.stdout


def test_a_network_of_pictures_alone_is_refused_with_what_to_do(plain: Path, work: "Work") -> None:
    with pytest.raises(BundleError, match="there are no columns to weigh.*mammoscope explain.*feature-maps"):
        importance(plain, cache=work.cache)


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("permutations", "there are permutation, impurity, coefficients, shap; did you mean 'permutation'"),
        ("coefficients", "needs a logistic regression, and it has an estimator of kind forest"),
    ],
)
def test_a_way_that_a_run_has_not_is_refused(forest: Path, work: "Work", by: str, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        importance(forest, cache=work.cache, by=[by])


def test_what_was_learned_by_heart_and_pictures_of_another_run_are_refused(
    forest: Path, work: "Work", tmp_path: Path
) -> None:
    done = cli("importance", forest, "--part", "train", "--cache", work.cache)
    with pytest.raises(SourceError, match="pictures of the tune part are not in the cache"):
        importance(forest, cache=tmp_path)
    for row in tune_rows(forest)["file"].to_list():
        (tmp_path / row).parent.mkdir(exist_ok=True, parents=True)
        np.save(tmp_path / row, np.full((32, 24), 40000, dtype=np.uint16))
    with pytest.raises(SourceError, match="away from predictions.parquet"):
        importance(forest, cache=tmp_path, by=["permutation"])

    assert isinstance(done.exception, SourceError)


def test_the_strongest_pictures_of_a_run_are_named_with_their_breast(plain: Path, work: "Work") -> None:
    done = cli("feature-maps", "--run", plain, "--cache", work.cache, "--most", 2, "--each", 3, "--device", "cpu")

    found = json.loads((plain / "activations.json").read_text())
    rows = tune_rows(plain)
    assert done.exit_code == 0, done.output
    assert found["layer"] == "stack.1.0"
    assert found["pictures"] == rows.height
    assert [len(one["pictures"]) for one in found["channels"]] == [3, 3]
    for one in found["channels"]:
        values = [shown["value"] for shown in one["pictures"]]
        assert values == sorted(values, reverse=True)
        assert {shown["image_id"] for shown in one["pictures"]} <= set(rows["image_id"])
        assert all(shown["label"] in {"no", "yes"} and 0 <= shown["score"] <= 1 for shown in one["pictures"])
    assert (plain / "activations.html").read_text().count('class="cut"') == 6


def test_a_channel_and_a_layer_can_be_named(plain: Path, work: "Work") -> None:
    found = draw_activations(plain, cache=work.cache, layer="stack.0.0", channels=[3], each=1, device="cpu")

    assert [one["channel"] for one in found["channels"]] == [3]
    with pytest.raises(BundleError, match="did you mean 'stack.0"):
        draw_activations(plain, cache=work.cache, layer="stack.0.0x", device="cpu")
    with pytest.raises(BundleError, match="channel 9: layer 'stack.1.0' has 8"):
        draw_activations(plain, cache=work.cache, channels=[9], device="cpu")


def test_files_become_sheets_and_a_page(plain: Path, tmp_path: Path) -> None:
    files = [picture(tmp_path / "a.png", seed=1), picture(tmp_path / "b.png", seed=2)]
    (tmp_path / "broken.png").write_bytes(b"nothing")
    out = tmp_path / "out"

    done = cli("feature-maps", plain / "bundle", *files, tmp_path / "broken.png", "--out", out, "--json")

    rows = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [row["code"] is None for row in rows] == [True, True, False]
    assert [[one["layer"] for one in row["layers"]] for row in rows] == [["stack.0.0", "stack.1.0"]] * 2 + [[]]
    for row in rows:
        for one in row["layers"]:
            drawn = cv2.imread(str(out / one["picture"]))
            assert drawn is not None
            assert drawn.std() > 5
            assert one["drawn"] == list(range(one["channels"]))
    assert (out / "kernels.png").is_file()
    page = (out / "feature-maps.html").read_text()
    assert page.count("<figure>") == 2 * (1 + 4 + 8) + 4
    assert "broken.png" in page
    assert "<script" not in page


def test_a_layer_that_is_not_there_leaves_no_sheet(plain: Path, tmp_path: Path) -> None:
    file = picture(tmp_path / "a.png")

    done = cli("feature-maps", plain / "bundle", file, "--layer", "stak", "--out", tmp_path / "out")

    assert isinstance(done.exception, BundleError)
    assert "did you mean 'stack'" in str(done.exception)
    assert not list((tmp_path / "out").glob("001*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["feature-maps"], "give BUNDLE and FILE..., or --run RUN"),
        (["feature-maps", "B", "F", "--run", "R"], "--run is by itself"),
        (["feature-maps", "--run", "R", "--layer", "a", "--layer", "b"], "Name one"),
        (["feature-maps", "B", "F", "--channel", "1"], "channels are named of --run"),
    ],
)
def test_what_does_not_go_together_is_said(words: list[str], said: str) -> None:
    done = cli(*words)

    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
