"""Mixup: pictures blended with others of their batch, and labels by the same shares."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

_STREAM = 0x6D69  # keeps these draws apart from those of orders and augmentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """A blended batch.

    The loss is `share * loss(labels) + (1 - share) * loss(labels[partners])`; a label that is not known stays masked.

    Attributes:
        pixels: Share of each picture plus the rest of its partner's.
        partners: Row of each picture's partner in the batch.
        share: Of the picture itself, in [0, 1].
    """

    pixels: Float[Tensor, "batch 1 rows cols"] | Float[Tensor, "batch views 1 rows cols"]
    partners: Int64[Tensor, " batch"]
    share: float


def mixed(
    pixels: Float[Tensor, "batch 1 rows cols"] | Float[Tensor, "batch views 1 rows cols"],
    *,
    alpha: float,
    seed: int,
    epoch: int,
    step: int,
) -> Mixed:
    """Blend each picture of a batch with another one.

    Args:
        pixels: Display values; bags are blended view by view. Not modified.
        alpha: Of the beta distribution that the share is drawn from, above 0; small ones blend little.
        seed: Of the run.
        epoch: Of the run, over all stages.
        step: Of the epoch.

    Returns:
        The blend, the partners, and the share.

    Raises:
        ValueError: `alpha` is not above 0.

    Source:
        Zhang et al., mixup: beyond empirical risk minimization, ICLR 2018, equation 2; one share a batch and partners
        by a permutation, as in their section 2.

    Example:
        >>> found = mixed(torch.rand(4, 1, 3, 2), alpha=0.2, seed=0, epoch=0, step=0)
        >>> bool(((found.pixels >= 0) & (found.pixels <= 1)).all())
        True
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be above 0, got {alpha}. Leave mixup out to switch it off")
    draw = np.random.default_rng((seed, epoch, step, _STREAM))
    share = float(draw.beta(alpha, alpha))
    partners = torch.from_numpy(draw.permutation(len(pixels))).to(pixels.device)
    return Mixed(pixels=torch.lerp(pixels[partners], pixels, share), partners=partners, share=share)
