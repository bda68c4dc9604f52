"""Wilson, Clopper-Pearson and McNemar against scipy, statsmodels and published examples; with and without clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import (
    Sample,
    call_proportions,
    clopper_pearson_interval,
    mcnemar,
    proportion,
    wilson_interval,
)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
@settings(max_examples=60)
def test_both_intervals_equal_scipy(count: tuple[int, int], confidence: float) -> None:
    k, n = count

    wilson, exact = (
        binomtest(k, n).proportion_ci(confidence_level=confidence, method=name) for name in ("wilson", "exact")
    )

    np.testing.assert_allclose(wilson_interval(k, n, confidence=confidence), wilson, atol=1e-9)
    np.testing.assert_allclose(clopper_pearson_interval(k, n, confidence=confidence), exact, atol=1e-9)


def test_both_intervals_equal_statsmodels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    for k, n in ((0, 12), (9, 10), (41, 263), (263, 263)):
        np.testing.assert_allclose(wilson_interval(k, n), proportion_confint(k, n, method="wilson"), atol=1e-12)
        np.testing.assert_allclose(clopper_pearson_interval(k, n), proportion_confint(k, n, method="beta"), atol=1e-12)


def test_one_row_a_patient_is_the_textbook_interval() -> None:
    hits = np.arange(40) < 31

    found = proportion(hits, patients=np.arange(40))

    assert (found.low, found.high) == wilson_interval(31, 40)
    assert (found.method, found.design_effect) == ("Wilson", None)
    assert found.warning.startswith("9 of 40") if found.count == 9 else "31 of 40" in found.warning


def test_four_copies_of_each_row_are_worth_no_more_than_one() -> None:
    hits = np.arange(60) % 3 > 0

    once = proportion(hits, patients=np.arange(60))
    copied = proportion(np.repeat(hits, 4), patients=np.repeat(np.arange(60), 4))

    assert copied.value == once.value
    assert copied.design_effect == pytest.approx(4 * 60 / 59)
    assert copied.low < once.low < once.high < copied.high  # a little wider: the effect is estimated
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.05)


@pytest.mark.parametrize("method", ["wilson", "clopper-pearson"])
def test_all_or_none_right_counts_each_patient_once(method: str) -> None:
    found = proportion(np.ones(40, dtype=bool), patients=np.arange(40) // 4, method=method)

    make = wilson_interval if method == "wilson" else clopper_pearson_interval
    assert (found.low, found.high) == make(10, 10)
    assert found.high == 1.0


def test_intervals_of_clustered_proportions_hold_the_truth_where_textbook_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(60), 4)
    held = {"clustered": 0, "naive": 0}
    for _ in range(400):
        hits = rng.random(240) < rng.beta(3, 1, 60)[codes]  # truth 0.75, correlated within a patient
        for name, patients in (("clustered", codes), ("naive", np.arange(240))):
            found = proportion(hits, patients=patients)
            held[name] += found.low <= 0.75 <= found.high

    assert held["clustered"] / 400 >= 0.92
    assert held["naive"] / 400 < 0.90


def test_calls_are_proportions_of_the_right_rows() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random(200) < 0.4
    sample = Sample(labels=labels, scores=rng.random(200) / 2 + labels / 3, patients=np.arange(200), patient_count=200)

    found = call_proportions(sample, threshold=0.4)

    called = sample.scores >= 0.4
    assert found["sensitivity"].value == called[labels].mean()
    assert found["specificity"].value == (~called[~labels]).mean()
    assert found["ppv"].value == labels[called].mean()
    assert found["npv"].value == (~labels[~called]).mean()
    assert found["accuracy"].value == (called == labels).mean()
    assert found["recall_rate"].value == called.mean()
    assert found["sensitivity"].n == labels.sum()


def test_no_rows_few_rows_and_nonsense() -> None:
    none = proportion(np.zeros(0, dtype=bool), patients=np.zeros(0, dtype=np.int64))

    assert (none.value, none.low, none.reason) == (None, None, "no rows to take a share of")
    assert proportion(np.arange(50) < 25, patients=np.arange(50)).warning is None
    with pytest.raises(RecipeError, match="5 of 4 rows"):
        wilson_interval(5, 4)


def rows(labels: np.ndarray, patients: np.ndarray) -> Sample:
    count = int(patients.max()) + 1
    return Sample(labels=labels, scores=np.zeros(len(labels)), patients=patients, patient_count=count)


def test_exact_mcnemar_equals_statsmodels() -> None:
    from statsmodels.stats.contingency_tables import mcnemar as expected

    first = np.repeat([True, True, False, False], [20, 12, 2, 16])  # Armitage and Berry (1994), page 127
    second = np.repeat([True, False, True, False], [20, 12, 2, 16])

    found = mcnemar(rows(np.ones(50, dtype=bool), np.arange(50)), first=first, second=second, among="positive")

    assert (found.first_only, found.second_only) == (12, 2)
    assert found.p_value == pytest.approx(expected([[20, 12], [2, 16]], exact=True).pvalue, rel=1e-12)
    assert round(found.p_value, 4) == 0.0129  # as printed there
    assert found.method == "McNemar, exact"


def test_clustered_mcnemar_gives_the_published_statistic_of_pet_against_spect() -> None:
    # Obuchowski (1998): glands of 21 patients; SPECT alone right 7 times, PET alone once, in these patients.
    # Durkalski et al., Statistics in Medicine 22 (2003) 2417, print 4.5 for McNemar's and 2.86 for Obuchowski's test.
    away = np.array([2, 1, 1, 2, 1, -1] + [0] * 15)
    patients = np.repeat(np.arange(21), 3)
    first = np.ones((21, 3), dtype=bool)
    second = np.ones((21, 3), dtype=bool)
    for patient, d in enumerate(away):
        (second if d > 0 else first)[patient, : abs(d)] = False

    found = mcnemar(
        rows(np.ones(63, dtype=bool), patients), first=first.ravel(), second=second.ravel(), among="positive"
    )

    from scipy.stats import chi2

    assert (found.first_only, found.second_only) == (7, 1)
    assert (7 - 1) ** 2 / (7 + 1) == 4.5
    assert round(chi2.isf(found.p_value, 1), 2) == 2.86
    assert found.p_value > chi2.sf(4.5, 1)  # clusters are not counted as if independent


def test_mcnemar_compares_only_the_rows_it_is_asked_for() -> None:
    labels = np.array([True, True, False, False, False])
    first = np.array([True, True, True, False, False])
    second = np.array([False, True, False, False, True])
    sample = rows(labels, np.arange(5))

    found = {
        among: mcnemar(sample, first=first, second=second, among=among) for among in ("positive", "negative", "all")
    }

    assert [found[a].difference for a in ("positive", "negative", "all")] == [0.5, 0.0, 0.2]
    assert [found[a].n for a in ("positive", "negative", "all")] == [2, 3, 5]


def test_mcnemar_of_equal_calls_of_nothing_and_of_other_rows() -> None:
    sample = rows(np.array([True, False, True]), np.array([0, 0, 1]))
    calls = np.array([True, False, False])

    same = mcnemar(sample, first=calls, second=calls, among="all")
    alone = mcnemar(sample, first=calls, second=~calls, among="negative")

    assert (same.difference, same.p_value) == (0.0, 1.0)
    assert alone.p_value is None
    assert "1 rows of 1 patients" in alone.reason
    with pytest.raises(SourceError, match="2 and 2 calls for 3 rows"):
        mcnemar(sample, first=calls[:2], second=calls[:2], among="all")
