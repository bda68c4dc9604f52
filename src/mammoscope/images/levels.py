"""One picture at several resolutions: nothing is decoded, averaged or touched larger than it is needed.

A *factor* is the number of pixels of the file, along each axis, that one pixel of a level stands for. A level covers
the whole picture: its shape is that of the file divided by the factor, rounded up.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from math import ceil, floor
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Int16, Integer, UInt8, UInt16

from mammoscope.images.geometry import Crop, Grid

Stored = UInt8[np.ndarray, "rows cols"] | UInt16[np.ndarray, "rows cols"] | Int16[np.ndarray, "rows cols"]
"""Stored values of a whole picture."""

Reduced = UInt8[np.ndarray, "_ _"] | UInt16[np.ndarray, "_ _"] | Int16[np.ndarray, "_ _"]
"""Stored values of a level, or of a part of it."""

BLOCKS_PER_PIXEL = 3  # blocks are averaged once more: the fewer to a final pixel, the more those on its rim show
LEAST_BLOCKS = 2  # ... which is worth it where full resolution is the other choice; bench/differences.py measures both
BAND_BYTES = 1 << 22  # of the file, at a time
SMALL = 4_000_000  # pixels; averaging all of them at once takes a few milliseconds
GLANCE_ROWS = 4  # of each block; a glance at a large picture does not touch every row


class Levels(ABC):
    """One picture of a file, to be read at the resolution that is needed.

    Attributes:
        shape: Rows and columns in the file.
        grid: What a pixel of a level is.
    """

    shape: tuple[int, int]
    grid: Grid

    @abstractmethod
    def factor_for(self, needed: float) -> int:
        """The largest factor that serves final pixels of `needed` pixels of the file along each axis."""

    @abstractmethod
    def read(self, factor: int, crop: Crop | None = None) -> Reduced:
        """Stored values at a factor that `factor_for` gave; of a crop (in pixels of that level), or all."""

    def glance(self, *, needed: float, final: float, sure: bool = False) -> tuple[Reduced, int]:
        """The whole picture, to look at before the crop is known, and its factor.

        Args:
            needed: Pixels of the file for one pixel of what is looked at.
            final: Pixels of the file for one final pixel, as far as can be told before the crop is known.
            sure: There is no crop, so that `final` will do: one reading then serves for both.
        """
        factor = self.factor_for(min(needed, final) if sure else needed)
        return self.read(factor), factor


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayLevels(Levels):
    """Pixels in memory or in a memory map: blocks of any size can be averaged.

    Attributes:
        values: As they lie in the file; of a memory map only the pages that are needed are read.
        stored: Makes stored values of a part of `values`; None if they are.
    """

    values: Integer[np.ndarray, "rows cols"]
    stored: Callable[[Integer[np.ndarray, "_ _"]], Reduced] | None = None
    grid: Grid = "blocks"

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """Rows and columns in the file."""
        return self.values.shape[0], self.values.shape[1]

    def factor_for(self, needed: float) -> int:
        """Any whole number, small enough for the second averaging to be fair; 1 where nothing is gained."""
        if self.values.size <= SMALL:
            return 1
        return max(1, floor(needed / BLOCKS_PER_PIXEL), min(2, floor(needed / LEAST_BLOCKS)))

    def read(self, factor: int, crop: Crop | None = None) -> Reduced:
        """Average blocks of the crop only, band by band: each is in the cache while it is looked through."""
        x0, y0, x1, y1 = (edge * factor for edge in crop) if crop else (0, 0, *self.shape[::-1])
        if factor == 1:
            return self._part(self.values[y0:y1])[:, x0:x1]
        y1, x1 = min(y1, self.shape[0]), min(x1, self.shape[1])
        level = np.empty((ceil((y1 - y0) / factor), ceil((x1 - x0) / factor)), dtype=self._part(self.values[:0]).dtype)
        band = max(1, BAND_BYTES // (factor * self.values.itemsize * self.shape[1]))
        for top in range(0, len(level), band):
            start = y0 + top * factor
            rows = self._part(self.values[start : min(start + band * factor, y1)])  # whole: they lie together
            level[top : top + band] = block_mean(rows[:, x0:x1], rows=factor, cols=factor)
        return level

    def glance(self, *, needed: float, final: float, sure: bool = False) -> tuple[Reduced, int]:
        """Blocks of which only some rows are read."""
        del final, sure
        step = floor(needed / GLANCE_ROWS)
        if step < 2:
            factor = max(1, floor(needed))
            return self.read(factor), factor
        factor = GLANCE_ROWS * step
        seen = block_mean(self._part(self.values[step // 2 :: step]), rows=GLANCE_ROWS, cols=factor)
        if len(seen) * factor < self.shape[0]:  # of the last block, only its upper rows are there, and none was met
            last = block_mean(self._part(self.values[-1:]), rows=1, cols=factor)
            seen = np.vstack([seen, last])
        return seen, factor

    def _part(self, values: Integer[np.ndarray, "_ _"]) -> Reduced:
        return values if self.stored is None else self.stored(values)


@dataclass(frozen=True, kw_only=True, eq=False)
class SlabLevels(Levels):
    """Several slices of one tomosynthesis volume as one picture.

    Each slice is read at the level that is needed, one after the other; then they are combined.
    """

    slices: tuple[Levels, ...]
    by: Literal["mean", "max", "min"]

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """Rows and columns of each slice."""
        return self.slices[0].shape

    @property
    def grid(self) -> Grid:  # type: ignore[override]
        """That of each slice."""
        return self.slices[0].grid

    def factor_for(self, needed: float) -> int:
        """As for one slice."""
        return self.slices[0].factor_for(needed)

    def read(self, factor: int, crop: Crop | None = None) -> Reduced:
        """Read slice by slice; one and the sum are in memory at a time."""
        return combined((one.read(factor, crop) for one in self.slices), by=self.by)


def combined(slices: Iterable[Reduced], *, by: Literal["mean", "max", "min"]) -> Reduced:
    """One picture of several, which are taken one after the other; at least one.

    Example:
        >>> combined([np.array([[1, 9]], dtype=np.uint8), np.array([[5, 8]], dtype=np.uint8)], by="max")
        array([[5, 9]], dtype=uint8)
    """
    rest = iter(slices)
    first = next(rest)
    if by != "mean":
        return reduce(np.maximum if by == "max" else np.minimum, rest, first)
    total, count = first.astype(np.float64), 1
    for one in rest:
        total += one
        count += 1
    return np.rint(total / count).astype(first.dtype)


def block_mean(values: Stored, *, rows: int, cols: int) -> Reduced:
    """Mean of each block of `rows` x `cols` pixels; what is left over at the right and the bottom makes smaller blocks.

    Example:
        >>> block_mean(np.array([[1, 3, 9], [5, 7, 9]], dtype=np.uint8), rows=2, cols=2)
        array([[4, 9]], dtype=uint8)
    """
    if rows == cols == 1:
        return np.asarray(values)
    height, width = values.shape
    small = np.empty((ceil(height / rows), ceil(width / cols)), dtype=values.dtype)
    down, right = height // rows, width // cols
    for top, bottom, count_y in ((0, down * rows, down), (down * rows, height, 1)):
        for left, end, count_x in ((0, right * cols, right), (right * cols, width, 1)):
            block = values[top:bottom, left:end]
            if block.size:
                area = cv2.resize(block, (count_x, count_y), interpolation=cv2.INTER_AREA)
                y, x = top // rows, left // cols
                small[y : y + count_y, x : x + count_x] = np.reshape(area, (count_y, count_x))
    return small
