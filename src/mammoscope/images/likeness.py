"""What one file shows, in few numbers: for an audit that compares many."""

from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Int8, UInt8

from mammoscope.dicom.display import modality_values
from mammoscope.dicom.parsing import quiet
from mammoscope.images.breast import Side, bounding_box, polarity
from mammoscope.images.picture import Picture
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.reading import picture_of, seen
from mammoscope.images.sight import Sight, resampled, without_padding
from mammoscope.vocabulary import Laterality, View

SIDE = 16  # low frequencies kept in each direction
GRID_PX = 64  # the breast is shrunk to this square before its frequencies are taken
THUMB_PX = 32
THUMB_NORM = 400.0  # length of a thumbnail as a vector: whole numbers up to 127 hold it well
SMOOTH_PX = 2.0  # of the thumbnail: what is smoother than this is the outline that all breasts share
SEEN = Preprocess(rows=GRID_PX, cols=GRID_PX)  # so that large JPEG 2000 files are decoded at a quarter of their size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survey:
    """What one file shows.

    Attributes:
        laterality: As the header says; None where it does not.
        view: As the header says.
        looks_inverted: The background of the stored picture is bright.
        said_inverted: The header says that low values are to be shown bright; None where it says nothing.
        chest: Side on which the chest wall is seen, whatever the header says; None if it cannot be told.
        has_breast: An area stands out of the background.
        shape: Rows and columns in the file.
        signs: Signs of the 256 lowest frequencies of the breast, mirrored so that the chest wall is on the left,
            bright on dark: 32 bytes that hardly change with scale, brightness or compression.
        thumb: The breast in 32 x 32 pixels without what is smooth in it, as a vector of length 400.
    """

    laterality: Laterality | None
    view: View | None
    looks_inverted: bool
    said_inverted: bool | None
    chest: Side | None
    has_breast: bool
    shape: tuple[int, int]
    signs: UInt8[np.ndarray, " bytes"]
    thumb: Int8[np.ndarray, " thumb"]


def survey(path: Path) -> Survey:
    """Read one picture and say what it shows.

    Args:
        path: A file as `read_mammogram` takes it.

    Returns:
        Its facts; two pictures of one film have nearly the same `signs` and `thumb`.

    Raises:
        ImageError: The file is not a readable mammogram, for the very reasons of `read_mammogram`.

    Source:
        Zauner C. Implementation and benchmarking of perceptual image hash functions (2010), chapter 3: signs of the
        low frequencies of a cosine transform.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "left.png"
        ...     picture = np.zeros((64, 48), dtype=np.uint8)
        ...     picture[np.hypot(*np.mgrid[-32:32, 0:48]) < 30] = 200
        ...     _ = cv2.imwrite(str(file), 255 - picture)
        ...     found = survey(file)
        >>> found.looks_inverted, found.chest, found.signs.size
        (True, 'left', 32)
    """
    with quiet():
        picture = picture_of(path, SEEN)
        unhelped = replace(picture, laterality=None)  # the header must not help to find the side
        unhelped, sight, _ = seen(path, unhelped, wanted=SEEN)
        breast = _breast(sight, unhelped)
    return Survey(
        laterality=picture.laterality,
        view=picture.view,
        looks_inverted=polarity(sight.values).inverted,
        said_inverted=picture.invert,
        chest=sight.chest,
        has_breast=sight.mask is not None,
        shape=picture.levels.shape,
        signs=_signs(breast),
        thumb=_thumb(breast),
    )


def _breast(sight: Sight, picture: Picture) -> Float32[np.ndarray, "grid grid"]:
    """The breast as a small square, bright on dark, its chest wall on the left."""
    glance, _ = without_padding(sight.glance, picture)
    rows, cols = glance.shape
    x0, y0, x1, y1 = 0, 0, cols, rows
    if sight.mask is not None:
        box = bounding_box(sight.mask)
        x, y = cols / sight.mask.shape[1], rows / sight.mask.shape[0]
        x0, y0, x1, y1 = floor(box[0] * x), floor(box[1] * y), ceil(box[2] * x), ceil(box[3] * y)
    small = resampled(glance[y0:y1, x0:x1], shape=(GRID_PX, GRID_PX))
    values = modality_values(small, picture.modality).astype(np.float32)
    shown = -values if sight.invert else values
    return np.ascontiguousarray(shown[:, ::-1] if sight.chest == "right" else shown)


def _signs(breast: Float32[np.ndarray, "grid grid"]) -> UInt8[np.ndarray, " bytes"]:
    frequencies = cv2.dct(breast)[1 : SIDE + 1, 1 : SIDE + 1]
    return np.packbits(frequencies.ravel() > 0)


def _thumb(breast: Float32[np.ndarray, "grid grid"]) -> Int8[np.ndarray, " thumb"]:
    small = cv2.resize(breast, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    fine = small - cv2.GaussianBlur(small, (0, 0), SMOOTH_PX)
    fine -= fine.mean()
    scaled = fine * (THUMB_NORM / max(float(np.linalg.norm(fine)), 1e-9))
    return np.asarray(np.clip(np.rint(scaled), -127, 127), dtype=np.int8).ravel()
