"""Shapley values of trees: how much each value that they read adds to an answer, exactly."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from scipy import sparse
from torch import nn

from mammoscope.errors import BundleError
from mammoscope.models.estimators.boosting import Boosting
from mammoscope.models.estimators.forest import Forest
from mammoscope.models.estimators.odds import Steps
from mammoscope.models.estimators.trees import Trees

AT_ONCE = 2**21  # numbers that are held for one block of paths


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shares:
    """Shapley values of some answers.

    Attributes:
        values: What each value that is read adds.
        expected: The mean answer on the background: values and it add up to the answer.
        unit: Of an answer: `probability` of each class, or `logit`.
    """

    values: Float64[np.ndarray, "samples values outputs"]
    expected: Float64[np.ndarray, " outputs"]
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Paths:
    """Ways to leaves on which the same number of different values is asked for."""

    feature: Int64[np.ndarray, "paths asked"]
    low: Float64[np.ndarray, "paths asked"]  # a value goes this way if it is above ...
    high: Float64[np.ndarray, "paths asked"]  # ... and at most this
    share: Float64[np.ndarray, "paths asked"]  # of the background that goes this way where the value is not known
    answer: Float64[np.ndarray, "paths outputs"]


def tree_shap(
    estimator: nn.Module,
    vectors: Float32[np.ndarray, "samples values"],
    *,
    background: Float32[np.ndarray, "others values"],
) -> Shares:
    """Shapley values of a forest or of boosting.

    A value that is left out sends an answer down both sides of a question, each with the share of the background that
    went there (path-dependent SHAP). Values are then added to the set one after the other, in every order.

    Args:
        estimator: From `fit_estimator` or `restore_estimator`.
        vectors: What is explained.
        background: What an answer is compared with, as a rule the training part.

    Returns:
        Of a forest shares of the probability of each class, of boosting shares of the logit. With the expected answer
        they add up to the answer of each sample.

    Raises:
        BundleError: The estimator has no trees.

    Source:
        Lundberg et al., Nature Machine Intelligence 2 (2020), algorithm 1, for what a set of values answers. Its
        Shapley value is the integral of Owen, Management Science 18 (1972): over t from 0 to 1 of the gain of a value
        when each other one is known with chance t; along a path it is a polynomial of t, and Gauss's rule is exact.

    Example:
        >>> from mammoscope.models import fit_estimator
        >>> from mammoscope.models.estimators.forest import ForestEstimator
        >>> seen = np.array([[0.0, 5.0], [1.0, 5.0]], dtype=np.float32)
        >>> forest = fit_estimator(ForestEstimator(trees=20), seen, labels=np.array([0, 1]), classes=2, seed=0)
        >>> found = tree_shap(forest, seen, background=seen)
        >>> found.values[:, 1].tolist()  # the second value is the same everywhere
        [[0.0, 0.0], [0.0, 0.0]]
    """
    trees, scale, base, unit = _trees(estimator)
    cover = _cover(trees, background)
    total = np.zeros((len(vectors), trees.width * trees.answer.shape[1]))
    expected = base.copy()
    seen = vectors.astype(np.float32).astype(np.float64)
    for paths in _grouped(trees, cover):
        expected += scale * (paths.share.prod(axis=1) @ paths.answer)
        if paths.feature.shape[1]:
            for block in _blocks(paths, rows=len(seen)):
                total += scale * _gains(seen, block, width=trees.width)
    return Shares(values=total.reshape(len(vectors), trees.width, -1), expected=expected, unit=unit)


def _trees(estimator: nn.Module) -> tuple[Trees, float, Float64[np.ndarray, " outputs"], str]:
    """Trees, what their sum is multiplied with, what is added to it, and its unit."""
    inner = estimator.inner if isinstance(estimator, Steps) else estimator
    if isinstance(inner, Forest):
        return inner.trees, 1.0 / len(inner.trees.roots), np.zeros(inner.trees.answer.shape[1]), "probability"
    if isinstance(inner, Boosting):
        return inner.trees, 1.0, inner.base.cpu().numpy().copy(), "logit"
    raise BundleError(
        f"SHAP of trees: the estimator is a {type(inner).__name__.lower()}, which has none. Use permutation importance"
    )


def _cover(trees: Trees, background: np.ndarray) -> Float64[np.ndarray, " nodes"]:
    """Rows of the background that come through each node; children have higher numbers than their parents."""
    left, right = trees.left.cpu().numpy(), trees.right.cpu().numpy()
    with torch.inference_mode():
        leaves = trees.leaves(torch.from_numpy(background.astype(np.float32)).to(trees.left.device)).cpu().numpy()
    cover = np.bincount(leaves.ravel(), minlength=len(left)).astype(np.float64)
    for node in np.flatnonzero(left != np.arange(len(left)))[::-1]:
        cover[node] = cover[left[node]] + cover[right[node]]
    return cover


def _grouped(trees: Trees, cover: Float64[np.ndarray, " nodes"]) -> Iterator[_Paths]:
    """The way to each leaf, those that ask for the same number of different values together."""
    found: dict[int, list[tuple[int, dict[int, tuple[float, float, float]]]]] = {}
    for root in trees.roots.tolist():
        for leaf, way in _ways(trees, cover, root):
            found.setdefault(len(way), []).append((leaf, way))
    answer = trees.answer.cpu().numpy()
    for asked, ways in sorted(found.items()):
        limits = np.array([list(way.values()) for _, way in ways], dtype=np.float64).reshape(len(ways), asked, 3)
        yield _Paths(
            feature=np.array([list(way) for _, way in ways], dtype=np.int64).reshape(len(ways), asked),
            low=limits[:, :, 0],
            high=limits[:, :, 1],
            share=limits[:, :, 2],
            answer=answer[[leaf for leaf, _ in ways]],
        )


def _ways(trees: Trees, cover: np.ndarray, root: int) -> Iterator[tuple[int, dict[int, tuple[float, float, float]]]]:
    """Each leaf with, by number of the value, the interval it must lie in and the share of the background that goes."""
    left, right = trees.left.tolist(), trees.right.tolist()
    feature, threshold = trees.feature.tolist(), trees.threshold.tolist()
    waiting: list[tuple[int, dict[int, tuple[float, float, float]]]] = [(root, {})]
    while waiting:
        node, way = waiting.pop()
        if left[node] == node:
            yield node, way
            continue
        asked, at = feature[node], threshold[node]
        low, high, share = way.get(asked, (-np.inf, np.inf, 1.0))
        for child, bounds in ((left[node], (low, min(high, at))), (right[node], (max(low, at), high))):
            part = cover[child] / cover[node] if cover[node] else 0.5  # nobody came: both sides alike
            waiting.append((child, {**way, asked: (*bounds, share * part)}))


def _blocks(paths: _Paths, *, rows: int) -> Iterator[_Paths]:
    step = max(1, AT_ONCE // max(1, rows * paths.feature.shape[1]))
    for start in range(0, len(paths.feature), step):
        part = slice(start, start + step)
        yield _Paths(
            feature=paths.feature[part],
            low=paths.low[part],
            high=paths.high[part],
            share=paths.share[part],
            answer=paths.answer[part],
        )


def _gains(
    seen: Float64[np.ndarray, "samples values"], paths: _Paths, *, width: int
) -> Float64[np.ndarray, "samples columns"]:
    """What the values on some paths add, one column a value and output."""
    count, asked = paths.feature.shape
    asked_for = seen[:, paths.feature]
    goes: Bool[np.ndarray, "samples paths asked"] = (asked_for > paths.low) & (asked_for <= paths.high)
    known = goes.astype(np.float64)
    integral = np.zeros_like(known)
    nodes, weights = np.polynomial.legendre.leggauss(ceil(asked / 2))
    for t, weight in zip((nodes + 1.0) / 2.0, weights / 2.0, strict=True):
        integral += weight * _others(paths.share * (1.0 - t) + known * t)
    gains = ((known - paths.share) * integral).reshape(len(seen), count * asked)
    outputs = paths.answer.shape[1]
    places = (paths.feature.reshape(-1, 1) * outputs + np.arange(outputs)).ravel()
    spread = sparse.csr_matrix(
        (np.repeat(paths.answer, asked, axis=0).ravel(), places, np.arange(count * asked + 1) * outputs),
        shape=(count * asked, width * outputs),
    )
    summed: Float[np.ndarray, "samples columns"] = gains @ spread
    return summed


def _others(factors: Float64[np.ndarray, "samples paths asked"]) -> Float64[np.ndarray, "samples paths asked"]:
    """Product of all others; not by division, for a factor can be 0."""
    before, after = np.ones_like(factors), np.ones_like(factors)
    np.cumprod(factors[:, :, :-1], axis=2, out=before[:, :, 1:])
    after[:, :, :-1] = np.cumprod(factors[:, :, :0:-1], axis=2)[:, :, ::-1]
    others: np.ndarray = before * after
    return others
