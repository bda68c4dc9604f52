"""Display values as 16-bit grey: what is cached, scored and explained is rounded the same way."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt16

from mammoscope.storage import whole_file

FULL_SCALE = 65535


def to_grey16(pixels: Float32[np.ndarray, "rows cols"]) -> UInt16[np.ndarray, "rows cols"]:
    """Round display values in [0, 1] to 16 bits.

    Example:
        >>> to_grey16(np.array([[0.0, 1.0]], dtype=np.float32))
        array([[    0, 65535]], dtype=uint16)
    """
    return np.rint(pixels * np.float32(FULL_SCALE)).astype(np.uint16)


def write_png(pixels: Float32[np.ndarray, "rows cols"], path: Path) -> None:
    """Write display values in [0, 1] as an 8-bit grey PNG, to look at.

    Raises:
        StorageError: The file system refused.
    """
    _, encoded = cv2.imencode(".png", np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    with whole_file(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
