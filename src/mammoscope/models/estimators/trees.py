"""Many decision trees as one set of tensors; all rows go down all trees at once, level by level."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from mammoscope.errors import BundleError
from mammoscope.models.estimators.base import DOUBLE, WHOLE, Form, hold, read

TREES: Form = {
    "roots": ("trees", WHOLE),  # node each tree begins at
    "feature": ("nodes", WHOLE),  # value of the vector that a node asks for
    "threshold": ("nodes", DOUBLE),  # left if it is at most this
    "left": ("nodes", WHOLE),  # the node itself in a leaf
    "right": ("nodes", WHOLE),
    "answer": ("nodes outputs", DOUBLE),
    "importances": ("values", DOUBLE),
}
"""Tensors that trees are kept in."""

TREES_AT_ONCE = 128  # whose answers are held in memory together


def joined_trees(trees: Sequence[Mapping[str, np.ndarray]], *, importances: np.ndarray) -> dict[str, Tensor]:
    """One numbering of the nodes for all trees.

    Args:
        trees: Of each `feature`, `threshold`, `left`, `right` (negative in a leaf) and `answer`, by its own node
            numbers, the root first and children after their parent.
        importances: Of each value of the vectors.
    """
    sizes = [len(tree["feature"]) for tree in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("feature", "threshold", "left", "right", "answer")}
    for tree, root in zip(trees, roots, strict=True):
        own = np.arange(len(tree["feature"]))
        leaf = tree["left"] < 0
        columns["feature"].append(np.where(leaf, 0, tree["feature"]).astype(np.int64))
        columns["threshold"].append(np.where(leaf, 0.0, tree["threshold"]))
        columns["left"].append(np.where(leaf, own, tree["left"]).astype(np.int64) + root)
        columns["right"].append(np.where(leaf, own, tree["right"]).astype(np.int64) + root)
        columns["answer"].append(tree["answer"].astype(np.float64))
    arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
    arrays |= {"roots": roots, "importances": importances.astype(np.float64)}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


class Trees(nn.Module):
    """Trees of one forest; its tensors are `TREES`."""

    roots: Tensor
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    answer: Tensor
    importances: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        lengths = hold(self, tensors, form=TREES)
        self.width, nodes = lengths["values"], lengths["nodes"]
        own = torch.arange(nodes, device=self.left.device)
        bounds = {"left": (own, nodes), "right": (own, nodes), "roots": (0, nodes), "feature": (0, self.width)}
        for name, (low, end) in bounds.items():
            at = getattr(self, name)
            if not bool(((at >= low) & (at < end)).all()):
                raise BundleError(f"estimator: {name} of a tree points where nothing is. Fetch the bundle again")
        self.depth = self._deepest()

    def _deepest(self) -> int:
        """Steps from a root to the deepest leaf; children come after their parent, so there is one."""
        depth, reached = 0, self.roots
        while True:
            below = torch.cat([self.left[reached], self.right[reached]])
            reached = torch.unique(below[below != reached.repeat(2)])
            if not len(reached):
                return depth
            depth += 1

    def leaves(self, vectors: Float[Tensor, "batch values"]) -> Int64[Tensor, "batch trees"]:
        """The node that each row ends at in each tree.

        Single-precision values are held against double-precision thresholds, as scikit-learn does.
        """
        seen = read(vectors, width=self.width)
        at = self.roots.expand(len(seen), -1)
        for _ in range(self.depth):
            value = seen.gather(1, self.feature[at]).to(DOUBLE)
            at = torch.where(value <= self.threshold[at], self.left[at], self.right[at])
        return at

    def forward(self, vectors: Float[Tensor, "batch values"]) -> Float64[Tensor, "batch outputs"]:
        """Sum of the trees' answers; NaN in a row that holds a value which is not finite."""
        leaves = self.leaves(vectors)
        total = torch.zeros(len(leaves), self.answer.shape[1], dtype=DOUBLE, device=leaves.device)
        for few in torch.split(leaves, TREES_AT_ONCE, dim=1):
            total = total + self.answer[few].sum(dim=1)
        return total.masked_fill(~vectors.isfinite().all(dim=1, keepdim=True), torch.nan)
