"""The anatomy under a map, as people look at it: read from the file as finely as it is drawn, chest walls inward."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32

from mammoscope.images import Geometry, Mammogram, Preprocess
from mammoscope.images.breast import Side
from mammoscope.images.cut import WHOLE, Cut
from mammoscope.images.reading import SIDES, read_with_sight
from mammoscope.vocabulary import Laterality, View

SIDE_PX = 600  # longer side of a drawn picture


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """One picture as it is drawn.

    Attributes:
        pixels: Display values in [0, 1], without padding. The chest wall of a right breast is at the right, that of a
            left breast at the left, as on a viewing box; where side or chest wall are unknown, as in the file.
        geometry: From the file to these pixels.
        laterality: As the data set or the header says.
        view: As the data set or the header says.
        mirrored: Whether left and right are exchanged against the file.
    """

    pixels: Float32[np.ndarray, "rows cols"]
    geometry: Geometry
    laterality: Laterality | None
    view: View | None
    mirrored: bool

    @property
    def mark(self) -> str:
        """Side and view, as films are marked; empty where neither is known.

        Example:
            >>> Anatomy(pixels=np.zeros((2, 2), np.float32), geometry=Geometry.of((2, 2)), laterality=Laterality.RIGHT,
            ...     view=View.MLO, mirrored=False).mark
            'R MLO'
        """
        return " ".join(str(one) for one in (self.laterality, self.view) if one is not None)

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Height and width of a drawn pixel; None where the file does not say."""
        return self.geometry.spacing_mm

    def resized(self, scale: float) -> "Anatomy":
        """The same, larger or smaller."""
        rows, cols = (max(1, round(scale * side)) for side in self.pixels.shape)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        pixels = np.clip(cv2.resize(self.pixels, (cols, rows), interpolation=method), 0, 1).astype(np.float32)
        return Anatomy(
            pixels=pixels,
            geometry=self.geometry.resized(rows, cols),
            laterality=self.laterality,
            view=self.view,
            mirrored=self.mirrored,
        )


def read_anatomy(
    path: Path,
    *,
    preprocess: Preprocess,
    laterality: Laterality | None = None,
    view: View | None = None,
    cut: Cut = WHOLE,
    side_px: int = SIDE_PX,
) -> Anatomy:
    """Read a file as a model reads it, but as finely as it is drawn.

    Args:
        path: The file.
        preprocess: Of the model; of it the size and the mirroring are changed.
        laterality: What the data set says; wins over the header.
        view: What the data set says; wins over the header.
        cut: What of the file is kept.
        side_px: Longer side of the drawing.

    Returns:
        The picture as it is drawn.

    Raises:
        ImageError: The file cannot be read.
    """
    wanted = preprocess.model_copy(update={"rows": side_px, "cols": side_px, "flip": "none"})
    mammogram, sight = read_with_sight(path, preprocess=wanted, laterality=laterality, view=view, cut=cut)
    return _hung(mammogram, chest=sight.chest)


def anatomy_of(mammogram: Mammogram, *, side_px: int = SIDE_PX) -> Anatomy:
    """What a network saw, enlarged; for a picture whose file is not at hand. Left and right are as in the file."""
    plain = _hung(mammogram, chest=None)
    return plain.resized(side_px / max(plain.pixels.shape))


def _hung(mammogram: Mammogram, *, chest: Side | None) -> Anatomy:
    """Without padding, and mirrored where the chest wall is to be on the other side."""
    rows, cols = mammogram.pixels.shape
    x0, y0, x1, y1 = mammogram.geometry.box_to_final(mammogram.geometry.kept)
    left, top = min(cols - 1, max(0, round(x0))), min(rows - 1, max(0, round(y0)))
    box = left, top, max(left + 1, min(cols, round(x1))), max(top + 1, min(rows, round(y1)))
    pixels, geometry = mammogram.pixels[box[1] : box[3], box[0] : box[2]], mammogram.geometry.cropped(box)
    turned = geometry.flipped
    if chest is not None and mammogram.laterality is not None:
        turned = geometry.flipped != (SIDES[mammogram.laterality] != chest)
    if turned:
        pixels, geometry = np.ascontiguousarray(pixels[:, ::-1]), geometry.mirrored()
    return Anatomy(
        pixels=pixels,
        geometry=geometry,
        laterality=mammogram.laterality,
        view=mammogram.view,
        mirrored=geometry.flipped,
    )
