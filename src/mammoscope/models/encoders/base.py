"""What every encoder is told, and what it must do."""

from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn


class EncoderConfig(BaseModel):
    """What all networks have in common: how grey becomes numbers, and the head behind the vector."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hidden: tuple[PositiveInt, ...] = Field(
        default=(), description="widths of dense layers with ReLU before the last one; none: a linear head"
    )
    drop_rate: float = Field(default=0.0, ge=0, lt=1, description="dropout before the last layer")
    views: Literal["attention", "mean", "max"] = Field(
        default="attention", description="how the pictures of a breast or an exam become one vector"
    )
    mean: float = Field(default=0.5, description="subtracted from display values, which are 0 to 1")
    std: float = Field(default=0.25, gt=0, description="then divided by")


@runtime_checkable
class Encoder(Protocol):
    """A network in two parts: explanations look in between.

    Attributes:
        width: Length of the vector.
    """

    width: int

    def forward_features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Tensor:
        """Scaled pixels to the last feature map, `batch channels rows cols` where the network has one."""

    def pooled(self, features: Tensor, pixels: Tensor) -> Float[Tensor, "batch width"]:
        """A feature map, and where the network looks twice the scaled pixels again, to one vector a picture."""

    def blocks(self) -> list[nn.Module]:
        """All its parameters in blocks from input to output, to be frozen or slowed down by depth."""
