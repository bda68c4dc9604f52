"""Classical estimators: as scikit-learn answers, from tensors alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn

from mammoscope.errors import BundleError, RecipeError
from mammoscope.models.estimators.boosting import BoostingEstimator
from mammoscope.models.estimators.fitting import fit_estimator, importances, restore_estimator
from mammoscope.models.estimators.forest import ForestEstimator
from mammoscope.models.estimators.kernel import SvmEstimator
from mammoscope.models.estimators.linear import LogisticEstimator
from mammoscope.models.estimators.odds import log_odds
from mammoscope.models.estimators.settings import EstimatorConfig
from mammoscope.models.tasks import Task, probabilities
from mammoscope.models.weights import save_tensors

BINARY = Task(name="malignant", classes=("no", "yes"), kind="binary")
DENSITY = Task(name="density", classes=("A", "B", "C", "D"), kind="nominal")
STEPS = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")
CONFIGS: list[EstimatorConfig] = [
    ForestEstimator(trees=20),
    LogisticEstimator(c=0.3),
    SvmEstimator(c=2.0, gamma=0.07),
    BoostingEstimator(rounds=12, leaf_samples=5),
]
BY_KIND = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
BY_TASK = pytest.mark.parametrize("task", [BINARY, DENSITY], ids=lambda task: task.name)


def cases(
    task: Task, *, count: int = 160, width: int = 7, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors to fit on, labels that depend on them, patients of two samples each, and other vectors."""
    draw = np.random.default_rng(seed)
    vectors = draw.normal(3, 2, (count, width)).astype(np.float32)
    told = vectors[:, 0] + 0.5 * vectors[:, 1] ** 2 + draw.normal(0, 1, count)
    labels = np.searchsorted(np.quantile(told, np.linspace(0, 1, len(task.classes) + 1)[1:-1]), told)
    return vectors, labels, np.arange(count) // 2, draw.normal(3, 3, (90, width)).astype(np.float32)


def independent(
    config: EstimatorConfig,
    vectors: np.ndarray,
    labels: np.ndarray,
    *,
    patients: np.ndarray,
    seed: int,
    weights: np.ndarray | None = None,
) -> object:
    """The same estimator, as scikit-learn's own manual would have it written."""
    match config:
        case ForestEstimator():
            forest = RandomForestClassifier(n_estimators=config.trees, random_state=seed)
            return forest.fit(vectors, labels, sample_weight=weights)
        case LogisticEstimator():
            line = make_pipeline(StandardScaler(), LogisticRegression(C=config.c, max_iter=5000))
            return line.fit(vectors.astype(np.float64), labels, logisticregression__sample_weight=weights)
        case BoostingEstimator():
            boosting = HistGradientBoostingClassifier(
                max_iter=config.rounds, min_samples_leaf=config.leaf_samples, early_stopping=False, random_state=seed
            )
            return boosting.fit(vectors, labels, sample_weight=weights)
        case SvmEstimator():
            folds = StratifiedGroupKFold(config.folds, shuffle=True, random_state=seed)
            machine = SVC(C=config.c, gamma=config.gamma)
            machine = machine if labels.max() == 1 else OneVsRestClassifier(machine)
            parts = list(folds.split(vectors, labels, groups=patients))
            scale = StandardScaler().fit(vectors.astype(np.float64))
            calibrated = CalibratedClassifierCV(machine, ensemble=False, cv=parts)
            calibrated.fit(scale.transform(vectors.astype(np.float64)), labels, sample_weight=weights)
            return Scaled(scale, calibrated)


class Scaled:
    """A scaler and what follows it, both fitted."""

    def __init__(self, scale: StandardScaler, inner: CalibratedClassifierCV) -> None:
        self.scale, self.inner = scale, inner

    def predict_proba(self, vectors: np.ndarray) -> np.ndarray:
        return self.inner.predict_proba(self.scale.transform(vectors.astype(np.float64)))


def chances(estimator: nn.Module, vectors: np.ndarray, task: Task) -> np.ndarray:
    return probabilities(estimator(torch.from_numpy(vectors)).double(), task).numpy()


@BY_TASK
@BY_KIND
def test_probabilities_are_those_of_scikit_learn(config: EstimatorConfig, task: Task) -> None:
    vectors, labels, patients, other = cases(task)
    theirs = independent(config, vectors, labels, patients=patients, seed=3)

    ours = fit_estimator(config, vectors, labels=labels, classes=len(task.classes), seed=3, patients=patients)

    for seen in (vectors, other):
        np.testing.assert_allclose(chances(ours, seen, task), theirs.predict_proba(seen), rtol=0, atol=1e-6)


@BY_TASK
@BY_KIND
def test_an_estimator_comes_back_from_safetensors_bit_by_bit(
    config: EstimatorConfig, task: Task, tmp_path: Path
) -> None:
    vectors, labels, patients, other = cases(task)
    fitted = fit_estimator(config, vectors, labels=labels, classes=len(task.classes), seed=0, patients=patients)
    save_tensors(fitted.state_dict(), path=tmp_path / "e.safetensors")

    again = restore_estimator(config, load_file(tmp_path / "e.safetensors"))

    seen = torch.from_numpy(other)
    assert list(fitted.parameters()) == []
    assert torch.equal(fitted(seen), again(seen))
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in fitted.state_dict().items()
    }


@BY_KIND
def test_an_ordinal_task_gets_steps_with_the_same_probabilities(config: EstimatorConfig) -> None:
    vectors, labels, patients, other = cases(DENSITY)
    plain = fit_estimator(config, vectors, labels=labels, classes=4, seed=0, patients=patients)

    steps = fit_estimator(config, vectors, labels=labels, classes=4, seed=0, patients=patients, ordinal=True)

    assert steps(torch.from_numpy(other)).shape == (90, 3)
    np.testing.assert_allclose(chances(steps, other, STEPS), chances(plain, other, DENSITY), rtol=0, atol=1e-6)
    again = restore_estimator(config, steps.state_dict())
    assert torch.equal(again(torch.from_numpy(other)), steps(torch.from_numpy(other)))


@given(seed=st.integers(0, 2**31 - 1), depth=st.integers(1, 6), task=st.sampled_from([BINARY, DENSITY]))
@settings(max_examples=15)
def test_values_on_a_threshold_go_where_scikit_learn_sends_them(seed: int, depth: int, task: Task) -> None:
    draw = np.random.default_rng(seed)
    vectors = (draw.integers(0, 4, (60, 3)) / 3).astype(np.float32)  # many ties, and thirds no float holds
    labels = np.concatenate([np.arange(len(task.classes)), draw.integers(0, len(task.classes), 60)])[:60]
    theirs = RandomForestClassifier(5, max_depth=depth, random_state=0).fit(vectors, labels)
    ours = fit_estimator(
        ForestEstimator(trees=5, max_depth=depth), vectors, labels=labels, classes=len(task.classes), seed=0
    )
    nodes = np.concatenate([tree.tree_.threshold[tree.tree_.feature >= 0] for tree in theirs.estimators_])
    edges = np.float32(nodes)  # rounded to either side of the double-precision threshold
    seen = np.stack([draw.permutation(edges) for _ in range(3)], axis=1) if len(edges) else vectors

    np.testing.assert_allclose(chances(ours, seen, task), theirs.predict_proba(seen), rtol=0, atol=1e-6)


@BY_KIND
def test_samples_of_unknown_class_do_not_count(config: EstimatorConfig) -> None:
    vectors, labels, patients, other = cases(BINARY)
    unknown = np.where(np.arange(len(labels)) % 5 == 0, -1, labels)
    known = unknown >= 0
    alone = fit_estimator(config, vectors[known], labels=labels[known], classes=2, seed=0, patients=patients[known])

    ours = fit_estimator(config, vectors, labels=unknown, classes=2, seed=0, patients=patients)

    seen = torch.from_numpy(other)
    assert torch.equal(ours(seen), alone(seen))


@BY_KIND
def test_weighted_probabilities_are_those_of_scikit_learn(config: EstimatorConfig) -> None:
    vectors, labels, patients, other = cases(BINARY)
    weights = np.where(labels == 1, 6.0, 1.0)
    theirs = independent(config, vectors, labels, patients=patients, seed=3, weights=weights)

    ours = fit_estimator(config, vectors, labels=labels, classes=2, seed=3, patients=patients, weights=weights)

    np.testing.assert_allclose(chances(ours, other, BINARY), theirs.predict_proba(other), rtol=0, atol=1e-6)
    plain = fit_estimator(config, vectors, labels=labels, classes=2, seed=3, patients=patients)
    assert not np.array_equal(chances(ours, other, BINARY), chances(plain, other, BINARY))


@BY_KIND
def test_a_row_that_is_not_finite_has_no_answer_and_spoils_no_other(config: EstimatorConfig) -> None:
    vectors, labels, patients, other = cases(BINARY)
    fitted = fit_estimator(config, vectors, labels=labels, classes=2, seed=0, patients=patients)
    seen = torch.from_numpy(other[:3].copy())
    whole = fitted(seen)
    seen[1, 2] = torch.nan

    answer = fitted(seen)

    assert answer.isnan().flatten().tolist() == [False, True, False]
    torch.testing.assert_close(answer[[0, 2]], whole[[0, 2]])


@BY_KIND
def test_half_precision_around_it_changes_nothing(config: EstimatorConfig) -> None:
    vectors, labels, patients, other = cases(DENSITY)
    fitted = fit_estimator(config, vectors, labels=labels, classes=4, seed=0, patients=patients)
    seen = torch.from_numpy(other)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = fitted(seen)

    assert torch.equal(inside, fitted(seen))


def test_answers_the_forest_is_sure_of_are_held_a_ten_millionth_from_the_edge() -> None:
    sure = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)

    logits = log_odds(sure).flatten()

    np.testing.assert_allclose(torch.sigmoid(logits).numpy(), [1e-7, 1 - 1e-7], rtol=0, atol=1e-12)


def test_the_importances_of_a_forest_are_scikit_learns_and_boosting_finds_the_values_that_tell() -> None:
    vectors, labels, patients, _ = cases(BINARY)
    forest = fit_estimator(CONFIGS[0], vectors, labels=labels, classes=2, seed=1)
    boosting = fit_estimator(CONFIGS[3], vectors, labels=labels, classes=2, seed=1)
    line = fit_estimator(CONFIGS[1], vectors, labels=labels, classes=2, seed=1, patients=patients)
    theirs = RandomForestClassifier(20, random_state=1).fit(vectors, labels)

    np.testing.assert_array_equal(importances(forest), theirs.feature_importances_)
    assert importances(boosting).sum() == pytest.approx(1)
    assert set(np.argsort(importances(boosting))[-2:]) == {0, 1}
    assert importances(line) is None


def test_the_svm_holds_back_whole_patients() -> None:
    vectors = np.repeat(cases(BINARY)[0], 2, axis=0)  # each sample has a copy ...
    labels = np.repeat(np.random.default_rng(1).integers(0, 2, 160), 2)  # ... and there is nothing to learn
    config = SvmEstimator(c=1.0, gamma=0.2)

    apart = fit_estimator(config, vectors, labels=labels, classes=2, seed=0)
    together = fit_estimator(config, vectors, labels=labels, classes=2, seed=0, patients=np.arange(320) // 2)

    assert float(apart.slopes[0]) > 1  # believes its distances: it had seen the copy
    assert abs(float(together.slopes[0])) < 0.1


def test_the_svm_scales_its_kernel_as_scikit_learn_does() -> None:
    vectors, labels, _, other = cases(BINARY)
    scale = StandardScaler().fit(vectors.astype(np.float64))
    theirs = SVC(gamma="scale").fit(scale.transform(vectors.astype(np.float64)), labels)

    ours = fit_estimator(SvmEstimator(), vectors, labels=labels, classes=2, seed=0)

    distances = theirs.decision_function(scale.transform(other.astype(np.float64)))
    np.testing.assert_allclose(ours.margins(torch.from_numpy(other))[:, 0].numpy(), distances, rtol=0, atol=1e-9)


def test_one_patient_of_a_class_is_too_few_for_the_svm() -> None:
    vectors, labels, _, _ = cases(BINARY)

    with pytest.raises(
        RecipeError, match="kind = 'svm': class 0 has training samples of one patient only.*two are needed"
    ):
        fit_estimator(CONFIGS[2], vectors, labels=labels, classes=2, seed=0, patients=labels)


@BY_KIND
def test_a_class_without_a_sample_and_values_not_finite_are_refused(config: EstimatorConfig) -> None:
    vectors, labels, _, _ = cases(BINARY)
    odd = vectors.copy()
    odd[4, 1] = np.inf

    with pytest.raises(RecipeError, match=r"of the classes \[0, 1\], and the task has 3"):
        fit_estimator(config, vectors, labels=labels, classes=3, seed=0)
    with pytest.raises(RecipeError, match="layer = 'pooled': its values are not finite in 1 of 160 training samples"):
        fit_estimator(config, odd, labels=labels, classes=2, seed=0)


@BY_KIND
def test_vectors_of_another_length_are_refused(config: EstimatorConfig) -> None:
    vectors, labels, _, other = cases(BINARY)
    fitted = fit_estimator(config, vectors, labels=labels, classes=2, seed=0)

    with pytest.raises(ValueError, match=r"fitted on vectors of 7 values, got \(90, 6\)"):
        fitted(torch.from_numpy(other[:, :6].copy()))


@BY_KIND
def test_tensors_that_are_missing_or_of_another_shape_are_refused(config: EstimatorConfig) -> None:
    vectors, labels, _, _ = cases(BINARY)
    tensors = fit_estimator(config, vectors, labels=labels, classes=2, seed=0).state_dict()
    name = max(tensors)

    with pytest.raises(BundleError, match="holds the tensors"):
        restore_estimator(config, {other: value for other, value in tensors.items() if other != name})
    with pytest.raises(BundleError, match="holds the tensors"):
        restore_estimator(config, tensors | {"more": torch.zeros(1)})
    with pytest.raises(BundleError, match="tensor .* is torch.float64 of shape .* not torch"):
        restore_estimator(config, tensors | {name: torch.zeros(2, 2, 2, dtype=torch.float64)})


def test_trees_that_point_back_or_outside_are_refused() -> None:
    vectors, labels, _, _ = cases(BINARY)
    tensors = fit_estimator(CONFIGS[0], vectors, labels=labels, classes=2, seed=0).state_dict()
    for name, wrong in (("left", 0), ("right", 10**9), ("feature", 7), ("roots", -1)):
        broken = tensors[f"trees.{name}"].clone()
        broken[-1] = wrong

        with pytest.raises(BundleError, match=f"{name} of a tree points where nothing is"):
            restore_estimator(CONFIGS[0], tensors | {f"trees.{name}": broken})


def test_boosting_with_another_number_of_outputs_is_refused() -> None:
    vectors, labels, _, _ = cases(BINARY)
    tensors = fit_estimator(CONFIGS[3], vectors, labels=labels, classes=2, seed=0).state_dict()

    with pytest.raises(BundleError, match="base has 2 values"):
        restore_estimator(CONFIGS[3], tensors | {"base": torch.zeros(2, dtype=torch.float64)})


def test_settings_are_found_by_kind_and_unknown_keys_refused() -> None:
    read = TypeAdapter(EstimatorConfig).validate_python

    assert read({"kind": "forest"}) == ForestEstimator(trees=100)
    assert read({"kind": "svm", "gamma": "scale", "layer": "hidden"}).layer == "hidden"
    with pytest.raises(ValidationError, match="Extra inputs"):
        read({"kind": "forest", "tree": 5})
    with pytest.raises(ValidationError, match="greater than 0"):
        read({"kind": "logistic", "c": 0})


def test_a_value_that_never_changes_is_no_trouble_for_the_scale() -> None:
    vectors, labels, _, other = cases(BINARY)
    vectors[:, 3] = np.float32(0.1)
    other[:, 3] = np.float32(0.1)

    for config in CONFIGS[1:3]:
        assert (
            fit_estimator(config, vectors, labels=labels, classes=2, seed=0)(torch.from_numpy(other)).isfinite().all()
        )
