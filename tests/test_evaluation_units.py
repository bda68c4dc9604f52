"""Rows put together to breasts, exams and patients by a rule that is named; thresholds that are fixed beforehand."""

import polars as pl
import pytest

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import UNITS, Aggregation, Targets, evaluate, unit_rows

ROWS = pl.DataFrame(
    {
        "part": ["test"] * 6,
        "image_id": list("abcdef"),
        "patient_id": ["1"] * 4 + ["2"] * 2,
        "exam_id": ["1x", "1x", "1x", "1y", "2x", "2x"],
        "breast_id": ["1L", "1L", "1R", "1R", "2L", "2R"],
        "label": [0, 1, 0, 0, 0, 0],
        "score": [0.2, 0.6, 0.5, 0.1, 0.3, 0.4],
    }
)


def scores(unit: str, **rule: str) -> list[float]:
    return unit_rows(ROWS, unit=unit, aggregation=Aggregation(**rule))["score"].round(6).to_list()


@pytest.mark.parametrize(
    ("rule", "breast", "exam", "patient"),
    [
        ({}, [0.4, 0.3, 0.3, 0.4], [0.5, 0.1, 0.4], [0.4, 0.4]),
        ({"views": "max"}, [0.6, 0.5, 0.3, 0.4], [0.6, 0.1, 0.4], [0.6, 0.4]),
        ({"breasts": "mean"}, [0.4, 0.3, 0.3, 0.4], [0.45, 0.1, 0.35], [0.35, 0.35]),
        ({"views": "max", "breasts": "mean"}, [0.6, 0.5, 0.3, 0.4], [0.55, 0.1, 0.35], [0.55, 0.35]),
    ],
)
def test_each_rule_by_hand(rule: dict, breast: list[float], exam: list[float], patient: list[float]) -> None:
    assert scores("breast", **rule) == breast
    assert scores("exam", **rule) == exam
    assert scores("patient", **rule) == patient


def test_the_highest_of_highest_scores_needs_no_breast() -> None:
    rows = ROWS.drop("breast_id")

    found = unit_rows(rows, unit="patient", aggregation=Aggregation(views="max"))

    assert found["score"].to_list() == [0.6, 0.4]
    with pytest.raises(SourceError, match="breast_id is unknown for every image, so there is no result per patient"):
        unit_rows(rows, unit="patient")


def test_a_row_may_be_a_breast_and_then_there_is_no_image() -> None:
    rule = Aggregation(row="breast")

    found = evaluate(ROWS, headline="breast", aggregation=rule, replicates=5)

    assert list(found.units) == ["breast", "exam", "patient"]
    assert found.unavailable == {"image": "predictions: a row is one breast, so there is no result per image"}
    assert found.units["breast"].test["auc"].n == 6
    assert found.units["patient"].aggregation == "highest breast score of the patient; positive if any breast is"


def test_rows_of_exams_and_patients_go_as_far_as_they_can() -> None:
    exams = unit_rows(ROWS, unit="patient", aggregation=Aggregation(row="exam", breasts="mean"))
    patients = unit_rows(ROWS.unique("patient_id"), unit="patient", aggregation=Aggregation(row="patient"))

    assert exams["score"].round(6).to_list() == [0.35, 0.35]
    assert patients.height == 2


def test_every_rule_has_words_of_its_own() -> None:
    rules = [
        Aggregation(row=row, views=views, breasts=breasts)
        for row in ("image", "exam")
        for views in ("mean", "max")
        for breasts in ("mean", "max")
    ]

    said = {rule: tuple(rule.words(unit) for unit in UNITS if rule.allows(unit)) for rule in rules}

    assert len(set(said.values())) == 6  # how views are put together is nothing to a row that is an exam
    assert "a breast being the mean of its images" in Aggregation().words("patient")


def test_the_rule_and_the_targets_stand_in_the_result() -> None:
    found = evaluate(ROWS, aggregation=Aggregation(views="max"), targets=Targets(prevalence=0.006), replicates=5)

    plain = found.to_json()

    assert plain["aggregation"] == {"row": "image", "views": "max", "breasts": "max"}
    assert plain["targets"]["prevalence"] == 0.006
    assert plain["units"]["breast"]["aggregation"] == "highest score of the breast's images; positive if any of them is"


def test_without_tune_rows_no_threshold_is_chosen_and_a_fixed_one_is_used_as_it_is() -> None:
    without, fixed = (evaluate(ROWS, threshold=value, replicates=20) for value in (None, 0.35))

    assert without.units["image"].threshold.value is None
    assert "there is no tune part: no threshold can be chosen" in "; ".join(without.warnings)
    assert without.units["image"].test["sensitivity"].reason == "no threshold"
    assert {result.threshold.value for result in fixed.units.values()} == {0.35}
    assert fixed.units["image"].threshold.chosen_on == "nothing: fixed"
    assert (fixed.rule, fixed.units["image"].test["specificity"].value) == ("fixed", 0.6)


def test_a_fixed_threshold_is_on_the_scale_of_the_scores() -> None:
    with pytest.raises(RecipeError, match=r"threshold must be in \[0, 1\] as the scores are, got 50"):
        evaluate(ROWS, threshold=50.0)


def test_rescaling_that_keeps_order_and_max_moves_no_auc_of_the_highest() -> None:
    moved = ROWS.with_columns(pl.col("score") ** 2)
    rule = Aggregation(views="max")

    first, second = (evaluate(rows, aggregation=rule, replicates=20) for rows in (ROWS, moved))

    for unit in UNITS:
        assert first.units[unit].test["auc"] == second.units[unit].test["auc"]
