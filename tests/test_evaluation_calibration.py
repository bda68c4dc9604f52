"""Calibrators and measures of calibration against scikit-learn, statsmodels, betacal, netcal; their properties."""

import json

import numpy as np
import pytest
import statsmodels.api as sm
from betacal import BetaCalibration
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.optimize import isotonic_regression, minimize_scalar
from scipy.special import expit, logit
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator

from mammoscope.calibrators import Calibrator, Isotonic, Temperature
from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import Sample, calibrated, fit_calibrator, measure_calibration, patient_draws
from mammoscope.evaluation.calibration import check_calibration
from mammoscope.evaluation.logistic import fit_logistic

KINDS = ("temperature", "platt", "isotonic", "beta")


def sample(
    labels: list[int] | np.ndarray, scores: list[float] | np.ndarray, patients: np.ndarray | None = None
) -> Sample:
    codes = np.arange(len(labels)) if patients is None else patients
    return Sample(
        labels=np.asarray(labels) == 1,
        scores=np.asarray(scores, dtype=np.float64),
        patients=codes,
        patient_count=int(codes.max(initial=-1)) + 1,
    )


def overconfident(seed: int, *, rows: int = 500, slope: float = 0.6, intercept: float = -0.5) -> Sample:
    """Scores whose true recalibration line is known."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.5, rows)
    return sample((rng.random(rows) < expit(slope * odds + intercept)).astype(int), expit(odds))


class Network(ClassifierMixin, BaseEstimator):
    """What scikit-learn calibrates: its decision is the log odds of the score."""

    classes_ = np.array([0, 1])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, *_):
        return self

    def decision_function(self, x):
        return logit(x[:, 0])

    def predict(self, x):
        return x[:, 0] >= 0.5


def test_platt_equals_scikit_learn() -> None:
    one = overconfident(0)
    reference = CalibratedClassifierCV(FrozenEstimator(Network()), method="sigmoid")
    reference.fit(one.scores[:, None], one.labels.astype(int))
    new = np.linspace(0.01, 0.99, 50)

    found = fit_calibrator(one, kind="platt").calibrator.apply(new)

    np.testing.assert_allclose(found, reference.predict_proba(new[:, None])[:, 1], atol=1e-6)


def test_temperature_equals_netcal_and_a_search_by_scipy() -> None:
    """netcal 1.4.0's `TemperatureScaling` multiplies by 0.75840607 on the same scores and labels."""
    one = overconfident(11)
    search = minimize_scalar(
        lambda slope: metrics.log_loss(one.labels, expit(slope * logit(one.scores))), bounds=(0.1, 5), method="bounded"
    )

    found = 1 / fit_calibrator(one, kind="temperature").calibrator.temperature

    assert found == pytest.approx(0.75840607, abs=1e-4)
    assert found == pytest.approx(search.x, abs=1e-4)


def test_isotonic_equals_scipy_at_the_scores_it_was_fitted_on() -> None:
    one = overconfident(1)
    order = np.argsort(one.scores)

    found = fit_calibrator(one, kind="isotonic").calibrator.apply(one.scores[order])

    np.testing.assert_allclose(found, isotonic_regression(one.labels[order].astype(float)).x, atol=1e-12)


def test_beta_equals_statsmodels_and_is_no_less_likely_than_its_authors_code() -> None:
    one = overconfident(2)
    terms = np.column_stack([np.log(one.scores), -np.log1p(-one.scores), np.ones(500)])
    exact = sm.Logit(one.labels.astype(float), terms).fit(disp=0).params
    theirs = BetaCalibration("abm").fit(one.scores[:, None], one.labels).predict(one.scores)

    found = fit_calibrator(one, kind="beta").calibrator

    np.testing.assert_allclose([found.a, found.b, found.c], exact, atol=1e-6)
    ours = found.apply(one.scores)
    np.testing.assert_allclose(ours, theirs, atol=5e-3)  # its solver stops early
    assert metrics.log_loss(one.labels, ours) <= metrics.log_loss(one.labels, theirs) + 1e-12


def test_a_beta_coefficient_below_zero_is_left_out() -> None:
    rng = np.random.default_rng(3)
    scores = rng.uniform(0.01, 0.99, 2000)
    falling_end = sample(
        (rng.random(2000) < expit(2 * np.log(scores) + 0.5 * np.log1p(-scores) + 1.5)).astype(int), scores
    )

    found = fit_calibrator(falling_end, kind="beta").calibrator

    assert found.b == 0.0
    assert found.a > 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_calibrator_never_falls_and_survives_json(kind: str) -> None:
    fitted = fit_calibrator(overconfident(4), kind=kind)

    read = TypeAdapter(Calibrator).validate_json(json.dumps(fitted.to_json()["calibrator"]))

    grid = np.linspace(0.0, 1.0, 1001)
    assert read == fitted.calibrator
    assert (np.diff(read.apply(grid)) >= 0).all()
    assert ((read.apply(grid) >= 0) & (read.apply(grid) <= 1)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_calibration_brings_an_overconfident_model_to_slope_one(kind: str) -> None:
    tune, test = overconfident(5, rows=4000), overconfident(6, rows=4000)
    before = measure_calibration(test, replicates=50)

    after = measure_calibration(calibrated(test, calibrator=fit_calibrator(tune, kind=kind).calibrator), replicates=50)

    assert before.slope.high < 0.8
    assert after.equal_mass.error.value < before.equal_mass.error.value
    assert after.brier.value < before.brier.value
    if kind in {"platt", "beta"}:
        assert after.slope.low < 1 < after.slope.high
        assert after.in_the_large.low < 0 < after.in_the_large.high


@pytest.mark.parametrize("kind", ["temperature", "platt", "beta"])
def test_rows_told_apart_without_error_are_not_calibrated(kind: str) -> None:
    found = fit_calibrator(sample([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]), kind=kind)

    if kind == "platt":  # its targets are never 0 or 1, so it stays finite
        assert found.calibrator is not None
    else:
        assert found.calibrator is None
        assert "without error" in found.reason


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("labels", "scores", "why"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "single class"),
        ([0, 1, 0], [0.5, 0.5, 0.5], "every score"),
        ([1, 1, 0, 1, 0, 0], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9], "wrong way round"),
    ],
)
def test_what_cannot_be_calibrated_says_why(kind: str, labels: list[int], scores: list[float], why: str) -> None:
    found = fit_calibrator(sample(labels, scores), kind=kind)

    if found.calibrator is None:
        assert why in found.reason
    else:
        assert (kind, why) == ("isotonic", "wrong way round")  # a rise at either end is enough for it


def test_few_positives_and_few_rows_are_warned_of() -> None:
    found = fit_calibrator(sample([0] * 30 + [1] * 3, np.linspace(0.1, 0.9, 33)[::-1] ** 0.1), kind="isotonic")
    mixed = fit_calibrator(overconfident(7, rows=200), kind="isotonic")

    assert found.reason or "3 positive of 33 rows" in found.warnings[0]
    assert any("fewer than 1000" in warning for warning in mixed.warnings)


def test_an_unknown_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="'plat' is not one of none, temperature, platt.*did you mean 'platt'"):
        check_calibration("plat")


@pytest.mark.parametrize("bad", [1.2, -0.1, np.nan, np.inf])
def test_a_score_that_is_no_probability_is_refused(bad: float) -> None:
    with pytest.raises(SourceError, match=r"is not a number in \[0, 1\]"):
        Temperature(temperature=1.0).apply(np.array([0.5, bad]))
    with pytest.raises(SourceError, match=r"is not a number in \[0, 1\]"):
        measure_calibration(sample([0, 1], [0.5, bad]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"scores": (0.2, 0.2), "probabilities": (0.1, 0.2)},
        {"scores": (0.1, 0.2), "probabilities": (0.3, 0.2)},
        {"scores": (0.1,), "probabilities": (0.3, 0.4)},
        {"scores": (0.1, 0.2), "probabilities": (0.3, 1.4)},
    ],
)
def test_unsound_knots_are_refused(wrong: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValidationError):
        Isotonic(**wrong)


def test_slope_intercept_and_calibration_in_the_large_equal_statsmodels() -> None:
    one = overconfident(8)
    odds, labels = logit(one.scores), one.labels.astype(float)
    line = sm.Logit(labels, np.column_stack([odds, np.ones(500)])).fit(disp=0).params
    level = sm.GLM(labels, np.ones(500), family=sm.families.Binomial(), offset=odds).fit().params

    found = measure_calibration(one, replicates=10)

    np.testing.assert_allclose([found.slope.value, found.intercept.value], line, atol=1e-6)
    assert found.in_the_large.value == pytest.approx(level[0], abs=1e-6)


def test_replicates_of_the_slope_equal_statsmodels_on_the_drawn_rows() -> None:
    rng = np.random.default_rng(9)
    base = overconfident(9, rows=300)
    codes = np.concatenate([np.arange(100), rng.integers(0, 100, 200)])
    one = sample(base.labels, base.scores, codes)
    draws = np.concatenate(list(patient_draws(100, replicates=40, seed=0)), axis=1)
    exact = [
        sm.GLM(
            one.labels.astype(float),
            np.column_stack([logit(one.scores), np.ones(300)]),
            family=sm.families.Binomial(),
            freq_weights=counts[codes],
        )
        .fit()
        .params[0]
        for counts in draws.T
    ]

    found = measure_calibration(one, replicates=40).slope

    low, high = np.quantile(exact, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low, abs=2e-3), pytest.approx(high, abs=2e-3))


def test_logistic_fits_of_many_weightings_equal_statsmodels() -> None:
    rng = np.random.default_rng(10)
    terms = np.column_stack([rng.normal(size=(200, 2)), np.ones(200)])
    labels = (rng.random(200) < expit(terms @ [1.0, -2.0, 0.5])).astype(float)
    weights = rng.integers(0, 4, (200, 6)).astype(float)

    found = fit_logistic(terms, hits=labels[:, None] * weights, weights=weights)

    for column in range(6):
        model = sm.GLM(labels, terms, family=sm.families.Binomial(), freq_weights=weights[:, column])
        np.testing.assert_allclose(found[:, column], model.fit(tol=1e-12).params, atol=1e-6)


def test_the_curve_and_both_errors_equal_scikit_learn() -> None:
    one = overconfident(11)

    found = measure_calibration(one, bins=10, replicates=10)

    true, told = calibration_curve(one.labels, one.scores, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([point.share_positive.value for point in found.curve], true)
    np.testing.assert_allclose([point.mean_score for point in found.curve], told)
    rows = np.array([point.n for point in found.curve])
    assert found.equal_mass.error.value == pytest.approx((rows * np.abs(true - told)).sum() / 500)
    true, told = calibration_curve(one.labels, one.scores, n_bins=10, strategy="uniform")
    rows = np.histogram(one.scores, bins=np.linspace(0, 1, 11))[0]
    assert found.equal_width.error.value == pytest.approx((rows[rows > 0] * np.abs(true - told)).sum() / 500)
    assert found.brier.value == pytest.approx(metrics.brier_score_loss(one.labels, one.scores))
    assert found.log_loss.value == pytest.approx(metrics.log_loss(one.labels, one.scores))


@pytest.mark.parametrize(("bins", "theirs"), [(10, 0.06480095095374855), (15, 0.08684967219973039)])
def test_the_expected_calibration_error_is_that_of_netcal(bins: int, theirs: float) -> None:
    """What netcal 1.4.0's `ECE(bins).measure` gives for the same scores and labels."""
    found = measure_calibration(overconfident(11), bins=bins, replicates=1).equal_width

    assert found.error.value == pytest.approx(theirs, abs=1e-9)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=40),
    st.integers(2, 8),
)
@settings(max_examples=80, deadline=None)
def test_the_parts_of_the_brier_score_make_it_up(rows: list[tuple[bool, int]], bins: int) -> None:
    one = sample([int(label) for label, _ in rows], [score / 20 for _, score in rows])

    found = measure_calibration(one, bins=bins, replicates=1)

    parts = found.reliability.value - found.resolution.value + found.uncertainty.value + found.within.value
    assert found.brier.value == pytest.approx(parts, abs=1e-12)
    assert min(found.reliability.value, found.resolution.value) >= 0
    assert sum(point.n for point in found.curve) == len(rows)


def test_with_one_score_a_bin_nothing_of_the_brier_score_is_within() -> None:
    found = measure_calibration(sample([0, 1, 1, 0, 0, 1], [0.2, 0.2, 0.8, 0.8, 0.2, 0.8]), bins=2, replicates=5)

    assert found.within.value == pytest.approx(0.0, abs=1e-15)
    assert found.reliability.value == pytest.approx(2 * 0.5 * (1 / 3 - 0.2) ** 2)  # Murphy 1973, by hand


def test_perfect_scores_are_called_perfect_in_most_studies() -> None:
    studies = [
        measure_calibration(overconfident(seed, rows=400, slope=1.0, intercept=0.0), replicates=200)
        for seed in range(40)
    ]

    assert sum(one.slope.low < 1 < one.slope.high for one in studies) >= 34  # of 38 expected
    assert sum(one.in_the_large.low < 0 < one.in_the_large.high for one in studies) >= 34
    assert sum(one.equal_mass.error.value < one.equal_mass.expected_high for one in studies) >= 34
    assert studies[0].equal_mass.error.low is None
    assert "biased upwards" in studies[0].equal_mass.error.reason


def test_neither_the_order_of_rows_nor_copies_of_patients_change_a_value() -> None:
    one = overconfident(13, rows=60)
    order = np.random.default_rng(0).permutation(60)
    twice = sample(np.tile(one.labels[order], 2), np.tile(one.scores[order], 2), np.arange(120))

    first, second = measure_calibration(one, replicates=2), measure_calibration(twice, replicates=2)

    for name in ("slope", "intercept", "in_the_large", "observed_to_expected", "brier", "brier_skill", "log_loss"):
        assert getattr(first, name).value == pytest.approx(getattr(second, name).value, abs=1e-9), name


@pytest.mark.parametrize(
    ("labels", "scores", "name", "why"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "slope", "single class"),
        ([0, 1, 0], [0.4, 0.4, 0.4], "slope", "every score is the same"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "slope", "without error"),
        ([0, 1, 1], [0.0, 0.0, 0.9], "log_loss", "infinite"),
    ],
)
def test_what_is_not_defined_says_why(labels: list[int], scores: list[float], name: str, why: str) -> None:
    found = getattr(measure_calibration(sample(labels, scores), replicates=5), name)

    assert found.value is None
    assert why in found.reason


def test_no_rows_give_no_number() -> None:
    found = measure_calibration(sample([], []), replicates=5)

    assert {found.slope.value, found.brier.value, found.equal_width.error.value, found.prevalence} == {None}


def test_one_bin_is_refused() -> None:
    with pytest.raises(RecipeError, match="at least 2, got 1"):
        measure_calibration(overconfident(0), bins=1)
