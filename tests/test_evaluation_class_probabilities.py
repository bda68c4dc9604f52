"""Scores among several classes as probabilities: one temperature, calibration class by class, sets with a coverage."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import log_loss

from mammoscope.calibrators import Temperature
from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import (
    ClassSample,
    Sample,
    evaluate_classes,
    fit_calibrator,
    fit_conformal,
    fit_temperature,
    measure_class_calibration,
    measure_class_coverage,
    measure_coverage,
    patient_draws,
)

ABC = ("A", "B", "C")


def sample(labels: np.ndarray, scores: np.ndarray, *, patients: np.ndarray | None = None) -> ClassSample:
    who = np.arange(len(labels)) if patients is None else patients
    return ClassSample(
        classes=ABC[: scores.shape[1]],
        labels=labels,
        calls=scores.argmax(axis=1),
        scores=scores,
        patients=who,
        patient_count=int(who.max()) + 1,
    )


def drawn(rng: np.random.Generator, rows: int, *, sharpness: float = 1.0, views: int = 1) -> ClassSample:
    """True chances, labels drawn by them, and scores that are too sure (or unsure) of them."""
    logits = 1.5 * rng.normal(size=(rows, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(3, p=chance) for chance in chances])
    scores = chances**sharpness / (chances**sharpness).sum(axis=1, keepdims=True)
    return sample(labels, scores, patients=np.arange(rows) // views)


def test_the_temperature_is_the_one_of_least_log_loss() -> None:
    tune = drawn(np.random.default_rng(0), 400, sharpness=3.0)

    def loss(temperature: float) -> float:
        return log_loss(tune.labels, Temperature(temperature=temperature).among_classes(tune.scores))

    best = minimize_scalar(loss, bounds=(0.1, 20.0), method="bounded", options={"xatol": 1e-9})

    found = fit_temperature(tune)

    assert found.calibrator.temperature == pytest.approx(best.x, rel=1e-5)
    assert found.calibrator.temperature == pytest.approx(3.0, rel=0.3)
    assert (found.n, found.patients, found.prevalence) == (400, 400, None)


@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_of_two_classes_it_is_that_of_yes_or_no(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, who = rng.uniform(0.02, 0.98, 60), np.arange(60)
    labels = rng.random(60) < scores

    two = fit_temperature(sample(labels.astype(np.int64), np.column_stack([1 - scores, scores]))).calibrator
    one = fit_calibrator(Sample(labels=labels, scores=scores, patients=who, patient_count=60), kind="temperature")

    assert two.temperature == pytest.approx(one.calibrator.temperature, rel=1e-6)
    np.testing.assert_allclose(two.among_classes(np.column_stack([1 - scores, scores]))[:, 1], two.apply(scores))


def test_it_changes_no_call_and_its_probabilities_sum_to_one() -> None:
    scores = drawn(np.random.default_rng(1), 50).scores

    told = Temperature(temperature=2.5).among_classes(scores)

    np.testing.assert_array_equal(told.argmax(axis=1), scores.argmax(axis=1))
    np.testing.assert_allclose(told.sum(axis=1), 1.0)


@pytest.mark.parametrize(
    ("labels", "scores", "why"),
    [
        ([0, 0], [[0.6, 0.4], [0.7, 0.3]], "a single class"),
        ([0, 1], [[0.6, 0.4], [0.4, 0.6]], "without error"),
        ([0, 1], [[0.4, 0.6], [0.6, 0.4]], "the wrong way round"),
    ],
)
def test_what_has_no_temperature_says_why(labels: list[int], scores: list[list[float]], why: str) -> None:
    found = fit_temperature(sample(np.array(labels), np.array(scores)))

    assert found.calibrator is None
    assert why in found.reason


def test_brier_and_log_loss_and_their_replicates_are_those_of_the_drawn_rows() -> None:
    one = drawn(np.random.default_rng(2), 60, views=3)
    truth = np.eye(3)[one.labels]

    found = measure_class_calibration(one, replicates=40, seed=3)

    assert found.brier.value == pytest.approx(((one.scores - truth) ** 2).sum(axis=1).mean())
    assert found.log_loss.value == pytest.approx(log_loss(one.labels, one.scores))
    draws = next(patient_draws(20, replicates=40, seed=3, chunk=40)).T
    again = [
        np.average(((one.scores - truth) ** 2).sum(axis=1), weights=np.maximum(count[one.patients], 1e-12))
        for count in draws
    ]
    assert (found.brier.low, found.brier.high) == pytest.approx(tuple(np.quantile(again, [0.025, 0.975])), rel=1e-6)


def by_bins(labels: np.ndarray, scores: np.ndarray) -> float:
    """Naeini et al. (2015), bin by bin."""
    place = np.clip(np.ceil(scores * 10) - 1, 0, 9)
    gaps = [abs((labels - scores)[place == at].sum()) for at in range(10)]
    return float(sum(gaps) / len(scores))


def test_the_classwise_error_is_the_mean_over_classes_of_the_error_bin_by_bin() -> None:
    one = drawn(np.random.default_rng(4), 300, sharpness=2.0)

    found = measure_class_calibration(one, replicates=2)

    theirs = [by_bins(one.labels == at, one.scores[:, at]) for at in range(3)]
    assert found.equal_width.error == pytest.approx(np.mean(theirs), abs=1e-9)
    assert found.equal_width.expected < found.equal_width.error
    right = one.labels == one.calls
    assert found.call.prevalence == pytest.approx(right.mean())
    assert found.classes["B"].prevalence == pytest.approx((one.labels == 1).mean())


def test_a_temperature_brings_an_overconfident_model_to_slope_one() -> None:
    rng = np.random.default_rng(5)
    tables = []
    for part, one in (("tune", drawn(rng, 500, sharpness=3.0)), ("test", drawn(rng, 800, sharpness=3.0))):
        scores = {f"score_{name}": one.scores[:, at] for at, name in enumerate(ABC)}
        labels, who = [ABC[at] for at in one.labels], [f"{part}{row}" for row in range(len(one.labels))]
        tables.append(pl.DataFrame({"part": part, "label": labels, "patient_id": who, "image_id": who, **scores}))

    found = evaluate_classes(pl.concat(tables), classes=ABC, calibration="temperature", coverage=0.9, replicates=50)

    before, after = found.calibration.scores, found.calibration.probabilities
    assert before.call.slope.value < 0.5
    assert after.call.slope.low < 1.0 < after.call.slope.high
    assert after.log_loss.value < before.log_loss.value
    assert after.equal_width.error < before.equal_width.error
    assert found.conformal.coverage.covered.value == pytest.approx(0.9, abs=0.04)
    assert found.to_json()["conformal"]["patients"].keys() == set(ABC)


def test_without_a_tune_part_nothing_is_fitted_and_it_is_said() -> None:
    rows = pl.DataFrame({"label": list("AB") * 6, "patient_id": [str(n) for n in range(12)],
                         "score_A": [0.7, 0.4] * 6, "score_B": [0.3, 0.6] * 6})  # fmt: skip

    found = evaluate_classes(rows, classes="AB", calibration="temperature", coverage=0.8, replicates=10)

    assert found.calibration.reason == "there is no tune part"
    assert found.calibration.probabilities is None
    assert found.conformal.reason == "there is no tune part: no cuts can be fitted"


def test_a_calibrator_of_yes_or_no_is_refused() -> None:
    rows = pl.DataFrame({"label": ["A", "B"], "patient_id": ["x", "y"], "score_A": [0.7, 0.4], "score_B": [0.3, 0.6]})

    with pytest.raises(RecipeError, match="'platt' is of yes or no.* there are none, temperature"):
        evaluate_classes(rows, classes="AB", calibration="platt")


class Network(ClassifierMixin, BaseEstimator):
    """Gives the scores it is given."""

    def __init__(self) -> None:
        self.classes_ = np.arange(3)

    def fit(self, _x: np.ndarray, _y: np.ndarray) -> "Network":
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x.argmax(axis=1)

    def __sklearn_is_fitted__(self) -> bool:
        return True


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_sets_of_classes_are_those_of_mapie(coverage: float) -> None:
    rng = np.random.default_rng(6)
    tune, new = drawn(rng, 150), drawn(rng, 100)
    mapie = SplitConformalClassifier(Network(), confidence_level=coverage, conformity_score="lac", prefit=True)
    mapie.conformalize(tune.scores, tune.labels)
    _, theirs = mapie.predict_set(new.scores)

    found = fit_conformal(tune, coverage=coverage, per_class=False)

    np.testing.assert_array_equal(found.sets(new.scores), theirs[:, :, 0])


def test_sets_of_two_classes_are_those_of_yes_or_no() -> None:
    rng = np.random.default_rng(7)
    scores, who = rng.random(90), np.arange(90) // 3
    labels = rng.random(90) < scores
    yes = Sample(labels=labels, scores=scores, patients=who, patient_count=30)
    both = sample(labels.astype(np.int64), np.column_stack([1.0 - scores, scores]), patients=who)

    one, two = fit_conformal(yes, coverage=0.8), fit_conformal(both, coverage=0.8)

    assert one.limits == pytest.approx(two.limits)
    assert one.patients == two.patients
    told = measure_coverage(yes, conformal=one, replicates=9)
    theirs = measure_class_coverage(both, conformal=two, replicates=9)
    assert (told.covered_positive.value, told.covered_positive.low) == (
        theirs.classes["B"].value,
        theirs.classes["B"].low,
    )
    assert told.referred.value == theirs.referred.value


def test_each_class_is_covered_as_stated_over_many_studies() -> None:
    rng = np.random.default_rng(8)
    held: dict[str, list[float]] = {name: [] for name in ABC}
    for _ in range(60):
        cuts = fit_conformal(drawn(rng, 120), coverage=0.8)
        found = measure_class_coverage(drawn(rng, 200), conformal=cuts, replicates=1)
        for name in ABC:
            held[name].append(found.classes[name].value)

    for values in held.values():
        assert 0.77 < np.mean(values) < 0.86  # 60 studies: give or take 0.01


def test_coverage_of_classes_by_hand() -> None:
    cuts = fit_conformal(drawn(np.random.default_rng(9), 90), coverage=0.8).model_copy(
        update={"limits": (0.5, 0.5, 0.5), "rows": "one"}
    )
    rows = np.array([[0.6, 0.3, 0.1], [0.5, 0.5, 0.0], [0.3, 0.4, 0.3], [0.1, 0.8, 0.1]])

    found = measure_class_coverage(sample(np.array([0, 1, 1, 2]), rows), conformal=cuts, replicates=5)

    assert cuts.calls(rows) == ["A", "refer", "refer", "B"]
    assert found.covered.value == 0.5
    assert (found.referred.value, found.accuracy.value, found.set_size.value) == (0.5, 0.5, 1.0)
    assert {name: one.value for name, one in found.classes.items()} == {"A": 1.0, "B": 0.5, "C": 0.0}


def test_sets_are_refused_without_scores_and_of_other_classes() -> None:
    tune = drawn(np.random.default_rng(10), 40)
    calls = ClassSample(
        classes=ABC, labels=tune.labels, calls=tune.calls, scores=None, patients=tune.patients, patient_count=40
    )

    with pytest.raises(SourceError, match="only calls are known"):
        fit_conformal(calls)
    with pytest.raises(SourceError, match="2 columns, and the cuts are of A, B, C"):
        fit_conformal(tune).sets(tune.scores[:, :2])
