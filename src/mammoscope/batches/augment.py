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

from mammoscope.batches.film import with_artefacts
from mammoscope.batches.moving import MAX_ELASTIC, moved
from mammoscope.batches.shading import blurred, cut_out, noisy, shaded


class Augment(BaseModel):
    """How far a training picture may be changed; every 0 switches its change off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip_vertical: float = Field(default=0.0, ge=0, le=1, description="probability of a flip head to foot")
    flip_horizontal: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability of a flip left to right; leave it at 0 where preprocessing puts every chest wall on "
        "one side",
    )
    rotate_deg: float = Field(default=0.0, ge=0, le=180, description="rotation, up to this many degrees either way")
    shift: float = Field(default=0.0, ge=0, le=0.5, description="shift, up to this share of the side")
    zoom: float = Field(default=0.0, ge=0, lt=1, description="zoom, up to this share larger or smaller")
    elastic: float = Field(
        default=0.0,
        ge=0,
        le=MAX_ELASTIC,
        description="elastic deformation: the points of a 9 x 9 grid move by up to this share of the side; the limit "
        "keeps the picture from folding",
    )
    brightness: float = Field(default=0.0, ge=0, le=1, description="added grey, up to this share of full scale")
    contrast: float = Field(default=0.0, ge=0, lt=1, description="factor on grey, up to this share")
    gamma: float = Field(default=0.0, ge=0, lt=1, description="exponent on grey, up to this share from 1")
    blur: float = Field(default=0.0, ge=0, le=8, description="Gaussian blur, standard deviation up to this many pixels")
    noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="standard deviation of noise added to the breast, share of full scale; the background stays black",
    )
    artefacts: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability of each of: a scratch, dust, a lead marker of random text, a bright edge of the film",
    )
    cutout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="sides of a blanked rectangle, up to this share of the picture's; it may hide a finding",
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=8,
        description="alpha of mixup: pictures of a batch are blended in pairs, clinical columns and labels by the same "
        "shares",
    )


PARAMETERS = (
    *("flip_v", "flip_h", "angle", "shift_x", "shift_y", "zoom", "brightness", "contrast", "gamma"),
    *("elastic", "blur", "cut_x", "cut_y", "cut_wide", "cut_high", "scratch", "dust", "marker", "edge"),
    "key",  # its bits decide what has too many numbers to stand here: noise, the elastic field, artefacts
)
_AT = {name: place for place, name in enumerate(PARAMETERS)}
_MOVES = [_AT[name] for name in ("flip_v", "flip_h", "angle", "shift_x", "shift_y", "zoom", "elastic")]
_GREYS = [_AT[name] for name in ("brightness", "contrast", "gamma")]
_FILMS = [_AT[name] for name in ("scratch", "dust", "marker", "edge")]


def draw(
    augment: Augment,
    *,
    seed: int,
    epoch: int,
    samples: Sequence[int] | Int[np.ndarray, " pictures"],
) -> Float32[np.ndarray, "pictures parameters"]:
    """Draw the parameters of each picture, in the order of `PARAMETERS`.

    Args:
        augment: Limits.
        seed: Of the run.
        epoch: Of the run, over all stages.
        samples: Number of each picture in the training table; the pictures of a bag are changed apart.

    Returns:
        One row a picture.

    Example:
        >>> draw(Augment(rotate_deg=10), seed=0, epoch=0, samples=[3]).shape
        (1, 20)
    """
    rows = np.stack([np.random.default_rng((seed, epoch, int(n))).uniform(-1, 1, len(PARAMETERS)) for n in samples])
    out = rows * np.array([_limits(augment)[name] for name in PARAMETERS])
    for name in ("elastic", "blur", "cut_wide", "cut_high"):
        out[:, _AT[name]] = np.abs(out[:, _AT[name]])
    for name, share in _shares(augment).items():
        out[:, _AT[name]] = np.abs(rows[:, _AT[name]]) < share
    drawn: Float32[np.ndarray, "pictures parameters"] = out.astype(np.float32)
    return drawn


def apply(
    pixels: Float[Tensor, "*batch 1 rows cols"],
    parameters: Float32[np.ndarray, "pictures parameters"],
    *,
    augment: Augment,
) -> Float[Tensor, "*batch 1 rows cols"]:
    """Change a batch as drawn. What is shifted in from outside is background, 0; background stays 0 but for artefacts.

    Args:
        pixels: Display values in [0, 1], or bags of them. Not modified.
        parameters: What `draw` gave.
        augment: Limits; `noise` is used here.

    Returns:
        Display values in [0, 1].
    """
    out = pixels.flatten(0, -4)
    values = torch.from_numpy(np.ascontiguousarray(parameters.T)).to(out.device)
    drawn = dict(zip(PARAMETERS, values, strict=True))
    keys = drawn["key"].view(torch.int32)
    moves = np.any(parameters[:, _MOVES], axis=1)
    if moves.any():
        there = moved(out, drawn, keys=keys, elastic=augment.elastic > 0)
        still = torch.from_numpy(~moves).to(out.device).view(-1, 1, 1, 1)
        out = there if moves.all() else torch.where(still, out, there)  # resampling in place would round
    if augment.blur:
        out = blurred(out, drawn, largest=augment.blur)
    if np.any(parameters[:, _GREYS]):
        out = shaded(out, drawn)
    if augment.noise:
        out = noisy(out, deviation=augment.noise, keys=keys)
    if np.any(parameters[:, _FILMS]):
        out = with_artefacts(out, drawn, keys=keys)
    if augment.cutout:
        out = cut_out(out, drawn)
    return out.view_as(pixels)


def _limits(augment: Augment) -> dict[str, float]:
    """By how much each parameter may differ from 0; flips and artefacts are yes or no."""
    wanted = {
        "angle": augment.rotate_deg,
        "shift_x": augment.shift,
        "shift_y": augment.shift,
        "zoom": augment.zoom,
        "brightness": augment.brightness,
        "contrast": augment.contrast,
        "gamma": augment.gamma,
        "elastic": augment.elastic,
        "blur": augment.blur,
        "cut_wide": augment.cutout,
        "cut_high": augment.cutout,
    }
    return dict.fromkeys(PARAMETERS, 1.0) | wanted


def _shares(augment: Augment) -> dict[str, float]:
    """Probability of each parameter that is yes or no."""
    flips = {"flip_v": augment.flip_vertical, "flip_h": augment.flip_horizontal}
    return flips | dict.fromkeys(("scratch", "dust", "marker", "edge"), augment.artefacts)
