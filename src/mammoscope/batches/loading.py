"""Batches from the cache: the order of an epoch, and reading a step ahead."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int
from torch import Tensor

from mammoscope.images.grey import full_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One step's pictures and labels."""

    pixels: Float32[Tensor, "batch 1 rows cols"]  # display values in [0, 1]
    labels: Float32[Tensor, " batch"]  # 0 or 1
    samples: Int[np.ndarray, " batch"]  # row numbers in the table they come from


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Prepared pictures with labels: a column of cache files and a column of labels, same order."""

    files: list[Path]
    labels: Bool[np.ndarray, " samples"]

    def __len__(self) -> int:
        return len(self.files)


def epoch_order(
    labels: Bool[np.ndarray, " samples"], *, seed: int, epoch: int, sampling: Literal["natural", "balanced"]
) -> Int[np.ndarray, " samples"]:
    """The order in which an epoch visits its samples, a pure function of seed and epoch.

    Args:
        labels: Of the training samples.
        seed: Of the run.
        epoch: Of the run, over all stages.
        sampling: `natural` visits each sample once. `balanced` draws as many samples, half of them
            from each class: the rarer class is repeated, the commoner one thinned.

    Returns:
        Row numbers.

    Example:
        >>> order = epoch_order(np.array([True, False, False, False]), seed=0, epoch=0, sampling="balanced")
        >>> len(order), int((order == 0).sum())
        (4, 2)
    """
    draw = np.random.default_rng((seed, epoch))
    if sampling == "natural" or labels.all() or not labels.any():
        return draw.permutation(len(labels))
    half = len(labels) // 2
    picked = [
        _repeated(np.flatnonzero(labels), half, draw),
        _repeated(np.flatnonzero(~labels), len(labels) - half, draw),
    ]
    return draw.permutation(np.concatenate(picked))


def _repeated(rows: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    whole = [draw.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate(whole)[:count]


def batches(
    samples: Samples, order: Int[np.ndarray, " visited"], *, batch_size: int, drop_last: bool = False
) -> Iterator[Batch]:
    """Read batches in an order, one step ahead of the caller.

    Args:
        samples: Where the pictures are.
        order: Row numbers to visit.
        batch_size: Pictures in a step.
        drop_last: Leave out a last batch of a single picture, which batch normalisation cannot use.
    """
    steps = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if drop_last and len(steps) > 1 and len(steps[-1]) == 1:
        steps = steps[:-1]
    with ThreadPoolExecutor(1) as reader:
        ahead: deque[Future[Batch]] = deque()
        for rows in steps:
            ahead.append(reader.submit(_read, samples, rows))
            if len(ahead) > 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _read(samples: Samples, rows: np.ndarray) -> Batch:
    stacked = np.stack([np.load(samples.files[row], allow_pickle=False) for row in rows])
    pixels = torch.from_numpy(stacked.astype(np.float32)).div_(full_scale(stacked)).unsqueeze(1)
    labels = torch.from_numpy(samples.labels[rows].astype(np.float32))
    return Batch(pixels=pixels, labels=labels, samples=rows)
