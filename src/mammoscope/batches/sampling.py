"""The order of an epoch: which samples it visits, and how often."""

from typing import Literal, assert_never

import numpy as np
from jaxtyping import Bool, Int

Sampling = Literal["natural", "balanced", "patient", "balanced-patient"]
"""Who is visited how often: each sample once; each class, each patient, or each patient of each class equally often."""


def epoch_order(
    labels: Bool[np.ndarray, " samples"] | Int[np.ndarray, " samples"],
    *,
    seed: int,
    epoch: int,
    sampling: Sampling,
    patients: Int[np.ndarray, " samples"] | None = None,
) -> Int[np.ndarray, " samples"]:
    """The order in which an epoch visits its samples, a pure function of seed and epoch.

    Args:
        labels: Class of each training sample; -1 where it is not known.
        seed: Of the run.
        epoch: Of the run, over all stages.
        sampling: `natural` visits each sample once. The others draw as many samples: `balanced` as many of each class,
            the rarer ones repeated, the commoner ones thinned; `patient` as many of each patient, whoever has more
            pictures; `balanced-patient` as many of each class and, within it, of each patient. Samples whose class is
            not known are visited once each by the balanced ones.
        patients: Number of each sample's patient; for the two that look at patients.

    Returns:
        Row numbers.

    Raises:
        ValueError: Patients are needed and not given.

    Example:
        >>> order = epoch_order(np.array([True, False, False, False]), seed=0, epoch=0, sampling="balanced")
        >>> len(order), int((order == 0).sum())
        (4, 2)
    """
    draw = np.random.default_rng((seed, epoch))
    match sampling:
        case "natural":
            return draw.permutation(len(labels))
        case "patient":
            everybody = np.arange(len(labels))
            return draw.permutation(_by_patient(everybody, len(labels), _given(patients, sampling), draw))
        case "balanced" | "balanced-patient":
            people = None if sampling == "balanced" else _given(patients, sampling)
            return _balanced(labels.astype(np.int64), people, draw)
        case _:
            assert_never(sampling)


def _given(patients: np.ndarray | None, sampling: str) -> np.ndarray:
    if patients is None:
        raise ValueError(f"sampling {sampling!r} needs to know whose each sample is. Give patients")
    return patients


def _balanced(labels: np.ndarray, patients: np.ndarray | None, draw: np.random.Generator) -> np.ndarray:
    unknown = np.flatnonzero(labels < 0)
    classes = np.unique(labels[labels >= 0])[::-1]
    if len(classes) < 2 and patients is None:
        return draw.permutation(len(labels))
    picked = [unknown]
    for one, count in zip(classes, _shares(len(labels) - len(unknown), len(classes)), strict=True):
        rows = np.flatnonzero(labels == one)
        picked.append(_repeated(rows, count, draw) if patients is None else _by_patient(rows, count, patients, draw))
    return draw.permutation(np.concatenate(picked))


def _shares(count: int, classes: int) -> list[int]:
    """As equal as can be; the last ones get what is left over."""
    return [(count + place) // classes for place in range(classes)]


def _repeated(rows: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    whole = [draw.permutation(rows) for _ in range(-(-count // len(rows)))]
    return np.concatenate([rows[:0], *whole])[:count]


def _by_patient(rows: np.ndarray, count: int, patients: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """As many rows of each patient, none again before the patient's others; chance says who gets one more."""
    mixed = draw.permutation(rows)
    mixed = mixed[np.argsort(patients[mixed], kind="stable")]  # patient after patient, in random order within
    _, starts, sizes = np.unique(patients[mixed], return_index=True, return_counts=True)
    each, more = divmod(count, len(sizes))
    quota = np.full(len(sizes), each) + (draw.permutation(len(sizes)) < more)
    turn = np.arange(count) - np.repeat(np.cumsum(quota) - quota, quota)
    taken: np.ndarray = mixed[np.repeat(starts, quota) + turn % np.repeat(sizes, quota)]
    return taken
