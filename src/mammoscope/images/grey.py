"""Display values as 8 or 16-bit grey: what is cached, scored and explained is rounded the same way."""

from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8, UInt16

Grey = UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"]


def to_grey(pixels: Float32[np.ndarray, "rows cols"], *, bits: Literal[8, 16]) -> Grey:
    """Round display values in [0, 1] to 8 or 16 bits.

    Example:
        >>> to_grey(np.array([[0.0, 1.0]], dtype=np.float32), bits=16)
        array([[    0, 65535]], dtype=uint16)
    """
    dtype = np.uint8 if bits == 8 else np.uint16
    return np.rint(pixels * np.float32(np.iinfo(dtype).max)).astype(dtype)


def full_scale(grey: np.ndarray) -> int:
    """The value that stands for 1.

    Example:
        >>> full_scale(np.zeros((2, 2), dtype=np.uint8))
        255
    """
    return int(np.iinfo(grey.dtype).max)
