"""Where the lesions of a picture are, on the grid that the network sees."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float

from mammoscope.errors import SourceError
from mammoscope.images import Mammogram
from mammoscope.images.lesions import mask_box, outlines
from mammoscope.records import Index

FINE = 4  # outlines are filled on a grid this much finer, then averaged


def filled(
    lesions: Sequence[Float[np.ndarray, "_ 2"]], *, shape: tuple[int, int], name: str = "picture"
) -> Bool[np.ndarray, "rows cols"]:
    """Pixels of which outlines cover at least half; if none, the best covered one.

    Args:
        lesions: Closed outlines, x and y in pixels.
        shape: Rows and columns of the picture.
        name: Of the picture, for messages.

    Returns:
        The lesions together.

    Raises:
        SourceError: There is no outline, or none lies in the picture.

    Example:
        >>> filled([np.array([[1.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0]])], shape=(2, 4)).astype(int)
        array([[0, 1, 1, 0],
               [0, 0, 0, 0]])
    """
    if not lesions:
        raise SourceError(f"{name}: no lesion is located, or its mask is empty. Score pictures with a known lesion")
    rows, cols = shape
    fine = np.zeros((rows * FINE, cols * FINE), dtype=np.uint8)
    for outline in lesions:  # OpenCV counts from pixel centres
        points = np.rint(outline * FINE - 0.5).astype(np.int32).reshape(-1, 1, 2)
        one = np.zeros_like(fine)
        cv2.fillPoly(one, [points], 1)
        fine |= one
    cover = cv2.resize(fine.astype(np.float32), (cols, rows), interpolation=cv2.INTER_AREA)
    least = min(0.5, float(cover.max()))
    if not least > 0:
        raise SourceError(
            f"{name}: the lesion lies outside the {rows} x {cols} pixels that the network sees. Leave it out"
        )
    found: np.ndarray = cover >= least
    return found


def lesions_of(
    records: Sequence[dict[str, Any]], *, index: Index, mammogram: Mammogram, name: str
) -> Bool[np.ndarray, "rows cols"]:
    """All known lesions of a picture, from masks, polygons, circles or boxes.

    Args:
        records: Rows of the index about it.
        index: They are from.
        mammogram: The picture, as the network sees it.
        name: Of the picture, for messages.

    Returns:
        The lesions together.

    Raises:
        SourceError: No lesion is located, or none lies in what the network sees.
        ImageError: A mask cannot be read, is empty, or has another size than the picture.
    """
    found: list[np.ndarray] = []
    for record in records:
        if record["mask_path"] is not None:
            files = [index.file(record["source"], record[column]) for column in ("mask_path", "path")]
            mask_box(files[0], picture=files[1])
        found += outlines(record, root=index.roots[record["source"]])
    return filled([mammogram.geometry.to_final(one) for one in found], shape=mammogram.pixels.shape, name=name)
