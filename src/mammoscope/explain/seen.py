"""What a network made of pictures, kept, so that it can answer again when something else is changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from mammoscope.models import Classifier, Inputs, Precision, Turn, autocast, probabilities, spans, turned


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What a network made of the pictures of some samples, so that it can answer again without them.

    Attributes:
        vectors: One vector a sample; one entry for the pictures as they are, and one for each turn.
        read: What the estimator reads, where that follows from the pictures alone; as many entries.
        clinical: Encoded clinical columns.
        precision: Of the arithmetic.
    """

    vectors: tuple[Float32[Tensor, "samples width"], ...]
    read: tuple[Float32[Tensor, "samples values"], ...] | None = None
    clinical: Float32[Tensor, "samples columns"] | None = None
    precision: Precision = "float32"

    def __len__(self) -> int:
        return len(self.vectors[0])


def seen_by(
    network: Classifier, batches: Iterable[Inputs], *, precision: Precision = "float32", turns: Sequence[Turn] = ()
) -> Seen:
    """Let a network look at every picture once.

    Args:
        network: In evaluation mode.
        batches: What it reads.
        precision: Of the arithmetic.
        turns: Of test-time augmentation; the answer is the mean over the pictures as they are and so turned.
    """
    device = next(network.parameters()).device
    of_picture = _of_picture(network)
    looks: tuple[Turn | None, ...] = (None, *turns)
    vectors: list[list[Tensor]] = [[] for _ in looks]
    read: list[list[Tensor]] = [[] for _ in looks]
    clinical: list[Tensor] = []
    with torch.inference_mode(), autocast(device, precision):
        for batch in batches:
            clinical += [] if batch.clinical is None else [batch.clinical]
            for at, turn in enumerate(looks):
                pixels = batch.pixels if turn is None else turned(batch.pixels, turn)
                inputs = batch._replace(pixels=pixels).placed(device)
                vectors[at].append(network.vectors(*inputs[:3]).float().cpu())
                if of_picture:
                    read[at].append(network.embedding(inputs, layer=network.layer).float().cpu())
    return Seen(
        vectors=tuple(torch.cat(one) for one in vectors),
        read=tuple(torch.cat(one) for one in read) if of_picture else None,
        clinical=torch.cat(clinical) if clinical else None,
        precision=precision,
    )


def _of_picture(network: Classifier) -> bool:
    """Whether the estimator reads a layer that no clinical column comes into."""
    return network.estimator is not None and network.layer.startswith(("network.", "together."))


def answers_to(network: Classifier, seen: Seen) -> list[Float64[np.ndarray, "samples classes"]]:
    """Probability of each class, for every task.

    Args:
        network: In evaluation mode.
        seen: What it made of the pictures; vectors and clinical columns may be those of other patients.
    """
    device = next(network.parameters()).device
    clinical = None if seen.clinical is None else seen.clinical.to(device)
    total: list[Tensor] = []
    with torch.inference_mode(), autocast(device, seen.precision):
        for at, vectors in enumerate(seen.vectors):
            logits = _logits(network, vectors.to(device), clinical, None if seen.read is None else seen.read[at])
            found = [
                probabilities(logits[:, span].double(), task)
                for task, span in zip(network.tasks, spans(network.tasks), strict=True)
            ]
            total = found if not total else [one + other for one, other in zip(total, found, strict=True)]
    return [(one / len(seen.vectors)).cpu().numpy() for one in total]


def vectors_read(network: Classifier, seen: Seen) -> Float32[np.ndarray, "samples values"]:
    """What the estimator reads of the pictures as they are, and of the columns."""
    device = next(network.parameters()).device
    clinical = None if seen.clinical is None else seen.clinical.to(device)
    with torch.inference_mode(), autocast(device, seen.precision):
        read = None if seen.read is None else seen.read[0]
        found: np.ndarray = _embedded(network, seen.vectors[0].to(device), clinical, read).float().cpu().numpy()
    return found


def _logits(network: Classifier, vectors: Tensor, clinical: Tensor | None, read: Tensor | None) -> Tensor:
    if network.estimator is None:
        return network.answer(vectors, clinical)
    logits: Tensor = network.estimator(_embedded(network, vectors, clinical, read))
    return logits


def _embedded(network: Classifier, vectors: Tensor, clinical: Tensor | None, read: Tensor | None) -> Tensor:
    if read is not None:
        return read.to(vectors.device)
    if network.layer == "pooled":
        return torch.cat([vectors, *([] if clinical is None else [clinical])], dim=1)
    if network.layer == "hidden":
        return network.head.hidden(network.joined(vectors, clinical))
    found: list[Tensor] = []
    layer = dict(network.named_modules())[network.layer]
    handle = layer.register_forward_hook(lambda _module, _into, out: found.append(out))
    try:
        network.answer(vectors, clinical)
    finally:
        handle.remove()
    return found[0]
