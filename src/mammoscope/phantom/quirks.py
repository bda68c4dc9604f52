"""Faults of real data sets, planted on request in a phantom; a table says where each of them is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mammoscope.errors import RecipeError
from mammoscope.vocabulary import Laterality

Cells = dict[str, str]
"""One row of a table, by column."""

QUIRKS_HEADER = ("quirk", "patient", "image", "file", "detail")
SIDES = {Laterality.LEFT.value: "LEFT", Laterality.RIGHT.value: "RIGHT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One row of `phantom_quirks.csv`.

    Attributes:
        quirk: Its name.
        patient: Patient id, as the source reads it.
        image: Image id, as the source reads it.
        file: That was changed, taken away or added, relative to the folder; empty if it is a table.
        detail: What was done.
    """

    quirk: str
    patient: str
    image: str
    file: str
    detail: str


@dataclass(slots=True, kw_only=True)
class Site:
    """A phantom whose pictures are written and whose tables are not yet.

    Attributes:
        folder: Of the phantom.
        tables: Rows of each table, which a quirk may change.
        truth: Rows of the truth.
        random: Where the places come from.
        taken: Patients that have a quirk; each has one at most, so that no two meet.
    """

    folder: Path
    tables: dict[str, list[Cells]]
    truth: list[Cells]
    random: np.random.Generator
    taken: set[str] = field(default_factory=set)

    def pick(self, quirk: str, fits: Callable[[Cells], bool] = lambda _: True) -> Cells:
        """A row of the truth of a patient without a quirk, who is taken by this.

        Raises:
            RecipeError: There is none left.
        """
        free = [row for row in self.truth if row["patient_id"] not in self.taken and fits(row)]
        if not free:
            raise RecipeError(f"quirk {quirk!r}: no picture is left for it. Draw more patients, or plant fewer quirks")
        row = free[int(self.random.integers(len(free)))]
        self.taken.add(row["patient_id"])
        return row


Plant = Callable[[str, Site], Planted]


def plant(
    names: Sequence[str],
    folder: Path,
    *,
    plants: dict[str, Plant],
    tables: dict[str, list[Cells]],
    truth: list[Cells],
    seed: int,
) -> list[Planted]:
    """Plant quirks, each in another patient.

    Args:
        names: Of the quirks; one that is named twice is planted twice.
        folder: Of the phantom.
        plants: How each is planted; those that any picture can have come first.
        tables: Rows of each table. Changed in place.
        truth: Rows of the truth. Changed in place.
        seed: Of the phantom.

    Raises:
        RecipeError: There are too few patients.
        StorageError: The file system refused.
    """
    site = Site(folder=folder, tables=tables, truth=truth, random=np.random.default_rng([seed, 0, 1]))
    fussy_first = sorted(names, key=list(plants).index, reverse=True)  # what any picture can have comes last
    return [plants[name](name, site) for name in fussy_first]


def image_of(row: Cells) -> str:
    """The id that the source gives the picture of a row of the truth."""
    return row.get("image_id") or f"{row['patient_id']}_{SIDES[row['laterality']]}_{row['view']}"


def planted(quirk: str, row: Cells, *, detail: str, file: str | None = None) -> Planted:
    """What was planted in the picture of a row of the truth."""
    return Planted(
        quirk=quirk,
        patient=row["patient_id"],
        image=image_of(row),
        file=row["image"] if file is None else file,
        detail=detail,
    )
