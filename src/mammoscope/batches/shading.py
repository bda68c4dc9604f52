"""What becomes of a picture's grey: blur, brightness, contrast, gamma, noise, cut-out. Background, 0, stays 0."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mammoscope.batches.counter import Keys, normals

Pixels = Float[Tensor, "batch 1 rows cols"]

REACH = 3.0  # of a Gaussian, in standard deviations

_NOISE = 2  # stream


def blurred(pixels: Pixels, drawn: Mapping[str, Tensor], *, largest: float) -> Pixels:
    """Blur each picture with a Gaussian of its own; the skin line stays where it is.

    Args:
        pixels: Display values. Not modified.
        drawn: Columns of `PARAMETERS`; `blur` is the standard deviation in pixels.
        largest: Of all standard deviations that can be drawn: the kernel's size, so that it does not hang on the batch.
    """
    reach = max(1, math.ceil(REACH * largest))
    steps = torch.arange(reach + 1, device=pixels.device)
    weights = torch.exp(-0.5 * (steps / drawn["blur"].clamp(min=0.05)[:, None]) ** 2).to(pixels.dtype)
    weights = weights / (2 * weights.sum(dim=1, keepdim=True) - weights[:, :1])
    down = _smoothed(pixels, weights, dim=2)
    return _smoothed(down, weights, dim=3).mul_(pixels > 0)


def _smoothed(pixels: Tensor, weights: Float[Tensor, "batch steps"], *, dim: int) -> Tensor:
    """Along one axis, the border repeated; step by step, as how a convolution rounds hangs on the batch's size."""
    reach, size = weights.shape[1] - 1, pixels.shape[dim]
    wide = functional.pad(pixels, [0, 0, reach, reach] if dim == 2 else [reach, reach, 0, 0], mode="replicate")
    out = pixels * weights[:, 0].view(-1, 1, 1, 1)
    for step in range(1, reach + 1):
        both = wide.narrow(dim, reach - step, size) + wide.narrow(dim, reach + step, size)
        out.addcmul_(both, weights[:, step].view(-1, 1, 1, 1))
    return out


def shaded(pixels: Pixels, drawn: Mapping[str, Tensor]) -> Pixels:
    """Contrast, then brightness, then gamma."""
    column = {name: drawn[name].view(-1, 1, 1, 1) for name in ("brightness", "contrast", "gamma")}
    out = (pixels * (1 + column["contrast"])).add_(column["brightness"]).mul_(pixels > 0)
    return out.clamp_(0, 1).pow_(1 + column["gamma"])


def noisy(pixels: Pixels, *, deviation: float, keys: Keys) -> Pixels:
    """Gaussian noise on the breast, of each picture's own key."""
    drawn = normals(keys, stream=_NOISE, count=pixels[0].numel()).view_as(pixels).mul_(deviation)
    return drawn.add_(pixels).clamp_(0, 1).mul_(pixels > 0)


def cut_out(pixels: Pixels, drawn: Mapping[str, Tensor]) -> Pixels:
    """Blank a rectangle; a part of it may lie outside.

    Source:
        DeVries and Taylor, Improved regularization of convolutional neural networks with cutout, arXiv 1708.04552.
    """
    rows, cols = pixels.shape[-2:]
    high = _within(rows, middle=drawn["cut_y"], share=drawn["cut_high"])
    wide = _within(cols, middle=drawn["cut_x"], share=drawn["cut_wide"])
    return pixels * ~(high[:, None, :, None] & wide[:, None, None, :])


def _within(size: int, *, middle: Tensor, share: Tensor) -> Tensor:
    """Which pixels of one axis are nearer to the middle, in [-1, 1], than half of the share."""
    places = (2 * torch.arange(size, device=middle.device) + 1) / size - 1
    return (places - middle[:, None]).abs() < share[:, None]
