"""Digital mammography machines: how each looks, and how it codes a picture."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float, UInt16

from mammoscope.phantom.developing import Look
from mammoscope.phantom.picture import Picture
from mammoscope.vocabulary import Laterality


class Voi(StrEnum):
    """VOI LUT Function (0028,1056)."""

    LINEAR = "LINEAR"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One of a machine's windows, the first is the one to show."""

    centre: float
    width: float
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine, by the traits that its files show.

    Attributes:
        machine_id: In a data set's table.
        site_id: Where it stands.
        model: Manufacturer's Model Name (0008,1090).
        look: Of its processed pictures.
        aspect: Columns of its pictures over rows.
        bits: Bits Stored (0028,0101).
        inverted: MONOCHROME1: low values are bright.
        padding: Pixel Padding Value (0028,0120) beside the breast; None writes no such tag.
        voi: How its windows are meant.
        windows: Window Center and Width, with the vendor's words for them.
    """

    machine_id: str
    site_id: str
    model: str
    look: Look
    aspect: float
    bits: int
    inverted: bool
    padding: int | None
    voi: Voi
    windows: tuple[Window, ...]


STRONG = Machine(
    machine_id="49",
    site_id="1",
    model="PHANTOM STRONG",
    look=Look.STRONG,
    aspect=0.8,
    bits=12,
    inverted=False,
    padding=None,
    voi=Voi.LINEAR,
    windows=(Window(centre=2047, width=4096, explanation="NORMAL"),),
)
FLAT = Machine(
    machine_id="21",
    site_id="2",
    model="PHANTOM FLAT",
    look=Look.FLAT,
    aspect=0.75,
    bits=12,
    inverted=False,
    padding=0,
    voi=Voi.LINEAR,
    windows=(Window(centre=2048, width=4096, explanation="NORMAL"),),
)
INVERSE = Machine(  # windows as in the RSNA files of the machine of this number
    machine_id="29",
    site_id="2",
    model="PHANTOM INVERSE",
    look=Look.FLAT,
    aspect=0.918,
    bits=12,
    inverted=True,
    padding=3076,
    voi=Voi.SIGMOID,
    windows=(
        Window(centre=1802.31, width=1091.97, explanation="USER"),
        Window(centre=1802.31, width=1091.97, explanation="NORMAL"),
        Window(centre=2020.704, width=1091.97, explanation="HARDER"),
        Window(centre=1583.916, width=1091.97, explanation="SOFTER"),
    ),
)


def widened(picture: Picture, *, aspect: float, laterality: Laterality) -> Picture:
    """A picture on a wider detector: dark columns are added on the side away from the chest wall."""
    rows, cols = picture.pixels.shape
    more = max(0, round(aspect * rows) - cols)
    sides = ((0, 0), (0, more) if laterality is Laterality.LEFT else (more, 0))
    mask = None if picture.mask is None else np.pad(picture.mask, sides)
    return Picture(pixels=np.pad(picture.pixels, sides), mask=mask, spacing_mm=picture.spacing_mm)


def stored_values(grey: UInt16[np.ndarray, "rows cols"], *, machine: Machine) -> UInt16[np.ndarray, "rows cols"]:
    """What the machine stores so that its first window shows this grey; 0 is beside the breast.

    Source:
        DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.1: the window functions that are inverted here.
    """
    shown = grey.astype(np.float64) / 65535
    output = 1 - shown if machine.inverted else shown
    window = machine.windows[0]
    values = _before(output, window) if machine.voi is Voi.SIGMOID else window.centre + window.width * (output - 0.5)
    highest = 2**machine.bits - 1
    stored = np.clip(np.rint(values), 0, highest).astype(np.uint16)
    if machine.padding is not None:
        stored[grey == 0] = machine.padding
    return stored


def _before(output: Float[np.ndarray, "rows cols"], window: Window) -> Float[np.ndarray, "rows cols"]:
    """The value that a sigmoid window maps to this output."""
    inside = np.clip(output, 0.005, 0.995)
    return np.asarray(window.centre - 0.25 * window.width * np.log(1 / inside - 1))
