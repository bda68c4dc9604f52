"""Logistic regression on standardised values."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from mammoscope.models.estimators.base import DOUBLE, EstimatorSettings, hold, read


class LogisticEstimator(EstimatorSettings):
    """Logistic regression with a quadratic penalty; of several classes one joint (multinomial) regression."""

    kind: Literal["logistic"] = "logistic"
    c: PositiveFloat = Field(default=1.0, description="one over the strength of the penalty: smaller is smoother")


class Logistic(nn.Module):
    """A line through standardised values: logits, in double precision until the end."""

    centre: Tensor
    spread: Tensor
    slopes: Tensor
    intercepts: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        form = {
            "centre": ("values", DOUBLE),
            "spread": ("values", DOUBLE),
            "slopes": ("outputs values", DOUBLE),
            "intercepts": ("outputs", DOUBLE),
        }
        self.width = hold(self, tensors, form=form)["values"]

    def forward(self, vectors: Float[Tensor, "batch values"]) -> Float[Tensor, "batch outputs"]:
        """Logits."""
        scaled = (read(vectors, width=self.width).to(DOUBLE) - self.centre) / self.spread
        logits: Tensor = scaled @ self.slopes.T + self.intercepts
        return logits.to(torch.float32)


def standard(
    vectors: Float32[np.ndarray, "samples values"],
) -> tuple[Float64[np.ndarray, " values"], Float64[np.ndarray, " values"]]:
    """Mean and standard deviation of each value; 1 where it is the same in every sample."""
    exact = vectors.astype(np.float64)
    spread = exact.std(axis=0)
    same = (vectors == vectors[0]).all(axis=0)
    return exact.mean(axis=0), np.where(same, 1.0, spread)


def fit_logistic(
    settings: LogisticEstimator,
    vectors: Float32[np.ndarray, "samples values"],
    labels: Int[np.ndarray, " samples"],
    *,
    weights: Float64[np.ndarray, " samples"] | None,
) -> Logistic:
    """Fit with scikit-learn; it warns where it does not converge."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # only fitting needs it

    centre, spread = standard(vectors)
    fitted = LogisticRegression(C=settings.c, max_iter=5000)
    fitted.fit((vectors - centre) / spread, labels, sample_weight=weights)
    arrays = {"centre": centre, "spread": spread, "slopes": fitted.coef_, "intercepts": fitted.intercept_}
    return Logistic({name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()})
