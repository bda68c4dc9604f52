"""Permutation importance and Shapley values of trees, against closed forms and against all orders, tried one by one."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mammoscope.errors import BundleError, SourceError
from mammoscope.explain import Seen, answers_to, permutation_importance, seen_by, tree_shap
from mammoscope.explain.permutation import rows_of_others
from mammoscope.models import Classifier, Design, Inputs, SimpleCnn, Task, build, fit_estimator
from mammoscope.models.estimators.boosting import BoostingEstimator
from mammoscope.models.estimators.forest import Forest, ForestEstimator
from mammoscope.models.estimators.linear import LogisticEstimator
from mammoscope.models.estimators.trees import Trees, joined_trees

STUMP = {
    "feature": np.array([0, -2, -2]),
    "threshold": np.array([0.5, 0.0, 0.0]),
    "left": np.array([1, -1, -1]),
    "right": np.array([2, -1, -1]),
    "answer": np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]),
}


def forest_of(*trees: dict[str, np.ndarray], width: int) -> Forest:
    tensors = joined_trees(trees, importances=np.zeros(width))
    return Forest({f"trees.{name}": tensor for name, tensor in tensors.items()})


def answered_by_set(trees: Trees, row: np.ndarray, known: set[int], background: np.ndarray) -> np.ndarray:
    """What a set of known values answers, by walking: Lundberg et al. (2020), algorithm 1, written anew."""
    left, right = trees.left.tolist(), trees.right.tolist()

    def down(node: int, rows: np.ndarray) -> np.ndarray:
        if left[node] == node:
            return trees.answer[node].numpy()
        asked, at = int(trees.feature[node]), float(trees.threshold[node])
        goes = rows[:, asked] <= at
        if asked in known:
            low = row[asked] <= at
            return down(left[node], rows[goes]) if low else down(right[node], rows[~goes])
        share = goes.mean() if len(rows) else 0.5
        return share * down(left[node], rows[goes]) + (1 - share) * down(right[node], rows[~goes])

    total: np.ndarray = np.sum([down(root, background) for root in trees.roots.tolist()], axis=0)
    return total


def brute_force(trees: Trees, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values over every set of values; single precision against double thresholds, as the trees do it."""
    row, background = row.astype(np.float64), background.astype(np.float64)
    width = trees.width
    found = np.zeros((width, trees.answer.shape[1]))
    for value in range(width):
        others = [one for one in range(width) if one != value]
        for size in range(width):
            weight = factorial(size) * factorial(width - size - 1) / factorial(width)
            for some in combinations(others, size):
                with_it = answered_by_set(trees, row, {*some, value}, background)
                found[value] += weight * (with_it - answered_by_set(trees, row, set(some), background))
    return found


def test_a_stump_gives_all_to_the_value_it_asks_for() -> None:
    seen = np.array([[0.0, 9.0], [1.0, 9.0], [1.0, 8.0], [1.0, 7.0]], dtype=np.float32)

    found = tree_shap(forest_of(STUMP, width=2), seen, background=seen)

    assert found.expected.tolist() == [0.25, 0.75]
    assert found.values[0].tolist() == [[0.75, -0.75], [0.0, 0.0]]
    assert found.values[1].tolist() == [[-0.25, 0.25], [0.0, 0.0]]


@pytest.mark.parametrize("config", [ForestEstimator(trees=7), BoostingEstimator(rounds=5, leaf_samples=3)])
def test_shares_are_those_of_all_orders_tried_one_by_one(config: ForestEstimator | BoostingEstimator) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(80, 4)).astype(np.float32).round(1)
    labels = (vectors[:, 0] + vectors[:, 1] * vectors[:, 2] > 0).astype(int) + (vectors[:, 3] > 1)
    fitted = fit_estimator(config, vectors, labels=labels, classes=3, seed=0)
    scale = 1 / config.trees if isinstance(config, ForestEstimator) else 1.0

    found = tree_shap(fitted, vectors[:3], background=vectors)

    wanted = np.stack([scale * brute_force(fitted.trees, row, vectors) for row in vectors[:3]])  # type: ignore[arg-type]
    np.testing.assert_allclose(found.values, wanted, atol=1e-12)


def test_a_background_that_misses_a_branch_still_adds_up() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(60, 3)).astype(np.float32)
    fitted = fit_estimator(ForestEstimator(trees=5), vectors, labels=np.arange(60) % 2, classes=2, seed=0)
    others = vectors[:2]

    found = tree_shap(fitted, vectors[:4], background=others)

    wanted = np.stack([brute_force(fitted.trees, row, others) / 5 for row in vectors[:4]])  # type: ignore[arg-type]
    np.testing.assert_allclose(found.values, wanted, atol=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 4), st.sampled_from(["forest", "boosting"]))
def test_shares_and_the_mean_answer_add_up_to_each_answer(seed: int, classes: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(60, 6)).astype(np.float32).round(1)
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=60 - classes)])
    config = ForestEstimator(trees=4) if kind == "forest" else BoostingEstimator(rounds=4, leaf_samples=4)
    fitted = fit_estimator(config, vectors, labels=labels, classes=classes, seed=0)

    found = tree_shap(fitted, vectors, background=vectors)

    total = fitted.trees(torch.from_numpy(vectors)).numpy()  # type: ignore[operator]
    answers = total / 4 if kind == "forest" else total + fitted.base.numpy()  # type: ignore[operator]
    np.testing.assert_allclose(found.values.sum(axis=1) + found.expected, answers, atol=1e-12)
    np.testing.assert_allclose(found.expected, answers.mean(axis=0), atol=1e-12)


def test_an_estimator_without_trees_has_no_shares() -> None:
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    fitted = fit_estimator(LogisticEstimator(), vectors, labels=np.array([0, 0, 1, 1]), classes=2, seed=0)

    with pytest.raises(BundleError, match="a logistic, which has none. Use permutation importance"):
        tree_shap(fitted, vectors, background=vectors)


def of_columns(weights: list[float], **design: object) -> Classifier:
    """A network whose answer is a weighted sum of its clinical columns and nothing else."""
    network = build(
        Design(model=SimpleCnn(channels=(2,), norm="none"), rows=8, cols=8, clinical=len(weights), **design),  # type: ignore[arg-type]
        seed=0,
    ).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        first: nn.Linear = network.clinical[0]  # type: ignore[index,assignment]
        first.weight[0] = torch.tensor(weights)
        first.bias[0] = 50.0  # above 0 for all rows here
        network.head.last[0].weight[:, 2] = 1.0  # type: ignore[operator]  # the column behind the picture's two
        network.head.last[0].bias[:] = -50.0  # type: ignore[operator]
    return network


def seen_of(columns: np.ndarray) -> Seen:
    return Seen(
        vectors=(torch.randn(len(columns), 2, generator=torch.Generator().manual_seed(0)),),
        clinical=torch.from_numpy(columns),
    )


def test_an_input_that_is_not_used_is_worth_exactly_nothing() -> None:
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(60, 2)).astype(np.float32)
    labels = (columns[:, 0] > 0).astype(np.int64)

    found = permutation_importance(
        of_columns([1.0, 0.0]),
        seen_of(columns),
        labels=labels[:, None],
        patients=np.arange(60) // 2,
        columns={"used": [0], "idle": [1]},
        replicates=100,
    )

    falls = {(one.name, one.measure): one for one in found}
    for name in ("idle", "picture"):
        for measure in ("auc", "log_loss"):
            one = falls[name, measure]
            assert (one.fall.value, one.fall.low, one.fall.high, one.spread) == (0.0, 0.0, 0.0, 0.0)
    assert falls["used", "auc"].before.value == 1.0
    assert (falls["used", "auc"].fall.low or 0) > 0.2
    assert (falls["used", "log_loss"].fall.value or 0) > 0


def test_the_fall_is_that_of_scikit_learn_on_the_same_exchange() -> None:
    from sklearn.metrics import log_loss, roc_auc_score

    rng = np.random.default_rng(3)
    columns = rng.normal(size=(40, 2)).astype(np.float32)
    labels = (columns.sum(axis=1) + rng.normal(size=40) > 0).astype(np.int64)
    network, patients = of_columns([1.0, 1.0]), np.arange(40) // 4

    found = permutation_importance(
        network,
        seen_of(columns),
        labels=labels[:, None],
        patients=patients,
        columns={"first": [0]},
        repeats=1,
        seed=5,
        replicates=10,
    )

    order = rows_of_others(patients, generator=np.random.default_rng(5))
    moved = np.stack([columns[order, 0], columns[:, 1]], axis=1)
    before, after = (answers_to(network, seen_of(one))[0] for one in (columns, moved))
    falls = {(one.name, one.measure): one.fall.value for one in found}
    assert falls["first", "auc"] == pytest.approx(
        roc_auc_score(labels, before[:, 1]) - roc_auc_score(labels, after[:, 1])
    )
    assert falls["first", "log_loss"] == pytest.approx(log_loss(labels, after) - log_loss(labels, before))


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(0, 99))
def test_all_rows_of_a_patient_get_theirs_from_one_patient(patients: list[int], seed: int) -> None:
    number = np.array(patients)

    order = rows_of_others(number, generator=np.random.default_rng(seed))

    donors = {one: set(number[order[number == one]].tolist()) for one in set(patients)}
    assert all(len(one) == 1 for one in donors.values())
    assert sorted(one.pop() for one in donors.values()) == sorted(set(patients))


def test_every_class_and_task_has_a_row_and_unknown_labels_are_left_out() -> None:
    tasks = (
        Task(name="density", classes=("A", "B", "C"), kind="nominal"),
        Task(name="malignant", classes=("no", "yes"), kind="binary"),
    )
    network = build(Design(model=SimpleCnn(channels=(2,)), rows=8, cols=8, clinical=1, tasks=tasks), seed=0).eval()
    labels = np.stack([np.arange(30) % 3, np.where(np.arange(30) < 10, -1, np.arange(30) % 2)], axis=1)
    rng = np.random.default_rng(0)

    found = permutation_importance(
        network,
        seen_of(rng.normal(size=(30, 1)).astype(np.float32)),
        labels=labels,
        patients=np.arange(30),
        columns={"age_years": [0]},
        repeats=2,
        replicates=20,
    )

    named = {(one.task, one.of, one.measure) for one in found}
    assert named == {
        *(("density", of, "auc") for of in "ABC"),
        ("density", "all classes", "log_loss"),
        ("malignant", "yes", "auc"),
        ("malignant", "all classes", "log_loss"),
    }
    assert {one.fall.n for one in found if one.task == "malignant"} == {20}


def test_answers_from_what_was_seen_are_those_of_the_network() -> None:
    for layer in (None, "pooled", "hidden", "network.stack.0.0", "head.shared.0"):
        network = build(Design(model=SimpleCnn(channels=(4,), hidden=(5,)), rows=8, cols=8, clinical=3), seed=0).eval()
        inputs = Inputs(torch.rand(6, 1, 8, 8), clinical=torch.rand(6, 3))
        if layer is not None:
            with torch.no_grad():
                read = network.embedding(inputs, layer=layer).numpy()
            network.estimator = fit_estimator(LogisticEstimator(), read, labels=np.arange(6) % 2, classes=2, seed=0)
            network.layer = layer

        again = answers_to(network, seen_by(network, [inputs]))[0]

        with torch.no_grad():
            wanted = torch.sigmoid(network(*inputs).double())[:, 0].numpy()
        np.testing.assert_allclose(again[:, 1], wanted, atol=1e-6)


def test_one_patient_cannot_be_exchanged() -> None:
    with pytest.raises(SourceError, match="1 patient: inputs are exchanged between patients"):
        permutation_importance(
            of_columns([1.0]),
            seen_of(np.zeros((3, 1), dtype=np.float32)),
            labels=np.array([[0], [1], [0]]),
            patients=np.zeros(3, dtype=np.int64),
            columns={"age_years": [0]},
        )
