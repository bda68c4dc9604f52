"""Which network: the part of a recipe that describes it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PositiveInt, Tag


class TimmModel(BaseModel):
    """Any backbone of timm, read from one grey channel, with one linear output."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["timm"] = "timm"
    backbone: str = Field(default="resnet18", description="name of the architecture in timm")
    pretrained: bool | str = Field(
        default=False, description="false, true (weights by name from the hub), or the path of a .safetensors file"
    )
    drop_rate: float = Field(default=0.0, ge=0, lt=1, description="dropout before the last layer")
    mean: float = Field(default=0.5, description="subtracted from display values, which are 0 to 1")
    std: float = Field(default=0.25, gt=0, description="then divided by")


class SimpleCnn(BaseModel):
    """Convolution blocks (3x3, batch normalisation, ReLU, 2x2 pooling), one value a channel, one linear output."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["simple-cnn"] = "simple-cnn"
    channels: tuple[PositiveInt, ...] = Field(default=(16, 32, 64, 128), min_length=1, description="of each block")
    pool: Literal["mean", "max"] = Field(
        default="mean", description="how a map becomes one value: max finds what is small, mean what is everywhere"
    )
    drop_rate: float = Field(default=0.0, ge=0, lt=1, description="dropout before the last layer")
    mean: float = Field(default=0.5, description="subtracted from display values, which are 0 to 1")
    std: float = Field(default=0.25, gt=0, description="then divided by")


def _kind(value: Any) -> str:
    """`kind` of a table or a config; a table without one is a timm model."""
    kind = value.get("kind", "timm") if isinstance(value, dict) else getattr(value, "kind", None)
    return str(kind)


ModelConfig = Annotated[
    Annotated[TimmModel, Tag("timm")] | Annotated[SimpleCnn, Tag("simple-cnn")], Discriminator(_kind)
]
"""The closed set of architectures; `kind` chooses."""
