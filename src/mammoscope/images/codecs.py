"""Compressed pictures that can be decoded at a part of their resolution: JPEG 2000 by wavelet levels, JPEG by DCT size.

Both go through Pillow, which guards sizes; whatever it cannot reduce is decoded whole.
"""

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from mmap import mmap
from typing import IO, cast

import numpy as np
from PIL import Image

from mammoscope.images.codestream import wavelet_levels
from mammoscope.images.geometry import Crop, Grid
from mammoscope.images.levels import SMALL, ArrayLevels, Levels, Reduced, Stored

log = logging.getLogger(__name__)

DCT_FACTORS = (8, 4, 2, 1)  # libjpeg also offers n/8, which Pillow does not
LARGEST_WAVELET_FACTOR = 32
EIGHTH = 8  # the factor at which most pictures are looked at first; it is kept


@dataclass(frozen=True, kw_only=True, eq=False)
class WaveletLevels(Levels):
    """A JPEG 2000 stream: each halving of the resolution saves about three quarters of the work.

    Attributes:
        stream: The codestream, or a JP2 file around it.
        shape: Rows and columns by its header.
        bits: Bits of a sample, unsigned.
        whole: Decodes it at full resolution.
    """

    stream: bytes
    shape: tuple[int, int]
    bits: int
    whole: Callable[[], Stored]
    grid: Grid = "samples"

    @cached_property
    def _full(self) -> ArrayLevels:
        return ArrayLevels(values=self.whole())

    @cached_property
    def _eighth(self) -> Reduced | None:
        return self._reduced(EIGHTH)

    def factor_for(self, needed: float) -> int:
        """The largest power of two that still has a sample for each final pixel."""
        factor, largest = 1, min(LARGEST_WAVELET_FACTOR, 2 ** wavelet_levels(self.stream))
        while factor * 2 <= min(needed, largest):
            factor *= 2
        return factor

    def read(self, factor: int, crop: Crop | None = None) -> Reduced:
        """Decode the whole picture at that factor: Pillow offers no decoding of a region."""
        level = self._eighth if factor == EIGHTH else self._reduced(factor) if factor > 1 else None
        if level is None:
            return self._full.read(factor, crop)
        x0, y0, x1, y1 = crop or (0, 0, *level.shape[::-1])
        spare = level.dtype.itemsize * 8 - self.bits  # Pillow stretches to 8 or 16 bits
        return np.right_shift(level[y0:y1, x0:x1], spare)

    def _reduced(self, factor: int) -> Reduced | None:
        """Decode fewer wavelet levels, stretched to 8 or 16 bits; None where the whole stream must be decoded."""
        try:
            with Image.open(io.BytesIO(self.stream), formats=("JPEG2000",)) as image:
                if image.mode not in {"L", "I;16"}:
                    return None
                image.reduce = factor.bit_length() - 1  # type: ignore[method-assign, assignment]
                # Pillow rounds the size to the nearest, the decoder rounds up, and then refuses; so it is rounded first
                width, height = image.size
                image._size = -(-width // factor) * factor, -(-height // factor) * factor  # noqa: SLF001
                values = np.asarray(image)
        except OSError as error:
            log.debug("JPEG 2000 at 1/%d of the resolution failed: %s", factor, type(error).__name__)
            return None
        return values if values.shape == tuple(-(-side // factor) for side in self.shape) else None


@dataclass(frozen=True, kw_only=True, eq=False)
class DctLevels(Levels):
    """An 8-bit JPEG: its blocks are transformed back at 1/2, 1/4 or 1/8 of their size.

    The Huffman code must be read whole at any size, so that one reading, a little finer, is cheaper than two.

    Attributes:
        stream: The JPEG, or the file mapped into memory.
        shape: Rows and columns by its header.
        grey: Makes one channel of what Pillow decoded, or raises.
    """

    stream: bytes | mmap
    shape: tuple[int, int]
    grey: Callable[[Image.Image], Stored]
    grid: Grid = "blocks"

    def factor_for(self, needed: float) -> int:
        """1, 2, 4 or 8; 1 where nothing is gained."""
        if self.shape[0] * self.shape[1] <= SMALL:
            return 1
        return next(factor for factor in DCT_FACTORS if factor <= max(1.0, needed))

    def read(self, factor: int, crop: Crop | None = None) -> Reduced:
        """Decode the whole picture at that factor."""
        with Image.open(cast("IO[bytes]", self._file()), formats=("JPEG",)) as image:  # it reads, seeks and tells
            image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))
            level = self.grey(image)
        if level.shape == self.shape:  # a JPEG that cannot be scaled comes whole
            level = ArrayLevels(values=level).read(factor)
        if crop is None:
            return level
        x0, y0, x1, y1 = crop
        return level[y0:y1, x0:x1]

    def _file(self) -> io.BytesIO | mmap:
        if isinstance(self.stream, bytes):
            return io.BytesIO(self.stream)
        self.stream.seek(0)
        return self.stream

    def glance(self, *, needed: float, final: float, sure: bool = False) -> tuple[Reduced, int]:
        """As fine as the final picture is expected to need, so that one reading is enough."""
        del sure
        factor = self.factor_for(min(needed, final))
        return self.read(factor), factor
