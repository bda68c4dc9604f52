"""A support vector machine with a Gaussian kernel, and what its distances mean as probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from mammoscope.errors import RecipeError
from mammoscope.models.estimators.base import DOUBLE, EstimatorSettings, hold, read
from mammoscope.models.estimators.linear import standard


class SvmEstimator(EstimatorSettings):
    """A support vector machine on standardised values; of several classes one machine a class, against the rest."""

    kind: Literal["svm"] = "svm"
    c: PositiveFloat = Field(default=1.0, description="one over the strength of the penalty: smaller is smoother")
    gamma: Literal["scale"] | PositiveFloat = Field(
        default="scale", description="one over twice the squared reach of a support vector; scale: 1 / number of values"
    )
    folds: int = Field(default=5, ge=2, description="parts the patients are divided in to fit probabilities")


class Svm(nn.Module):
    """Distances from the margins, and a sigmoid through each: logits, in double precision until the end.

    Source:
        Platt, Probabilistic outputs for support vector machines (1999). Of several classes each has its own sigmoid,
        and they are divided by their sum: Zadrozny and Elkan, KDD (2002), section 5.1.
    """

    centre: Tensor
    spread: Tensor
    support: Tensor
    dual: Tensor
    intercepts: Tensor
    gamma: Tensor
    slopes: Tensor
    offsets: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        form = {
            "centre": ("values", DOUBLE),
            "spread": ("values", DOUBLE),
            "support": ("vectors values", DOUBLE),
            "dual": ("machines vectors", DOUBLE),
            "intercepts": ("machines", DOUBLE),
            "gamma": ("", DOUBLE),
            "slopes": ("machines", DOUBLE),
            "offsets": ("machines", DOUBLE),
        }
        self.width = hold(self, tensors, form=form)["values"]

    def margins(self, vectors: Float[Tensor, "batch values"]) -> Float64[Tensor, "batch machines"]:
        """Signed distance of each machine, above 0 on the side of its class."""
        scaled = (read(vectors, width=self.width).to(DOUBLE) - self.centre) / self.spread
        apart = scaled.square().sum(1, keepdim=True) + self.support.square().sum(1) - 2.0 * scaled @ self.support.T
        near = torch.exp(-self.gamma * apart.clamp_min(0.0))
        return near @ self.dual.T + self.intercepts

    def forward(self, vectors: Float[Tensor, "batch values"]) -> Float[Tensor, "batch outputs"]:
        """Logits."""
        odds = self.margins(vectors) * self.slopes + self.offsets
        return (odds if odds.shape[1] == 1 else functional.logsigmoid(odds)).to(torch.float32)


def fit_svm(
    settings: SvmEstimator,
    vectors: Float32[np.ndarray, "samples values"],
    labels: Int[np.ndarray, " samples"],
    *,
    patients: Int[np.ndarray, " samples"],
    seed: int,
    weights: Float64[np.ndarray, " samples"] | None,
) -> Svm:
    """Fit with scikit-learn: the machine on all samples, its sigmoid on distances of patients it had not seen.

    The scaling of the values is fitted once, on all samples; it sees no label.

    Raises:
        RecipeError: The patients cannot be divided so that each part leaves every class behind.
    """
    centre, spread = standard(vectors)
    scaled = (vectors - centre) / spread
    gamma = 1.0 / (scaled.shape[1] * max(scaled.var(), 1e-12)) if settings.gamma == "scale" else settings.gamma
    folds = svm_folds(settings, labels, patients=patients, seed=seed)
    classes = np.unique(labels)
    wanted = classes[1:] if len(classes) == 2 else classes
    machines = [
        _machine(scaled, labels == one, gamma=gamma, c=settings.c, folds=folds, weights=weights) for one in wanted
    ]
    used = np.flatnonzero(np.any([machine["dual"] != 0 for machine in machines], axis=0))
    arrays = {
        "centre": centre,
        "spread": spread,
        "support": scaled[used],
        "dual": np.stack([machine["dual"][used] for machine in machines]),
        "gamma": np.asarray(gamma, dtype=np.float64),
    } | {name: np.array([machine[name] for machine in machines]) for name in ("intercepts", "slopes", "offsets")}
    return Svm({name: torch.from_numpy(array) for name, array in arrays.items()})


def _machine(
    scaled: Float64[np.ndarray, "samples values"],
    hits: Any,
    *,
    gamma: float,
    c: float,
    folds: list[tuple[np.ndarray, np.ndarray]],
    weights: Float64[np.ndarray, " samples"] | None,
) -> dict[str, Any]:
    """One class against the rest."""
    from sklearn.calibration import CalibratedClassifierCV  # noqa: PLC0415  # only fitting needs it
    from sklearn.svm import SVC  # noqa: PLC0415

    whole = CalibratedClassifierCV(SVC(C=c, gamma=gamma), method="sigmoid", ensemble=False, cv=folds)
    fitted = whole.fit(scaled, hits, sample_weight=weights).calibrated_classifiers_[0]
    machine, sigmoid = fitted.estimator, fitted.calibrators[0]
    dual = np.zeros(len(scaled))
    dual[machine.support_] = machine.dual_coef_[0]
    return {"dual": dual, "intercepts": machine.intercept_[0], "slopes": -sigmoid.a_, "offsets": -sigmoid.b_}


def svm_folds(
    settings: SvmEstimator,
    labels: Int[np.ndarray, " samples"],
    *,
    patients: Int[np.ndarray, " samples"],
    seed: int,
    names: Sequence[str] | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit on and rows held back, patients kept together, as many parts as the rarest class has patients.

    Args:
        settings: Its `folds` are the most parts.
        labels: Class of each sample.
        patients: Number of the patient of each sample.
        seed: Of the order of patients.
        names: Of the classes; their numbers when not given.

    Raises:
        RecipeError: The patients cannot be divided so that each part leaves every class behind.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415  # only fitting needs it

    classes = np.unique(labels)
    women = [len(np.unique(patients[labels == one])) for one in classes]
    rarest = int(classes[np.argmin(women)])
    if min(women) < 2:
        raise RecipeError(
            f"[estimator] kind = 'svm': class {names[rarest] if names else rarest} has training samples of one patient "
            "only, and probabilities are fitted on patients held back: two are needed. Choose another estimator"
        )
    parts = StratifiedGroupKFold(n_splits=min(settings.folds, *women), shuffle=True, random_state=seed)
    folds: list[tuple[np.ndarray, np.ndarray]] = list(parts.split(labels, labels, groups=patients))
    if any(len(np.unique(labels[kept])) < len(classes) for kept, _ in folds):
        raise RecipeError(
            f"[estimator] folds = {settings.folds}: patients of one class fall into one part together. Set fewer "
            "folds, or choose another estimator"
        )
    return folds
