"""Maps that no network made: what a score is worth beside them."""

import cv2
import numpy as np
from jaxtyping import Bool, Float32

SPREAD = 0.25  # of the breast's extent: standard deviation of the blob of `centre_map`
FINE = 64  # parts of the longer side that brightness is smoothed over


def breast_of(pixels: Float32[np.ndarray, "rows cols"]) -> Bool[np.ndarray, "rows cols"]:
    """Where a prepared picture is not background; all of it where nothing is 0."""
    found: np.ndarray = pixels > 0
    return found


def centre_map(breast: Bool[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "rows cols"]:
    """A round blob about the middle of the breast.

    Example:
        >>> int(centre_map(np.ones((3, 3), dtype=bool)).argmax())
        4
    """
    rows, cols = np.nonzero(breast if breast.any() else np.ones_like(breast))
    y, x = np.mgrid[: breast.shape[0], : breast.shape[1]]
    spread = SPREAD * max(np.ptp(rows) + 1, np.ptp(cols) + 1)
    away = (y - rows.mean()) ** 2 + (x - cols.mean()) ** 2
    heat: np.ndarray = np.exp(-away / (2 * spread**2)).astype(np.float32)
    return heat


def brightness_map(pixels: Float32[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "rows cols"]:
    """The picture itself, a little smoothed."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), max(pixels.shape) / FINE), dtype=np.float32)


def breast_map(breast: Bool[np.ndarray, "rows cols"]) -> Float32[np.ndarray, "rows cols"]:
    """The same value all over the breast: what chance gives."""
    return breast.astype(np.float32)


def ceiling_map(truth: Bool[np.ndarray, "rows cols"], *, grid: tuple[int, int]) -> Float32[np.ndarray, "rows cols"]:
    """The lesions themselves, as a method with this grid could show them at best.

    Args:
        truth: Pixels of lesions.
        grid: Rows and columns of the method's own map.

    Example:
        >>> float(ceiling_map(np.eye(4, dtype=bool), grid=(4, 4)).max())
        1.0
    """
    rows, cols = truth.shape
    coarse = cv2.resize(truth.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(coarse, (cols, rows), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
