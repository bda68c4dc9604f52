"""A small network for machines without an accelerator."""

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from mammoscope.models.encoders.base import EncoderConfig

REDUCTION = 4  # channels to hidden values of a squeeze-and-excitation layer


class LightCnn(EncoderConfig):
    """Depthwise separable convolutions with residuals: 0.20 M parameters, 24 M multiply-adds at 224 x 224.

    For comparison, ResNet-18 on one grey channel has 11.2 M and 1735 M.
    """

    kind: Literal["light-cnn"] = "light-cnn"
    channels: tuple[PositiveInt, ...] = Field(
        default=(16, 32, 64, 128, 256),
        min_length=2,
        description="of the first convolution, then of each stage; each of them halves the map",
    )
    depth: PositiveInt = Field(default=2, description="separable convolutions in a stage")
    squeeze: bool = Field(default=True, description="let each weigh its channels by what the whole picture shows")
    pool: Literal["mean", "max"] = Field(
        default="mean", description="how a map becomes one value: max finds what is small, mean what is everywhere"
    )


class LightEncoder(nn.Module):
    """A strided convolution, then stages of separable ones."""

    def __init__(self, config: LightCnn, *, shape: tuple[int, int] | None) -> None:
        super().__init__()
        del shape  # pictures of any size
        self.pool = config.pool
        first, *rest = config.channels
        stem = nn.Sequential(
            nn.Conv2d(1, first, kernel_size=3, stride=2, padding=1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        pairs = zip(config.channels, rest, strict=False)
        self.stack = nn.Sequential(stem, *(_stage(into, out, config) for into, out in pairs))
        self.width = config.channels[-1]

    def forward_features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Tensor:
        """The map of the last stage."""
        features: Tensor = self.stack(pixels)
        return features

    def pooled(self, features: Tensor, pixels: Tensor) -> Float[Tensor, "batch width"]:
        """One value a channel."""
        del pixels
        return features.mean(dim=(2, 3)) if self.pool == "mean" else features.amax(dim=(2, 3))

    def blocks(self) -> list[nn.Module]:
        """The first convolution, then the stages."""
        return list(self.stack)


def _stage(into: int, out: int, config: LightCnn) -> nn.Module:
    first = _Separable(into, out, stride=2, squeeze=config.squeeze)
    rest = (_Separable(out, out, stride=1, squeeze=config.squeeze) for _ in range(config.depth - 1))
    return nn.Sequential(first, *rest)


class _Separable(nn.Module):
    """Each channel by itself over 3x3 places, then all channels at each place.

    Source:
        Howard et al., MobileNets, arXiv:1704.04861 (2017), section 3.1, with the residual of He et al., CVPR 2016.
    """

    def __init__(self, into: int, out: int, *, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.alone = nn.Sequential(
            nn.Conv2d(into, into, kernel_size=3, stride=stride, padding=1, groups=into, bias=False),
            nn.BatchNorm2d(into),
            nn.ReLU(),
        )
        self.weigh = _Squeeze(into) if squeeze else nn.Identity()
        self.mix = nn.Sequential(nn.Conv2d(into, out, kernel_size=1, bias=False), nn.BatchNorm2d(out))
        self.residual = stride == 1 and into == out

    def forward(self, pixels: Tensor) -> Tensor:
        mixed: Tensor = self.mix(self.weigh(self.alone(pixels)))
        return torch.relu(mixed + pixels if self.residual else mixed)


class _Squeeze(nn.Module):
    """The mean of each channel decides how much each counts.

    Source:
        Hu, Shen, Sun, CVPR 2018, equations 2 to 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, kernel_size=1), nn.ReLU(), nn.Conv2d(hidden, channels, kernel_size=1)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels * torch.sigmoid(self.layers(pixels.mean(dim=(2, 3), keepdim=True)))
