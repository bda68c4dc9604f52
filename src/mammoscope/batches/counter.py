"""Random numbers by counting: the n-th number of a key depends on both and nothing else, on any device.

A generator with a state would have to be run picture by picture; these are reckoned for a whole batch at once, and a
picture gets the same ones whatever batch it is in.
"""

import torch
from jaxtyping import Float32, Int32
from torch import Tensor

Keys = Int32[Tensor, " batch"]

_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - 2**32  # factors of the hash; int32 arithmetic wraps


def uniforms(keys: Keys, *, stream: int, count: int) -> Float32[Tensor, "batch count"]:
    """Numbers evenly spread in (0, 1).

    Args:
        keys: One a picture.
        stream: What they are for; other streams of a key are other numbers.
        count: How many each key gets.

    Source:
        Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011, for the idea; the hash is `lowbias32` of
        Wellons, Prospecting for hash functions, 2018.

    Example:
        >>> uniforms(torch.tensor([7, 8, 7], dtype=torch.int32), stream=0, count=2).shape
        torch.Size([3, 2])
    """
    return ((_hashed(keys, stream=stream, count=count) >> 8) & 0xFFFFFF).float().add_(0.5).mul_(2.0**-24)


def normals(keys: Keys, *, stream: int, count: int) -> Float32[Tensor, "batch count"]:
    """Numbers from the standard normal distribution.

    Args:
        keys: One a picture.
        stream: What they are for; other streams of a key are other numbers.
        count: How many each key gets.

    Source:
        Box and Muller, A note on the generation of random normal deviates, 1958; from 16 bits each, so none is beyond
        4.9.
    """
    bits = _hashed(keys, stream=stream, count=(count + 1) // 2)
    radius = ((bits >> 16) & 0xFFFF).float().add_(0.5).mul_(2.0**-16).log_().mul_(-2).sqrt_()
    angle = (bits & 0xFFFF).float().mul_(2 * torch.pi * 2.0**-16)
    return torch.cat([radius * angle.cos(), radius.mul_(angle.sin_())], dim=1)[:, :count]


def _hashed(keys: Keys, *, stream: int, count: int) -> Int32[Tensor, "batch count"]:
    numbers = torch.arange(count, dtype=torch.int32, device=keys.device)
    return _mixed(numbers[None] ^ _mixed(_mixed(keys) + stream)[:, None])


def _mixed(bits: Tensor) -> Tensor:
    """Every bit of the result hangs on every bit given. Shifts bring in the sign: the masks take it out."""
    bits = bits ^ ((bits >> 16) & 0xFFFF)
    bits.mul_(_FIRST)
    bits.bitwise_xor_((bits >> 15).bitwise_and_(0x1FFFF))
    bits.mul_(_SECOND)
    return bits.bitwise_xor_((bits >> 16).bitwise_and_(0xFFFF))
