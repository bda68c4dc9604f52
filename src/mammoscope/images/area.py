"""Area averages by any fraction, one axis at a time.

OpenCV's own area resize goes along a row pixel by pixel, but takes the channels of a pixel at once. So four columns
are handed to it as the channels of one, and the other axis is averaged in the transposed picture: the same means,
in about half the time.
"""

import cv2
import numpy as np
from jaxtyping import Float32, Int16, UInt8, UInt16

CHANNELS = 4  # the most that the area resize takes
PANEL_ROWS = 128  # turned at a time, so that they stay in the cache

Deep = UInt16[np.ndarray, "_ _"] | Int16[np.ndarray, "_ _"]


def area_mean(
    values: UInt8[np.ndarray, "rows cols"] | Deep, *, shape: tuple[int, int]
) -> Float32[np.ndarray, "new_rows new_cols"]:
    """Mean of what each new pixel covers, pixels on its rim by the part that it covers.

    Args:
        values: Stored values. Not modified.
        shape: Rows and columns of the result, none more than there are.

    Returns:
        Means. Those along the columns are rounded before they are averaged along the rows: deep values to whole
        numbers, values of 8 bits to 1/256.

    Example:
        >>> area_mean(np.array([[0, 3, 6], [0, 3, 6], [9, 9, 9]], dtype=np.uint8), shape=(3, 2))
        array([[1., 5.],
               [1., 5.],
               [9., 9.]], dtype=float32)
    """
    shallow = values.dtype == np.uint8
    fewer = _fewer_rows(np.multiply(values, 256, dtype=np.uint16) if shallow else values, shape[0])
    means = np.empty(shape, dtype=np.float32)
    for top in range(0, shape[0], PANEL_ROWS):
        panel = means[top : top + PANEL_ROWS]
        turned = cv2.transpose(fewer[top : top + PANEL_ROWS]).astype(np.float32).reshape(-1, len(panel))
        cv2.transpose(_fewer_rows(turned, shape[1]), dst=panel)
        if shallow:
            panel *= np.float32(1 / 256)
    return means


def _fewer_rows(values: Deep | Float32[np.ndarray, "_ _"], rows: int) -> Deep | Float32[np.ndarray, "_ _"]:
    """Average along the columns only."""
    height, cols = values.shape
    if rows == height:
        return values
    fewer = np.empty((rows, cols), dtype=values.dtype)
    even = cols - cols % CHANNELS
    if even:
        wide, narrow = (part[:, :even].reshape(len(part), -1, CHANNELS) for part in (values, fewer))
        cv2.resize(wide, (narrow.shape[1], rows), dst=narrow, interpolation=cv2.INTER_AREA)
    if even < cols:
        rest = cv2.resize(values[:, even:], (cols - even, rows), interpolation=cv2.INTER_AREA)
        fewer[:, even:] = np.reshape(rest, (rows, cols - even))
    return fewer
