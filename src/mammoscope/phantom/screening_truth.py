"""The truth of a picture of a screened breast, with or without a lesion."""

from dataclasses import dataclass

import numpy as np

from mammoscope.phantom.exam import lesion_places
from mammoscope.phantom.mass import Mass
from mammoscope.phantom.picture import Picture
from mammoscope.phantom.quirks import Cells
from mammoscope.phantom.screening import Side
from mammoscope.vocabulary import View

SCREENING_HEADER = (
    *("patient_id", "part", "image_id", "laterality", "view", "lesion_id", "x_px", "y_px", "x0", "y0", "x1", "y1"),
    *("depth_mm", "diameter_mm", "spiculation", "pleomorphism", "p_malignant", "malignant", "density", "age_years"),
    *("machine_id", "spacing_mm", "image"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a lesion lies in a picture: the box of its mask, half open, and the middle of its mask, in pixels."""

    box: tuple[int, int, int, int]
    middle: tuple[float, float]


def place_of(picture: Picture) -> Place | None:
    """Where the lesion lies; None without one."""
    if picture.mask is None or not picture.mask.any():
        return None
    y, x = np.nonzero(picture.mask)
    box = (int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1)
    return Place(box=box, middle=(float(x.mean()), float(y.mean())))


def truth_row(side: Side, *, view: View, picture: Picture, shared: Cells) -> Cells:
    """The row of `phantom_truth.csv` of one picture.

    Args:
        side: The breast.
        view: That was taken.
        picture: As it was written, in pixels of the file.
        shared: What the layout knows: ids, part, age, machine and the path.
    """
    row = dict.fromkeys(SCREENING_HEADER, "") | {
        "laterality": side.breast.laterality.value,
        "view": view.value,
        "p_malignant": "0.0000",
        "malignant": str(int(side.malignant)),
        "density": side.breast.density.value,
        "spacing_mm": f"{picture.spacing_mm:.5f}",
    }
    finding, place = side.finding, place_of(picture)
    if finding is not None and place is not None:
        look = "spiculation" if isinstance(finding.lesion, Mass) else "pleomorphism"
        nipple_x = side.breast.outline(view).nipple[0]
        depth = nipple_x - lesion_places(side.breast, lesion=finding.lesion)[view][0]
        row |= {
            "lesion_id": "1",
            "x_px": f"{place.middle[0]:.2f}",
            "y_px": f"{place.middle[1]:.2f}",
            **dict(zip(("x0", "y0", "x1", "y1"), map(str, place.box), strict=True)),
            "depth_mm": f"{depth:.2f}",
            "diameter_mm": f"{finding.lesion.diameter_mm:.2f}",
            look: f"{finding.lesion.suspicion:.4f}",
            "p_malignant": f"{finding.p_malignant:.4f}",
        }
    return row | shared
