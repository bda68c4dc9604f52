"""From vectors and labels to an estimator, and from its tensors back to it."""

from collections.abc import Mapping
from typing import assert_never

import numpy as np
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from mammoscope.errors import RecipeError
from mammoscope.models.estimators.base import part_of
from mammoscope.models.estimators.boosting import Boosting, BoostingEstimator, fit_boosting
from mammoscope.models.estimators.forest import Forest, ForestEstimator, fit_forest
from mammoscope.models.estimators.kernel import Svm, SvmEstimator, fit_svm
from mammoscope.models.estimators.linear import Logistic, LogisticEstimator, fit_logistic
from mammoscope.models.estimators.odds import Steps, is_stepped
from mammoscope.models.estimators.settings import EstimatorConfig


def fit_estimator(
    config: EstimatorConfig,
    vectors: Float[np.ndarray, "samples values"],
    *,
    labels: Int[np.ndarray, " samples"],
    classes: int,
    seed: int,
    weights: Float[np.ndarray, " samples"] | None = None,
    patients: Int[np.ndarray, " samples"] | None = None,
    ordinal: bool = False,
) -> nn.Module:
    """Fit an estimator with scikit-learn and convert it to a module that holds only buffers.

    Args:
        config: Which.
        vectors: Of the training samples; read in single precision.
        labels: Class of each sample from 0; below 0 is unknown, and the sample is left out.
        classes: How many there are.
        seed: Of what is drawn at random.
        weights: How much each sample counts; all the same if None.
        patients: Number of the patient of each sample, kept together where an estimator holds samples back; each
            sample its own if None.
        ordinal: Give one logit a step, of P(class > k), instead of one a class. Needs three classes or more.

    Returns:
        A module from vectors to logits `batch outputs` in single precision, of which `probabilities` gives what
        scikit-learn's `predict_proba` gives, to 1e-6.

    Raises:
        RecipeError: A class has no sample; a vector holds a value that is not finite.

    Example:
        >>> import torch
        >>> vectors = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
        >>> trees = fit_estimator(ForestEstimator(trees=10), vectors, labels=np.array([0, 0, 1, 1]), classes=2, seed=0)
        >>> bool(trees(torch.tensor([[3.0]])) > 0)
        True
    """
    known = labels >= 0
    found = set(labels[known].tolist())
    if found != set(range(classes)):
        raise RecipeError(
            f"[estimator] kind = {config.kind!r}: training samples are of the classes {sorted(found)}, and the task "
            f"has {classes} from 0. Choose another task, or another split"
        )
    with np.errstate(over="ignore"):
        single = vectors[known].astype(np.float32)
    if not np.isfinite(single).all():
        rows = int((~np.isfinite(single).all(axis=1)).sum())
        raise RecipeError(
            f"[estimator] layer = {config.layer!r}: its values are not finite in {rows} of {len(single)} training "
            "samples. Choose another layer, or train at a lower rate"
        )
    weighted = None if weights is None else weights[known].astype(np.float64)
    held = np.arange(len(single)) if patients is None else patients[known]
    fitted = _fitted(config, single, labels[known], patients=held, seed=seed, weights=weighted)
    return Steps(fitted) if ordinal else fitted


def _fitted(
    config: EstimatorConfig,
    vectors: Float32[np.ndarray, "samples values"],
    labels: Int[np.ndarray, " samples"],
    *,
    patients: Int[np.ndarray, " samples"],
    seed: int,
    weights: Float[np.ndarray, " samples"] | None,
) -> nn.Module:
    match config:
        case ForestEstimator():
            return fit_forest(config, vectors, labels, seed=seed, weights=weights)
        case LogisticEstimator():
            return fit_logistic(config, vectors, labels, weights=weights)
        case SvmEstimator():
            return fit_svm(config, vectors, labels, patients=patients, seed=seed, weights=weights)
        case BoostingEstimator():
            return fit_boosting(config, vectors, labels, seed=seed, weights=weights)
        case _:
            assert_never(config)


def restore_estimator(config: EstimatorConfig, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Build an estimator from the tensors of its `state_dict()` alone.

    Args:
        config: That it was fitted with.
        tensors: By name.

    Raises:
        BundleError: They are not the tensors of such an estimator.

    Example:
        >>> import torch
        >>> vectors = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
        >>> fitted = fit_estimator(LogisticEstimator(), vectors, labels=np.array([0, 0, 1, 1]), classes=2, seed=0)
        >>> again = restore_estimator(LogisticEstimator(), fitted.state_dict())
        >>> bool(torch.equal(again(torch.ones(1, 1)), fitted(torch.ones(1, 1))))
        True
    """
    if tensors and is_stepped(tensors):
        return Steps(restore_estimator(config, part_of(tensors, "inner")))
    match config:
        case ForestEstimator():
            return Forest(tensors)
        case LogisticEstimator():
            return Logistic(tensors)
        case SvmEstimator():
            return Svm(tensors)
        case BoostingEstimator():
            return Boosting(tensors)
        case _:
            assert_never(config)


def importances(estimator: nn.Module) -> Float[np.ndarray, " values"] | None:
    """How much each value of the vectors decides, with sum 1.

    Args:
        estimator: From `fit_estimator` or `restore_estimator`.

    Returns:
        Of a forest the mean fall of impurity (Gini), of boosting the share of all gain, both on training samples, which
        favour values with many levels; all 0 where no tree asks anything. None of an estimator without trees.

    Source:
        Breiman et al., Classification and Regression Trees (1984), section 5.3.4; Strobl et al., BMC Bioinformatics
        8:25 (2007), for what it favours.
    """
    inner = estimator.inner if isinstance(estimator, Steps) else estimator
    if not isinstance(inner, Forest | Boosting):
        return None
    return inner.trees.importances.detach().cpu().numpy().copy()
