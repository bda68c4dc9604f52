"""What a network is given: pictures, and where it reads more than one, which are there."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from mammoscope.images.grey import Grey, full_scale


class Inputs(NamedTuple):
    """One batch as a network reads it.

    Attributes:
        pixels: Display values in [0, 1], `batch 1 rows cols`; of bags `batch views 1 rows cols`.
        present: Which pictures of a bag are there, `batch views`; None where a sample is one picture.
        codes: What each picture of a bag shows, `batch views`, as `view_code` has it.
        clinical: Encoded clinical columns, `batch columns`.
    """

    pixels: Tensor
    present: Tensor | None = None
    codes: Tensor | None = None
    clinical: Tensor | None = None

    def placed(self, device: torch.device) -> "Inputs":
        """The same on a device, channels last where there are channels."""
        one = self.pixels.ndim == 4
        pixels = self.pixels.to(device, memory_format=torch.channels_last) if one else self.pixels.to(device)
        rest = (None if part is None else part.to(device) for part in self[1:])
        return Inputs(pixels, *rest)


def to_input(grey: Sequence[Grey]) -> Float32[Tensor, "batch 1 rows cols"]:
    """Stack 8 or 16-bit pictures of one size into the network's input: display values in [0, 1].

    Example:
        >>> to_input([np.full((2, 3), 65535, dtype=np.uint16)]).shape
        torch.Size([1, 1, 2, 3])
    """
    return torch.from_numpy(np.stack(grey).astype(np.float32)).div_(full_scale(grey[0])).unsqueeze(1)
