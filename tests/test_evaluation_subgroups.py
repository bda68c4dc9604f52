"""Subgroups: every group's numbers, the gap test, and groups that are too small for a number."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import recall_score, roc_auc_score
from statsmodels.stats.multitest import multipletests

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import FACTORS, evaluate, gap_p_value, groups_of, holm, subgroups


def table(patients: int = 120, *, seed: int = 0, hard: str | None = "D", lesions: bool = False) -> pl.DataFrame:
    """Two views a woman; in density `hard` the model guesses."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        density, label = "ABD"[patient % 3], int(rng.random() < 0.45)
        own = rng.normal(0, 0.5)
        for view in ("CC", "MLO"):
            signal = 0.0 if density == hard else 2.5 * label
            rows.append(
                {
                    "part": "test",
                    "source": "own",
                    "patient_id": f"p{patient}",
                    "image_id": f"p{patient}{view}",
                    "breast_id": f"p{patient}_L",
                    "label": label,
                    "score": float(1 / (1 + np.exp(-(signal + own + rng.normal(0, 1) - 1)))),
                    "density": density,
                    "view": view,
                    "age_years": float(rng.integers(35, 80)),
                    "lesion_kind": ("mass", "calcification")[patient % 2] if label or lesions else None,
                    "difficult_negative": None if label else bool(rng.random() < 0.4),
                }
            )
    return pl.DataFrame(rows)


def factor(name: str):
    return next(one for one in FACTORS if one.name == name)


def result(found, name: str):
    return next(one for one in found.factors if one.name == name)


def test_each_group_has_the_numbers_that_scikit_learn_gives_for_its_rows() -> None:
    rows = table()

    found = subgroups(rows, threshold=0.5, replicates=50)

    for group in result(found, "density").groups:
        own = rows.filter(pl.col("density") == group.name)
        labels, called = own["label"].to_numpy(), own["score"].to_numpy() >= 0.5
        assert group.metrics["auc"].value == pytest.approx(roc_auc_score(labels, own["score"].to_numpy()))
        assert group.metrics["sensitivity"].value == pytest.approx(recall_score(labels, called))
        assert group.metrics["specificity"].value == pytest.approx(recall_score(1 - labels, ~called))
        assert (group.n, group.patients) == (own.height, own["patient_id"].n_unique())


def test_a_single_group_resampled_alone_has_the_interval_that_evaluate_gives() -> None:
    rows = table().with_columns(
        machine_id=pl.when(pl.col("patient_id") == "p0").then(pl.lit("2")).otherwise(pl.lit("1"))
    )
    tune = rows.with_columns(
        part=pl.lit("tune"), patient_id="t" + pl.col("patient_id"), image_id="t" + pl.col("image_id")
    )

    whole = evaluate(pl.concat([rows, tune]), replicates=400).units["image"].test["auc"]
    almost_all = result(subgroups(rows, replicates=400), "machine").groups[0].metrics["auc"]

    assert almost_all.low == pytest.approx(whole.low, abs=0.01)
    assert almost_all.high == pytest.approx(whole.high, abs=0.01)


def test_the_group_in_which_the_model_guesses_is_named_worst_and_differs() -> None:
    gap = result(subgroups(table(240), replicates=500), "density").gaps["auc"]

    assert (gap.worst, gap.differs) == ("D", True)
    assert gap.worst_value.low < 0.5 < gap.worst_value.high
    assert gap.gap.low > 0
    assert gap.p_value <= gap.p_adjusted


def test_a_group_of_too_few_patients_has_no_number_and_says_why() -> None:
    rows = table(60)

    found = result(subgroups(rows, few=12, replicates=50), "density")

    shown = {group.name: group.metrics["auc"] for group in found.groups}
    assert all(one.value is None and one.low is None for one in shown.values())
    assert "too few: " in shown["A"].reason
    assert found.gaps["auc"].p_value is None
    assert "0 of 3 groups" in found.gaps["auc"].reason


def test_unknown_is_no_group_but_is_counted() -> None:
    rows = table().with_columns(
        density=pl.when(pl.col("patient_id").is_in(["p0", "p1"])).then(None).otherwise(pl.col("density"))
    )

    found = subgroups(rows, replicates=50)

    assert result(found, "density").unknown == 4
    assert [group.name for group in result(found, "density").groups] == ["A", "B", "D"]
    assert any("unknown for 4 rows" in warning for warning in found.warnings)


def test_a_kind_of_lesion_stands_against_all_negatives_where_negatives_have_no_lesion() -> None:
    rows = table()

    found = result(subgroups(rows, threshold=0.5, replicates=50), "lesion kind")

    mass = next(group for group in found.groups if group.name == "mass")
    own = rows.filter((pl.col("lesion_kind") == "mass") | (pl.col("label") == 0))
    assert found.divides == "positives"
    assert mass.metrics["auc"].value == pytest.approx(roc_auc_score(own["label"].to_numpy(), own["score"].to_numpy()))
    assert "specificity" not in mass.metrics


def test_a_kind_of_lesion_stands_against_its_own_negatives_where_all_have_one() -> None:
    rows = table(lesions=True)

    found = result(subgroups(rows, replicates=50), "lesion kind")

    mass = next(group for group in found.groups if group.name == "mass")
    own = rows.filter(pl.col("lesion_kind") == "mass")
    assert found.divides == "rows"
    assert mass.metrics["auc"].value == pytest.approx(roc_auc_score(own["label"].to_numpy(), own["score"].to_numpy()))


def test_difficult_negatives_stand_against_all_positives() -> None:
    rows = table()

    found = result(subgroups(rows, threshold=0.5, replicates=50), "difficult negative")

    difficult = found.groups[0]
    own = rows.filter(pl.col("difficult_negative").fill_null(value=False) | (pl.col("label") == 1))
    assert difficult.name == "difficult"
    assert difficult.metrics["auc"].value == pytest.approx(
        roc_auc_score(own["label"].to_numpy(), own["score"].to_numpy())
    )


def test_a_breast_whose_images_differ_is_in_no_group() -> None:
    found = subgroups(table(), unit="breast", replicates=50)

    assert found.unavailable["view"] == "unknown for every test row"
    assert result(found, "density").unknown == 0


def test_missing_columns_are_looked_up_in_the_cohort_or_said_to_be_missing() -> None:
    rows = table()
    bare = rows.drop("density", "lesion_kind")

    found = subgroups(bare, cohort=rows.select("source", "image_id", "density"), replicates=50)

    assert result(found, "density") == result(subgroups(rows.drop("lesion_kind"), replicates=50), "density")
    assert found.unavailable["lesion kind"] == "the table has no column lesion_kind"
    assert found.unavailable["source"] == "every test row that says so is 'own'"


def test_the_answer_is_plain_json() -> None:
    found = subgroups(table(), threshold=0.5, replicates=50).to_json()

    assert json.loads(json.dumps(found, allow_nan=False)) == found


@settings(max_examples=12)
@given(st.integers(0, 2**31), st.sampled_from([np.sqrt, np.square, lambda x: x / 2]))
def test_order_of_rows_and_monotone_changes_of_the_score_change_no_auc(seed: int, change) -> None:
    rows = table(60)
    turned = rows.sample(fraction=1.0, shuffle=True, seed=seed).with_columns(
        score=pl.Series(change(rows.sample(fraction=1.0, shuffle=True, seed=seed)["score"].to_numpy()))
    )

    first, second = (subgroups(one, replicates=30, few=3) for one in (rows, turned))

    assert first.factors == second.factors


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1]

    np.testing.assert_allclose(holm(np.array(p_values)), expected)


def test_the_gap_test_of_two_groups_is_the_z_test_of_their_difference() -> None:
    rng = np.random.default_rng(0)
    values = np.array([0.80, 0.71])
    draws = values[:, None] + rng.normal(0, [[0.03], [0.04]], size=(2, 20_000))

    found = gap_p_value(values, replicates=draws)

    assert found == pytest.approx(2 * stats.norm.sf(0.09 / 0.05), abs=0.005)


def test_the_gap_test_of_many_groups_is_the_studentised_range() -> None:
    rng = np.random.default_rng(0)
    values = np.array([0.7, 0.74, 0.75, 0.83])
    draws = values[:, None] + rng.normal(0, 0.04, size=(4, 20_000))

    found = gap_p_value(values, replicates=draws)

    assert found == pytest.approx(stats.studentized_range.sf(0.13 / 0.04, 4, np.inf), abs=0.01)


def test_the_gap_test_keeps_its_level_when_no_group_differs() -> None:
    p_values = []
    for study in range(60):
        found = subgroups(table(150, seed=study, hard=None), replicates=200, factors=[factor("density")])
        p_values.append(found.factors[0].gaps["auc"].p_value)

    assert np.mean(np.array(p_values) < 0.05) < 0.14  # 3 of 60 expected; 9 or more has a chance below 1 in 300


def test_groups_that_do_not_vary_cannot_be_tested() -> None:
    assert gap_p_value(np.array([1.0, 1.0]), replicates=np.ones((2, 100))) is None


@pytest.mark.parametrize(("mm", "name"), [(9.99, "<10 mm"), (10.0, "10 to <20 mm"), (50.0, ">=50 mm"), (None, None)])
def test_sizes_are_banded_as_tnm_bands_them(mm: float | None, name: str | None) -> None:
    assert (
        groups_of(pl.DataFrame({"lesion_mm": [mm]}, schema={"lesion_mm": pl.Float64}), factor("lesion size"))[0] == name
    )


def test_numbers_as_names_are_ordered_as_numbers_and_rare_ones_put_together() -> None:
    machines = [str(n) for n in range(1, 15) for _ in range(15 - n)]

    found = groups_of(pl.DataFrame({"machine_id": machines}), factor("machine"))

    assert list(found.dtype.categories) == [*(str(n) for n in range(1, 12)), "other"]


@pytest.mark.parametrize("bad", [{"few": 1}, {"replicates": 1}, {"confidence": 1.0}])
def test_settings_that_give_no_number_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="must be at least"):
        subgroups(table(12), **bad)


def test_an_image_that_stands_twice_in_the_cohort_is_refused() -> None:
    rows = table(12)

    with pytest.raises(SourceError, match="an image stands twice"):
        subgroups(rows, cohort=pl.concat([rows, rows]))
