"""A phantom data set laid out like mini-MIAS: Info.txt, and pairs of oblique films as 8-bit PGM of 1024 x 1024."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from mammoscope.phantom.exam import BILATERAL
from mammoscope.phantom.layout import Entry, Layout
from mammoscope.phantom.mass import Mass
from mammoscope.phantom.outline import FIELD_MM
from mammoscope.phantom.picture import Picture, take
from mammoscope.phantom.quirk_files import OF_FILES
from mammoscope.phantom.quirk_screening import OF_MIAS
from mammoscope.phantom.quirks import Cells
from mammoscope.phantom.screening import Screened, Side, best_by_breast, draw_screened
from mammoscope.phantom.screening_truth import SCREENING_HEADER, place_of, truth_row
from mammoscope.phantom.settings import Settings
from mammoscope.storage import whole_file
from mammoscope.vocabulary import Density, Laterality, Part, View

SIDE_PX = 1024
SPACING_MM = 0.2
SHARE = 0.62  # of the women have a lesion: 115 of 322 films are abnormal
WIDE_MM = 26.0  # wider calcifications have no centre in Info.txt, by its note 4
TISSUES = {Density.A: "F", Density.B: "G", Density.C: "D", Density.D: "D"}
INFO = "Info.txt"
PROSE = """MINI-MIAS LAYOUT, SYNTHETIC

1st column: film, 2nd: background tissue (F, G, D), 3rd: class of abnormality,
4th: severity (B, M), 5th and 6th: x, y of its centre, 7th: radius, in pixels.

1) Films come in pairs of one patient: odd numbers right, even numbers left.
2) All pictures are 1024 x 1024 pixels.
3) The origin of the coordinates is the bottom-left corner.
4) Calcifications that are widely distributed have no centre.

=================================================================

"""


def _draw(number: int, settings: Settings) -> Screened:
    return draw_screened(number, settings, share=SHARE)


def _write(woman: Screened, part: Part, folder: Path, settings: Settings) -> list[Entry]:  # noqa: ARG001 no split here
    left, right = woman.sides
    return [_write_film(woman, side, folder, settings) for side in (right, left)]


def _write_film(woman: Screened, side: Side, folder: Path, settings: Settings) -> Entry:
    number = 2 * woman.number - (side.breast.laterality is Laterality.RIGHT)
    image = f"mdb{number:03d}"
    drawn = take(side.breast, view=View.MLO, rows=settings.rows, wear=settings.wear)
    picture = _centred(drawn)
    grey = np.rint(picture.pixels / 257).astype(np.uint8)
    with whole_file(folder / f"{image}.pgm") as temporary:
        temporary.write_bytes(_pgm(grey))
    shared = {
        "patient_id": f"{woman.number:03d}",
        "image_id": image,
        "age_years": str(woman.age_years),
        "image": f"{image}.pgm",
    }
    line = f"{image} {TISSUES[side.breast.density]} {_abnormality(side, picture)}"
    truth = truth_row(side, view=View.MLO, picture=picture, shared=shared)
    return Entry(rows=((INFO, {"line": line}),), truth=truth)


def _centred(picture: Picture) -> Picture:
    """The film at 0.2 mm a pixel in the middle of a black square."""
    rows, cols = (round(side / SPACING_MM) for side in FIELD_MM)
    grey, mask = picture.pixels, picture.mask
    if grey.shape != (rows, cols):
        smaller = rows < grey.shape[0]
        grey = cv2.resize(grey, (cols, rows), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        if mask is not None:
            mask = cv2.resize(mask.astype(np.uint8), (cols, rows), interpolation=cv2.INTER_NEAREST) > 0
    top, left = (SIDE_PX - rows) // 2, (SIDE_PX - cols) // 2
    sides = ((top, SIDE_PX - rows - top), (left, SIDE_PX - cols - left))
    pixels = np.asarray(np.pad(grey, sides), np.uint16)
    return Picture(pixels=pixels, mask=None if mask is None else np.pad(mask, sides), spacing_mm=SPACING_MM)


def _abnormality(side: Side, picture: Picture) -> str:
    """Class, severity and circle in the words of Info.txt."""
    finding, place = side.finding, place_of(picture)
    if finding is None or place is None:
        return "NORM"
    severity = "M" if finding.malignant else "B"
    if not isinstance(finding.lesion, Mass):
        if finding.lesion.diameter_mm > WIDE_MM:
            return f"CALC {severity} *NOTE 3*"
        return f"CALC {severity} {_circle(picture)}"
    look = finding.lesion.suspicion
    kind = "CIRC" if look < 0.3 else "MISC" if look < 0.7 else "SPIC"
    return f"{kind} {severity} {_circle(picture)}"


def _circle(picture: Picture) -> str:
    """Centre, counted from the bottom-left corner, and radius of the circle around the mask."""
    y, x = np.nonzero(np.asarray(picture.mask))
    (middle_x, middle_y), radius = cv2.minEnclosingCircle(np.column_stack([x, y]).astype(np.float32))
    return f"{round(middle_x)} {SIDE_PX - round(middle_y)} {int(np.ceil(radius)) + 1}"


def _pgm(grey: UInt8[np.ndarray, "rows cols"]) -> bytes:
    return f"P5\n{grey.shape[1]} {grey.shape[0]}\n255\n".encode() + grey.tobytes()


def _info(rows: Sequence[Cells]) -> str:
    return PROSE + "".join(f"{row['line']}\n" for row in rows)


MINI_MIAS = Layout(
    name="mini_mias",
    draw=_draw,
    write=_write,
    tables={INFO: _info},
    truth=SCREENING_HEADER,
    ours=re.compile(r"Info\.txt|mdb\d{3}\.pgm"),
    best=partial(best_by_breast, share=SHARE, bilateral=BILATERAL),
    parts=False,
    most_patients=499,
    film=True,
    quirks=OF_FILES | OF_MIAS,
)
