"""Rules of ensembles: fitted on tune, defined for one picture, checked against scipy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from mammoscope.combiners import Knots, RankMeanOf, StackOf, WeightedMeanOf, read_combiner
from mammoscope.errors import BundleError, SourceError
from mammoscope.evaluation import fit_combiner


def two(scores: np.ndarray) -> np.ndarray:
    """Scores of members as answers among no and yes."""
    return np.stack([1 - scores, scores], axis=2)


def drawn(rows: int, *gains: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.4).astype(np.int64)
    scores = np.stack([expit(gain * (labels - 0.5) * 2 + rng.normal(size=rows)) for gain in gains])
    return two(scores), labels


def test_the_mean_of_two_is_half_way() -> None:
    answers = two(np.array([[0.2], [0.6]]))

    assert fit_combiner("mean", answers, labels=np.array([1])).apply(answers)[:, 1] == pytest.approx([0.4])


def test_weights_are_those_that_scipy_finds_by_another_method() -> None:
    answers, labels = drawn(300, 1.0, 0.6, 0.1)
    truth = answers[:, np.arange(300), labels]

    found = np.array(fit_combiner("weighted", answers, labels=labels).weights)

    other = minimize(
        lambda w: -np.log(w @ truth).mean(),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14},
    ).x
    np.testing.assert_allclose(found, other, atol=2e-4)


def test_stacking_of_many_rows_is_logistic_regression_on_the_log_odds() -> None:
    answers, labels = drawn(6000, 1.0, 0.7)
    odds = logit(answers[:, :, 1]).T

    found = fit_combiner("stacking", answers, labels=labels)

    other = LogisticRegression(C=1e6, tol=1e-10, max_iter=1000).fit(odds, labels)
    np.testing.assert_allclose(found.slopes, other.coef_[0], rtol=5e-3)
    np.testing.assert_allclose(found.apply(answers)[:, 1], other.predict_proba(odds)[:, 1], atol=2e-3)


def test_a_member_that_answers_the_wrong_way_round_gets_no_slope() -> None:
    answers, labels = drawn(400, 1.0, -1.0)

    assert fit_combiner("stacking", answers, labels=labels).slopes[1] == 0
    assert fit_combiner("weighted", answers, labels=labels).weights[1] < 1e-3


def test_ranks_of_tune_scores_are_those_of_scipy() -> None:
    answers, labels = drawn(50, 1.0, 0.5)
    answers = np.round(answers, 1)  # with ties

    found = fit_combiner("rank", answers, labels=labels).apply(answers)[:, 1]

    expected = [(rankdata(one[:, 1]) - 0.5) / 50 for one in answers]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-12)


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=30), st.floats(0, 1), st.floats(0, 1))
def test_the_rank_of_one_new_score_rises_with_it_and_stays_in_range(tune: list[float], low: float, high: float) -> None:
    labels = np.arange(len(tune)) % 2
    scores = np.array(tune)

    combiner = fit_combiner("rank", two(np.stack([scores, scores])), labels=labels)
    first, second = combiner.apply(two(np.array([sorted((low, high))] * 2)))[:, 1]

    assert 0 <= first <= second <= 1


@pytest.mark.parametrize("by", ["mean", "rank", "weighted", "stacking"])
@pytest.mark.parametrize("classes", [2, 4])
def test_every_rule_gives_probabilities_and_the_same_alone_as_among_others(by: str, classes: int) -> None:
    rng = np.random.default_rng(1)
    answers = rng.dirichlet(np.ones(classes), size=(3, 40))
    labels = rng.integers(classes, size=40)

    combiner = read_combiner(fit_combiner(by, answers, labels=labels).model_dump(mode="json"))
    together = combiner.apply(answers)

    np.testing.assert_allclose(together.sum(axis=1), 1.0)
    assert together.min() >= 0
    np.testing.assert_allclose(combiner.apply(answers[:, 7:8]), together[7:8])


def test_nothing_is_fitted_where_tune_has_one_class_or_no_rows() -> None:
    answers, labels = drawn(5, 1.0, 1.0)

    with pytest.raises(SourceError, match=r"5 rows of 1 classes: stacking cannot be fitted"):
        fit_combiner("stacking", answers, labels=np.zeros_like(labels))
    with pytest.raises(SourceError, match=r"0 rows of 0 classes: rank cannot"):
        fit_combiner("rank", answers[:, :0], labels=labels[:0])
    with pytest.raises(SourceError, match=r"1 member given, at least 2"):
        fit_combiner("mean", answers[:1], labels=labels)


def test_a_combiner_that_means_nothing_is_refused() -> None:
    with pytest.raises(BundleError, match=r"weights must add up to 1"):
        read_combiner({"kind": "weighted", "weights": [0.5, 0.9]})
    with pytest.raises(BundleError, match=r"combiner: "):
        read_combiner({"kind": "vote"})
    with pytest.raises(ValidationError, match=r"must rise"):
        Knots(scores=(0.5, 0.5), ranks=(0.0, 1.0))


def test_answers_of_other_members_are_refused() -> None:
    answers = two(np.full((3, 1), 0.5))
    knots = Knots(scores=(0.0, 1.0), ranks=(0.0, 1.0))

    for combiner in (
        WeightedMeanOf(weights=(0.5, 0.5)),
        StackOf(slopes=(1.0, 1.0), intercepts=(0.0, 0.0)),
        RankMeanOf(knots=((knots,), (knots,))),
    ):
        with pytest.raises(SourceError, match=r"fitted to 2 members, got answers of 3"):
            combiner.apply(answers)
