"""Display values as 16-bit grey: what is cached, scored and explained is rounded the same way."""

import numpy as np
from jaxtyping import Float32, UInt16

FULL_SCALE = 65535


def to_grey16(pixels: Float32[np.ndarray, "rows cols"]) -> UInt16[np.ndarray, "rows cols"]:
    """Round display values in [0, 1] to 16 bits.

    Example:
        >>> to_grey16(np.array([[0.0, 1.0]], dtype=np.float32))
        array([[    0, 65535]], dtype=uint16)
    """
    return np.rint(pixels * np.float32(FULL_SCALE)).astype(np.uint16)
