"""Evaluating a table of predictions: units, thresholds, baselines, warnings, refusals."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import METRICS, choose_threshold, evaluate, read_table, sample_of, unit_rows


def cohort(patients: int = 90, *, seed: int = 0) -> pl.DataFrame:
    """Two breasts of two views a woman; age and brightness say a little."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        part = ("train", "tune", "test")[patient % 3]
        age = float(rng.integers(40, 80))
        for side in "LR":
            malignant = bool(rng.random() < (0.15 + 0.5 * (age > 60)))
            rows.extend(
                {
                    "source": "own",
                    "patient_id": f"p{patient}",
                    "image_id": f"p{patient}{side}{view}",
                    "laterality": side,
                    "view": view,
                    "part": part,
                    "malignant": malignant,
                    "age_years": age if rng.random() < 0.9 else None,
                    "implant": False,
                    "machine_id": str(rng.integers(1, 3)),
                    "site_id": None,
                    "mean_intensity": float(rng.random() - 0.3 * malignant),
                }
                for view in ("CC", "MLO")
            )
    return pl.DataFrame(rows, schema_overrides={"site_id": pl.String})


def predictions(table: pl.DataFrame, *, seed: int = 1, signal: float = 2.0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = table.filter(pl.col("part") != "train")
    logit = rng.normal(size=rows.height) + signal * rows["malignant"].to_numpy() - 1
    return rows.select(
        "source",
        "image_id",
        "patient_id",
        (pl.col("patient_id") + "_" + pl.col("laterality")).alias("breast_id"),
        "laterality",
        "view",
        "part",
        pl.col("malignant").cast(pl.Int8).alias("label"),
        pl.Series("score", 1 / (1 + np.exp(-logit))),
        "age_years",
    )


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return cohort()


@pytest.fixture(scope="module")
def found(table: pl.DataFrame):
    return evaluate(predictions(table), cohort=table, replicates=200)


def test_test_values_equal_scikit_learn_and_name_what_they_rest_on(table: pl.DataFrame, found) -> None:
    test = predictions(table).filter(pl.col("part") == "test")

    auc = found.units["image"].test["auc"]

    assert auc.value == pytest.approx(roc_auc_score(test["label"], test["score"]))
    assert (auc.n, auc.positives, auc.patients) == (test.height, test["label"].sum(), 30)
    assert auc.low < auc.value < auc.high
    assert set(found.units["image"].test) == set(METRICS)


def test_a_breast_is_the_mean_of_its_views_and_the_patient_her_worst_breast(table: pl.DataFrame, found) -> None:
    test = predictions(table).filter(pl.col("part") == "test")
    breasts = test.group_by("patient_id", "breast_id").agg(pl.col("label").max(), pl.col("score").mean())
    women = breasts.group_by("patient_id").agg(pl.col("label").max(), pl.col("score").max())

    got = {unit: found.units[unit].test["auc"] for unit in ("breast", "patient")}

    assert got["breast"].value == pytest.approx(roc_auc_score(breasts["label"], breasts["score"]))
    assert got["patient"].value == pytest.approx(roc_auc_score(women["label"], women["score"]))
    assert (got["breast"].n, got["patient"].n) == (60, 30)
    assert "mean score" in found.units["breast"].aggregation


def test_each_unit_has_its_threshold_chosen_on_tune_at_that_unit(table: pl.DataFrame, found) -> None:
    tune = predictions(table).filter(pl.col("part") == "tune")

    for unit in ("image", "breast", "patient"):
        expected = choose_threshold(sample_of(unit_rows(tune, unit=unit))).value
        assert found.units[unit].threshold.value == expected


def test_nothing_chosen_depends_on_the_test_rows(table: pl.DataFrame, found) -> None:
    rows = predictions(table)
    other = rows.with_columns(
        pl.when(pl.col("part") == "test").then(1 - pl.col("score")).otherwise("score").alias("score")
    )

    again = evaluate(other, cohort=table, replicates=50)

    for unit in found.units:
        assert again.units[unit].threshold == found.units[unit].threshold
    assert again.baselines[2].units["image"].test["auc"].value == found.baselines[2].units["image"].test["auc"].value


def test_confusion_counts_are_those_behind_the_rates(found) -> None:
    result = found.units["image"]
    c = result.confusion

    assert result.test["sensitivity"].value == pytest.approx(c.true_positive / (c.true_positive + c.false_negative))
    assert result.test["ppv"].value == pytest.approx(c.true_positive / (c.true_positive + c.false_positive))
    assert c.true_positive + c.false_positive + c.false_negative + c.true_negative == result.test["auc"].n


def test_the_order_of_rows_changes_nothing(table: pl.DataFrame, found) -> None:
    shuffled = predictions(table).sample(fraction=1.0, shuffle=True, seed=4)

    assert evaluate(shuffled, cohort=table, replicates=200).to_json() == found.to_json()


def test_json_holds_plain_values_only(found) -> None:
    text = json.dumps(found.to_json(), allow_nan=False)

    assert json.loads(text)["units"]["image"]["test"]["auc"]["patients"] == 30


def test_an_exam_needs_its_id_and_says_so(found) -> None:
    assert "exam" not in found.units
    assert "exam_id is unknown for every image" in found.unavailable["exam"]


def test_exams_are_put_together_where_they_are_known(table: pl.DataFrame) -> None:
    rows = predictions(table).with_columns((pl.col("patient_id") + "x").alias("exam_id"))

    got = evaluate(rows, replicates=20)

    assert got.units["exam"].test["auc"].value == got.units["patient"].test["auc"].value


def test_metadata_baseline_equals_a_logistic_regression_fitted_on_train(table: pl.DataFrame) -> None:
    plain = table.with_columns(pl.col("age_years").fill_null(55.0), machine_id=None, view=None, laterality=None)
    scaler = StandardScaler().fit(plain.filter(pl.col("part") == "train").select("age_years").to_numpy())
    parts = {p: plain.filter(pl.col("part") == p) for p in ("train", "test")}
    features = {p: scaler.transform(rows.select("age_years").to_numpy()) for p, rows in parts.items()}
    model = LogisticRegression().fit(features["train"], parts["train"]["malignant"].to_numpy())
    expected = roc_auc_score(parts["test"]["malignant"].to_numpy(), model.predict_proba(features["test"])[:, 1])

    got = evaluate(predictions(plain), cohort=plain, replicates=20).baselines[1]

    assert got.used == ("age_years",)
    assert got.units["image"].test["auc"].value == pytest.approx(expected)


def test_metadata_baseline_names_what_it_used_and_what_it_dropped(found) -> None:
    baseline = found.baselines[1]

    assert baseline.used == ("age_years", "view", "laterality", "machine_id")
    assert baseline.dropped == {
        "implant": "the same in every train image",
        "site_id": "missing in every train image",
    }
    assert baseline.units["image"].test["auc"].value > 0.55


def test_mean_intensity_takes_its_direction_from_tune(table: pl.DataFrame, found) -> None:
    test = table.filter(pl.col("part") == "test")

    got = found.baselines[2].units["image"].test["auc"].value

    assert got == pytest.approx(roc_auc_score(test["malignant"].to_numpy(), -test["mean_intensity"].to_numpy()))


def test_the_majority_class_is_never_suspicious_and_its_auc_is_a_half(found) -> None:
    got = found.baselines[0].units["image"]

    assert got.test["auc"].value == got.test["auc"].low == got.test["auc"].high == 0.5
    assert got.difference.auc.value == pytest.approx(found.units["image"].test["auc"].value - 0.5)
    assert "brier" not in got.test


def test_the_majority_class_makes_no_positive_call(found) -> None:
    got = found.baselines[0].units["image"]

    assert got.test["sensitivity"].value == 0.0
    assert got.test["specificity"].value == 1.0


def test_a_good_model_is_above_and_a_blind_one_not_distinguishable_from_the_majority(table: pl.DataFrame) -> None:
    good = evaluate(predictions(table, signal=4.0), cohort=table, replicates=200)
    blind = evaluate(predictions(table, signal=0.0), cohort=table, replicates=200)

    assert {b.units["image"].difference.verdict for b in good.baselines} == {"above"}
    assert blind.baselines[0].units["image"].difference.verdict == "not distinguishable"


def test_baselines_that_cannot_be_made_say_why(table: pl.DataFrame) -> None:
    rows = predictions(table)

    alone = evaluate(rows, replicates=5).baselines
    unprepared = evaluate(rows, cohort=table.drop("mean_intensity"), replicates=5).baselines
    other_label = evaluate(
        rows.with_columns((1 - pl.col("label")).alias("label")), cohort=table, replicates=5
    ).baselines

    assert alone[0].reason is None
    assert "no train part" in alone[1].reason
    assert "has no mean_intensity" in alone[2].reason
    assert "has no mean_intensity" in unprepared[2].reason
    assert "not the cohort's `malignant`" in other_label[1].reason


def test_a_metadata_baseline_without_any_varying_column_says_so(table: pl.DataFrame) -> None:
    bare = table.with_columns(age_years=None, view=None, laterality=None, machine_id=None)

    reason = evaluate(predictions(table), cohort=bare, replicates=5).baselines[1].reason

    assert "no metadata column varies" in reason


def _bad(rows: pl.DataFrame, **cells: object) -> pl.DataFrame:
    """The third row with other cells."""
    third = pl.int_range(pl.len()) == 2
    return rows.with_columns(
        pl.when(third).then(pl.lit(value, dtype=rows.schema[name])).otherwise(name).alias(name)
        for name, value in cells.items()
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop("score"), r"columns \['score'\] are missing"),
        (lambda t: _bad(t, score=float("nan")), r"row 3, image 'p1RCC': score nan is not a number in \[0, 1\]"),
        (lambda t: _bad(t, score=1.5), r"score 1.5 is not a number in \[0, 1\]. Predict again"),
        (lambda t: _bad(t, score=None), r"score None is not"),
        (lambda t: _bad(t, label=2), r"row 3, image 'p1RCC': label 2 is not 0 or 1"),
        (lambda t: _bad(t, label=None), r"label None is not 0 or 1"),
        (lambda t: _bad(t, part="valid"), r"part 'valid' is not one of train, tune, test"),
        (lambda t: _bad(t, patient_id=""), r"patient_id '' is empty"),
        (lambda t: pl.concat([t, t.head(2)]), r"image 'p1LCC': image_id 'p1LCC' stands twice.*\(and 3 more rows\)"),
        (lambda t: _bad(t, part="test"), r"patients in several parts: p1 \(test and tune\)"),
        (lambda t: t.filter(pl.col("part") == "tune"), "no row of part 'test'"),
        (lambda t: t.head(0), "no row of part 'test'"),
    ],
)
def test_a_table_that_cannot_be_evaluated_is_refused_with_its_rows(table: pl.DataFrame, change, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        evaluate(change(predictions(table)), replicates=5)


def test_a_test_patient_who_stands_in_train_of_the_cohort_is_a_leak(table: pl.DataFrame) -> None:
    leaking = table.with_columns(
        pl.when(pl.col("image_id") == "p2LCC").then(pl.lit("train")).otherwise("part").alias("part")
    )

    with pytest.raises(SourceError, match=r"p2 \(test and train\)"):
        evaluate(predictions(table), cohort=leaking, replicates=5)


def test_the_same_patient_id_in_two_data_sets_is_two_patients(table: pl.DataFrame) -> None:
    rows = predictions(table)
    other = rows.with_columns(
        pl.lit("other").alias("source"),
        pl.when(pl.col("part") == "test").then(pl.lit("tune")).otherwise(pl.lit("test")).alias("part"),
    )

    got = evaluate(pl.concat([rows, other]), replicates=5)

    assert got.units["image"].test["auc"].patients == 60


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"replicates": 0}, "replicates must be at least 1, got 0"),
        ({"confidence": 1.0}, "confidence must be between 0 and 1, got 1.0"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"rule": "sensitivity"}, "needs at_least"),
    ],
)
def test_settings_that_mean_nothing_are_refused(table: pl.DataFrame, settings: dict, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        evaluate(predictions(table), **settings)


def test_a_headline_without_a_result_is_refused(table: pl.DataFrame) -> None:
    with pytest.raises(SourceError, match=r"exam_id is unknown for every image.*another headline"):
        evaluate(predictions(table), headline="exam", replicates=5)


def test_few_positives_constant_scores_and_single_classes_are_warned_of(table: pl.DataFrame) -> None:
    rows = predictions(table)
    few = rows.filter((pl.col("part") == "tune") | (pl.col("label") == 0) | pl.col("patient_id").is_in(["p2", "p8"]))
    constant = rows.with_columns(pl.lit(0.5).alias("score"))
    single = rows.filter((pl.col("part") == "tune") | (pl.col("label") == 0))
    tuneless = rows.filter(pl.col("part") == "test")

    said = {
        name: "; ".join(evaluate(t, replicates=50).warnings)
        for name, t in {"few": few, "constant": constant, "single": single, "tuneless": tuneless}.items()
    }

    assert "with fewer than 10 of either" in said["few"]
    assert "the same score" in said["constant"]
    assert "a single class (0 positive of" in said["single"]
    assert "no threshold can be chosen" in said["tuneless"]


def test_a_perfect_ranking_is_warned_of(table: pl.DataFrame) -> None:
    rows = predictions(table).with_columns((pl.col("label") * 0.8 + 0.1).alias("score"))

    found = evaluate(rows, replicates=20)

    assert found.units["image"].test["auc"].low is None
    assert "AUC has no interval (the variance of the AUC comes out as nothing" in "; ".join(found.warnings)


def test_images_without_a_breast_count_per_image_only(table: pl.DataFrame) -> None:
    rows = predictions(table).with_columns(
        pl.when(pl.col("image_id") == "p2LCC").then(None).otherwise("breast_id").alias("breast_id")
    )

    got = evaluate(rows, replicates=20)

    assert got.units["image"].test["auc"].n == 120
    assert "1 of 120 test images have no breast_id" in "; ".join(got.warnings)


def test_a_run_without_predictions_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"predictions.parquet: not in run folder .* Train the run to its end"):
        read_table(tmp_path / "predictions.parquet")


def test_a_broken_table_is_an_error_of_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "predictions.parquet").write_bytes(b"no parquet")

    with pytest.raises(SourceError, match="not a readable Parquet file"):
        read_table(tmp_path / "predictions.parquet")
