"""A random forest: the mean of the trees' probabilities."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from mammoscope.models.estimators.base import EstimatorSettings, hold, part_of
from mammoscope.models.estimators.odds import log_odds
from mammoscope.models.estimators.trees import Trees, joined_trees


class ForestEstimator(EstimatorSettings):
    """A random forest; what is not here is as scikit-learn has it."""

    kind: Literal["forest"] = "forest"
    trees: PositiveInt = Field(default=100, description="number of trees")
    max_depth: PositiveInt | None = Field(default=None, description="steps to the deepest leaf; without: any number")
    leaf_samples: PositiveInt = Field(default=1, description="fewest training samples in a leaf")


class Forest(nn.Module):
    """The mean of the trees' probabilities, as logits.

    Source:
        Breiman, Machine Learning 45 (2001); the mean over trees instead of their vote is scikit-learn's.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.trees = Trees(part_of(tensors, "trees"))
        hold(self, {name: tensor for name, tensor in tensors.items() if not name.startswith("trees.")}, form={})

    def forward(self, vectors: Float[Tensor, "batch values"]) -> Float[Tensor, "batch outputs"]:
        """Logits; probabilities closer than 1e-7 to 0 or 1 count as that far away."""
        return log_odds(self.trees(vectors) / len(self.trees.roots)).to(torch.float32)


def fit_forest(
    settings: ForestEstimator,
    vectors: Float32[np.ndarray, "samples values"],
    labels: Int[np.ndarray, " samples"],
    *,
    seed: int,
    weights: Float64[np.ndarray, " samples"] | None,
) -> Forest:
    """Fit with scikit-learn and keep the trees as tensors."""
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415  # only fitting needs it

    fitted = RandomForestClassifier(
        n_estimators=settings.trees,
        max_depth=settings.max_depth,
        min_samples_leaf=settings.leaf_samples,
        random_state=seed,
    ).fit(vectors, labels, sample_weight=weights)
    trees = [_tree(one.tree_) for one in fitted.estimators_]
    tensors = joined_trees(trees, importances=fitted.feature_importances_)
    return Forest({f"trees.{name}": tensor for name, tensor in tensors.items()})


def _tree(tree: Any) -> dict[str, np.ndarray]:
    shares = tree.value[:, 0, :]
    return {
        "feature": tree.feature,
        "threshold": tree.threshold,
        "left": tree.children_left,
        "right": tree.children_right,
        "answer": shares / shares.sum(axis=1, keepdims=True),
    }
