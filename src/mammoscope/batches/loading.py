"""Batches from the cache, read a step ahead."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int
from torch import Tensor

from mammoscope.images.cached import load_prepared
from mammoscope.images.grey import full_scale

Pictures = Callable[[np.ndarray], Tensor]
"""From numbers of pictures to what stands for them: pixels, or what a frozen encoder says of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One step's samples.

    Attributes:
        pixels: Display values in [0, 1], `batch 1 rows cols`; of bags `batch views 1 rows cols`.
        labels: Number of each sample's class, one column a task; -1 where it is unknown.
        samples: Row numbers in the table they come from.
        pictures: Numbers of the pictures; of bags, in the order of `pixels[present]`.
        present: Of bags, which pictures are there, `batch views`.
        codes: Of bags, what each picture shows, as `view_number` has it.
        clinical: Encoded clinical columns, `batch columns`.
    """

    pixels: Tensor
    labels: Int[Tensor, "batch tasks"]
    samples: Int[np.ndarray, " batch"]
    pictures: Int[np.ndarray, " pictures"]
    present: Bool[Tensor, "batch views"] | None = None
    codes: Int[Tensor, "batch views"] | None = None
    clinical: Float32[Tensor, "batch columns"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Prepared pictures, and which of them make up each sample.

    Attributes:
        files: Of the pictures, in the cache.
        labels: Number of each sample's class, one column a task; -1 where it is unknown.
        bags: Numbers of the pictures of each sample; None where each picture is one.
        codes: What each picture shows, as `view_number` has it; needed with bags.
        clinical: Encoded clinical columns of each sample.
        patients: Number of each sample's patient.
    """

    files: list[Path]
    labels: Int[np.ndarray, "samples tasks"]
    bags: list[np.ndarray] | None = None
    codes: Int[np.ndarray, " pictures"] | None = None
    clinical: Float32[np.ndarray, "samples columns"] | None = None
    patients: Int[np.ndarray, " samples"] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def main(self) -> Int[np.ndarray, " samples"]:
        """Classes of the main task."""
        return self.labels[:, 0]


def steps_of(
    order: Int[np.ndarray, " visited"], *, batch_size: int, drop_last: bool = False
) -> list[Int[np.ndarray, " _"]]:
    """Cut an order into steps.

    Args:
        order: Row numbers to visit.
        batch_size: Samples in a step.
        drop_last: Leave out a last step of a single sample, which batch normalisation cannot use.

    Example:
        >>> [len(step) for step in steps_of(np.arange(5), batch_size=2, drop_last=True)]
        [2, 2]
    """
    steps = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return steps[:-1] if drop_last and len(steps) > 1 and len(steps[-1]) == 1 else steps


def batches(
    samples: Samples, steps: Sequence[Int[np.ndarray, " _"]], *, pictures: Pictures | None = None
) -> Iterator[Batch]:
    """Read batches, one step ahead of the caller.

    Args:
        samples: Where the pictures are.
        steps: Row numbers of each batch.
        pictures: Gives what stands for pictures by their numbers; read from the cache when not given.
    """
    with ThreadPoolExecutor(1) as reader:
        ahead: deque[Future[Batch]] = deque()
        for rows in steps:
            ahead.append(reader.submit(read_batch, samples, rows, pictures=pictures))
            if len(ahead) > 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def read_batch(samples: Samples, rows: Int[np.ndarray, " batch"], *, pictures: Pictures | None = None) -> Batch:
    """Read samples by their row numbers; see `batches`."""
    read = pictures or partial(read_pictures, samples)
    labels = torch.from_numpy(samples.labels[rows].astype(np.int64))
    clinical = None if samples.clinical is None else torch.from_numpy(samples.clinical[rows])
    if samples.bags is None:
        return Batch(pixels=read(rows), labels=labels, samples=rows, pictures=rows, clinical=clinical)
    bags = [samples.bags[row] for row in rows]
    numbers = np.concatenate(bags)
    present = torch.zeros(len(bags), max(map(len, bags)), dtype=torch.bool)
    for at, bag in enumerate(bags):
        present[at, : len(bag)] = True
    found = read(numbers)
    pixels = found.new_zeros(*present.shape, *found.shape[1:])
    pixels[present] = found
    codes = torch.zeros(present.shape, dtype=torch.int64)
    if samples.codes is not None:
        codes[present] = torch.from_numpy(samples.codes[numbers].astype(np.int64))
    return Batch(
        pixels=pixels, labels=labels, samples=rows, pictures=numbers, present=present, codes=codes, clinical=clinical
    )


def read_pictures(samples: Samples, numbers: Int[np.ndarray, " pictures"]) -> Float32[Tensor, "pictures 1 rows cols"]:
    """Display values in [0, 1] of prepared pictures, by their numbers."""
    stacked = np.stack([load_prepared(samples.files[number]) for number in numbers])
    return torch.from_numpy(stacked.astype(np.float32)).div_(full_scale(stacked)).unsqueeze(1)
