"""Fibroglandular tissue as a random field: power-law clouds, strands that run to the nipple, septa in the fat."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float
from scipy import fft

from mammoscope.vocabulary import Density

EXPONENT = 3.0  # of the power spectrum; 1.5 to 3.5, 2.8 on average: Burgess, Proc SPIE 5034 (2003)
SEPTA_STRETCH = 3.5  # a septum is some three times longer than a lobule is wide
SHARES = {  # dense share of the breast's area: the quarters of BI-RADS, 4th edition, less their borders
    Density.A: (0.04, 0.18),
    Density.B: (0.27, 0.46),
    Density.C: (0.54, 0.71),
    Density.D: (0.78, 0.92),
}


def power_law(
    random: np.random.Generator,
    *,
    rows: int,
    cols: int,
    exponent: float = EXPONENT,
    longest: float = 1.0,
    stretch: float = 1.0,
    direction: int = 0,
) -> Float[np.ndarray, "rows cols"]:
    """Draw a Gaussian random field whose power spectrum falls as frequency to the minus `exponent`.

    Args:
        random: Where the noise comes from.
        rows: Height.
        cols: Width.
        exponent: Of the power spectrum.
        longest: Waves longer than this share of the width are no stronger than this one.
        stretch: How many times longer than wide its features are.
        direction: In which they are longer, in degrees clockwise from the rows.

    Returns:
        The field, with mean 0 and standard deviation 1.

    Source:
        Burgess, Jacobson, Judy: Human observer detection experiments with mammograms and power-law noise,
        Medical Physics 28:419-437 (2001).

    Example:
        >>> field = power_law(np.random.default_rng(0), rows=64, cols=64)
        >>> round(abs(float(field.mean())), 6), round(float(field.std()), 6)
        (0.0, 1.0)
    """
    height, width = fft.next_fast_len(rows + rows // 8), fft.next_fast_len(cols + cols // 8, real=True)
    noise = random.standard_normal((height, width), dtype=np.float32)
    spectrum = fft.rfft2(noise) * _amplitude(height, width, exponent, longest * cols, stretch, direction)
    field = fft.irfft2(spectrum, s=(height, width))[:rows, :cols]  # the cut breaks the wrap-around
    field -= field.mean()
    return np.asarray(field / field.std(), np.float32)


@lru_cache(maxsize=32)
def _amplitude(
    height: int, width: int, exponent: float, longest_px: float, stretch: float, direction: int
) -> Float[np.ndarray, "height half"]:
    down = np.fft.fftfreq(height)[:, None]
    across = np.fft.rfftfreq(width)[None, :]
    cos, sin = np.cos(np.deg2rad(direction)), np.sin(np.deg2rad(direction))
    squared = stretch * (cos * across + sin * down) ** 2 + (cos * down - sin * across) ** 2 / stretch
    amplitude = np.maximum(squared, 1 / longest_px**2) ** (-exponent / 4)
    amplitude[0, 0] = 0
    amplitude = amplitude.astype(np.float32)
    amplitude.flags.writeable = False  # it is shared
    return np.asarray(amplitude)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the tissue grows: one view on a grid of pixels.

    Attributes:
        inward_mm: Distance from the skin, 0 outside.
        nipple: x and y in millimetres.
        depth_mm: From the chest wall to the nipple.
        muscle: Share of pectoral muscle in front of each pixel, 0 to 1.
        spacing_mm: Of the pixels.
    """

    inward_mm: Float[np.ndarray, "rows cols"]
    nipple: tuple[float, float]
    depth_mm: float
    muscle: Float[np.ndarray, "rows cols"]
    spacing_mm: float


def glandular_share(ground: Ground, *, share: float, random: np.random.Generator) -> Float[np.ndarray, "rows cols"]:
    """Draw how much of the tissue in each ray is fibroglandular, 0 (fat) to 1.

    Args:
        ground: The breast.
        share: Dense share of the breast's area, without the muscle.
        random: Where the tissue comes from.
    """
    rows, cols = ground.inward_mm.shape
    reach = _reach(ground)
    inside = (ground.inward_mm > 6) & (ground.muscle < 0.5) & (reach > 0.5)
    clouds = power_law(random, rows=rows, cols=cols, longest=0.6)
    fine = power_law(random, rows=rows, cols=cols, exponent=2.7, longest=0.12)
    streaks = _towards_nipple(ground, random)
    score = 3.2 * reach * _disc(ground, share) + 0.62 * clouds + 0.24 * streaks + 0.07 * fine
    border = np.quantile(score[inside][::7], 1 - share)
    dense = 1 / (1 + np.exp(-(score - border) / 0.6))
    lobules = _septa(random, rows=rows, cols=cols, spacing_mm=ground.spacing_mm)
    within = 0.56 + 0.08 * streaks + 0.035 * fine + 0.13 * clouds + 0.07 * lobules
    between = 0.10 + 0.15 * lobules + 0.05 * np.maximum(streaks, 0) ** 1.5 + 0.012 * fine + 0.04 * clouds
    buried = np.clip(ground.inward_mm / 9, 0, 1)
    return np.asarray(np.clip(dense * within + (1 - 0.8 * dense) * between * buried, 0, 1), np.float32)


def _reach(ground: Ground) -> Float[np.ndarray, "rows cols"]:
    """1 in the part of the breast that bears gland, falling to 0 in the axillary tail and at the fold."""
    rows, cols = ground.inward_mm.shape
    x, y = _millimetres(rows, cols, ground.spacing_mm)
    away = np.hypot(x - ground.nipple[0], 1.25 * (y - ground.nipple[1])) / ground.depth_mm
    return np.asarray(1 / (1 + np.exp((away - 1.05) / 0.08)), np.float32)


def _disc(ground: Ground, share: float) -> Float[np.ndarray, "rows cols"]:
    """Where gland is likely, about 0 to 1: a cone behind the nipple, under a layer of fat."""
    rows, cols = ground.inward_mm.shape
    x, y = _millimetres(rows, cols, ground.spacing_mm)
    depth = (ground.nipple[0] - x) / ground.depth_mm
    off = np.abs(y - ground.nipple[1]) / (0.75 * ground.depth_mm)
    cone = np.exp(-((off / (0.35 + 0.55 * depth.clip(0, 1))) ** 2)) * np.clip(1.25 - 0.75 * depth, 0, 1)
    fat_mm = 14 - 9 * share
    under = 1 / (1 + np.exp(-(ground.inward_mm - fat_mm) / 2.2))
    return np.asarray((0.25 + 0.75 * cone) * under * (1 - 0.6 * ground.muscle), np.float32)


def _towards_nipple(ground: Ground, random: np.random.Generator) -> Float[np.ndarray, "rows cols"]:
    """Noise drawn in polar coordinates about the nipple, so that it runs out into ducts and strands."""
    rows, cols = ground.inward_mm.shape
    x, y = _millimetres(rows, cols, ground.spacing_mm)
    bend = _slow(random, rows=rows, cols=cols)
    away = np.hypot(x - ground.nipple[0] - 6, y - ground.nipple[1])
    angle = np.arctan2(y - ground.nipple[1], ground.nipple[0] + 6 - x) + 0.10 * bend
    size = max(rows, cols)
    noise = power_law(random, rows=size, cols=size, exponent=2.9, longest=0.14)
    along = (away + 5 * bend) / (3.2 * ground.spacing_mm)
    across = angle * 45 / ground.spacing_mm + 0.5 * size
    found = cv2.remap(
        noise, along.astype(np.float32), across.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(found, np.float32)


def _septa(random: np.random.Generator, *, rows: int, cols: int, spacing_mm: float) -> Float[np.ndarray, "rows cols"]:
    """A net of thin bright lines between lobules of fat, strong here and faint there (Cooper's ligaments)."""
    net = np.zeros((rows, cols), np.float32)
    turn = 15 * int(random.integers(12))
    for n, width_mm in enumerate((1.0, 0.7, 0.5)):
        direction = (turn + 60 * n) % 180
        field = power_law(
            random, rows=rows, cols=cols, exponent=5.0, longest=0.26, stretch=SEPTA_STRETCH, direction=direction
        )
        slope = np.hypot(cv2.Sobel(field, -1, 1, 0, scale=0.125), cv2.Sobel(field, -1, 0, 1, scale=0.125))
        off = field / (slope / spacing_mm + 0.02)  # to first order, millimetres from the line where the field is 0
        strength = np.clip(0.3 + 0.5 * np.roll(field, (rows // 3, cols // 3), (0, 1)), 0, 1.3)
        net = np.maximum(net, strength * np.exp(-((off / width_mm) ** 2)))
    return _bent(net, random, by_px=2.5 / spacing_mm)


def _bent(
    field: Float[np.ndarray, "rows cols"], random: np.random.Generator, *, by_px: float
) -> Float[np.ndarray, "rows cols"]:
    """The field on a slowly buckled grid, so that no line in it is straight."""
    rows, cols = field.shape
    shifts = [_slow(random, rows=rows, cols=cols) * np.float32(by_px) for _ in range(2)]
    across = np.arange(cols, dtype=np.float32)[None, :] + shifts[0]
    down = np.arange(rows, dtype=np.float32)[:, None] + shifts[1]
    return np.asarray(cv2.remap(field, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)


def _slow(random: np.random.Generator, *, rows: int, cols: int) -> Float[np.ndarray, "rows cols"]:
    """A smooth field, drawn coarse and enlarged."""
    coarse = power_law(random, rows=-(-rows // 8), cols=-(-cols // 8), exponent=4.0, longest=0.5)
    return np.asarray(cv2.resize(coarse, (cols, rows), interpolation=cv2.INTER_CUBIC), np.float32)


def _millimetres(
    rows: int, cols: int, spacing_mm: float
) -> tuple[Float[np.ndarray, "1 cols"], Float[np.ndarray, "rows 1"]]:
    """Positions of the centres of columns and rows."""
    x = ((np.arange(cols, dtype=np.float32) + 0.5) * spacing_mm)[None, :]
    y = ((np.arange(rows, dtype=np.float32) + 0.5) * spacing_mm)[:, None]
    return x, y
