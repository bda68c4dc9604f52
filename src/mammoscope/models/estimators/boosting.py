"""Gradient boosting: the sum of many small trees is the logit itself."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from mammoscope.errors import BundleError
from mammoscope.models.estimators.base import DOUBLE, EstimatorSettings, hold, part_of
from mammoscope.models.estimators.trees import Trees, joined_trees


class BoostingEstimator(EstimatorSettings):
    """Gradient boosting on histograms; what is not here is as scikit-learn has it.

    There is no early stop: scikit-learn's would divide patients between its two parts.
    """

    kind: Literal["boosting"] = "boosting"
    rounds: PositiveInt = Field(default=100, description="trees, or with several classes trees of each class")
    rate: PositiveFloat = Field(default=0.1, description="share of each tree's answer that is taken")
    leaves: int = Field(default=31, ge=2, description="most leaves of a tree")
    leaf_samples: PositiveInt = Field(default=20, description="fewest training samples in a leaf")
    l2: float = Field(default=0.0, ge=0, description="penalty on the answers of leaves")


class Boosting(nn.Module):
    """A first guess and what the trees add to it: logits.

    Source:
        Friedman, Annals of Statistics 29 (2001); histograms as in Ke et al., LightGBM, NeurIPS (2017).
    """

    base: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.trees = Trees(part_of(tensors, "trees"))
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith("trees.")}
        outputs = hold(self, own, form={"base": ("outputs", DOUBLE)})["outputs"]
        if outputs != self.trees.answer.shape[1]:
            raise BundleError(f"estimator boosting: base has {outputs} values, the trees more or less. Fetch it again")

    def forward(self, vectors: Float[Tensor, "batch values"]) -> Float[Tensor, "batch outputs"]:
        """Logits."""
        logits: Tensor = self.base + self.trees(vectors)
        return logits.to(torch.float32)


def fit_boosting(
    settings: BoostingEstimator,
    vectors: Float32[np.ndarray, "samples values"],
    labels: Int[np.ndarray, " samples"],
    *,
    seed: int,
    weights: Float64[np.ndarray, " samples"] | None,
) -> Boosting:
    """Fit with scikit-learn and keep the trees as tensors; a value's importance is its share of all gain."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415  # only fitting needs it

    fitted = HistGradientBoostingClassifier(
        max_iter=settings.rounds,
        learning_rate=settings.rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=settings.leaf_samples,
        l2_regularization=settings.l2,
        early_stopping=False,
        random_state=seed,
    ).fit(vectors, labels, sample_weight=weights)
    base = np.asarray(fitted._baseline_prediction, dtype=np.float64).ravel()  # noqa: SLF001  # it shows them nowhere else
    rounds: list[list[Any]] = fitted._predictors  # noqa: SLF001
    nodes = [(tree.nodes, output) for one in rounds for output, tree in enumerate(one)]
    gain = np.zeros(vectors.shape[1])
    for tree, _ in nodes:
        inner = tree["is_leaf"] == 0
        np.add.at(gain, tree["feature_idx"][inner], tree["gain"][inner])
    trees = [_tree(tree, output=output, outputs=len(base)) for tree, output in nodes]
    tensors = joined_trees(trees, importances=gain / max(gain.sum(), np.finfo(np.float64).tiny))
    return Boosting({f"trees.{name}": tensor for name, tensor in tensors.items()} | {"base": torch.from_numpy(base)})


def _tree(nodes: np.ndarray, *, output: int, outputs: int) -> dict[str, np.ndarray]:
    leaf = nodes["is_leaf"] == 1
    return {
        "feature": nodes["feature_idx"],
        "threshold": nodes["num_threshold"],
        "left": np.where(leaf, -1, nodes["left"].astype(np.int64)),
        "right": np.where(leaf, -1, nodes["right"].astype(np.int64)),
        "answer": np.where(leaf, nodes["value"], 0.0)[:, None] * np.eye(outputs)[output],
    }
