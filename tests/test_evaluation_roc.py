"""Partial areas, fixed operating points, probabilistic F1: against other ways to compute them, and their properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from mammoscope.errors import RecipeError
from mammoscope.evaluation import METRICS, RANKING_METRICS, Sample, Targets, estimates, measure
from mammoscope.evaluation.ranking import counted, ranked
from mammoscope.evaluation.roc import area_over_sensitivity, area_over_specificity


def sample(labels: list[int], scores: list[float]) -> Sample:
    return Sample(
        labels=np.array(labels) == 1,
        scores=np.array(scores, dtype=np.float64),
        patients=np.arange(len(labels)),
        patient_count=len(labels),
    )


@st.composite
def two_classes(draw: st.DrawFn) -> Sample:
    size = draw(st.integers(2, 25))
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), min_size=size - 2, max_size=size - 2))]
    scores = draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    return sample(labels, [score / 10 for score in scores])


ranges = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda pair: pair[1] - pair[0] > 1e-3)


def counts_of(one: Sample):
    return counted(ranked(one), weights=np.ones((one.patient_count, 1)))


def by_trapezes(x: np.ndarray, y: np.ndarray, low: float, high: float) -> float:
    """Area under a rising polygon between two abscissae; what jumps counts on the side of the interval."""
    area = 0.0
    for (x0, y0), (x1, y1) in zip(zip(x, y, strict=True), zip(x[1:], y[1:], strict=True), strict=False):
        a, b = max(x0, low), min(x1, high)
        if b > a:
            ya, yb = (y0 + (y1 - y0) * (v - x0) / (x1 - x0) for v in (a, b))
            area += (ya + yb) / 2 * (b - a)
    return area


@given(two_classes(), ranges)
@settings(max_examples=150)
def test_a_partial_area_is_that_under_the_polygon_of_scikit_learn(one: Sample, ends: list[float]) -> None:
    low, high = ends
    false, true, _ = metrics.roc_curve(one.labels, one.scores, drop_intermediate=False)

    over_specificity = area_over_specificity(counts_of(one), low=low, high=high)[0]
    over_sensitivity = area_over_sensitivity(counts_of(one), low=low, high=high)[0]

    assert over_specificity == pytest.approx(by_trapezes(false, true, 1 - high, 1 - low), abs=1e-9)
    turned = by_trapezes((1 - true)[::-1], (1 - false)[::-1], 1 - high, 1 - low)
    assert over_sensitivity == pytest.approx(turned, abs=1e-9)


@given(two_classes(), st.floats(0.05, 1.0))
@settings(max_examples=60)
def test_the_standardised_partial_auc_equals_scikit_learn(one: Sample, max_fpr: float) -> None:
    targets = Targets(partial_axis="specificity", partial_range=(1 - max_fpr, 1.0))

    found = measure(one, targets=targets, replicates=1).values["partial_auc"]

    assert found == pytest.approx(metrics.roc_auc_score(one.labels, one.scores, max_fpr=max_fpr), abs=1e-9)


@pytest.mark.parametrize("axis", ["sensitivity", "specificity"])
def test_the_whole_range_is_the_auc_chance_is_a_half_and_perfect_is_one(axis: str) -> None:
    labels = [0, 1, 0, 1, 1, 0]
    mixed, perfect, constant = (sample(labels, s) for s in ([0.1, 0.4, 0.6, 0.6, 0.9, 0.2], labels, [0.5] * 6))
    whole, top = (Targets(partial_axis=axis, partial_range=ends) for ends in ((0.0, 1.0), (0.9, 1.0)))

    found = measure(mixed, targets=whole, replicates=1).values

    assert found["partial_auc"] == pytest.approx(found["auc"])
    assert measure(perfect, targets=top, replicates=1).values["partial_auc"] == pytest.approx(1.0)
    assert measure(constant, targets=top, replicates=1).values["partial_auc"] == pytest.approx(0.5)


def test_a_fixed_point_is_one_that_a_threshold_reaches() -> None:
    one = sample([0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.6, 0.8, 0.8, 0.05])

    found = {
        bound: measure(one, targets=Targets(specificity=bound, sensitivity=bound), replicates=1).values
        for bound in (0.75, 0.8)
    }

    assert found[0.75]["sensitivity_at_specificity"] == 0.75  # at 0.6: one of four negatives is called
    assert found[0.8]["sensitivity_at_specificity"] == 0.5  # at 0.8: none is; nothing between is interpolated
    assert found[0.75]["specificity_at_sensitivity"] == 0.75
    assert found[0.8]["specificity_at_sensitivity"] == 0.0  # only at 0.05, with all negatives called


@given(two_classes())
@settings(max_examples=50)
def test_ranking_metrics_do_not_move_with_an_increasing_transform_and_brier_does(one: Sample) -> None:
    moved = Sample(
        labels=one.labels, scores=np.sqrt(one.scores), patients=one.patients, patient_count=one.patient_count
    )

    first, second = measure(one, replicates=6), measure(moved, replicates=6)

    for name in RANKING_METRICS:
        np.testing.assert_allclose(first.values[name], second.values[name], atol=1e-12, err_msg=name)
        np.testing.assert_allclose(first.replicates[name], second.replicates[name], atol=1e-12, err_msg=name)


def test_predictive_values_at_the_sample_s_own_prevalence_are_the_plain_ones() -> None:
    one = sample([0, 0, 0, 1, 1, 0, 0, 1], [0.1, 0.6, 0.3, 0.7, 0.9, 0.2, 0.4, 0.2])

    found = measure(one, threshold=0.5, targets=Targets(prevalence=3 / 8), replicates=1).values

    assert found["ppv_at_prevalence"] == pytest.approx(found["ppv"])
    assert found["npv_at_prevalence"] == pytest.approx(found["npv"])


def test_what_is_not_defined_says_why() -> None:
    one = sample([0, 0, 1, 1], [0.0, 0.3, 0.0, 0.9])

    without = estimates(measure(one, replicates=5))
    nobody = estimates(measure(one, threshold=0.95, targets=Targets(prevalence=0.01), replicates=5))

    assert without["log_loss"].value is None
    assert "infinite" in without["log_loss"].reason
    assert without["ppv_at_prevalence"].reason == "no prevalence is stated"
    assert without["mcc"].reason == "no threshold"
    assert nobody["ppv"].reason == nobody["mcc"].reason == "nobody was called positive (negative)"
    assert nobody["ppv_at_prevalence"].value is None
    assert nobody["npv_at_prevalence"].value == pytest.approx(0.99)


def test_no_number_is_ever_nan_and_each_missing_one_has_a_reason() -> None:
    for labels in ([], [0], [1], [1, 1], [0, 0, 0], [0, 1]):
        one = sample(labels, [0.4] * len(labels)) if labels else EMPTY
        for threshold in (None, 0.1, 0.9):
            found = estimates(measure(one, threshold=threshold, replicates=4))
            assert set(found) == set(METRICS)
            assert all((e.value is None) <= bool(e.reason) for e in found.values())
            assert not any(v is not None and np.isnan(v) for e in found.values() for v in (e.value, e.low, e.high))


EMPTY = Sample(labels=np.zeros(0, bool), scores=np.zeros(0), patients=np.zeros(0, np.int64), patient_count=0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"specificity": 1.2}, r"specificity must be in \[0, 1\], got 1.2"),
        ({"sensitivity": 0.0}, r"sensitivity must be in \(0, 1\], got 0.0"),
        ({"partial_range": (0.9, 0.8)}, "two rising numbers in .* got 0.9 and 0.8"),
        ({"prevalence": 5.0}, "prevalence must be between 0 and 1, got 5.0"),
    ],
)
def test_a_target_that_means_nothing_is_refused(wrong: dict, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        Targets(**wrong)
