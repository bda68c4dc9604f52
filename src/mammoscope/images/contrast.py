"""Contrast-limited adaptive histogram equalisation (CLAHE) of the final pixels.

OpenCV's own is not used: at 16 bits it spreads a tile over 65,536 bins, so that each holds less than one pixel and
any usual limit is cut to one; at 8 bits it would coarsen the picture; and it counts the background.
"""

import cv2
import numpy as np
from jaxtyping import Float32, Int

BINS = 256
FULLNESS = 0.5  # a tile with less breast than this is filled up with the greys of the whole breast


def equalised(
    pixels: Float32[np.ndarray, "rows cols"], *, limit: float, tiles: int = 8
) -> Float32[np.ndarray, "rows cols"]:
    """Equalise the histogram of each tile, with a limit to how much contrast is raised.

    Pixels of exactly 0 are background, padding or cleared: they are not counted and stay 0.
    Grey is mapped without steps: the tables have 256 entries and are read in between.

    Args:
        pixels: Final pixels in [0, 1]. Not modified.
        limit: No bin is counted higher than this many times the mean of its tile, so no slope of the
            mapping is much above it; 2 to 4 is usual.
        tiles: Number of tiles a side; between their middles the mapping is interpolated.

    Returns:
        New pixels in [0, 1].

    Raises:
        ValueError: `limit` is not above 0, or `tiles` not at least 1.

    Source:
        Zuiderveld, Contrast limited adaptive histogram equalization, in Graphics Gems IV (1994), 474-485;
        first on mammograms: Pisano et al., Journal of Digital Imaging 11:193-200 (1998).

    Example:
        >>> few = np.array([[0.0, 0.4, 0.6, 0.8]], dtype=np.float32)
        >>> equalised(few, limit=100.0, tiles=1).round(2)
        array([[0.  , 0.33, 0.67, 1.  ]], dtype=float32)
    """
    if not limit > 0:
        raise ValueError(f"limit must be above 0, got {limit}")
    if tiles < 1:
        raise ValueError(f"tiles must be at least 1, got {tiles}")
    if not (pixels > 0).any():
        return pixels.copy()
    rows, cols = pixels.shape
    down, across = min(tiles, rows), min(tiles, cols)
    tables = _tables(pixels, limit=limit, down=down, across=across)
    level = np.clip(pixels, 0, 1) * np.float32(BINS - 1)
    shown = np.zeros_like(pixels)
    for tile_row, row_share in _neighbours(rows, down):
        for tile_col, col_share in _neighbours(cols, across):
            table = (tile_row[:, None] * across + tile_col).astype(np.float32)
            shown += cv2.remap(tables, level, table, cv2.INTER_LINEAR) * (row_share[:, None] * col_share)
    return np.where(pixels > 0, np.clip(shown, 0, 1), np.float32(0))


def _tables(
    pixels: Float32[np.ndarray, "rows cols"], *, limit: float, down: int, across: int
) -> Float32[np.ndarray, "tiles bins"]:
    """For each tile the share of its tissue that is no brighter than a grey, with clipped counts."""
    rows, cols = pixels.shape
    tile = _tile_of(rows, down)[:, None] * across + _tile_of(cols, across)
    grey = np.rint(np.clip(pixels, 0, 1) * np.float32(BINS - 1)).astype(np.int32)
    counted = np.bincount((tile * BINS + grey)[pixels > 0], minlength=down * across * BINS)
    counts = counted.reshape(-1, BINS).astype(np.float64)
    whole = counts.sum(axis=0)
    missing = np.maximum(0.0, FULLNESS * np.bincount(tile.ravel()) - counts.sum(axis=1))
    counts += missing[:, None] * (whole / whole.sum())
    total = counts.sum(axis=1, keepdims=True)
    most = limit * total / BINS
    excess = np.maximum(counts - most, 0).sum(axis=1, keepdims=True)
    counts = np.minimum(counts, most) + excess / BINS
    return np.asarray(counts.cumsum(axis=1) / total, dtype=np.float32)


def _tile_of(length: int, tiles: int) -> Int[np.ndarray, " length"]:
    return ((np.arange(length) + 0.5) * tiles / length).astype(np.int32)


def _neighbours(
    length: int, tiles: int
) -> tuple[tuple[Int[np.ndarray, " length"], Float32[np.ndarray, " length"]], ...]:
    """The two tiles whose middles are next to each pixel, and what share each has in it."""
    at = (np.arange(length) + 0.5) * tiles / length - 0.5
    first = np.floor(at).astype(np.int32)
    share = (at - first).astype(np.float32)
    return (np.maximum(first, 0), 1 - share), (np.minimum(first + 1, tiles - 1), share)
