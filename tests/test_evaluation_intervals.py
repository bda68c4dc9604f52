"""The weighted bootstrap against scikit-learn with the same draws, and its properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import (
    METRICS,
    Sample,
    Targets,
    auc_difference,
    choose_threshold,
    estimates,
    measure,
    patient_draws,
    percentile_interval,
)
from mammoscope.evaluation.measures import drawn_estimate


def sample(labels: list[int], scores: list[float], patients: list[int] | None = None) -> Sample:
    codes = np.arange(len(labels)) if patients is None else np.array(patients)
    return Sample(
        labels=np.array(labels) == 1,
        scores=np.array(scores, dtype=np.float64),
        patients=codes,
        patient_count=int(codes.max()) + 1,
    )


def clustered(seed: int, *, patients: int = 40, tied: bool = False) -> Sample:
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(patients), rng.integers(0, patients, 2 * patients)])
    labels = rng.random(len(codes)) < 0.3
    scores = rng.normal(size=patients)[codes] + rng.normal(size=len(codes)) + labels
    scores = 1.0 / (1.0 + np.exp(-scores))
    return Sample(labels=labels, scores=np.round(scores, 1) if tied else scores, patients=codes, patient_count=patients)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    size = draw(st.integers(2, 25))
    labels = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    scores = draw(st.lists(st.integers(0, 8), min_size=size, max_size=size))
    codes = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    return sample(
        [int(label) for label in labels],
        [score / 8 for score in scores],
        list(np.unique(codes, return_inverse=True)[1]),
    )


def repeated(one: Sample, counts: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(one.labels)), counts[one.patients].astype(int))


def wrong(one: Sample) -> np.ndarray:
    """Rows of which a score of 0 or 1 is sure, and of the other class."""
    return (one.scores >= 0.5) != one.labels


def kaggle_pf1(labels: np.ndarray, scores: np.ndarray) -> float:
    """As the RSNA challenge of 2022 describes its metric: precision and recall with scores for counts."""
    true, false = scores[labels].sum(), scores[~labels].sum()
    precision, recall = true / (true + false) if true + false else 0.0, true / labels.sum()
    return 2 * precision * recall / (precision + recall) if precision > 0 and recall > 0 else 0.0


def by_sklearn(one: Sample, rows: np.ndarray, threshold: float) -> dict[str, float]:
    """Each metric of some rows as scikit-learn gives it, NaN where it is not defined."""
    labels, scores = one.labels[rows], one.scores[rows]
    called = scores >= threshold
    (tn, fp), (fn, tp) = metrics.confusion_matrix(labels, called, labels=[False, True])
    two = 0 < labels.sum() < len(labels)
    sensitivity = tp / (tp + fn) if tp + fn else np.nan
    specificity = tn / (tn + fp) if tn + fp else np.nan
    sensitivities, false = [], []
    if two:
        false, sensitivities, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
    at_half = (sensitivity * 0.5, (1 - specificity) * 0.5, specificity * 0.5, (1 - sensitivity) * 0.5)
    sure = ((one.scores % 1 == 0) & wrong(one)).any()
    return {
        # exchanging the classes makes of the top fifth of sensitivity the first fifth of false positives
        "partial_auc": metrics.roc_auc_score(~labels, -scores, max_fpr=0.2) if two else np.nan,
        "sensitivity_at_specificity": sensitivities[false <= 0.1 + 1e-12].max() if two else np.nan,
        "specificity_at_sensitivity": 1 - false[sensitivities >= 0.9 - 1e-12].min() if two else np.nan,
        "log_loss": np.nan if sure else metrics.log_loss(labels, scores, labels=[False, True]),
        "probabilistic_f1": kaggle_pf1(labels, scores) if labels.any() else np.nan,
        "mcc": metrics.matthews_corrcoef(labels, called) if tp + fp and tp + fn and tn + fp and tn + fn else np.nan,
        "ppv_at_prevalence": at_half[0] / (at_half[0] + at_half[1]) if at_half[0] + at_half[1] else np.nan,
        "npv_at_prevalence": at_half[2] / (at_half[2] + at_half[3]) if at_half[2] + at_half[3] else np.nan,
        "auc": metrics.roc_auc_score(labels, scores) if two else np.nan,
        "average_precision": metrics.average_precision_score(labels, scores) if two else np.nan,
        "brier": metrics.brier_score_loss(labels, scores, pos_label=True) if two else np.mean((scores - labels) ** 2),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "accuracy": metrics.accuracy_score(labels, called),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "ppv": tp / (tp + fp) if tp + fp else np.nan,
        "npv": tn / (tn + fn) if tn + fn else np.nan,
        "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else np.nan,
        "recall_rate": called.mean(),
    }


@pytest.mark.parametrize("tied", [False, True])
def test_every_metric_of_every_replicate_equals_scikit_learn_on_the_same_draws(*, tied: bool) -> None:
    one = clustered(1, tied=tied)

    found = measure(one, threshold=0.6, targets=Targets(prevalence=0.5), replicates=50, seed=3)

    draws = np.concatenate(list(patient_draws(one.patient_count, replicates=50, seed=3)), axis=1)
    expected = [by_sklearn(one, repeated(one, counts), 0.6) for counts in draws.T]
    for name in METRICS:
        np.testing.assert_allclose(found.replicates[name], [e[name] for e in expected], atol=1e-9, rtol=0)


@given(samples())
@settings(max_examples=150, deadline=None)
def test_values_equal_scikit_learn_for_any_ties_and_any_clusters(one: Sample) -> None:
    found = measure(one, threshold=0.5, targets=Targets(prevalence=0.5), replicates=3)

    expected = by_sklearn(one, np.arange(len(one.labels)), 0.5)
    for name in METRICS:
        np.testing.assert_allclose(found.values[name], expected[name], atol=1e-9, rtol=0, err_msg=name)


@given(samples(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_neither_the_order_of_rows_nor_an_increasing_transform_changes_a_ranking_metric(one: Sample, random) -> None:
    order = list(range(len(one.labels)))
    random.shuffle(order)
    other = Sample(
        labels=one.labels[order],
        scores=np.exp(3 * one.scores[order]) - 7,
        patients=one.patients[order],
        patient_count=one.patient_count,
    )

    first, second = measure(one, replicates=8), measure(other, replicates=8)

    for name in ("auc", "average_precision"):
        np.testing.assert_allclose(first.values[name], second.values[name], atol=1e-12)
        np.testing.assert_allclose(first.replicates[name], second.replicates[name], atol=1e-12)


@given(samples())
@settings(max_examples=60, deadline=None)
def test_two_copies_of_every_patient_leave_each_value_as_it_is(one: Sample) -> None:
    twice = Sample(
        labels=np.tile(one.labels, 2),
        scores=np.tile(one.scores, 2),
        patients=np.concatenate([one.patients, one.patients + one.patient_count]),
        patient_count=2 * one.patient_count,
    )

    first, second = measure(one, threshold=0.5, replicates=1), measure(twice, threshold=0.5, replicates=1)

    for name in METRICS:
        np.testing.assert_allclose(first.values[name], second.values[name], atol=1e-12)


def test_ties_count_half() -> None:
    one = sample([0, 1, 1, 0], [0.5, 0.5, 0.9, 0.1])

    assert measure(one, replicates=1).values["auc"] == (0.5 + 1 + 1 + 1) / 4


def test_draws_do_not_depend_on_the_chunk() -> None:
    blocks = [np.concatenate(list(patient_draws(7, replicates=10, seed=5, chunk=c)), axis=1) for c in (1, 3, 10, 99)]

    assert all(np.array_equal(block, blocks[0]) for block in blocks)
    assert (blocks[0].sum(axis=0) == 7).all()


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    one = clustered(2)

    lows = [estimates(measure(one, replicates=200, seed=seed))["average_precision"].low for seed in (0, 0, 1)]

    assert lows[0] == lows[1] != lows[2]


def test_replicates_with_a_single_class_are_counted_and_left_out() -> None:
    one = sample([0, 0, 0, 1], [0.1, 0.2, 0.9, 0.8])

    auc = drawn_estimate(measure(one, replicates=400), "auc")

    draws = np.concatenate(list(patient_draws(4, replicates=400, seed=0)), axis=1)
    single = int(((draws[3] == 0) | (draws[3] == 4)).sum())
    assert auc.undefined == single > 50
    assert auc.value == pytest.approx(2 / 3)
    assert auc.low is not None


def test_a_single_class_leaves_auc_undefined_with_its_reason() -> None:
    found = estimates(measure(sample([0, 0, 0], [0.1, 0.5, 0.7]), threshold=0.4, replicates=20))

    assert (found["auc"].value, found["auc"].low) == (None, None)
    assert found["auc"].reason == "single class: no positive among 3 rows"
    assert found["specificity"].value == pytest.approx(1 / 3)
    assert found["sensitivity"].reason == "single class: no positive among 3 rows"


def test_one_patient_gives_a_value_and_no_interval() -> None:
    auc = estimates(measure(sample([0, 1], [0.1, 0.5], [0, 0]), replicates=20))["auc"]

    assert (auc.value, auc.low, auc.reason) == (1.0, None, "one patient: there is nothing to resample")


def test_no_rows_give_no_value() -> None:
    empty = Sample(labels=np.zeros(0, bool), scores=np.zeros(0), patients=np.zeros(0, np.int64), patient_count=0)

    found = estimates(measure(empty, threshold=0.5, replicates=5))

    assert {e.value for e in found.values()} == {None}


def test_clustered_rows_make_the_interval_wider_than_rows_taken_for_independent() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(100), 4)
    labels = (np.arange(100) < 40)[codes]
    one = Sample(
        labels=labels,
        scores=labels + 2 * rng.normal(size=100)[codes] + 0.1 * rng.normal(size=400),
        patients=codes,
        patient_count=100,
    )
    naive = Sample(labels=labels, scores=one.scores, patients=np.arange(400), patient_count=400)

    widths = [(e := estimates(measure(s))["auc"]).high - e.low for s in (one, naive)]

    assert widths[0] > 1.7 * widths[1]  # four rows a patient that say nearly the same: about twice as wide


def test_curves_start_and_end_where_they_must_and_lie_in_their_band() -> None:
    one = clustered(4, patients=150)

    found = measure(one, replicates=300)

    roc, pr = found.roc, found.precision_recall
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(found.values["auc"], abs=1e-4)
    on_grid = np.interp(roc.grid[1:-1], roc.x, roc.y)
    assert np.mean((np.array(roc.low[1:-1]) <= on_grid) & (on_grid <= np.array(roc.high[1:-1]))) > 0.9
    assert pr.x[-1] == 1
    assert pr.y[-1] >= one.labels.mean() - 1e-6


def test_the_paired_difference_is_that_of_the_same_replicates() -> None:
    one = clustered(5)
    worse = Sample(labels=one.labels, scores=one.scores[::-1].copy(), patients=one.patients, patient_count=40)
    first, second = measure(one, replicates=300), measure(worse, replicates=300)

    found = auc_difference(first, second)

    assert found.auc.value == pytest.approx(first.values["auc"] - second.values["auc"])
    draws = first.replicates["auc"] - second.replicates["auc"]
    assert (found.auc.low, found.auc.high) == percentile_interval(draws, confidence=0.95)


def test_a_model_is_not_distinguishable_from_itself() -> None:
    one = measure(clustered(6), replicates=100)

    assert auc_difference(one, one).verdict == "not distinguishable"


def test_a_clearly_better_model_is_above_and_the_other_below() -> None:
    base = clustered(7, patients=200)
    good = Sample(labels=base.labels, scores=base.labels + 0.1 * base.scores, patients=base.patients, patient_count=200)
    first, second = measure(good, replicates=200), measure(base, replicates=200)

    assert auc_difference(first, second).verdict == "above"
    assert auc_difference(second, first).verdict == "below"


def test_models_on_different_rows_are_not_compared() -> None:
    with pytest.raises(SourceError, match="not of the same rows"):
        auc_difference(measure(clustered(1), replicates=2), measure(clustered(2), replicates=2))


def test_youden_takes_the_most_sensitive_of_equal_thresholds() -> None:
    found = choose_threshold(sample([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]))

    assert (found.value, found.sensitivity, found.specificity) == (0.2, 1.0, 0.5)


@given(samples(), st.sampled_from(["sensitivity", "specificity"]), st.floats(0.01, 1.0))
@settings(deadline=None)
def test_a_bound_is_kept_and_the_other_rate_could_not_be_better(one: Sample, rule: str, bound: float) -> None:
    found = choose_threshold(one, rule=rule, at_least=bound)

    if one.single_class:
        assert found.value is None
        assert "single class" in found.reason
        return
    fpr, tpr, _ = metrics.roc_curve(one.labels, one.scores, drop_intermediate=False)
    kept, other = (tpr, 1 - fpr) if rule == "sensitivity" else (1 - fpr, tpr)
    reached = (found.sensitivity, found.specificity)
    assert reached[rule == "specificity"] >= bound
    assert reached[rule == "sensitivity"] == pytest.approx(other[kept >= bound].max())


def test_where_no_score_is_specific_enough_nobody_is_called() -> None:
    found = choose_threshold(sample([0, 1], [0.5, 0.5]), rule="specificity", at_least=0.9)

    assert found.value > 0.5
    assert (found.sensitivity, found.specificity) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("rule", "at_least", "says"),
    [
        ("best", None, "'best' is not one of youden, sensitivity, specificity"),
        ("youden", 0.9, "'youden' takes no at_least, got 0.9"),
        ("sensitivity", None, "needs at_least in"),
        ("specificity", 1.5, "got 1.5"),
    ],
)
def test_a_rule_that_cannot_be_applied_is_refused(rule: str, at_least: float | None, says: str) -> None:
    from mammoscope.evaluation import thresholds

    with pytest.raises(RecipeError, match=says):
        thresholds.check_rule(rule, at_least=at_least)
