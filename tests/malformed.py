"""Malformed DICOM files from a seed: families of faults, each with as many inputs as one wants."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import malformed_codecs
import malformed_header
import malformed_structure

FAMILIES: dict[str, Callable[[np.random.Generator, int], bytes]] = {
    **malformed_structure.FAMILIES,
    **malformed_header.FAMILIES,
    **malformed_codecs.FAMILIES,
}
EACH = 56  # inputs of one family in the full run


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One malformed file.

    Attributes:
        family: What kind of fault.
        number: Which of the family; with the seed it makes the same bytes again.
        data: The file.
    """

    family: str
    number: int
    data: bytes

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.family.replace(' ', '_')}-{self.number:03d}.dcm"


def malformed(seed: int, *, each: int = EACH, families: tuple[str, ...] = tuple(FAMILIES)) -> Iterator[Case]:
    """Draw `each` inputs of each family, one at a time; some have tens of megabytes."""
    for family in families:
        for number in range(each):
            yield one(family, number, seed=seed)


def one(family: str, number: int, *, seed: int) -> Case:
    """Draw one input, alone."""
    rng = np.random.default_rng([seed, list(FAMILIES).index(family), number])
    return Case(family=family, number=number, data=FAMILIES[family](rng, number))
