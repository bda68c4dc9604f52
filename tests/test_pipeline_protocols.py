"""Cross-validation and repeated seeds: every patient tested once, nothing trained twice, nothing pooled in silence."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import BundleError, RecipeError, SourceError
from mammoscope.models import EnsembleBundle
from mammoscope.pipeline import (
    Work,
    bundle_ensemble,
    cross_validate,
    ensemble,
    fold_recipe,
    measure,
    repeat,
    seal_run,
    seals_of,
)
from mammoscope.records import Index
from mammoscope.report import write_spread
from mammoscope.training import Recipe
from report_runs import Checker

RECIPE = Recipe.model_validate(
    {
        "name": "tiny",
        "source": "cbis_ddsm",
        "preprocess": {"rows": 32, "cols": 32},
        "model": {"kind": "simple-cnn", "channels": [4, 8]},
        "training": {"batch_size": 16},
        "stages": [{"epochs": 1, "lr": 2e-3}],
        "measure": {"replicates": 100},
    }
)


@pytest.fixture(scope="module")
def validated(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "cv"
    cross_validate(RECIPE, out=out, work=work, folds=3)
    return out


def test_every_patient_is_tested_in_one_fold_and_trains_in_no_other_way_there(validated: Path, work: Work) -> None:
    cohorts = [pl.read_parquet(validated / f"fold-{fold}" / "cohort.parquet") for fold in range(3)]

    tested = [set(one.filter(pl.col("part") == "test")["patient_id"]) for one in cohorts]
    assert sum(map(len, tested)) == len(set.union(*tested)) == work.index.table["patient_id"].n_unique()
    for one, test in zip(cohorts, tested, strict=True):
        assert not test & set(one.filter(pl.col("part") != "test")["patient_id"])


def test_mean_and_pooled_stand_beside_each_other_and_out_of_fold_rows_are_those_of_the_folds(validated: Path) -> None:
    facts = json.loads((validated / "cross-validation.json").read_text())
    table = pl.read_parquet(validated / "out-of-fold.parquet")

    each = [
        json.loads((validated / name / "metrics.json").read_text())["units"]["image"]["test"]["auc"]["value"]
        for name in facts["names"]
    ]
    assert facts["metrics"]["auc"]["mean"]["value"] == pytest.approx(sum(each) / 3)
    assert facts["pooled"]["auc"]["n"] == table.height == sum(e["n"] for e in facts["metrics"]["auc"]["each"])
    assert not (validated / "predictions.parquet").exists()  # nothing takes the pooled scores for one model's


def test_a_finished_fold_is_not_trained_again_and_a_lost_one_is(validated: Path, work: Work, tmp_path: Path) -> None:
    out = tmp_path / "cv"
    shutil.copytree(validated, out)
    shutil.rmtree(out / "fold-1")
    said: list[str] = []

    cross_validate(RECIPE, out=out, work=replace(work, say=said.append), folds=3)

    assert [line for line in said if line.endswith("before")] == [
        "fold-0: trained and measured before",
        "fold-2: trained and measured before",
    ]
    assert "fold-1: train" in said
    again, first = (pl.read_parquet(folder / "out-of-fold.parquet") for folder in (out, validated))
    assert again.equals(first)


def test_other_labels_in_the_index_are_not_taken_for_a_finished_fold(
    validated: Path, work: Work, tmp_path: Path
) -> None:
    out = tmp_path / "cv"
    shutil.copytree(validated, out)
    patients = work.index.table["patient_id"].unique().sort()
    fewer = work.index.table.filter(pl.col("patient_id") != patients[0])

    with pytest.raises(RecipeError, match=r"fold-\d: holds a checkpoint of another recipe, split or data"):
        cross_validate(RECIPE, out=out, work=replace(work, index=Index(table=fewer, roots=work.index.roots)), folds=3)


def test_a_fold_without_positives_is_refused_before_anything_is_trained(work: Work, tmp_path: Path) -> None:
    table = work.index.table
    ill = table.filter(pl.col("malignant"))["patient_id"].unique().sort()[:4]
    few = table.filter(~pl.col("malignant") | pl.col("patient_id").is_in(ill.implode()))
    few = few.filter(pl.col("malignant").any().over("patient_id") == pl.col("patient_id").is_in(ill.implode()))

    with pytest.raises(SourceError, match=r"fold \d of 6: .*Of these patients --folds \d can be made"):
        cross_validate(
            RECIPE, out=tmp_path / "cv", work=replace(work, index=Index(table=few, roots=work.index.roots)), folds=6
        )

    assert not list(tmp_path.rglob("*"))


def test_another_number_of_folds_in_the_same_folder_is_refused(validated: Path, work: Work) -> None:
    with pytest.raises(RecipeError, match=r"cv: holds 3 folds, and 2 are asked for"):
        cross_validate(RECIPE, out=validated, work=work, folds=2)


def test_a_recipe_that_continues_another_needs_that_one_cross_validated(work: Work, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"start": "before"})

    with pytest.raises(RecipeError, match=r"start = 'before': before has no fold-0"):
        cross_validate(recipe, out=tmp_path / "cv", work=work, folds=2)


def test_folds_keep_the_recipes_seed_and_its_share_of_tune() -> None:
    recipe = fold_recipe(RECIPE, fold=2, folds=4)

    assert (recipe.seed, recipe.split.fold, recipe.split.folds) == (RECIPE.seed, 2, 4)
    assert recipe.split.tune == pytest.approx(0.15 / 0.85)


def test_seeds_share_the_split_and_differ_in_the_weights(work: Work, tmp_path: Path) -> None:
    found = repeat(RECIPE, out=tmp_path / "seeds", work=work, seeds=(0, 3))

    splits, answers = (
        [(tmp_path / "seeds" / name / file).read_bytes() for name in found.names]
        for file in ("split.json", "predictions.parquet")
    )
    assert found.names == ("seed-0", "seed-3")
    assert splits[0] == splits[1]
    assert answers[0] != answers[1]
    assert found.metrics["auc"].mean.n == found.metrics["auc"].each[0].n
    assert write_spread(tmp_path / "seeds").name == "repeats.html"


@pytest.mark.parametrize("seeds", [(0,), (1, 1), (0, -1)])
def test_seeds_that_are_no_two_different_numbers_are_refused(
    work: Work, tmp_path: Path, seeds: tuple[int, ...]
) -> None:
    with pytest.raises(RecipeError, match=r"--seeds .*two or more different numbers"):
        repeat(RECIPE, out=tmp_path / "seeds", work=work, seeds=seeds)


def test_the_verb_tells_mean_and_pooled_and_ends_with_the_page(validated: Path, data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.json"
    recipe.write_text(RECIPE.model_dump_json())
    out = tmp_path / "cv"
    shutil.copytree(validated, out)

    words = ["cross-validate", recipe, "--data", data, "--out", out, "--folds", 3, "--workers", 0, "--device", "cpu"]
    done = CliRunner().invoke(app, [str(word) for word in words])

    lines = done.stdout.splitlines()
    assert done.exit_code == 0, done.output
    assert lines[3].startswith("mean of 3 folds")
    assert lines[4].startswith("pooled over all rows")
    page = Path(lines[-1]).read_text()
    assert "Pooled" in page
    assert Checker(page).wrong == []


def test_a_folder_without_a_summary_has_no_page(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has neither cross-validation.json nor repeats.json"):
        write_spread(tmp_path)


def test_the_bundle_of_an_ensemble_scores_files_as_the_ensemble_did(work: Work, tmp_path: Path) -> None:
    repeat(RECIPE, out=tmp_path / "seeds", work=work, seeds=(0, 1))
    runs = [tmp_path / "seeds" / name for name in ("seed-0", "seed-1")]
    done = CliRunner().invoke(app, ["ensemble", *map(str, runs), "--out", str(tmp_path / "both"), "--by", "rank"])
    assert done.exit_code == 0, done.output
    row = pl.read_parquet(tmp_path / "both" / "predictions.parquet").filter(pl.col("part") == "test").row(0, named=True)
    path = work.index.table.filter(pl.col("image_id") == row["image_id"])["path"][0]

    words = ["predict", tmp_path / "both" / "bundle", work.index.file("cbis_ddsm", path), "--workers", 0, "--json"]
    answer = json.loads(CliRunner().invoke(app, [str(word) for word in words]).stdout)[0]

    assert answer["score"] == pytest.approx(row["score"], abs=1e-5)
    threshold = json.loads((tmp_path / "both" / "metrics.json").read_text())["units"]["image"]["threshold"]["value"]
    assert answer["call"] == ("positive" if row["score"] >= threshold else "negative")

    other = tmp_path / "both" / "bundle" / "members" / "seed-1" / "bundle.json"
    other.write_text(other.read_text().replace('"name": "tiny"', '"name": "else"'))
    with pytest.raises(BundleError, match=r"member seed-1 is missing or another"):
        EnsembleBundle.from_pretrained(tmp_path / "both" / "bundle")


def test_members_that_read_pictures_in_other_ways_make_no_bundle(work: Work, tmp_path: Path) -> None:
    larger = RECIPE.model_copy(update={"preprocess": RECIPE.preprocess.model_copy(update={"rows": 48})})
    for name, recipe in (("a", RECIPE), ("b", larger)):
        repeat(recipe, out=tmp_path / "seeds", work=work, seeds=(0, 1))
        (tmp_path / "seeds" / "seed-0").rename(tmp_path / name)
        shutil.rmtree(tmp_path / "seeds")
    ensemble([tmp_path / "a", tmp_path / "b"], out=tmp_path / "both")
    measure(tmp_path / "both")

    reason = bundle_ensemble(tmp_path / "both", members=[tmp_path / "a", tmp_path / "b"])

    assert reason is not None
    assert "differ in preprocess" in reason
    assert not (tmp_path / "both" / "bundle").exists()


def test_a_seal_beside_the_folder_counts_its_folds(validated: Path, tmp_path: Path) -> None:
    shutil.copytree(validated, tmp_path / "cv")
    run = tmp_path / "cv" / "fold-0"

    ledger, _ = seal_run(run, ledger=tmp_path / "sealed-all.jsonl")
    (run / "seal.json").unlink()

    assert list(seals_of(run)) == [ledger]
