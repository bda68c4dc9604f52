"""What a lesion adds to one view."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What a lesion adds to one view.

    Attributes:
        thickness_cm: Of gland-like tissue that takes the place of fat, per pixel; below 0 in the halo.
        room: How much of the other tissue it pushes away, 0 to 1; more than its outline, the same for every margin.
        mask: The pixels inside its outline, spicules not counted.
    """

    thickness_cm: Float[np.ndarray, "rows cols"]
    room: Float[np.ndarray, "rows cols"]
    mask: Bool[np.ndarray, "rows cols"]


def no_shadow(rows: int, cols: int) -> Shadow:
    """Nothing yet, to be filled in by who draws the lesion."""
    return Shadow(
        thickness_cm=np.zeros((rows, cols), np.float32),
        room=np.zeros((rows, cols), np.float32),
        mask=np.zeros((rows, cols), bool),
    )


def around(
    centre_mm: tuple[float, float], *, reach_mm: float, rows: int, cols: int, spacing_mm: float
) -> tuple[tuple[slice, slice], Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    """The part of a picture within reach of a point, and the millimetres to the right of and below the point."""
    top, left = (max(0, int((c - reach_mm) / spacing_mm)) for c in (centre_mm[1], centre_mm[0]))
    bottom, right = (int((c + reach_mm) / spacing_mm) + 1 for c in (centre_mm[1], centre_mm[0]))
    window = (slice(top, min(bottom, rows)), slice(left, min(right, cols)))
    y, x = np.mgrid[window].astype(np.float32)
    return window, (x + 0.5) * spacing_mm - centre_mm[0], (y + 0.5) * spacing_mm - centre_mm[1]
