"""Random changes to a batch that leave a mammogram a mammogram.

Parameters are drawn per sample from a seed of its own, apart from applying them: the same
(seed, epoch, sample) always gives the same picture, whatever the batch it travels in.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional


class Augment(BaseModel):
    """How far a training picture may be changed; every 0 switches its change off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip_vertical: float = Field(default=0.0, ge=0, le=1, description="probability of a flip head to foot")
    flip_horizontal: float = Field(default=0.0, ge=0, le=1, description="probability of a flip left to right")
    rotate_deg: float = Field(default=0.0, ge=0, le=180, description="rotation, up to this many degrees either way")
    shift: float = Field(default=0.0, ge=0, le=0.5, description="shift, up to this share of the side")
    zoom: float = Field(default=0.0, ge=0, lt=1, description="zoom, up to this share larger or smaller")
    brightness: float = Field(default=0.0, ge=0, le=1, description="added grey, up to this share of full scale")
    contrast: float = Field(default=0.0, ge=0, lt=1, description="factor on grey, up to this share")
    gamma: float = Field(default=0.0, ge=0, lt=1, description="exponent on grey, up to this share from 1")
    noise: float = Field(default=0.0, ge=0, le=1, description="standard deviation of added noise, share of full scale")


PARAMETERS = ("flip_v", "flip_h", "angle", "shift_x", "shift_y", "zoom", "brightness", "contrast", "gamma")


def draw(
    augment: Augment, *, seed: int, epoch: int, samples: Sequence[int] | Int[np.ndarray, " batch"]
) -> Float32[np.ndarray, "batch parameters"]:
    """Draw the parameters of each sample, in the order of `PARAMETERS`.

    Args:
        augment: Limits.
        seed: Of the run.
        epoch: Of the run, over all stages.
        samples: Number of each sample in the training table.

    Example:
        >>> draw(Augment(rotate_deg=10), seed=0, epoch=0, samples=[3]).shape
        (1, 9)
    """
    spans = (augment.rotate_deg, augment.shift, augment.shift, augment.zoom)
    greys = (augment.brightness, augment.contrast, augment.gamma)
    limits = np.array([1, 1, *spans, *greys], dtype=np.float64)
    rows = np.stack([np.random.default_rng((seed, epoch, int(n))).uniform(-1, 1, len(limits)) for n in samples])
    out = rows * limits
    out[:, 0] = np.abs(rows[:, 0]) < augment.flip_vertical
    out[:, 1] = np.abs(rows[:, 1]) < augment.flip_horizontal
    return out.astype(np.float32)


def apply(
    pixels: Float[Tensor, "batch 1 rows cols"],
    parameters: Float32[np.ndarray, "batch parameters"],
    *,
    augment: Augment,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch 1 rows cols"]:
    """Change a batch as drawn. What is shifted in from outside is background, 0.

    Args:
        pixels: Display values in [0, 1]. Not modified.
        parameters: What `draw` gave.
        augment: Limits; `noise` is used here.
        generator: For the noise.

    Returns:
        Display values in [0, 1].
    """
    named = {name: torch.from_numpy(parameters[:, i]).to(pixels.device) for i, name in enumerate(PARAMETERS)}
    if np.any(parameters[:, :6]):
        pixels = _moved(pixels, named)
    if np.any(parameters[:, 6:]):
        column = {name: values.view(-1, 1, 1, 1) for name, values in named.items()}
        breast = (pixels > 0).to(pixels.dtype)  # the background stays black
        pixels = ((pixels * (1 + column["contrast"]) + column["brightness"]) * breast).clamp(0, 1)
        pixels = pixels ** (1 + column["gamma"])
    if augment.noise:
        drawn = torch.randn(pixels.shape, generator=generator, dtype=pixels.dtype, device=pixels.device)
        pixels = (pixels + augment.noise * drawn).clamp(0, 1)
    return pixels


def _moved(pixels: Tensor, named: dict[str, Tensor]) -> Tensor:
    angle = named["angle"] * (torch.pi / 180)
    rows, cols = pixels.shape[-2:]
    cosine, sine = torch.cos(angle) / (1 + named["zoom"]), torch.sin(angle) / (1 + named["zoom"])
    flip_h, flip_v = 1 - 2 * named["flip_h"], 1 - 2 * named["flip_v"]
    matrix = torch.stack(
        [
            torch.stack([cosine * flip_h, -sine * rows / cols * flip_h, 2 * named["shift_x"]], dim=1),
            torch.stack([sine * cols / rows * flip_v, cosine * flip_v, 2 * named["shift_y"]], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, grid.to(pixels.dtype), align_corners=False)
