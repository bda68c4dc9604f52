"""A map laid over the anatomy: colours that let it show through, the map's outline, its highest place."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from mammoscope.explain.anatomy import Anatomy
from mammoscope.images import Geometry

OPACITY = 0.5  # of the map at its strongest place: half of the anatomy's contrast stays
HALF = 0.5  # of the map's maximum, where its outline is drawn
SMOOTH = 1 / 90  # of the drawing's longer side: maps as fine as pixels are smoothed before they are outlined
SMALL = 1 / 4000  # of the drawing: parts of the outline around less are left out


Heat = Float32[np.ndarray, "rows cols"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Laid:
    """A map over a picture, all in pixels of the drawing.

    Attributes:
        anatomy: The picture.
        heat: In [0, 1]; None where the map is not defined.
        peak: x and y of the map's highest place; None where nothing reaches half the scale, or it lies
            beside the picture.
        edges: Outlines of where the map is above half the scale.
        lesions: Outlines of known lesions, those that lie in the drawing.
        outside: How many known lesions lie outside it.
        beside: Whether the map's highest place lies beside the picture, in the padding that the network is given.
    """

    anatomy: Anatomy
    heat: Float32[np.ndarray, "rows cols"] | None
    peak: tuple[float, float] | None
    edges: tuple[Float[np.ndarray, "_ 2"], ...]
    lesions: tuple[Float[np.ndarray, "_ 2"], ...]
    outside: int
    beside: bool = False

    def resized(self, scale: float) -> "Laid":
        """The same, larger or smaller."""
        anatomy = self.anatomy.resized(scale)
        rows, cols = anatomy.pixels.shape
        y, x = rows / self.anatomy.pixels.shape[0], cols / self.anatomy.pixels.shape[1]
        return Laid(
            anatomy=anatomy,
            heat=None if self.heat is None else np.asarray(cv2.resize(self.heat, (cols, rows)), dtype=np.float32),
            peak=None if self.peak is None else (self.peak[0] * x, self.peak[1] * y),
            edges=tuple(edge * (x, y) for edge in self.edges),
            lesions=tuple(lesion * (x, y) for lesion in self.lesions),
            outside=self.outside,
            beside=self.beside,
        )


def laid_over(
    anatomy: Anatomy,
    heat: Float32[np.ndarray, "_ _"] | None,
    *,
    seen: Geometry,
    lesions: Sequence[Float[np.ndarray, "_ 2"]] = (),
) -> Laid:
    """Lay what a network's map says over a picture.

    Args:
        anatomy: The picture as it is drawn.
        heat: The map in [0, 1] on the network's grid, 1 the strongest place of this picture or of all pictures of its
            sample; None where it is not defined. One without any value above 0 is not defined either.
        seen: From the file to the network's grid.
        lesions: Closed outlines of known lesions, x and y in pixels of the file.

    Returns:
        All of it in pixels of the drawing.

    Example:
        >>> from mammoscope.vocabulary import Laterality, View
        >>> geometry = Geometry.of((4, 2))
        >>> anatomy = Anatomy(pixels=np.zeros((8, 4), np.float32), geometry=geometry.resized(8, 4), mirrored=False,
        ...     laterality=Laterality.LEFT, view=View.CC)
        >>> heat = np.array([[0, 0], [0, 1], [0, 0], [0, 0]], dtype=np.float32)
        >>> laid_over(anatomy, heat, seen=geometry).peak
        (3.0, 3.0)
    """
    placed = [anatomy.geometry.to_final(lesion) for lesion in lesions]
    rows, cols = anatomy.pixels.shape
    inside = [one for one in placed if _meets(one, rows=rows, cols=cols)]
    if heat is None or not float(heat.max()) > 0:
        return Laid(
            anatomy=anatomy, heat=None, peak=None, edges=(), lesions=tuple(inside), outside=len(placed) - len(inside)
        )
    row, col = np.unravel_index(int(heat.argmax()), heat.shape)
    x, y = anatomy.geometry.to_final(seen.to_original(np.array([[col + 0.5, row + 0.5]])))[0].tolist()
    clear, here = float(heat.max()) >= HALF, 0 <= x <= cols and 0 <= y <= rows
    drawn = np.asarray(anatomy.geometry.seen_from(seen, heat), dtype=np.float32)
    return Laid(
        anatomy=anatomy,
        heat=drawn,
        peak=(x, y) if clear and here else None,
        edges=tuple(half_outlines(drawn)),
        lesions=tuple(inside),
        outside=len(placed) - len(inside),
        beside=clear and not here,
    )


def half_outlines(heat: Float32[np.ndarray, "rows cols"]) -> list[Float[np.ndarray, "_ 2"]]:
    """Outlines of where a map in [0, 1], smoothed a little, is at least half of 1.

    Smoothing lowers the highest place; the level falls with it.

    Example:
        >>> [outline.shape for outline in half_outlines(np.zeros((8, 8), dtype=np.float32))]
        []
    """
    smooth = np.asarray(cv2.GaussianBlur(heat, (0, 0), max(0.8, SMOOTH * max(heat.shape))))
    if not float(heat.max()) >= HALF:
        return []
    above = (smooth >= HALF * smooth.max() / heat.max()).astype(np.uint8)
    found, _ = cv2.findContours(np.pad(above, 1), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines = [one.reshape(-1, 2).astype(np.float64) - 0.5 for one in found]
    large = [one for one in found if cv2.contourArea(one) >= SMALL * heat.size]
    kept = {id(one) for one in large} or {id(max(found, key=cv2.contourArea))}
    return [outline for outline, one in zip(outlines, found, strict=True) if id(one) in kept]


def smoothed(heats: Sequence[Heat | None]) -> tuple[Heat | None, ...]:
    """Maps as fine as pixels, so that they can be seen: a single pixel is lost on a picture.

    Args:
        heats: Maps of one scale.

    Returns:
        Each under a Gaussian whose standard deviation is 1/90 of its longer side, the strongest place of all 1 again.

    Example:
        >>> found = smoothed([np.eye(4, dtype=np.float32), None])
        >>> float(found[0].max()), found[1]
        (1.0, None)
    """
    wide = [None if one is None else cv2.GaussianBlur(one, (0, 0), max(0.8, SMOOTH * max(one.shape))) for one in heats]
    largest = max((float(one.max()) for one in wide if one is not None), default=0.0)
    return tuple(None if one is None or not largest > 0 else np.asarray(one / largest, np.float32) for one in wide)


def mixed(
    pixels: Float32[np.ndarray, "rows cols"], heat: Float32[np.ndarray, "rows cols"]
) -> UInt8[np.ndarray, "rows cols 3"]:
    """The picture with its map over it; opacity follows the map.

    Example:
        >>> mixed(np.array([[0.0, 1.0]], dtype=np.float32), np.array([[0.0, 0.0]], dtype=np.float32)).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    level = np.clip(heat, 0, 1)[:, :, None]
    opacity = OPACITY * np.sqrt(level)  # what is weak must still be seen as a colour
    found: np.ndarray = np.clip(pixels, 0, 1)[:, :, None] * (1 - opacity) + colours(np.clip(heat, 0, 1)) * opacity
    rounded: np.ndarray = np.rint(found * 255).astype(np.uint8)
    return rounded


def grey(pixels: Float32[np.ndarray, "rows cols"]) -> UInt8[np.ndarray, "rows cols 3"]:
    """The picture without a map."""
    levels: np.ndarray = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def colours(heat: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, "rows cols 3"]:
    """The perceptual colour map of every map here: inferno.

    Example:
        >>> colours(np.array([[0.0]])).shape
        (1, 1, 3)
    """
    levels = np.rint(heat * 255).astype(np.uint8)
    rgb: np.ndarray = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, :, ::-1].astype(np.float64) / 255
    return rgb


def _meets(outline: Float[np.ndarray, "_ 2"], *, rows: int, cols: int) -> bool:
    (x0, y0), (x1, y1) = outline.min(axis=0), outline.max(axis=0)
    return bool(x1 > 0 and y1 > 0 and x0 < cols and y0 < rows)
