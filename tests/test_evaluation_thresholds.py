"""Thresholds by recall rate and cost, against a search over every cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammoscope.errors import RecipeError
from mammoscope.evaluation import Sample, choose_threshold


def sample(labels: list[int], scores: list[float]) -> Sample:
    return Sample(
        labels=np.array(labels) == 1,
        scores=np.array(scores, dtype=np.float64),
        patients=np.arange(len(labels)),
        patient_count=len(labels),
    )


@st.composite
def two_classes(draw: st.DrawFn) -> Sample:
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=20))]
    scores = draw(st.lists(st.integers(0, 10), min_size=len(labels), max_size=len(labels)))
    return sample(labels, [score / 10 for score in scores])


def every_cut(one: Sample) -> list[tuple[float, float, float]]:
    """Cut, sensitivity and share of false alarms, one by one."""
    cuts = [*sorted(set(one.scores)), np.nextafter(one.scores.max(), np.inf)]
    return [
        (float(cut), float((one.scores[one.labels] >= cut).mean()), float((one.scores[~one.labels] >= cut).mean()))
        for cut in cuts
    ]


@given(two_classes(), st.floats(0.05, 1.0), st.floats(0.01, 0.5))
@settings(max_examples=100, deadline=None)
def test_a_recall_rate_is_kept_at_the_stated_prevalence_and_no_lower_threshold_keeps_it(
    one: Sample, bound: float, prevalence: float
) -> None:
    found = choose_threshold(one, rule="recall_rate", at_most=bound, prevalence=prevalence)

    rates = {cut: prevalence * sens + (1 - prevalence) * fall for cut, sens, fall in every_cut(one)}
    allowed = [cut for cut, rate in rates.items() if rate <= bound + 1e-12]
    assert found.value == min(allowed)
    assert found.recall_rate == pytest.approx(rates[found.value])


@given(two_classes(), st.floats(0.5, 500), st.floats(0.01, 0.5))
@settings(max_examples=100, deadline=None)
def test_no_threshold_costs_less_than_the_chosen_one(one: Sample, miss_cost: float, prevalence: float) -> None:
    found = choose_threshold(one, rule="cost", miss_cost=miss_cost, prevalence=prevalence)

    costs = {cut: prevalence * (1 - sens) * miss_cost + (1 - prevalence) * fall for cut, sens, fall in every_cut(one)}
    assert costs[found.value] == pytest.approx(min(costs.values()), abs=1e-9)


def test_without_a_stated_prevalence_the_recall_rate_is_that_of_the_rows() -> None:
    found = choose_threshold(sample([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9]), rule="recall_rate", at_most=0.5)

    assert (found.value, found.recall_rate, found.sensitivity) == (0.3, pytest.approx(0.5), 1.0)


def test_a_dearer_miss_never_raises_the_threshold() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    one = sample(list(labels), list(np.clip(0.3 * labels + rng.random(200) * 0.7, 0, 1)))

    chosen = [choose_threshold(one, rule="cost", miss_cost=c, prevalence=0.01).value for c in (1, 10, 100, 1000, 10000)]

    assert chosen == sorted(chosen, reverse=True)
    assert chosen[0] > chosen[-1]


def test_youden_is_the_cost_of_equal_classes_and_equal_costs() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 100)
    one = sample(list(labels), list(np.round(0.3 * labels + rng.random(100) * 0.7, 2)))

    assert choose_threshold(one).value == choose_threshold(one, rule="cost", miss_cost=1, prevalence=0.5).value


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"rule": "recall_rate"}, r"needs at_most in \(0, 1\], got None"),
        ({"rule": "recall_rate", "at_most": 1.2}, r"needs at_most in \(0, 1\], got 1.2"),
        ({"rule": "recall_rate", "at_most": 0.1, "at_least": 0.9}, "takes no at_least, got 0.9"),
        ({"rule": "cost", "prevalence": 0.01}, "needs miss_cost above 0"),
        ({"rule": "cost", "miss_cost": 10}, "needs the prevalence"),
        ({"rule": "cost", "miss_cost": 10, "prevalence": 1.0}, r"prevalence must be in \(0, 1\), got 1.0"),
        ({"rule": "youden", "miss_cost": 3}, "takes no miss_cost, got 3"),
    ],
)
def test_numbers_that_do_not_fit_the_rule_are_refused(asked: dict[str, object], why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        choose_threshold(sample([0, 1], [0.1, 0.9]), **asked)


def test_a_single_class_has_no_threshold_and_keeps_what_was_asked() -> None:
    found = choose_threshold(sample([0, 0], [0.1, 0.9]), rule="cost", miss_cost=10, prevalence=0.01)

    assert (found.value, found.miss_cost, found.prevalence) == (None, 10, 0.01)
    assert "single class" in found.reason
