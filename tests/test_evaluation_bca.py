"""BCa against scipy on the same replicates, and one interval of AUC by every method."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats._resampling import BootstrapResult  # the only way to hand scipy our own replicates

from mammoscope.errors import RecipeError
from mammoscope.evaluation import (
    METRICS,
    Sample,
    auc_interval,
    bca_estimates,
    bca_interval,
    estimates,
    measure,
)
from mammoscope.evaluation.measures import drawn_estimate, jackknife


def clustered(seed: int, *, patients: int = 60) -> Sample:
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(patients), rng.integers(0, patients, 2 * patients)])
    labels = rng.random(len(codes)) < 0.4
    scores = rng.normal(size=patients)[codes] + rng.normal(size=len(codes)) + 2 * labels
    return Sample(labels=labels, scores=1 / (1 + np.exp(-scores / 2)), patients=codes, patient_count=patients)


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_bca_equals_scipy_on_the_same_replicates(confidence: float) -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(size=30)
    draws = rng.choice(values, (999, 30)).mean(axis=1)
    given = BootstrapResult(confidence_interval=None, bootstrap_distribution=draws, standard_error=0.0)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=0, method="BCa", bootstrap_result=given, confidence_level=confidence
    ).confidence_interval
    left = (values.sum() - values) / 29

    low, high, why = bca_interval(draws, value=float(values.mean()), left_out=left, confidence=confidence)

    assert (low, high) == (pytest.approx(expected.low, rel=1e-12), pytest.approx(expected.high, rel=1e-12))
    assert why is None


def test_each_patient_is_left_out_with_all_of_its_rows() -> None:
    one = clustered(1, patients=12)

    left = jackknife(one, threshold=0.5)

    for patient in range(12):
        rows = one.patients != patient
        rest = Sample(
            labels=one.labels[rows],
            scores=one.scores[rows],
            patients=np.unique(one.patients[rows], return_inverse=True)[1],
            patient_count=11,
        )
        expected = measure(rest, threshold=0.5, replicates=1, curves=False).values
        for name in METRICS:
            np.testing.assert_allclose(left[name][patient], expected[name], atol=1e-12, err_msg=name)


def test_estimates_say_how_their_interval_was_made() -> None:
    measured = measure(clustered(2), threshold=0.5, replicates=300, curves=False)

    plain, corrected = estimates(measured), bca_estimates(measured)

    assert plain["auc"].method == "clustered DeLong, logit"
    assert plain["sensitivity"].method == "percentile bootstrap over patients"
    assert drawn_estimate(measured, "auc").method == "percentile bootstrap over patients"
    assert corrected["auc"].method == "BCa bootstrap over patients"
    assert corrected["auc"].value == plain["auc"].value
    assert (
        corrected["auc"].low < drawn_estimate(measured, "auc").low
    )  # an AUC near 1 is skewed: BCa moves the interval down
    assert corrected["ppv_at_prevalence"].reason == plain["ppv_at_prevalence"].reason is not None


@pytest.mark.parametrize(
    ("draws", "left", "why"),
    [
        ([1.0, 1.0, 2.0], [0.5, 0.6], "one side of the value"),
        ([0.0, 1.0], [0.5, 0.5], "whichever patient is left out"),
        ([np.nan, np.nan], [0.5, 0.6], "no replicate"),
    ],
)
def test_where_bca_cannot_correct_there_is_a_reason(draws: list[float], left: list[float], why: str) -> None:
    low, high, reason = bca_interval(np.array(draws), value=0.5, left_out=np.array(left))

    assert (low, high) == (None, None)
    assert why in reason


def test_the_quick_auc_is_that_of_measure_to_the_bit() -> None:
    one = clustered(3)
    measured = measure(one, replicates=200, seed=4, curves=False)

    percentile = auc_interval(one, method="percentile", replicates=200, seed=4)
    bca = auc_interval(one, method="bca", replicates=200, seed=4)

    assert percentile == drawn_estimate(measured, "auc")
    quick, told = auc_interval(one), estimates(measured)["auc"]
    assert (quick.low, quick.high, quick.method) == (told.low, told.high, told.method)
    assert quick.value == pytest.approx(told.value, abs=1e-12)
    assert bca == bca_estimates(measured)["auc"]


def test_four_methods_agree_on_many_patients() -> None:
    one = clustered(5, patients=1500)

    found = [auc_interval(one, method=m, replicates=400) for m in ("percentile", "bca", "delong", "delong-logit")]

    assert len({f.method for f in found}) == 4
    assert np.ptp([f.low for f in found]) < 0.003
    assert np.ptp([f.high for f in found]) < 0.003


def test_no_replicates_and_a_wrong_level_are_refused() -> None:
    one = clustered(6)

    with pytest.raises(RecipeError, match="replicates must be at least 1"):
        auc_interval(one, replicates=0)
    with pytest.raises(RecipeError, match="confidence must be between"):
        bca_interval(np.zeros(3), value=0.0, left_out=np.zeros(3), confidence=1.0)
