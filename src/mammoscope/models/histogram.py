"""The classical description of a breast's density: how often each grey occurs, and how rough the picture is."""

from typing import Literal

import torch
from jaxtyping import Float, Float32
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from mammoscope.models.encoders.base import EncoderConfig

BLACK = 1 / 512  # below half a step of 8 bits is background, which `Preprocess` sets to 0
REACH_SD, STEPS = 3.0, 13  # standard deviations from the breast's mean, and how many steps they are counted in
SCALES_PX = (1, 2, 4, 8)
LEAST_SD = 1e-3  # of display values: a breast of one grey has no shape
SMALLEST_PX = 16  # two neighbours at the coarsest scale


class HistogramModel(EncoderConfig):
    """Grey-level histogram and simple texture of the breast: nothing is learned before the head or the estimator."""

    kind: Literal["histogram"] = "histogram"
    bins: int = Field(default=32, ge=2, le=256, description="greys that are counted, from black to white")


def histogram_features(
    pixels: Float32[Tensor, "batch 1 rows cols"], *, bins: int = 32
) -> Float32[Tensor, "batch values"]:
    """Describe the greys of a breast; every value can be differentiated by the pixels.

    Args:
        pixels: Display values in [0, 1], at least 16 by 16; 0 is background and is not counted.
        bins: Greys that are counted, evenly from 0 to 1. A value between two counts for both, by its distance.

    Returns:
        In the order of `histogram_names`: the share of each grey; the share of each of 13 steps from -3 to 3 standard
        deviations from the mean, which no brightness or contrast moves; mean, standard deviation (at least 0.001),
        skewness, excess kurtosis; the share of the picture that is breast; and in the picture made 1, 2, 4 and 8 times
        smaller the root mean square difference of neighbours that both lie in the breast, over the standard deviation.
        All 0 for a picture without a breast.

    Raises:
        ValueError: The picture is too small.

    Source:
        After Karssemeijer, Automated classification of parenchymal patterns in mammograms, Physics in Medicine and
        Biology 43 (1998), which tells classes of density by the shape of grey-level histograms; without its regions.

    Example:
        >>> features = histogram_features(torch.full((1, 1, 16, 16), 0.5), bins=3)
        >>> dict(zip(histogram_names(bins=3), features[0].tolist()))["grey 0.500"]
        1.0
    """
    if min(pixels.shape[2:]) < SMALLEST_PX:
        raise ValueError(f"pictures must be at least {SMALLEST_PX} by {SMALLEST_PX}, got {tuple(pixels.shape[2:])}")
    with torch.autocast(pixels.device.type, enabled=False):
        breast = (pixels > BLACK).to(torch.float32)
        inside = breast.flatten(1)
        weights = inside / inside.sum(dim=1, keepdim=True).clamp_min(1.0)
        values = pixels.flatten(1)
        mean = (weights * values).sum(dim=1, keepdim=True)
        apart = values - mean
        sd = (weights * apart.square()).sum(dim=1, keepdim=True).clamp_min(LEAST_SD**2).sqrt()
        steps = apart / sd
        shape = [mean, sd, *((weights * steps**power).sum(dim=1, keepdim=True) for power in (3, 4))]
        shape[3] = shape[3] - 3.0
        rough = [_roughness(pixels, breast, scale=scale) for scale in SCALES_PX]
        parts = [
            _shares(values, weights, low=0.0, high=1.0, count=bins),
            _shares(steps, weights, low=-REACH_SD, high=REACH_SD, count=STEPS),
            *shape,
            inside.mean(dim=1, keepdim=True),
            torch.stack(rough, dim=1) / sd,
        ]
        return torch.cat(parts, dim=1) * inside.amax(dim=1, keepdim=True)


def histogram_names(*, bins: int = 32) -> tuple[str, ...]:
    """What each value of `histogram_features` is.

    Example:
        >>> len(histogram_names(bins=32))
        54
    """
    greys = torch.linspace(0.0, 1.0, bins).tolist()
    steps = torch.linspace(-REACH_SD, REACH_SD, STEPS).tolist()
    return (
        *(f"grey {grey:.3f}" for grey in greys),
        *(f"at {step:+.1f} sd" for step in steps),
        *("mean", "sd", "skewness", "excess kurtosis", "breast area"),
        *(f"roughness at {scale} px" for scale in SCALES_PX),
    )


def _shares(
    values: Float32[Tensor, "batch pixels"],
    weights: Float32[Tensor, "batch pixels"],
    *,
    low: float,
    high: float,
    count: int,
) -> Float32[Tensor, "batch count"]:
    """Weight near each of some even places, the ends taking all beyond them; together the weight of all."""
    place = (values.clamp(low, high) - low) * ((count - 1) / (high - low))
    near = ((weights * (1.0 - (place - at).abs()).clamp_min(0.0)).sum(dim=1) for at in range(count))
    return torch.stack(list(near), dim=1)


def _roughness(
    pixels: Float32[Tensor, "batch 1 rows cols"], breast: Float32[Tensor, "batch 1 rows cols"], *, scale: int
) -> Float32[Tensor, " batch"]:
    """Root mean square difference of neighbours, where at least half of each block of pixels is breast."""
    filled = functional.avg_pool2d(breast, scale)
    small = functional.avg_pool2d(pixels * breast, scale) / filled.clamp_min(0.5)
    inside = (filled >= 0.5).to(torch.float32)
    across = (small.diff(dim=3).square() * inside[..., 1:] * inside[..., :-1]).sum(dim=(1, 2, 3))
    down = (small.diff(dim=2).square() * inside[..., 1:, :] * inside[..., :-1, :]).sum(dim=(1, 2, 3))
    pairs = (inside[..., 1:] * inside[..., :-1]).sum(dim=(1, 2, 3))
    pairs = pairs + (inside[..., 1:, :] * inside[..., :-1, :]).sum(dim=(1, 2, 3))
    tiny = torch.finfo(torch.float32).tiny  # the slope of a root at 0 is none
    return ((across + down) / pairs.clamp_min(1.0)).clamp_min(tiny).sqrt()


class HistogramEncoder(nn.Module):
    """The description as an encoder without a parameter; its feature map is the picture itself."""

    def __init__(self, config: HistogramModel) -> None:
        super().__init__()
        self.mean, self.std, self.bins = config.mean, config.std, config.bins
        self.width = len(histogram_names(bins=config.bins))

    def forward_features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Tensor:
        """Scaled pixels back to display values."""
        return (pixels * self.std + self.mean).clamp(0.0, 1.0)

    def pooled(self, features: Tensor, pixels: Tensor) -> Float[Tensor, "batch width"]:
        """The description."""
        del pixels
        return histogram_features(features.to(torch.float32), bins=self.bins)

    def blocks(self) -> list[nn.Module]:
        """None: there is nothing to freeze."""
        return []
