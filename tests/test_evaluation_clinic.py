"""Prevalence, recalibration, net benefit and screening against dcurves, statsmodels and scipy, and by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import (
    Sample,
    adjust_prevalence,
    decision_curve,
    measure_calibration,
    per_thousand,
    recalibrate,
    recalibrate_unlabelled,
)


def sample(
    labels: np.ndarray | list[int], scores: np.ndarray | list[float], patients: np.ndarray | None = None
) -> Sample:
    codes = np.arange(len(labels)) if patients is None else patients
    return Sample(
        labels=np.asarray(labels) == 1,
        scores=np.asarray(scores, dtype=np.float64),
        patients=codes,
        patient_count=int(codes.max()) + 1,
    )


def overconfident(seed: int, *, rows: int = 500, slope: float = 0.6, intercept: float = -0.5) -> Sample:
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.5, rows)
    return sample((rng.random(rows) < expit(slope * odds + intercept)).astype(int), expit(odds))


def two_normals(rng: np.random.Generator, *, rows: int, prevalence: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and exact probabilities at a prevalence of one half: log odds x for N(1/2, 1) against N(-1/2, 1)."""
    labels = rng.random(rows) < prevalence
    return labels.astype(int), expit(rng.normal(np.where(labels, 0.5, -0.5), 1.0))


def test_probabilities_moved_to_another_prevalence_are_calibrated_there() -> None:
    labels, scores = two_normals(np.random.default_rng(0), rows=20000, prevalence=0.05)
    moved = adjust_prevalence(calibrated_at=0.5, site=0.05).apply(scores)

    before, after = (measure_calibration(sample(labels, s), replicates=100) for s in (scores, moved))

    assert before.in_the_large.high < -2
    assert after.in_the_large.low < 0 < after.in_the_large.high
    assert after.slope.low < 1 < after.slope.high


def test_moving_the_prevalence_is_bayes_theorem() -> None:
    likelihood_ratio = 7.0  # at a prevalence of 0.2 the probability is 0.2 * 7 / (0.2 * 7 + 0.8)
    there = 0.2 * likelihood_ratio / (0.2 * likelihood_ratio + 0.8)

    here = adjust_prevalence(calibrated_at=0.2, site=0.01).apply(np.array([there]))[0]

    assert here == pytest.approx(0.01 * likelihood_ratio / (0.01 * likelihood_ratio + 0.99))


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.001, 0.999))
@settings(max_examples=50, deadline=None)
def test_moving_there_and_back_changes_nothing(one: float, other: float, score: float) -> None:
    there = adjust_prevalence(calibrated_at=one, site=other).apply(np.array([score]))

    back = adjust_prevalence(calibrated_at=other, site=one).apply(there)

    assert back[0] == pytest.approx(score, rel=1e-3, abs=1e-6)


def test_recalibration_from_labels_equals_statsmodels() -> None:
    one = overconfident(1)
    odds, labels = logit(one.scores), one.labels.astype(float)
    level = sm.GLM(labels, np.ones(500), family=sm.families.Binomial(), offset=odds).fit().params
    line = sm.Logit(labels, np.column_stack([odds, np.ones(500)])).fit(disp=0).params

    intercept, both = (recalibrate(one, slope=slope, replicates=20) for slope in (False, True))

    assert intercept.calibrator.slope == 1.0
    assert intercept.calibrator.intercept == pytest.approx(level[0], abs=1e-6)
    assert (both.calibrator.slope, both.calibrator.intercept) == pytest.approx(tuple(line), abs=1e-6)
    assert both.warnings == ()


@pytest.mark.parametrize(("rows", "slope", "why"), [(20, False, "fewer than 10"), (150, True, "about 100 of either")])
def test_small_batches_are_warned_of(rows: int, slope: bool, why: str) -> None:  # noqa: FBT001 - a case
    assert why in recalibrate(overconfident(2, rows=rows), slope=slope, replicates=10).warnings[0]


@pytest.mark.parametrize(
    ("labels", "scores", "why"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "single class"),
        ([0, 1, 1], [0.4, 0.4, 0.4], "every probability is the same"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "without error"),
        ([1, 1, 0, 1, 0, 0], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9], "wrong way round"),
    ],
)
def test_a_batch_that_carries_no_line_says_why(labels: list[int], scores: list[float], why: str) -> None:
    found = recalibrate(sample(labels, scores), slope=True, replicates=10)

    assert found.calibrator is None
    assert why in found.reason


def test_the_prevalence_of_an_unlabelled_batch_is_the_most_likely_one() -> None:
    _, scores = two_normals(np.random.default_rng(3), rows=3000, prevalence=0.2)
    calibrated_at = 0.5
    search = minimize_scalar(
        lambda share: -np.log(share / calibrated_at * scores + (1 - share) / (1 - calibrated_at) * (1 - scores)).sum(),
        bounds=(1e-6, 1 - 1e-6),
        method="bounded",
        options={"xatol": 1e-9},
    )

    found = recalibrate_unlabelled(scores, patients=np.arange(3000), calibrated_at=0.5, replicates=200)

    assert found.prevalence.value == pytest.approx(search.x, abs=1e-6)
    assert found.prevalence.low < 0.2 < found.prevalence.high
    assert found.calibrator == adjust_prevalence(calibrated_at=0.5, site=found.prevalence.value)
    assert "cannot show that" in found.warnings[0]


def test_expectation_and_maximisation_in_turn_ends_where_we_do() -> None:
    _, scores = two_normals(np.random.default_rng(4), rows=400, prevalence=0.3)
    share = 0.5
    for _ in range(5000):  # Saerens 2002, equation 2.9, as printed
        one, other = share / 0.5 * scores, (1 - share) / 0.5 * (1 - scores)
        share = float((one / (one + other)).mean())

    found = recalibrate_unlabelled(scores, patients=np.arange(400), calibrated_at=0.5, replicates=10)

    assert found.prevalence.value == pytest.approx(share, abs=1e-6)


def test_a_batch_without_any_sign_of_cancer_is_not_corrected() -> None:
    found = recalibrate_unlabelled(np.full(50, 0.01), patients=np.arange(50), calibrated_at=0.5, replicates=10)

    assert (found.calibrator, found.prevalence.value) == (None, 0.0)
    assert "nothing to correct to" in found.reason


def test_a_batch_with_too_few_patients_is_refused() -> None:
    with pytest.raises(SourceError, match="3 probabilities and 2 patients"):
        recalibrate_unlabelled(np.full(3, 0.5), patients=np.arange(2), calibrated_at=0.5)


def test_a_prevalence_outside_zero_and_one_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"prevalence site must be in \(0, 1\), got 0"):
        adjust_prevalence(calibrated_at=0.5, site=0.0)


@pytest.mark.parametrize(
    ("prevalence", "model", "recall_all"),
    [
        (None, (0.251368, 0.149000, 0.024000), (0.256842, 0.117500, -0.412000)),
        (0.1, (0.055000, -0.039981, -0.092779), (0.052632, -0.125000, -0.800000)),
    ],
)
def test_net_benefit_is_that_of_dcurves(prevalence: float | None, model: tuple, recall_all: tuple) -> None:
    """What dcurves 1.1.7's `dca` gives for the same rows; it weights to a prevalence and leaves probabilities."""
    found = decision_curve(
        overconfident(11), thresholds=(0.05, 0.2, 0.5), prevalence=prevalence, calibrated_at=prevalence, replicates=50
    )

    np.testing.assert_allclose(found.model, model, atol=1e-6)
    np.testing.assert_allclose(found.recall_all, recall_all, atol=1e-6)
    assert found.recall_none == (0.0, 0.0, 0.0)
    assert all(low <= value <= high for low, value, high in zip(found.low, found.model, found.high, strict=True))


def test_calibrated_probabilities_moved_to_the_prevalence_do_no_worse_than_all_or_none() -> None:
    labels, scores = two_normals(np.random.default_rng(5), rows=20000, prevalence=0.5)

    found = decision_curve(sample(labels, scores), prevalence=0.006, calibrated_at=0.5, replicates=10)

    best = np.maximum(found.recall_all, found.recall_none)
    assert (np.array(found.model) > best - 1e-4).all()
    assert np.max(np.array(found.model) - best) > 1e-4


def test_net_benefit_weighted_to_the_prevalence_of_the_rows_is_that_of_the_rows() -> None:
    one = overconfident(6)
    share = float(one.labels.mean())

    plain, weighted = decision_curve(one, replicates=5), decision_curve(one, prevalence=share, replicates=5)

    np.testing.assert_allclose(plain.model, weighted.model, atol=1e-12)
    assert (plain.stated, weighted.stated) == (False, True)


def test_a_single_class_has_no_decision_curve() -> None:
    with pytest.raises(SourceError, match="a single class .0 positive of 2 rows"):
        decision_curve(sample([0, 0], [0.1, 0.2]))


@pytest.mark.parametrize("thresholds", [(), (0.0, 0.5), (0.5, 1.0)])
def test_thresholds_of_a_decision_curve_lie_between_zero_and_one(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(RecipeError, match=r"must be in \(0, 1\)"):
        decision_curve(overconfident(0), thresholds=thresholds)


def test_a_thousand_women_by_hand() -> None:
    labels = np.repeat([1, 0], [20, 200])
    scores = np.concatenate([np.repeat([0.9, 0.1], [16, 4]), np.repeat([0.9, 0.1], [20, 180])])

    found = per_thousand(sample(labels, scores), threshold=0.5, prevalence=0.01, replicates=500)

    assert found.found.value == pytest.approx(8.0)  # 10 ill, sensitivity 0.8
    assert found.missed.value == pytest.approx(2.0)
    assert found.false_recalls.value == pytest.approx(99.0)  # 990 well, specificity 0.9
    assert found.recalled.value == pytest.approx(107.0)
    assert found.found.low < 8 < found.found.high
    assert found.sentence.startswith("Of 1,000 women screened, 10 of them with cancer, 107 (")
    assert "2.0 (" in found.sentence
    json.dumps(asdict(found), allow_nan=False)


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.001, 0.5), st.integers(0, 10))
@settings(max_examples=50, deadline=None)
def test_the_numbers_of_a_thousand_add_up(ill: int, well: int, prevalence: float, cut: int) -> None:
    rng = np.random.default_rng(ill * 31 + well)
    one = sample(np.repeat([1, 0], [ill, well]), np.round(rng.random(ill + well), 1))

    found = per_thousand(one, threshold=cut / 10, prevalence=prevalence, replicates=2)

    assert found.found.value + found.missed.value == pytest.approx(1000 * prevalence)
    assert found.found.value + found.false_recalls.value == pytest.approx(found.recalled.value)


def test_without_a_cancer_nothing_is_said_of_a_thousand_women() -> None:
    found = per_thousand(sample([0, 0], [0.1, 0.9]), threshold=0.5, prevalence=0.01, replicates=10)

    assert found.found.value is None
    assert "nothing can be said: single class: 0 positive of 2 rows" in found.sentence


@pytest.mark.parametrize("prevalence", [0.0, 1.0])
def test_screening_needs_a_prevalence_between_zero_and_one(prevalence: float) -> None:
    with pytest.raises(RecipeError, match=r"prevalence must be in \(0, 1\)"):
        per_thousand(overconfident(0), threshold=0.5, prevalence=prevalence)
