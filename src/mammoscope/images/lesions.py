"""Where the data set says a lesion is, as outlines in original pixels."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from jaxtyping import Float, UInt8
from PIL import Image

from mammoscope.images.geometry import Box
from mammoscope.images.raster import BROKEN, lay_as_stored
from mammoscope.images.size import size_of
from mammoscope.trail import refusal

CIRCLE = np.linspace(0, 2 * np.pi, 64, endpoint=False)


def outlines(record: dict[str, Any], *, root: Path) -> list[Float[np.ndarray, "points 2"]]:
    """Closed outlines of a record's lesion: of its mask, else its polygon, else its circle or box.

    Args:
        record: One row of an index.
        root: Folder of its source.

    Returns:
        Points x, y in original pixels; no outline where the data set does not locate the lesion, or where
        its mask cannot be read.

    Example:
        >>> box = dict(lesion_x0=0.0, lesion_y0=0.0, lesion_x1=2.0, lesion_y1=1.0, lesion_round=None)
        >>> outlines({"mask_path": None, "lesion_polygon": None} | box, root=Path("."))[0].tolist()
        [[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [0.0, 1.0]]
    """
    if record["mask_path"] is not None:
        mask = _mask(root / record["mask_path"])
        return [] if mask is None else _contours(mask)
    if record["lesion_polygon"] is not None:
        return [np.array(record["lesion_polygon"], dtype=np.float64).reshape(-1, 2)]
    x0, y0, x1, y1 = (record[f"lesion_{name}"] for name in ("x0", "y0", "x1", "y1"))
    if None in (x0, y0, x1, y1):
        return []
    if record["lesion_round"]:
        centre, radius = np.array([(x0 + x1) / 2, (y0 + y1) / 2]), np.array([(x1 - x0) / 2, (y1 - y0) / 2])
        return [centre + radius * np.stack([np.cos(CIRCLE), np.sin(CIRCLE)], axis=1)]
    return [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)]


def lesion_box(record: dict[str, Any], *, root: Path) -> Box | None:
    """The box around the largest outline of a record's lesion; None where it is not located.

    Args:
        record: One row of an index.
        root: Folder of its source.

    Returns:
        x0, y0, x1, y1 in original pixels, half open.
    """
    boxes = [(*points.min(axis=0).tolist(), *points.max(axis=0).tolist()) for points in outlines(record, root=root)]
    return max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)


def around(box: Box, *, context: float, square: bool) -> Box:
    """The region to cut out for a lesion: its box with air on each side, and as a square.

    Args:
        box: Of the lesion.
        context: Air on each side, as a share of the longer side of the box.
        square: Widen the shorter side, evenly, to the longer one.

    Returns:
        x0, y0, x1, y1; it may leave the picture, see `inside`.

    Example:
        >>> around((100.0, 100.0, 140.0, 120.0), context=0.25, square=True)
        (90.0, 80.0, 150.0, 140.0)
        >>> around((100.0, 100.0, 140.0, 120.0), context=0.25, square=False)
        (90.0, 90.0, 150.0, 130.0)
    """
    x0, y0, x1, y1 = box
    air = context * max(x1 - x0, y1 - y0)
    width, height = x1 - x0 + 2 * air, y1 - y0 + 2 * air
    if square:
        width = height = max(width, height)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def inside(box: Box, *, shape: tuple[int, int]) -> Box | None:
    """Move a region into the picture; where it is larger than the picture, it ends there.

    Moved and not cut off, so that lesions at the rim are shown at the scale of all others, and without a black border.

    Args:
        box: x0, y0, x1, y1 in pixels of the file.
        shape: Rows and columns of the picture.

    Returns:
        A region of the picture; None if the box does not meet it.

    Example:
        >>> inside((-10.0, 5.0, 20.0, 35.0), shape=(100, 80))
        (0.0, 5.0, 30.0, 35.0)
        >>> inside((-10.0, 5.0, 20.0, 35.0), shape=(20, 80))
        (0.0, 0.0, 30.0, 20.0)
    """
    rows, cols = shape
    x0, y0, x1, y1 = box
    if x1 <= 0 or y1 <= 0 or x0 >= cols or y0 >= rows:
        return None
    left, right = _moved(x0, x1, float(cols))
    top, bottom = _moved(y0, y1, float(rows))
    return left, top, right, bottom


def _moved(first: float, last: float, end: float) -> tuple[float, float]:
    if last - first >= end:
        return 0.0, end
    start = min(max(0.0, first), end - (last - first))
    return start, start + (last - first)


def mask_box(mask: Path, *, picture: Path) -> Box:
    """The box around the largest lesion of a mask, which must have the grid of its picture.

    Args:
        mask: Its file.
        picture: File of the picture; only its header is read.

    Returns:
        x0, y0, x1, y1 in original pixels, half open.

    Raises:
        ImageError: The mask cannot be read, shows no lesion, or has another grid than the picture.
    """
    pixels = _mask(mask)
    if pixels is None:
        raise refusal(mask, "missing" if not mask.is_file() else "damaged", "is no readable mask. Fetch it again")
    found = [cv2.boundingRect(one) for one in cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]]
    if not found:
        raise refusal(mask, "blank", "marks no lesion. Leave it out, or fetch it again")
    size = size_of(picture)
    if pixels.shape != (size.rows, size.cols):
        grids = f"has {pixels.shape[0]} rows and {pixels.shape[1]} columns, its picture {size.rows} and {size.cols}"
        raise refusal(mask, "implausible", f"{grids}: it is not known where the lesion lies. Leave it out")
    x, y, width, height = max(found, key=lambda one: one[2] * one[3])
    return float(x), float(y), float(x + width), float(y + height)


def _contours(mask: UInt8[np.ndarray, "rows cols"]) -> list[np.ndarray]:
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [contour[:, 0, :].astype(np.float64) + 0.5 for contour in found if len(contour) > 2]


def _mask(file: Path) -> np.ndarray | None:
    pixels: np.ndarray | None
    if file.suffix.lower() == ".dcm":
        try:
            pixels = pydicom.dcmread(file).pixel_array
        except (OSError, ValueError, AttributeError, RuntimeError, pydicom.errors.InvalidDicomError):
            return None
    else:
        pixels = _drawn(file)
    if pixels is None or pixels.ndim != 2:
        return None
    return (pixels > 0).astype(np.uint8)


def _drawn(file: Path) -> np.ndarray | None:
    """A mask as it lies in its file, whatever its Orientation: its picture is read so, too."""
    if file.suffix.lower() not in {".tif", ".tiff"}:
        return cv2.imread(str(file), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    try:  # OpenCV turns any TIFF
        with Image.open(file, formats=("TIFF",)) as image:
            lay_as_stored(image)
            return np.asarray(image.convert("L") if image.mode in {"P", "PA", "LA", "RGB", "RGBA"} else image)
    except (*BROKEN, Image.DecompressionBombError):
        return None
