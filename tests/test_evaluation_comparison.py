"""Paired differences of any metric, Holm, margins, and how many patients a study needs."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import (
    METRICS,
    Estimate,
    Sample,
    auc_difference,
    delong_difference,
    delong_interval,
    holm,
    measure,
    metric_difference,
    non_inferiority,
    patients_for_auc,
    patients_for_proportion,
    patients_for_width,
    small_sample,
    wilson_interval,
)


def pair(seed: int, *, patients: int = 100, gain: float = 0.0) -> tuple[Sample, Sample]:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(patients), 3)
    labels = (rng.random(patients) < 0.4)[codes]
    shared = rng.normal(size=patients)[codes] + labels
    return tuple(  # type: ignore[return-value]
        Sample(
            labels=labels,
            scores=1 / (1 + np.exp(-(shared + more * labels + rng.normal(size=len(codes))))),
            patients=codes,
            patient_count=patients,
        )
        for more in (gain, 0.0)
    )


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=9, positives=3, patients=5, replicates=0)


def test_the_difference_of_auc_is_that_of_auc_difference() -> None:
    one, other = (measure(sample, threshold=0.5, replicates=200, curves=False) for sample in pair(0, gain=0.8))

    found, known = metric_difference(one, other), auc_difference(one, other)

    assert (found.difference.value, found.difference.low, found.difference.high, found.verdict) == (
        *(known.auc.value, known.auc.low, known.auc.high),
        known.verdict,
    )


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_difference_or_a_reason(metric: str) -> None:
    one, other = (measure(sample, threshold=0.5, replicates=100, curves=False) for sample in pair(1, gain=0.8))

    found = metric_difference(one, other, metric=metric)

    if found.difference.value is None:
        assert found.difference.reason
        assert found.p_value is None
    else:
        assert found.difference.low <= found.difference.value <= found.difference.high
        assert found.difference.value == pytest.approx(one.values[metric] - other.values[metric])


def test_bootstrap_and_delong_agree_on_the_same_difference() -> None:
    samples = pair(2, patients=400, gain=0.3)
    one, other = (measure(sample, replicates=1000, curves=False) for sample in samples)

    by_draws, by_formula = metric_difference(one, other).difference, delong_difference(*samples).difference

    assert by_draws.value == pytest.approx(by_formula.value, abs=1e-12)
    assert by_draws.low == pytest.approx(by_formula.low, abs=0.004)
    assert by_draws.high == pytest.approx(by_formula.high, abs=0.004)


def test_p_values_of_equal_models_are_even() -> None:
    found = [delong_difference(*pair(seed, patients=60)).p_value for seed in range(400)]

    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08  # 0.05 give or take three standard errors
    assert 0.42 <= np.mean(np.array(found) < 0.5) <= 0.58


def test_samples_that_are_not_of_the_same_rows_are_refused() -> None:
    one, other = (measure(sample, replicates=20, curves=False) for sample in (pair(3)[0], pair(4)[0]))
    fewer = measure(pair(3)[0], replicates=10, curves=False)

    with pytest.raises(SourceError, match="not of the same rows"):
        metric_difference(one, other)
    with pytest.raises(SourceError, match="20 and 10 replicates"):
        metric_difference(one, fewer)
    with pytest.raises(RecipeError, match="metric 'roc' is not one of auc"):
        metric_difference(one, one, metric="roc")


@pytest.mark.parametrize("count", [1, 2, 7, 12])
def test_holm_equals_statsmodels(count: int) -> None:
    p_values = np.random.default_rng(count).random(count) ** 3
    p_values[-1] = p_values[0]  # a tie

    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], atol=1e-12)


@pytest.mark.parametrize(
    ("ends", "verdict", "said"),
    [
        ((0.01, 0.002, 0.018), "superior", "above 0"),
        ((0.0, -0.015, 0.015), "non-inferior", "above the margin of -0.020"),
        ((-0.01, -0.018, -0.002), "non-inferior", "though below 0"),
        ((-0.01, -0.03, 0.01), "inconclusive", "both sides"),
        ((-0.05, -0.07, -0.03), "inferior", "below the margin"),
    ],
)
def test_verdicts_against_a_margin(ends: tuple[float, float, float], verdict: str, said: str) -> None:
    found = non_inferiority(estimate(*ends), margin=0.02)
    mirrored = non_inferiority(estimate(-ends[0], -ends[2], -ends[1]), margin=0.02, higher_is_better=False)

    assert found.verdict == mirrored.verdict == verdict
    assert said in found.sentence
    assert found.one_sided_level == 0.025


def test_a_margin_must_be_stated_and_a_difference_have_an_interval() -> None:
    with pytest.raises(RecipeError, match="margin must be above 0"):
        non_inferiority(estimate(0, -1, 1), margin=0.0)
    nothing = Estimate(
        value=None, low=None, high=None, n=3, positives=0, patients=3, replicates=0, reason="single class"
    )
    with pytest.raises(SourceError, match="no interval .single class"):
        non_inferiority(nothing, margin=0.02)


def test_planned_patients_reach_the_width_and_one_fewer_does_not() -> None:
    found = patients_for_proportion(0.8, width=0.10, row_share=0.3)

    def width(patients: int) -> float:
        low, high = wilson_interval(0.8 * patients * 0.3, patients * 0.3)
        return high - low

    assert width(found.patients) <= 0.10 < width(found.patients - 1)


def test_the_formula_of_hanley_and_mcneil_holds_for_the_exponential_scores_it_was_derived_for() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(40_000) < 0.2
    scores = rng.exponential(size=40_000) * np.where(labels, 4.0, 1.0)  # AUC = 4 / (4 + 1)
    study = Sample(labels=labels, scores=scores, patients=np.arange(40_000), patient_count=40_000)

    formula = patients_for_auc(0.8, width=0.10, positive_share=0.2)

    assert formula.patients == pytest.approx(patients_for_width(study, width=0.10).patients, rel=0.03)


def test_patients_planned_from_a_study_give_the_width_wished_for() -> None:
    one = pair(5, patients=200)[0]

    planned = patients_for_width(one, width=0.05)
    reached = delong_interval(pair(6, patients=planned.patients)[0], scale="plain")

    assert reached.high - reached.low == pytest.approx(0.05, rel=0.15)
    assert planned.rows == 3 * planned.patients


def test_more_patients_are_needed_for_less_width_and_for_rows_that_resemble_each_other() -> None:
    plain = patients_for_auc(0.8, width=0.10, positive_share=0.2)

    assert patients_for_auc(0.8, width=0.05, positive_share=0.2).patients > 3.9 * plain.patients
    assert patients_for_auc(0.8, width=0.10, positive_share=0.2, effect=2.0).patients > 1.9 * plain.patients
    assert patients_for_auc(0.8, width=0.10, positive_share=0.2, rows_per_patient=4).patients < plain.patients / 3


@pytest.mark.parametrize(
    ("change", "said"),
    [({"width": 5}, "end to end"), ({"positive_share": 0}, "share of rows"), ({"effect": 0}, "design effect")],
)
def test_plans_that_make_no_sense_are_refused(change: dict, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        patients_for_auc(0.8, **{"width": 0.1, "positive_share": 0.2, **change})


def test_few_patients_are_told_even_where_rows_are_many() -> None:
    codes = np.repeat(np.arange(12), 50)
    few = Sample(labels=codes < 3, scores=np.zeros(600), patients=codes, patient_count=12)

    assert "3 positive and 9 negative patients" in small_sample(few)
    assert small_sample(pair(7)[0]) is None
    assert "cannot be told" in patients_for_width(few, width=0.1).reason
