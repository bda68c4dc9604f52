"""What a file reader hands on: stored values, not yet decoded, shown, cropped or scaled."""

from dataclasses import dataclass, field

from mammoscope.dicom.display import IDENTITY, Lut, Rescale, Window
from mammoscope.images.levels import Levels
from mammoscope.trail import Step
from mammoscope.vocabulary import Laterality, Trait, View

MAX_PIXELS = 100_000_000  # the largest film scans have about 40 million
MAX_FRAMES = 2000  # a slice a mm, of more mm than any breast has
MAX_FILE_BYTES = 1 << 30
MIN_SIDE = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One picture and what its file says about showing it.

    Attributes:
        levels: Its stored values, to be read at the resolution that is needed.
        modality: Stored value to modality value.
        voi: Modality value to display value; None if the file does not say.
        invert: Low values are to be shown bright; None if the file does not say.
        padding: First and last stored value that mean "no picture here".
        spacing_mm: Height and width of a pixel in mm.
        laterality: As the file says.
        view: As the file says.
        person: Tells the files of two people apart; None where the file names nobody.
        traits: What sets it apart from a plain mammogram, as the file says.
        trail: What was decided so far.
    """

    levels: Levels
    modality: Rescale | Lut = IDENTITY
    voi: Window | Lut | None = None
    invert: bool | None = None
    padding: tuple[int, int] | None = None
    spacing_mm: tuple[float, float] | None = None
    laterality: Laterality | None = None
    view: View | None = None
    person: str | None = field(default=None, repr=False)
    traits: tuple[Trait, ...] = ()
    trail: tuple[Step, ...] = ()
