"""What a file reader hands on: stored values, not yet shown, cropped or scaled."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int16, UInt8, UInt16

from mammoscope.images.display import IDENTITY, Lut, Rescale, Window
from mammoscope.images.mammogram import Step
from mammoscope.vocabulary import Laterality, View

MAX_PIXELS = 100_000_000  # the largest film scans have about 40 million
MAX_FILE_BYTES = 1 << 30
MIN_SIDE = 16

Stored = UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"] | Int16[np.ndarray, "rows cols"]

Resized = (
    UInt8[np.ndarray, "new_rows new_cols"]
    | UInt16[np.ndarray, "new_rows new_cols"]
    | Int16[np.ndarray, "new_rows new_cols"]
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One decoded picture and what its file says about showing it.

    Attributes:
        stored: Stored values, at full resolution or a power of two below it.
        original_shape: Rows and columns in the file.
        modality: Stored value to modality value.
        voi: Modality value to display value; None if the file does not say.
        invert: Low values are to be shown bright; None if the file does not say.
        padding: First and last stored value that mean "no picture here".
        spacing_mm: Height and width of a pixel in mm.
        laterality: As the file says.
        view: As the file says.
        trail: What was decided so far.
    """

    stored: Stored
    original_shape: tuple[int, int]
    modality: Rescale | Lut = IDENTITY
    voi: Window | Lut | None = None
    invert: bool | None = None
    padding: tuple[int, int] | None = None
    spacing_mm: tuple[float, float] | None = None
    laterality: Laterality | None = None
    view: View | None = None
    trail: tuple[Step, ...] = ()
