"""Text that may be part of the pixels: what the header says, and bright marks outside the breast.

A flag is a reason to look. No flag is no proof that there is no text.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32
from pydicom import Dataset
from pydicom.uid import UID

from mammoscope.errors import ImageError
from mammoscope.images import Preprocess, read_mammogram
from mammoscope.images.breast import breast_mask, grown, stretched
from mammoscope.vocabulary import Trait

SIDE = 1024  # pixels of the picture that is searched; letters of a view marker are 10 to 40 of them high
THUMB = 256  # pixels of the picture on which the breast is found
AROUND_PX = 4  # thumbnail pixels around the breast that are not searched
CONTRAST = 0.25  # of the range of grey above what surrounds it
LEAST_PX, MOST_PX = 5, 512  # height and width of one mark; longer ones are frames of a film
LEAST_AREA_PX = 15
GAP_PX = 40  # between marks of one place
MOST_PLACES = 3  # told of one file

Box = tuple[int, int, int, int]  # x0, y0, x1, y1, half open


class Flag(StrEnum):
    """Why somebody should look at the pixels of a file.

    Attributes:
        SAYS_SO: Burned In Annotation (0028,0301) is YES.
        FEATURES: Recognizable Visual Features (0028,0302) is YES.
        CAPTURE: A secondary capture: a film, a screen or a print, which often shows text.
        MARKS: Bright marks outside the breast: a view marker, a label or text.
        OVERLAY: Overlay bits may lie in unused bits of the pixels.
        NOT_CHECKED: The pixels were not looked at, because they cannot be read as one mammogram.
    """

    SAYS_SO = "burned_in_annotation"
    FEATURES = "recognizable_features"
    CAPTURE = "secondary_capture"
    MARKS = "marks_outside_breast"
    OVERLAY = "overlay_in_pixels"
    NOT_CHECKED = "not_checked"


FLAGS = {
    Flag.SAYS_SO: "the header says that text is burned in",
    Flag.FEATURES: "the header says that a face or the like can be recognised",
    Flag.CAPTURE: "a secondary capture: a film, a screen or a print, which often shows text",
    Flag.MARKS: "a view marker, a label or text outside the breast",
    Flag.OVERLAY: "an overlay may lie in unused bits of the pixels",
    Flag.NOT_CHECKED: "the pixels were not looked at",
}
"""What each flag means, for the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """One flag and what raised it.

    Attributes:
        flag: Why to look.
        detail: Where, or why not; holds nothing of the file's text.
    """

    flag: Flag
    detail: str


def header_suspicions(dataset: Dataset) -> tuple[Suspicion, ...]:
    """What the header says of text in the pixels.

    Source:
        DICOM PS3.3 C.7.6.1.1 for the two elements; PS3.5 8.1.2 for overlays in unused bits (retired).
    """
    found = []
    if _word(dataset, "BurnedInAnnotation") == "YES":
        found.append(Suspicion(flag=Flag.SAYS_SO, detail="Burned In Annotation (0028,0301) is YES"))
    if _word(dataset, "RecognizableVisualFeatures") == "YES":
        found.append(Suspicion(flag=Flag.FEATURES, detail="Recognizable Visual Features (0028,0302) is YES"))
    if "Secondary Capture" in UID(str(dataset.get("SOPClassUID", ""))).name:
        found.append(Suspicion(flag=Flag.CAPTURE, detail="SOP Class UID (0008,0016) is a secondary capture"))
    overlays = {tag & 0xFFFF for tag in sorted(dataset.keys()) if tag >> 24 == 0x60}
    if 0x0102 in overlays and 0x3000 not in overlays:
        found.append(Suspicion(flag=Flag.OVERLAY, detail="Overlay Bit Position (60xx,0102) without Overlay Data"))
    return tuple(found)


def pixel_suspicions(path: Path) -> tuple[Suspicion, ...]:
    """What the pixels of a file look like; of several frames, the first."""
    found: list[Suspicion] = []
    try:
        pixels = _seen(path, slab=None)
    except ImageError as error:
        if error.code != "multi_frame":
            return (_unseen(error),)
        found.append(Suspicion(flag=Flag.NOT_CHECKED, detail="only the first of several frames was looked at"))
        try:
            pixels = _seen(path, slab=(1, 1))
        except ImageError as other:
            return (_unseen(other),)
    marks = marks_outside(pixels)
    if marks is None:
        found.append(Suspicion(flag=Flag.NOT_CHECKED, detail="no breast was found, so nothing is outside it"))
    what = "view marker, label or text outside the breast at "
    places = _places(marks or [])[:MOST_PLACES]
    return (*found, *(Suspicion(flag=Flag.MARKS, detail=what + _where(place)) for place in places))


def marks_outside(pixels: Float32[np.ndarray, "rows cols"]) -> list[Box] | None:
    """Boxes of bright marks outside the breast.

    Args:
        pixels: In [0, 1], breast bright, the whole picture.

    Returns:
        (x0, y0, x1, y1) of each, half open; None if no breast stands out.

    Example:
        >>> picture = np.zeros((1024, 1024), dtype=np.float32)
        >>> picture[200:800, :500] = 0.6
        >>> picture[40:60, 900:930] = 1.0
        >>> marks_outside(picture)
        [(900, 40, 930, 60)]
    """
    rows, cols = pixels.shape
    thumb = cv2.resize(pixels, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    breast = breast_mask(stretched(thumb, invert=False))
    if breast is None:
        return None
    near = cv2.resize(grown(breast, pixels=AROUND_PX).astype(np.uint8), (cols, rows), interpolation=cv2.INTER_NEAREST)
    outside = near == 0
    if not outside.any():
        return []
    bright = outside & (pixels > float(np.median(pixels[outside])) + CONTRAST)
    return _boxes(bright)


def _boxes(bright: Bool[np.ndarray, "rows cols"]) -> list[Box]:
    _, _, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8), connectivity=8)
    return [
        (int(x), int(y), int(x + width), int(y + height))
        for x, y, width, height, area in stats[1:]
        if min(width, height) >= LEAST_PX and max(width, height) <= MOST_PX and area >= LEAST_AREA_PX
    ]


def _places(marks: list[Box]) -> list[Box]:
    """Marks that lie close together as one place, such as the letters of a word; the largest first."""
    places: list[Box] = []
    for mark in sorted(marks):
        near = [place for place in places if _gap(place, mark) <= GAP_PX]
        places = [place for place in places if place not in near]
        group = [*near, mark]
        x0, y0 = (min(one[axis] for one in group) for axis in (0, 1))
        x1, y1 = (max(one[axis] for one in group) for axis in (2, 3))
        places.append((x0, y0, x1, y1))
    return sorted(places, key=lambda place: (place[0] - place[2]) * (place[3] - place[1]))


def _gap(one: Box, other: Box) -> int:
    return max(max(one[axis], other[axis]) - min(one[axis + 2], other[axis + 2]) for axis in (0, 1))


def _where(place: Box) -> str:
    x0, y0, x1, y1 = (f"{100 * edge / SIDE:.0f}" for edge in place)
    return f"columns {x0} to {x1} %, rows {y0} to {y1} % of the picture"


def _seen(path: Path, *, slab: tuple[int, int] | None) -> Float32[np.ndarray, "rows cols"]:
    whole = Preprocess(
        rows=SIDE,
        cols=SIDE,
        region="whole",
        flip="none",
        window="percentile",
        clear_background=False,
        accept=tuple(Trait),
        slab=slab,
    )
    return read_mammogram(path, preprocess=whole).pixels


def _unseen(error: ImageError) -> Suspicion:
    return Suspicion(flag=Flag.NOT_CHECKED, detail=f"the pixels were not read ({error.code})")


def _word(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword, "")).strip().upper()
