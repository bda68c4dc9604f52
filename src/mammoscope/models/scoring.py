"""Pictures to scores: the one way, for training, evaluation, prediction and serving."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mammoscope.images.grey import Grey, full_scale
from mammoscope.models.network import Classifier

Precision = Literal["float32", "bfloat16"]


def to_input(grey: Sequence[Grey]) -> Float32[Tensor, "batch 1 rows cols"]:
    """Stack 8 or 16-bit pictures of one size into the network's input: display values in [0, 1].

    Example:
        >>> to_input([np.full((2, 3), 65535, dtype=np.uint16)]).shape
        torch.Size([1, 1, 2, 3])
    """
    return torch.from_numpy(np.stack(grey).astype(np.float32)).div_(full_scale(grey[0])).unsqueeze(1)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The numbers a network computes with."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def score(
    network: Classifier, batches: Iterable[Float[Tensor, "_ 1 rows cols"]], *, precision: Precision = "float32"
) -> Float[np.ndarray, " pictures"]:
    """Probability of the positive class, one a picture.

    Args:
        network: Put into evaluation mode for the time, and back.
        batches: Inputs as `to_input` makes them.
        precision: Of the arithmetic; the sigmoid is taken in double precision.

    Returns:
        Scores in [0, 1], in the order of the pictures.
    """
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    try:
        with torch.inference_mode(), autocast(device, precision):
            logits = [network(_placed(batch, device)).double().cpu() for batch in batches]
    finally:
        network.train(training)
    return torch.sigmoid(torch.cat(logits)).numpy() if logits else np.empty(0)


def _placed(batch: Tensor, device: torch.device) -> Tensor:
    return batch.to(device, memory_format=torch.channels_last)
