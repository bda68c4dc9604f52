"""Runs of several classes, other tasks and members: measured from their predictions, told, compared, refused."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from jsonschema import Draft202012Validator
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from class_runs import (
    ABCD,
    KINDS,
    MEASURE,
    answered,
    measured_density,
    scored,
    set_recipe,
    with_everything,
    write_class_run,
)
from mammoscope.errors import SourceError
from mammoscope.evaluation import (
    class_sample,
    compare_members,
    evaluate_task,
    measure_classes,
    metric_difference,
    metrics_schema,
    patient_draws,
    task_schema,
)
from mammoscope.pipeline import measure, seal_run, seals_of
from mammoscope.pipeline.beside import unit_cohort
from mammoscope.report import summary_lines, write_report
from report_runs import Checker, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured_density(tmp_path_factory.mktemp("runs") / "density")


@pytest.fixture(scope="module")
def facts(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text())


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A measured run of yes or no with two members and three other tasks, one of them broken."""
    folder = with_everything(tmp_path_factory.mktemp("runs") / "full")
    forest, dense = (folder / name for name in ("members/forest.parquet", "tasks/dense.parquet"))
    pl.read_parquet(forest).sample(fraction=1.0, shuffle=True, seed=1).write_parquet(forest)  # the order is no matter
    pl.read_parquet(dense).drop("score").write_parquet(folder / "tasks" / "broken.parquet")
    measure(folder)
    return folder


@pytest.fixture(scope="module")
def told(full: Path) -> dict:
    return json.loads((full / "metrics.json").read_text())


def test_numbers_of_a_class_run_are_those_of_scikit_learn(run: Path, facts: dict) -> None:
    rows = pl.read_parquet(run / "predictions.parquet").filter(pl.col("part") == "test")
    scores = rows.select(f"score_{name}" for name in ABCD).to_numpy()
    called = np.array(ABCD)[scores.argmax(axis=1)]

    test = facts["units"]["image"]["test"]

    assert facts["kind"] == "classes"
    assert test["accuracy"]["value"] == pytest.approx(accuracy_score(rows["label"], called))
    assert test["kappa_quadratic"]["value"] == pytest.approx(
        cohen_kappa_score(rows["label"], called, weights="quadratic")
    )
    assert test["macro_auc"]["value"] == pytest.approx(roc_auc_score(rows["label"], scores, multi_class="ovr"))
    assert test["accuracy"]["n"] == rows.height


def test_a_class_run_has_every_unit_that_its_rows_allow_and_says_why_not(facts: dict) -> None:
    assert list(facts["units"]) == ["image", "breast", "patient"]
    assert "exam_id is unknown" in facts["unavailable"]["exam"]
    assert (
        facts["units"]["patient"]["test"]["accuracy"]["n"] == facts["units"]["patient"]["test"]["accuracy"]["patients"]
    )
    assert facts["units"]["image"]["collapse"]["positive"] == ["C", "D"]


def test_units_whose_images_are_labelled_differently_are_left_out(tmp_path: Path) -> None:
    made = write_class_run(tmp_path / "kinds", task="lesion_kind", classes=KINDS, patients=40, replicates=20)

    found = measure(made)

    assert list(found["units"]) == ["image"]
    assert "labelled" in found["unavailable"]["breast"]
    assert found["ordered"] is False
    assert found["primary"] == "macro_auc"
    assert not any("quadratic" in line for line in summary_lines(found))


def test_the_majority_baseline_is_right_as_often_as_its_class_occurs(run: Path, facts: dict) -> None:
    cohort = pl.read_parquet(run / "cohort.parquet")
    commonest = cohort.filter(pl.col("part") == "train")["density"].drop_nulls().mode().sort()[0]
    labels = pl.read_parquet(run / "predictions.parquet").filter(pl.col("part") == "test")["label"]

    majority, metadata, intensity = facts["baselines"]

    assert majority["units"]["image"]["test"]["accuracy"]["value"] == pytest.approx((labels == commonest).mean())
    assert majority["units"]["image"]["test"]["kappa"]["value"] == pytest.approx(0.0)
    assert set(metadata["used"]) == {"age_years", "view", "laterality", "machine_id"}
    assert intensity["reason"] is None
    told = facts["units"]["image"]["test"]["kappa"]["value"] - majority["units"]["image"]["test"]["kappa"]["value"]
    assert majority["units"]["image"]["differences"]["kappa"]["difference"]["value"] == pytest.approx(told)


def test_without_a_label_in_the_cohort_baselines_say_why_they_are_missing(run: Path) -> None:
    cohort = pl.read_parquet(run / "cohort.parquet").drop("density")

    found = evaluate_task(pl.read_parquet(run / "predictions.parquet"), task="density", cohort=cohort, replicates=10)

    assert found.baselines[0].units["image"].test["accuracy"].value is not None  # from the tune part
    assert "no train part" in str(found.baselines[1].reason)
    assert "no train part" in str(found.baselines[2].reason)


def test_a_paired_difference_is_the_difference_on_the_same_drawn_patients() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(list(ABCD), 80).tolist()
    rows = pl.DataFrame({"label": labels, "patient_id": [str(n // 4) for n in range(80)]})
    samples = [
        class_sample(rows.with_columns(**scored(labels, classes=ABCD, signal=signal, seed=3)), classes=ABCD)
        for signal in (1.2, 0.6)
    ]

    found = metric_difference(
        *(measure_classes(one, replicates=40, seed=5) for one in samples), metric="kappa_quadratic"
    )

    expected = []
    for counts in np.concatenate(list(patient_draws(20, replicates=40, seed=5)), axis=1).T:
        drawn = np.repeat(np.arange(80), counts[samples[0].patients].astype(int))
        kappas = [cohen_kappa_score(s.labels[drawn], s.calls[drawn], weights="quadratic") for s in samples]
        expected.append(kappas[0] - kappas[1])
    low, high = np.quantile(expected, [0.025, 0.975])
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    assert found.p_value == pytest.approx(min(1.0, 2 * (1 + min(np.sum(np.array(expected) <= 0), 40)) / 41))


def test_answers_to_other_rows_or_classes_are_not_compared() -> None:
    rows = pl.DataFrame({"label": list("AB"), "prediction": list("AB"), "patient_id": list("xy")})
    one = measure_classes(class_sample(rows, classes="AB"), replicates=5)

    with pytest.raises(SourceError, match="not of the same rows"):
        metric_difference(
            one, measure_classes(class_sample(rows.reverse(), classes="AB"), replicates=5), metric="accuracy"
        )
    with pytest.raises(SourceError, match="the classes are A, B and A, B, C"):
        metric_difference(one, measure_classes(class_sample(rows, classes="ABC"), replicates=5), metric="accuracy")


def test_metrics_of_class_runs_and_of_tasks_and_members_are_as_their_schema_says(facts: dict, told: dict) -> None:
    sound = told | {"tasks": {name: task for name, task in told["tasks"].items() if name != "broken"}}

    for schema, metrics in ((task_schema(), facts), (metrics_schema(), sound)):
        assert [error.message for error in Draft202012Validator(schema).iter_errors(metrics)] == []


def test_other_tasks_are_measured_on_the_rows_whose_label_is_known(full: Path, told: dict) -> None:
    unknown = pl.read_parquet(full / "predictions.parquet").filter(pl.col("part") == "test")["density"].null_count()

    tasks, rows = told["tasks"], told["units"]["image"]["test"]["auc"]["n"]

    assert unknown > 0
    assert tasks["density"]["units"]["image"]["test"]["accuracy"]["n"] == rows - unknown
    assert tasks["dense"]["kind"] == "binary"
    assert tasks["dense"]["baselines"][0]["reason"] is None  # of the tune part: no other label's train rows are used
    assert tasks["broken"]["kind"] == "none"
    assert "score" in tasks["broken"]["reason"]


def test_members_are_told_apart_only_where_interval_and_corrected_test_agree(full: Path, told: dict) -> None:
    test = pl.read_parquet(full / "predictions.parquet").filter(pl.col("part") == "test")

    found = told["members"]

    assert found["own"]["auc"]["value"] == pytest.approx(roc_auc_score(test["label"], test["score"]))
    assert [one["name"] for one in found["members"]] == ["cnn-head", "forest"]
    head, forest = found["members"]
    assert forest["verdict"] == "above"
    assert forest["p_adjusted"] == pytest.approx(min(1.0, 2 * forest["p_value"]))
    assert forest["difference"]["value"] == pytest.approx(found["own"]["auc"]["value"] - forest["test"]["auc"]["value"])
    assert head["verdict"] == "not distinguishable" or head["p_adjusted"] < 0.05


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.head(5), r"members/forest: is not of the run's own rows \(\d+ only of the run, 0 only of"),
        (lambda rows: rows.with_columns(label=1 - pl.col("label")), "members/forest: has other labels"),
        (lambda rows: rows.drop("score"), r"members/forest: columns \['score'\] are missing"),
        (lambda rows: rows.with_columns(score=pl.col("score") + 2), r"members/forest: predictions: row 1"),
    ],
)
def test_a_member_of_other_rows_is_refused_by_name(change, said: str, full: Path) -> None:
    own, forest = (pl.read_parquet(full / name) for name in ("predictions.parquet", "members/forest.parquet"))

    with pytest.raises(SourceError, match=said):
        compare_members(own, members={"forest": change(forest)}, replicates=5)


def test_members_of_a_class_run_are_compared_by_what_it_quotes_first(run: Path, tmp_path: Path) -> None:
    made = write_class_run(tmp_path / "density", signal=0.8, replicates=60)
    (made / "members").mkdir()
    cohort = pl.read_parquet(made / "cohort.parquet")
    same = answered(cohort, task="density", classes=ABCD, signal=0.8, seed=1)
    same.write_parquet(made / "members" / "same.parquet")

    found = measure(made)

    assert found["members"]["metric"] == "kappa_quadratic"
    only = found["members"]["members"][0]
    assert (only["difference"]["value"], only["verdict"]) == (0.0, "not distinguishable")
    assert any("of member same" in line for line in summary_lines(found))


def test_a_member_is_a_look_of_its_own_at_a_sealed_test_set(tmp_path: Path) -> None:
    made = with_everything(tmp_path / "one")
    seal_run(made, budget=2)

    found = measure(made)

    (seal,) = seals_of(made).values()
    assert [look.model for look in seal.looks] == ["phantom-resnet18", "phantom-resnet18/cnn-head"]
    assert [one["name"] for one in found["members"]["members"]] == ["cnn-head"]
    assert any("member forest is not measured" in text for text in found["warnings"])


def test_other_class_scores_are_other_predictions_to_a_seal(tmp_path: Path) -> None:
    made = write_class_run(tmp_path / "density", patients=30, replicates=20)
    seal_run(made)
    measure(made)
    rows = pl.read_parquet(made / "predictions.parquet").drop("prediction")
    rows.with_columns(score_A=pl.col("score_B"), score_B=pl.col("score_A")).write_parquet(made / "predictions.parquet")

    measure(made)

    (seal,) = seals_of(made).values()
    assert seal.distinct == 2
    assert "kappa_quadratic" in seal.looks[0].result


def test_rows_that_are_exams_have_no_result_per_image(tmp_path: Path) -> None:
    made = write_class_run(tmp_path / "exams", patients=60, replicates=20)
    rows = pl.read_parquet(made / "predictions.parquet")
    exams = rows.unique("patient_id", keep="first", maintain_order=True).with_columns(
        image_id=pl.col("patient_id"), exam_id=pl.col("patient_id")
    )
    exams.drop("breast_id").write_parquet(made / "predictions.parquet")
    set_recipe(made, input={"unit": "exam"})

    found = measure(made)

    assert list(found["units"]) == ["exam", "patient"]
    assert found["headline"] == found["row"] == "exam"
    assert found["units"]["patient"]["test"]["accuracy"] == found["units"]["exam"]["test"]["accuracy"]
    assert "a row is one exam" in found["unavailable"]["image"]
    assert found["baselines"][1]["units"]["exam"]["test"]["accuracy"]["n"] == exams.filter(part="test").height
    assert Checker(write_report(made).read_text(encoding="utf-8")).wrong == []


def test_rows_of_yes_or_no_that_are_breasts_are_measured_with_their_baselines_and_subgroups(tmp_path: Path) -> None:
    made = write_run(tmp_path / "breasts", patients=60)
    rows = pl.read_parquet(made / "predictions.parquet")
    grouped = rows.group_by("source", "patient_id", "part", "breast_id", "laterality", maintain_order=True).agg(
        pl.col("score").mean(), pl.col("label").max()
    )
    grouped.with_columns(image_id=pl.col("breast_id")).write_parquet(made / "predictions.parquet")
    set_recipe(made, input={"unit": "breast"}, measure=MEASURE)

    found = measure(made)

    assert found["headline"] == "breast"
    assert list(found["units"]) == ["breast", "patient"]
    assert {one["name"]: one["reason"] for one in found["baselines"]} == dict.fromkeys(
        ("majority class", "metadata only", "mean intensity")
    )
    assert found["subgroups"]["unit"] == "breast"
    page = write_report(made).read_text(encoding="utf-8")
    assert Checker(page).wrong == []
    assert "per breast" in page


def test_a_lesion_crop_is_said_to_be_one(tmp_path: Path) -> None:
    made = write_run(tmp_path / "crops", patients=30)
    set_recipe(made, input={"unit": "lesion"}, measure=MEASURE)

    assert any("told per lesion" in text for text in measure(made)["warnings"])


def test_the_cohort_of_a_unit_keeps_what_its_pictures_agree_on() -> None:
    table = pl.DataFrame(
        {
            "source": "own",
            "patient_id": ["1", "1", "2"],
            "image_id": list("abc"),
            "laterality": ["L", "R", "L"],
            "view": ["CC", "CC", "MLO"],
            "dense": ["no", None, "yes"],
            "malignant": [True, None, False],
            "mean_intensity": [0.2, 0.4, 0.5],
            "exam_id": [None, None, "7"],
            "part": "train",
        }
    )

    exams = unit_cohort(table, row="exam", task="dense")

    told = exams.select("image_id", "laterality", "view", "malignant", "mean_intensity").rows()
    assert told == [("1", None, "CC", False, pytest.approx(0.3)), ("7", "L", "MLO", True, 0.5)]
    assert "malignant" not in unit_cohort(table.drop("dense"), row="image", task="dense").columns
