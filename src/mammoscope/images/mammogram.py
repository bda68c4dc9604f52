"""The value that leaves this folder: a mammogram, with the trail of what was done to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from mammoscope.images.geometry import Geometry
from mammoscope.trail import Step
from mammoscope.vocabulary import Laterality, Trait, View

SEVERAL = "several-patients"
"""Word for a folder whose files name more than one patient, where an answer is for one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mammogram:
    """A mammogram ready for a model: breast bright on black, in [0, 1].

    Attributes:
        pixels: Display values in [0, 1]; 0 is background and padding.
        spacing_mm: Height and width of one *final* pixel in mm; None if the file does not say.
        laterality: As the caller or the header says; never guessed from the pixels.
        view: As the caller or the header says.
        geometry: Maps original to final pixels and back.
        trail: Every decision taken on the way, in order.
        original_shape: Rows and columns in the file.
        person: Tells the files of two people apart, by their Patient IDs; None where the file names nobody.
        traits: What sets it apart from a plain mammogram of one whole breast, by its header.
    """

    pixels: Float32[np.ndarray, "rows cols"]
    spacing_mm: tuple[float, float] | None
    laterality: Laterality | None
    view: View | None
    geometry: Geometry
    trail: tuple[Step, ...]
    original_shape: tuple[int, int]
    person: str | None = field(default=None, repr=False)
    traits: tuple[Trait, ...] = ()


def several_people(pictures: Iterable[Mammogram]) -> str | None:
    """Why pictures may be no single exam, by their Patient IDs; None where nothing speaks against it.

    A warning and no refusal: CBIS-DDSM has a Patient ID of its own for each picture.
    """
    people = {picture.person for picture in pictures} - {None}
    if len(people) < 2:
        return None
    return f"its files name {len(people)} patients (Patient ID (0010,0020)), and this is one answer for all of them"
