"""From a score to a probability: calibrators as plain values that bundles keep and evaluations fit.

A calibrator never lowers a probability as the score rises, so it changes no order of cases (isotonic may tie some).
It is read from JSON, never unpickled. How one is fitted stands in `mammoscope.evaluation`.
"""

from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from scipy.special import expit, logit, softmax

from mammoscope.errors import BundleError, SourceError

EDGE = 1e-7  # scores closer to 0 or 1 count as this far away, so that their log odds are finite


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Temperature(_Value):
    """Log odds divided by one number above 0; a score of 0.5 stays where it is. Of several classes: their logarithms.

    Source:
        Guo et al., On calibration of modern neural networks, ICML (2017), section 4.2.

    Example:
        >>> Temperature(temperature=2.0).apply(np.array([0.5, 0.8])).round(3)
        array([0.5  , 0.667])
    """

    kind: Literal["temperature"] = "temperature"
    temperature: float = Field(gt=0, description="above 1: scores were too sure of themselves")

    def apply(self, scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Probabilities of scores in [0, 1]."""
        return np.asarray(expit(log_odds(scores) / self.temperature))

    def among_classes(self, scores: Float[np.ndarray, "rows classes"]) -> Float[np.ndarray, "rows classes"]:
        """Probabilities that sum to 1, of scores in [0, 1] among classes; for two classes equal to `apply`."""
        return np.asarray(softmax(np.log(clipped(scores)) / self.temperature, axis=1))


class Platt(_Value):
    """A line through the log odds: slope above 0, and intercept.

    Source:
        Platt, Probabilistic outputs for support vector machines (1999); Cox, Biometrika 45 (1958), for the same line
        as a description of forecasts.

    Example:
        >>> Platt(slope=1.0, intercept=-1.0).apply(np.array([0.5])).round(3)
        array([0.269])
    """

    kind: Literal["platt"] = "platt"
    slope: float = Field(gt=0, description="below 1: scores were too far apart")
    intercept: float = Field(description="below 0: scores were too high")

    def apply(self, scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Probabilities of scores in [0, 1]."""
        return np.asarray(expit(self.slope * log_odds(scores) + self.intercept))


class Beta(_Value):
    """The map of two beta distributions: bends the two ends apart from each other.

    Source:
        Kull, Silva Filho and Flach, Beta calibration, AISTATS (2017), equation 4.

    Example:
        >>> Beta(a=1.0, b=1.0, c=0.0).apply(np.array([0.25])).round(6)
        array([0.25])
    """

    kind: Literal["beta"] = "beta"
    a: float = Field(ge=0, description="of log(score)")
    b: float = Field(ge=0, description="of -log(1 - score)")
    c: float = Field(description="intercept")

    def apply(self, scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Probabilities of scores in [0, 1]."""
        inside = clipped(scores)
        return np.asarray(expit(self.a * np.log(inside) - self.b * np.log1p(-inside) + self.c))


class Isotonic(_Value):
    """Straight lines between knots that never fall; flat before the first and after the last.

    Source:
        Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates, KDD (2002).

    Example:
        >>> Isotonic(scores=(0.2, 0.6), probabilities=(0.0, 0.5)).apply(np.array([0.1, 0.4, 0.9])).round(3)
        array([0.  , 0.25, 0.5 ])
    """

    kind: Literal["isotonic"] = "isotonic"
    scores: tuple[float, ...] = Field(min_length=1, description="of the knots, rising")
    probabilities: tuple[float, ...] = Field(min_length=1, description="at the knots, never falling")

    @model_validator(mode="after")
    def _sound(self) -> "Isotonic":
        if len(self.scores) != len(self.probabilities):
            raise ValueError(f"{len(self.scores)} scores and {len(self.probabilities)} probabilities of knots")
        if any(np.diff(self.scores) <= 0) or any(np.diff(self.probabilities) < 0):
            raise ValueError("scores of knots must rise, and their probabilities must not fall")
        if not all(0.0 <= value <= 1.0 for value in (*self.scores, *self.probabilities)):
            raise ValueError("scores and probabilities of knots must be in [0, 1]")
        return self

    def apply(self, scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Probabilities of scores in [0, 1]."""
        return np.asarray(np.interp(checked(scores), self.scores, self.probabilities))


Calibrator = Annotated[Temperature | Platt | Beta | Isotonic, Field(discriminator="kind")]
"""Any of them, told apart by `kind`."""

CalibratorKind = Literal["temperature", "platt", "isotonic", "beta"]


def read_calibrator(plain: dict[str, Any]) -> Calibrator:
    """A calibrator from the plain dictionary that JSON keeps.

    Args:
        plain: As `model_dump` gave it, with its `kind`.

    Returns:
        The calibrator.

    Raises:
        BundleError: It is none, or not a sound one.

    Example:
        >>> read_calibrator({"kind": "temperature", "temperature": 2.0})
        Temperature(kind='temperature', temperature=2.0)
    """
    try:
        found: Calibrator = TypeAdapter(Calibrator).validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"calibrator: {where}: {first['msg']}. Calibrate again, or fetch the bundle again") from error
    return found


def log_odds(scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Log odds of scores in [0, 1], those at the very ends taken as `EDGE` away from them."""
    return np.asarray(logit(clipped(scores)))


def clipped(scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Scores in [0, 1] as double precision, at least `EDGE` away from both ends."""
    return np.asarray(np.clip(checked(scores), EDGE, 1.0 - EDGE))


def checked(scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Scores as double precision.

    Raises:
        SourceError: One is not a number in [0, 1].
    """
    wide = scores.astype(np.float64)
    wrong = ~((wide >= 0.0) & (wide <= 1.0))
    if wrong.any():
        raise SourceError(
            f"scores: {wide[wrong].flat[0]} is not a number in [0, 1] (nor are {int(wrong.sum()) - 1} more). "
            "Rescale the scores, or predict again"
        )
    return wide
