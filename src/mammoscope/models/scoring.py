"""Pictures to probabilities: the one way, for training, evaluation, prediction and serving."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mammoscope.models.inputs import Inputs
from mammoscope.models.network import Classifier, FromEncoded
from mammoscope.models.tasks import probabilities, spans

Precision = Literal["float32", "bfloat16"]
Turn = Literal["flip-vertical", "flip-horizontal", "shift-up", "shift-down"]
"""A change under which the answer should not change; test-time augmentation averages over them."""

SHIFT = 0.03  # share of the rows


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The numbers a network computes with."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def score(
    network: Classifier | FromEncoded,
    batches: Iterable[Inputs],
    *,
    precision: Precision = "float32",
    turns: Sequence[Turn] = (),
) -> list[Float[np.ndarray, "_ _"]]:
    """Probability of each class, for every task.

    Args:
        network: Put into evaluation mode for the time, and back.
        batches: What the network reads.
        precision: Of the arithmetic; probabilities are taken in double precision.
        turns: The mean is taken over the pictures as they are and so turned.

    Returns:
        One array a task, in the order of `network.tasks` and of the samples.

    Example:
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> network = build(Design(model=SimpleCnn(channels=(4,)), rows=16, cols=16), seed=0)
        >>> [found.shape for found in score(network, [Inputs(torch.zeros(2, 1, 16, 16))])]
        [(2, 2)]
    """
    return _passed(network, batches, lambda inputs: (network(*inputs), None), precision=precision, turns=turns)[0]


def score_and_embed(
    network: Classifier, batches: Iterable[Inputs], *, precision: Precision = "float32", turns: Sequence[Turn] = ()
) -> tuple[list[Float[np.ndarray, "_ _"]], Float[np.ndarray, "samples width"]]:
    """Probability of each class for every task, and the vector of each sample that they rest on, in the same pass.

    Args:
        network: As for `score`.
        batches: As for `score`.
        precision: As for `score`.
        turns: As for `score`; vectors are of the pictures as they are.

    Returns:
        What `score` gives, and one vector a sample: what the encoder says of its pictures, without clinical columns.
    """
    return _passed(network, batches, network.looked, precision=precision, turns=turns)


def _passed(
    network: Classifier | FromEncoded,
    batches: Iterable[Inputs],
    ask: Callable[[Inputs], tuple[Tensor, Tensor | None]],
    *,
    precision: Precision,
    turns: Sequence[Turn],
) -> tuple[list[np.ndarray], np.ndarray]:
    """Probabilities of all tasks, and vectors where `ask` gives them, too."""
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    found: list[list[Tensor]] = [[torch.empty(0, len(task.classes), dtype=torch.float64)] for task in network.tasks]
    vectors: list[Tensor] = []
    try:
        with torch.inference_mode():
            for batch in batches:
                inputs = batch.placed(device)
                seen = [inputs, *(inputs._replace(pixels=turned(inputs.pixels, turn)) for turn in turns)]
                with autocast(device, precision):
                    asked = [ask(one) for one in seen]
                answers = [_chances(network, logits) for logits, _ in asked]
                for at, several in enumerate(zip(*answers, strict=True)):
                    found[at].append(torch.stack(several).mean(dim=0).cpu())
                vectors += [one.float().cpu() for _, one in asked[:1] if one is not None]
    finally:
        network.train(training)
    return [torch.cat(rows).numpy() for rows in found], torch.cat(vectors or [torch.empty(0, 0)]).numpy()


def _chances(network: Classifier | FromEncoded, logits: Tensor) -> list[Tensor]:
    return [
        probabilities(logits[:, span].double(), task)
        for task, span in zip(network.tasks, spans(network.tasks), strict=True)
    ]


def turned(pixels: Float[Tensor, "*batch 1 rows cols"], turn: Turn) -> Float[Tensor, "*batch 1 rows cols"]:
    """Pictures under one change; what is shifted in from outside is background, 0.

    Example:
        >>> turned(torch.tensor([[[[1.0], [2.0]]]]), "flip-vertical").flatten()
        tensor([2., 1.])
    """
    by = max(1, round(SHIFT * pixels.shape[-2]))
    match turn:
        case "flip-vertical":
            return pixels.flip(-2)
        case "flip-horizontal":
            return pixels.flip(-1)
        case "shift-up":
            return torch.cat([pixels[..., by:, :], torch.zeros_like(pixels[..., :by, :])], dim=-2)
        case "shift-down":
            return torch.cat([torch.zeros_like(pixels[..., :by, :]), pixels[..., :-by, :]], dim=-2)
