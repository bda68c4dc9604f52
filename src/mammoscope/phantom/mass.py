"""Masses whose margin runs from circumscribed to spiculated."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from mammoscope.phantom.shadow import Shadow, around, no_shadow

DIAMETERS_MM = (8.0, 35.0)
CONTRAST = 1.25  # a little more than gland in the place of fat: seen in most breasts of most densities


@dataclass(frozen=True, slots=True, kw_only=True)
class Mass:
    """A mass, as both views show it.

    Attributes:
        diameter_mm: Of the circle with the area of its outline, spicules not counted.
        spiculation: Its margin: 0 is smooth and circumscribed, 1 irregular with long spicules.
        contrast: 1 attenuates like gland that takes the place of fat.
        aspect: Long axis over short axis.
    """

    diameter_mm: float
    spiculation: float
    contrast: float = CONTRAST
    aspect: float = 1.2

    @property
    def suspicion(self) -> float:
        """What the label is drawn from."""
        return self.spiculation


def mass_shadow(
    mass: Mass,
    *,
    centre_mm: tuple[float, float],
    rows: int,
    cols: int,
    spacing_mm: float,
    random: np.random.Generator,
) -> Shadow:
    """Project a mass.

    Args:
        mass: What to draw.
        centre_mm: x and y of the middle of its outline.
        rows: Height of the picture.
        cols: Width of the picture.
        spacing_mm: Of the pixels.
        random: Where the lobes and spicules come from.
    """
    window, across, down = around(
        centre_mm, reach_mm=1.7 * mass.diameter_mm + 4, rows=rows, cols=cols, spacing_mm=spacing_mm
    )
    found = no_shadow(rows, cols)
    away, angle = np.hypot(across, down), np.arctan2(down, across)
    turns, border_mm = _border(mass, random)
    edge = np.interp(angle, turns, border_mm).astype(np.float32)
    found.mask[window] = away <= edge
    found.room[window] = np.exp(-((away / (2 + 0.8 * mass.diameter_mm)) ** 4))
    found.thickness_cm[window] = _body(mass, away / edge) + _spicules(mass, away, angle, edge, random)
    return found


def _border(mass: Mass, random: np.random.Generator) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The outline in polar coordinates: an ellipse with lobes, scaled to the area of the diameter."""
    angle = np.linspace(-np.pi, np.pi, 721)
    turned = angle - random.uniform(0, np.pi)
    oval = 1 / np.hypot(np.cos(turned) / np.sqrt(mass.aspect), np.sin(turned) * np.sqrt(mass.aspect))
    waves = np.arange(2, 14)
    slow, quick = 0.03 + 0.05 * mass.spiculation, 0.085 * mass.spiculation**1.5
    height = np.where(waves < 4, slow, quick) * random.standard_normal(12)
    phase = random.uniform(0, 2 * np.pi, 12)
    lobes = np.exp((height * np.sin(np.outer(angle, waves) + phase)).sum(axis=1))
    border = oval * lobes
    return angle, border * 0.5 * mass.diameter_mm / np.sqrt(np.mean(border[:-1] ** 2))


def _body(mass: Mass, share: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, "rows cols"]:
    """Thickness over the distance from the centre in units of the border: a dome with a sharp or a vague rim."""
    rim = 0.02 + 0.25 * mass.spiculation
    dome = np.sqrt(np.clip(1.15 - share**2, 0, None)) * expit(2 * (1 - share) / rim)
    halo = 0.14 * (1 - mass.spiculation) ** 2 * np.exp(-(((share - 1.13) / 0.07) ** 2))
    return np.asarray((dome - halo) * (0.5 + 0.065 * mass.diameter_mm), np.float32)


def _spicules(
    mass: Mass,
    away: Float[np.ndarray, "rows cols"],
    angle: Float[np.ndarray, "rows cols"],
    edge: Float[np.ndarray, "rows cols"],
    random: np.random.Generator,
) -> Float[np.ndarray, "rows cols"]:
    """Bent, tapering lines that leave the border at right angles."""
    total = np.zeros_like(away)
    radius = 0.5 * mass.diameter_mm
    count = 11 + round(7 * mass.spiculation)
    starts = (np.arange(count) + random.uniform(-0.5, 0.5, count)) * 2 * np.pi / count - np.pi
    lengths = (4 + radius * random.uniform(0.6, 1.8, count)) * mass.spiculation
    widths = random.uniform(0.8, 1.5, count)
    bends = random.normal(0, 0.15, count) / radius
    strengths = random.uniform(0.45, 1.0, count)
    out = away - 0.8 * edge
    leaves = np.clip(out / (0.2 * radius), 0, 1)
    spicules = np.column_stack([starts, lengths, widths, bends, strengths]).tolist()
    for start, length, width, bend, strength in spicules:
        off = np.mod(angle - start - bend * out + np.pi, 2 * np.pi) - np.pi
        taper = np.clip(1 - out / (0.2 * radius + length), 0, 1)
        line = np.exp(-((off * away / (width * (0.5 + 0.5 * taper))) ** 2))
        total += strength * line * leaves * np.sqrt(taper)
    return np.asarray(np.minimum(total, 1.3) * (0.3 + 0.035 * mass.diameter_mm) * mass.spiculation**2, np.float32)
