"""What makes one data set's layout different from another's, as a value."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from mammoscope.phantom.quirks import Cells, Plant
from mammoscope.phantom.settings import Settings
from mammoscope.vocabulary import Part


@runtime_checkable
class Person(Protocol):
    """A patient of a phantom."""

    @property
    def malignant(self) -> bool:
        """Whether any of her lesions is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one picture adds to the tables.

    Attributes:
        rows: Name of a table of the layout, and the row for it.
        truth: The row of `phantom_truth.csv`.
    """

    rows: tuple[tuple[str, Cells], ...]
    truth: Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one data set lies on disk.

    Attributes:
        name: As its source is called.
        draw: Draws the patient of a number, counted from 1.
        write: Writes all pictures of a patient and returns what they add to the tables.
        tables: How the text of each table is made of its rows, by path; a table without rows is not written.
        truth: Columns of `phantom_truth.csv`.
        ours: What the entries of its folder are called, but for the files that every phantom has.
        best: The best AUC that a score of its labels can have.
        parts: Whether it has an official test set.
        most_patients: That its names can tell apart.
        film: Its pictures are scanned films, which may be worn.
        quirks: The quirks that can be planted in it, by name.
    """

    name: str
    draw: Callable[[int, Settings], Person]
    write: Callable[[Any, Part, Path, Settings], list[Entry]]
    tables: dict[str, Callable[[Sequence[Cells]], str]]
    truth: tuple[str, ...]
    ours: re.Pattern[str]
    best: Callable[[float], float]
    parts: bool
    most_patients: int
    film: bool
    quirks: dict[str, Plant]
