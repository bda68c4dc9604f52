"""What the pixels say against the header: a breast of a size that none has, a muscle where the view shows none.

Notes for the trail, never a refusal: a header is believed, and who reads the trail may look.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from mammoscope.images.breast import Side, bounding_box
from mammoscope.images.geometry import Geometry
from mammoscope.images.pectoral import pectoral_mask
from mammoscope.trail import Step
from mammoscope.vocabulary import View

LENGTH_MM = (50.0, 320.0)  # of a breast, its longer side; detectors and films are up to 24 x 30 cm
EDGE_PX = 2  # thumbnail pixels
WIDE = 0.3  # of its width is what a breast with a muscle has at the upper edge at least; one from above is narrower
CORNER_PX = 16  # a side of the upper corner at the chest wall
BRIGHTER = 1.1  # ... than the whole breast: where a muscle may be
NO_WEDGE = frozenset({View.CC, View.FB})
"""Views from above and below: a muscle is at most a strip at the chest wall."""


def doubts(
    shown: Float32[np.ndarray, "rows cols"],
    *,
    breast: Bool[np.ndarray, "rows cols"],
    chest: Side | None,
    view: View | None,
    geometry: Geometry,
) -> list[Step]:
    """Hold spacing and view against the breast on the thumbnail.

    Args:
        shown: Thumbnail with the breast bright, in [0, 1]; from `stretched`.
        breast: From `breast_mask`.
        chest: Side of the chest wall.
        view: As the data set or the header says.
        geometry: From the picture in the file, with its spacing, to the thumbnail.
    """
    box = bounding_box(breast)
    return [*_of_size(box, geometry), *_of_view(shown, breast, box=box, chest=chest, view=view)]


def _of_size(box: tuple[int, int, int, int], geometry: Geometry) -> list[Step]:
    sides = geometry.box_mm((float(box[0]), float(box[1]), float(box[2]), float(box[3])))
    if sides is None or LENGTH_MM[0] <= max(sides) <= LENGTH_MM[1]:
        return []
    detail = f"the breast would be {sides[0]:.0f} x {sides[1]:.0f} mm, by its spacing, which was kept"
    return [
        Step(name="oddity", detail=detail, cause=f"a longer side of {LENGTH_MM[0]:g} to {LENGTH_MM[1]:g} mm is usual")
    ]


def _of_view(
    shown: Float32[np.ndarray, "rows cols"],
    breast: Bool[np.ndarray, "rows cols"],
    *,
    box: tuple[int, int, int, int],
    chest: Side | None,
    view: View | None,
) -> list[Step]:
    """A muscle's edge is looked for, which takes milliseconds, only where the picture may show one."""
    if view not in NO_WEDGE or chest is None or not _bright_corner(shown, breast, box=box, chest=chest):
        return []
    if pectoral_mask(shown, breast=breast, chest=chest) is None:
        return []
    detail = f"view {view}: the edge of a muscle is seen in the upper corner, as in MLO; the view was kept"
    return [Step(name="oddity", detail=detail, cause=f"muscle at the upper {chest}")]


def _bright_corner(
    shown: Float32[np.ndarray, "rows cols"],
    breast: Bool[np.ndarray, "rows cols"],
    *,
    box: tuple[int, int, int, int],
    chest: Side,
) -> bool:
    """Whether the breast is wide at the upper edge of the picture, and bright in its corner, as a muscle is."""
    x0, y0, x1, _ = box
    if y0 > EDGE_PX or np.count_nonzero(breast[min(y0 + EDGE_PX, len(breast) - 1)]) < WIDE * (x1 - x0):
        return False
    side = slice(x0, x0 + CORNER_PX) if chest == "left" else slice(max(0, x1 - CORNER_PX), x1)
    corner = shown[y0 : y0 + CORNER_PX, side]
    return float(corner.mean()) >= BRIGHTER * float(cv2.mean(shown, breast.astype(np.uint8))[0])
