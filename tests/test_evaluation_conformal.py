"""Conformal sets against MAPIE and by simulation; the gate on embeddings against scipy."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.covariance import ledoit_wolf

from mammoscope.errors import BundleError, RecipeError, SourceError
from mammoscope.evaluation import Conformal, Sample, fit_conformal, fit_gate, measure_coverage, read_gate


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


def women(rng: np.random.Generator, count: int, *, views: int = 4) -> Sample:
    """Four views a woman that resemble each other."""
    ill = rng.random(count) < 0.3
    codes = np.repeat(np.arange(count), views)
    odds = (rng.normal(size=count) + 1.5 * ill)[codes] + 0.5 * rng.normal(size=len(codes)) - 0.7
    return sample(ill[codes].astype(int), 1 / (1 + np.exp(-odds)), codes)


class Network(ClassifierMixin, BaseEstimator):
    classes_ = np.array([0, 1])

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, *_):
        return self

    def predict_proba(self, x):
        return np.column_stack([1 - x[:, 0], x[:, 0]])

    def predict(self, x):
        return (x[:, 0] >= 0.5).astype(int)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_of_one_row_a_woman_are_those_of_mapie(coverage: float) -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(300) < 0.4).astype(int)
    scores = np.clip(0.3 * labels + 0.7 * rng.random(300), 0, 1)
    new = rng.random(200)
    mapie = SplitConformalClassifier(Network(), confidence_level=coverage, conformity_score="lac", prefit=True)
    mapie.conformalize(scores[:, None], labels)
    _, theirs = mapie.predict_set(new[:, None])

    found = fit_conformal(sample(labels, scores), coverage=coverage, per_class=False)

    np.testing.assert_array_equal(found.sets(new), theirs[:, :, 0])


def test_cuts_of_each_class_are_those_of_that_class_alone() -> None:
    one = women(np.random.default_rng(1), 100, views=1)
    ill = sample(one.labels[one.labels].astype(int), one.scores[one.labels])

    found = fit_conformal(one, coverage=0.9)

    assert found.limits[1] == fit_conformal(ill, coverage=0.9, per_class=False).limits[1]
    assert found.patients == (int((~one.labels).sum()), int(one.labels.sum()))


def test_what_is_stated_is_held_over_many_studies() -> None:
    """100 studies; a new woman's coverage is at least 0.9, and of one row not far above it."""
    rng = np.random.default_rng(2)
    held: dict[str, list[float]] = {"one": [], "all": []}
    for _ in range(100):
        tune, test = women(rng, 100), women(rng, 200)
        for rows, values in held.items():
            conformal = fit_conformal(tune, coverage=0.9, rows=rows, seed=int(rng.integers(1000)))
            values.append(measure_coverage(test, conformal=conformal, replicates=1).covered.value)

    assert 0.9 - 0.01 < np.mean(held["one"]) < 0.94
    assert 0.9 - 0.01 < np.mean(held["all"]) < 0.94


def test_rows_taken_for_women_would_not_hold_for_all_rows_of_a_woman() -> None:
    rng = np.random.default_rng(3)
    naive, honest = [], []
    for _ in range(40):
        tune, test = women(rng, 100), women(rng, 200)
        as_rows = sample(tune.labels.astype(int), tune.scores)
        for rows, values in ((as_rows, naive), (tune, honest)):
            cuts = fit_conformal(rows, coverage=0.9)
            values.append(measure_coverage(test, conformal=cuts, replicates=1).covered.value)

    assert np.mean(naive) < 0.87
    assert np.mean(honest) > 0.89


def test_calls_follow_the_sets_and_survive_json() -> None:
    found = fit_conformal(women(np.random.default_rng(4), 300), coverage=0.8, rows="one")

    scores = np.linspace(0, 1, 101)
    read = Conformal.model_validate_json(json.dumps(found.model_dump(mode="json")))

    assert read == found
    assert set(found.calls(scores)) == {"negative", "refer", "positive"}
    for call, (no, yes) in zip(found.calls(scores), found.sets(scores), strict=True):
        assert call == ("refer" if no == yes else "positive" if yes else "negative")


@given(st.integers(5, 60), st.floats(0.5, 0.95), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_more_coverage_never_takes_an_answer_away(count: int, coverage: float, seed: int) -> None:
    tune, scores = women(np.random.default_rng(seed), count), np.linspace(0, 1, 51)

    less, more = (fit_conformal(tune, coverage=c, per_class=False).sets(scores) for c in (coverage - 0.1, coverage))

    assert (more >= less).all()


def test_too_few_cancers_are_never_ruled_out_and_it_is_said() -> None:
    rng = np.random.default_rng(5)
    one = sample([1] * 5 + [0] * 100, np.concatenate([np.full(5, 0.9), 0.5 * rng.random(100)]))

    found = fit_conformal(one, coverage=0.9)

    assert found.reason == "5 women of one class: a coverage of 0.9 takes 9. That answer is never ruled out"
    assert found.sets(np.array([0.0, 0.5]))[:, 1].all()
    assert "negative" not in found.calls(np.linspace(0, 1, 11))


@pytest.mark.parametrize("coverage", [0.0, 1.0])
def test_a_coverage_of_nothing_or_all_is_refused(coverage: float) -> None:
    with pytest.raises(RecipeError, match=r"coverage must be in \(0, 1\)"):
        fit_conformal(women(np.random.default_rng(0), 10), coverage=coverage)


def test_coverage_by_hand() -> None:
    cuts = Conformal(coverage=0.9, per_class=True, rows="one", limits=(0.6, 0.5), patients=(1, 1))
    rows = sample([0, 0, 1, 1], [0.1, 0.9, 0.55, 0.2], np.array([0, 0, 1, 2]))

    found = measure_coverage(rows, conformal=cuts, replicates=10)
    at_once = measure_coverage(rows, conformal=cuts.model_copy(update={"rows": "all"}), replicates=10)

    assert found.covered.value == pytest.approx((0.5 + 1 + 0) / 3)
    assert at_once.covered.value == pytest.approx(1 / 3)
    assert (found.covered_positive.value, found.covered_negative.value) == (0.5, 0.5)
    assert found.referred.value == 0.25
    assert (found.sensitivity.value, found.specificity.value) == (0.0, 0.5)


def cloud(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.normal(size=(rows, 5)) @ np.diag([1.0, 2.0, 0.5, 3.0, 0.1]) + 4


def test_the_mahalanobis_distance_is_that_of_scipy_with_the_shrunk_covariance() -> None:
    rng = np.random.default_rng(6)
    train, tune, new = cloud(rng, 200), cloud(rng, 100), cloud(rng, 20)
    inverse = np.linalg.inv(ledoit_wolf(train)[0])

    found = fit_gate(train, tune=tune).distances(new)

    np.testing.assert_allclose(found, cdist(new, train.mean(axis=0)[None], "mahalanobis", VI=inverse)[:, 0], rtol=1e-9)


def test_the_distance_to_neighbours_is_that_of_scipy_on_the_sphere() -> None:
    rng = np.random.default_rng(7)
    train, tune, new = cloud(rng, 200), cloud(rng, 100), cloud(rng, 20)
    on_sphere = [array / np.linalg.norm(array, axis=1, keepdims=True) for array in (new, train)]

    found = fit_gate(train, tune=tune, kind="neighbours", neighbours=7).distances(new)

    np.testing.assert_allclose(found, np.sort(cdist(*on_sphere), axis=1)[:, 6], atol=1e-7)


@pytest.mark.parametrize("kind", ["mahalanobis", "neighbours"])
def test_as_many_good_pictures_pass_as_was_asked_and_strange_ones_do_not(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    gate = fit_gate(cloud(rng, 500), tune=cloud(rng, 400), kind=kind, inside=0.9)

    gate.save(tmp_path / "gate.safetensors")
    read = read_gate(tmp_path / "gate.safetensors")

    new = cloud(rng, 2000)
    assert read.outside(new).mean() == pytest.approx(0.1, abs=0.04)
    assert read.outside(-new).all()
    np.testing.assert_array_equal(read.distances(new), gate.distances(new))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"inside": 1.0}, "inside must be in"),
        ({"kind": "neighbours", "neighbours": 0}, "neighbours must be from 1"),
        ({"inside": 0.999}, "50 tune rows are too few for inside 0.999"),
    ],
)
def test_a_gate_that_cannot_be_fitted_says_why(asked: dict[str, object], why: str) -> None:
    rng = np.random.default_rng(9)

    with pytest.raises(RecipeError, match=why):
        fit_gate(cloud(rng, 50), tune=cloud(rng, 50), **asked)


def test_embeddings_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(10)
    gate = fit_gate(cloud(rng, 50), tune=cloud(rng, 50))

    with pytest.raises(SourceError, match="3 features, where the gate has 5"):
        gate.distances(np.zeros((2, 3)))
    with pytest.raises(SourceError, match="not a finite number"):
        gate.distances(np.full((1, 5), np.nan))
    with pytest.raises(SourceError, match="every training row is the same"):
        fit_gate(np.ones((30, 5)), tune=cloud(rng, 50))


def test_a_gate_counts_women_not_pictures_where_some_have_many() -> None:
    rng = np.random.default_rng(4)
    train, tune = cloud(rng, 400), cloud(rng, 200)
    odd = np.repeat(tune[:1] + 30.0, 60, axis=0)  # sixty pictures of one woman with a foreign object
    rows = np.concatenate([tune, odd])
    women = np.concatenate([np.arange(200), np.full(60, 200)])

    by_picture = fit_gate(train, tune=rows, inside=0.9)
    by_woman = fit_gate(train, tune=rows, patients=women, inside=0.9)

    assert by_picture.outside(tune).mean() == 0.0  # its limit lies among the pictures of that woman
    assert 0.05 < by_woman.outside(tune).mean() < 0.15
    assert by_woman.outside(odd).all()


def test_a_gate_without_a_patient_of_each_row_or_with_few_women_says_why() -> None:
    rng = np.random.default_rng(5)

    with pytest.raises(SourceError, match="50 tune rows, but patients of 3"):
        fit_gate(cloud(rng, 50), tune=cloud(rng, 50), patients=np.arange(3))
    with pytest.raises(RecipeError, match="5 tune women are too few for inside 0.95"):
        fit_gate(cloud(rng, 50), tune=cloud(rng, 50), patients=np.arange(50) // 10)


@pytest.mark.parametrize("content", [b"", b"no gate", None])
def test_what_is_no_gate_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "gate.safetensors").write_bytes(content)

    with pytest.raises(BundleError, match="gate.safetensors: not a gate"):
        read_gate(tmp_path / "gate.safetensors")
