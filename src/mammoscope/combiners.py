"""From the answers of several models to one: combiners as plain values that bundles keep and ensembles fit.

An answer is one row a sample and one column a class, of two classes no and yes. A combiner needs nothing of the other
samples, so it is defined for a single new picture. How one is fitted stands in `mammoscope.evaluation`.
"""

from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from scipy.special import softmax

from mammoscope.errors import BundleError, SourceError

EDGE = 1e-7  # probabilities closer to 0 count as this far away, so that their logarithms are finite

Answers = Float[np.ndarray, "members rows classes"]
Answer = Float[np.ndarray, "rows classes"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MeanOf(_Value):
    """The mean of the members' probabilities.

    Example:
        >>> MeanOf().apply(np.array([[[0.2, 0.8]], [[0.6, 0.4]]])).round(3)
        array([[0.4, 0.6]])
    """

    kind: Literal["mean"] = "mean"

    def apply(self, answers: Answers) -> Answer:
        """One answer a sample."""
        return np.asarray(answers.mean(axis=0))


class Knots(_Value):
    """A rising line through points: from a score to its rank among the scores of the tune part."""

    scores: tuple[float, ...] = Field(min_length=2, description="rising")
    ranks: tuple[float, ...] = Field(description="share of the tune scores below, ties half; rising")

    @model_validator(mode="after")
    def _rising(self) -> "Knots":
        if len(self.scores) != len(self.ranks):
            raise ValueError(f"{len(self.scores)} scores and {len(self.ranks)} ranks do not pair up")
        if min(*np.diff(self.scores), *np.diff(self.ranks)) <= 0:
            raise ValueError("scores and ranks must rise")
        return self


class RankMeanOf(_Value):
    """The mean of the members' ranks, each rank among that member's own tune scores.

    Between two tune scores the rank is on the straight line, so it rises wherever the score does: a single member keeps
    its order. With several classes the ranks of a row are divided by their sum.

    Example:
        >>> knots = Knots(scores=(0.0, 0.5, 1.0), ranks=(0.0, 0.9, 1.0))
        >>> RankMeanOf(knots=((knots,),)).apply(np.array([[[0.5, 0.5]]])).round(3)
        array([[0.1, 0.9]])
    """

    kind: Literal["rank"] = "rank"
    knots: tuple[tuple[Knots, ...], ...] = Field(description="of each member, for each class; of two, for the second")

    def apply(self, answers: Answers) -> Answer:
        """One answer a sample."""
        _refuse_count(len(self.knots), answers)
        first = answers.shape[2] - len(self.knots[0])
        ranks = np.stack(
            [
                np.stack([np.interp(one[:, first + at], k.scores, k.ranks) for at, k in enumerate(own)], axis=1)
                for one, own in zip(answers, self.knots, strict=True)
            ]
        ).mean(axis=0)
        if ranks.shape[1] == 1:
            return np.concatenate([1.0 - ranks, ranks], axis=1)
        total = ranks.sum(axis=1, keepdims=True)
        return np.asarray(np.where(total > 0, ranks / np.where(total > 0, total, 1.0), 1.0 / ranks.shape[1]))


class WeightedMeanOf(_Value):
    """A weighted mean of the members' probabilities; no weight is below 0, and they add up to 1.

    Example:
        >>> WeightedMeanOf(weights=(0.75, 0.25)).apply(np.array([[[0.2, 0.8]], [[0.6, 0.4]]])).round(3)
        array([[0.3, 0.7]])
    """

    kind: Literal["weighted"] = "weighted"
    weights: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> "WeightedMeanOf":
        if abs(sum(self.weights) - 1.0) > 1e-6:
            raise ValueError(f"weights must add up to 1, got {sum(self.weights):g}")
        return self

    def apply(self, answers: Answers) -> Answer:
        """One answer a sample."""
        _refuse_count(len(self.weights), answers)
        return np.asarray(np.einsum("m,mrc->rc", np.array(self.weights), answers))


class StackOf(_Value):
    """A regression on the members' log probabilities: one slope a member, not below 0, and one intercept a class.

    Example:
        >>> StackOf(slopes=(1.0, 0.0), intercepts=(0.0, 0.0)).apply(np.array([[[0.2, 0.8]], [[0.6, 0.4]]])).round(3)
        array([[0.2, 0.8]])
    """

    kind: Literal["stacking"] = "stacking"
    slopes: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=1)
    intercepts: tuple[float, ...] = Field(min_length=2, description="the first is 0")

    def apply(self, answers: Answers) -> Answer:
        """One answer a sample."""
        _refuse_count(len(self.slopes), answers)
        logs = np.log(np.clip(answers, EDGE, 1.0))
        return np.asarray(
            softmax(np.einsum("m,mrc->rc", np.array(self.slopes), logs) + np.array(self.intercepts), axis=1)
        )


Combiner = Annotated[MeanOf | RankMeanOf | WeightedMeanOf | StackOf, Field(discriminator="kind")]
"""Any of the rules above; `kind` says which."""


def read_combiner(value: Any) -> Combiner:
    """A combiner from plain JSON values.

    Raises:
        BundleError: It is none.

    Example:
        >>> read_combiner({"kind": "weighted", "weights": [0.5, 0.5]}).weights
        (0.5, 0.5)
    """
    try:
        found: Combiner = TypeAdapter(Combiner).validate_python(value)
    except ValidationError as error:
        raise BundleError(f"combiner: {error.errors()[0]['msg']}. Make the ensemble again") from error
    return found


def _refuse_count(fitted: int, answers: Answers) -> None:
    if fitted != len(answers):
        raise SourceError(
            f"combiner: fitted to {fitted} members, got answers of {len(answers)}. Give those it was fitted to"
        )
