"""Masses whose margin runs from circumscribed to spiculated, and what their margin says of malignancy."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What a mass adds to one view.

    Attributes:
        thickness_cm: Of gland-like tissue that takes the place of fat, per pixel; below 0 in the halo.
        room: How much of the other tissue it pushes away, 0 to 1; more than its outline, the same for every margin.
        mask: The pixels inside its outline, spicules not counted.
    """

    thickness_cm: Float[np.ndarray, "rows cols"]
    room: Float[np.ndarray, "rows cols"]
    mask: Bool[np.ndarray, "rows cols"]


def draw_spiculation(random: np.random.Generator) -> float:
    """Draw a margin. Clear-cut ones at both ends are the most frequent: the arcsine law, Beta(1/2, 1/2)."""
    return float(_quantile(np.asarray(random.uniform())))


def malignancy_probability(spiculation: float, *, difficulty: float) -> float:
    """Probability that a mass with this margin is malignant: the model the labels are drawn from.

    Args:
        spiculation: Margin, 0 to 1.
        difficulty: 0 to 1. At 0 the margin decides, at 1 it says nothing.

    Returns:
        1 / (1 + exp(-slope (spiculation - 1/2))), slope = 4 (1 / difficulty - 1).

    Example:
        >>> malignancy_probability(0.5, difficulty=0.3)
        0.5
        >>> round(malignancy_probability(1.0, difficulty=0.5), 3)
        0.881
    """
    return float(_probability(np.asarray(spiculation), difficulty))


def ideal_auc(difficulty: float, *, steps: int = 20_000) -> float:
    """Area under the ROC curve of an observer who reads every margin without error.

    No classifier can be better in expectation, because the label depends on nothing but
    the margin; one that falls short of it has something left to learn from the pictures.

    Args:
        difficulty: As in `malignancy_probability`.
        steps: Points of the midpoint rule over the quantiles of the margin.

    Returns:
        P(score of a malignant mass > score of a benign one), ties counted half.

    Source:
        Bamber, The area above the ordinal dominance graph and the area below the receiver operating
        characteristic graph, Journal of Mathematical Psychology 12:387-415 (1975).

    Example:
        >>> ideal_auc(0.0), ideal_auc(1.0)
        (1.0, 0.5)
    """
    margin = _quantile((np.arange(steps) + 0.5) / steps)
    malignant = _probability(margin, difficulty)
    benign = 1 - malignant
    if np.ptp(malignant) == 0:
        return 0.5
    below = np.cumsum(benign) - 0.5 * benign
    return float((malignant * below).sum() / (malignant.sum() * benign.sum()))


def _quantile(share: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return np.asarray(np.sin(0.5 * np.pi * share) ** 2)


def _probability(spiculation: Float[np.ndarray, "..."], difficulty: float) -> Float[np.ndarray, "..."]:
    if difficulty == 0:
        return np.asarray(np.heaviside(spiculation - 0.5, 0.5))
    return np.asarray(expit(4 * (1 / difficulty - 1) * (spiculation - 0.5)))


def shadow(
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
    thickness = np.zeros((rows, cols), np.float32)
    room = np.zeros((rows, cols), np.float32)
    mask = np.zeros((rows, cols), bool)
    reach = 1.7 * mass.diameter_mm + 4
    top, left = (max(0, int((c - reach) / spacing_mm)) for c in (centre_mm[1], centre_mm[0]))
    bottom, right = (int((c + reach) / spacing_mm) + 1 for c in (centre_mm[1], centre_mm[0]))
    window = np.s_[top : min(bottom, rows), left : min(right, cols)]
    y, x = np.mgrid[window].astype(np.float32)
    across = (x + 0.5) * spacing_mm - centre_mm[0]
    down = (y + 0.5) * spacing_mm - centre_mm[1]
    away, angle = np.hypot(across, down), np.arctan2(down, across)
    turns, border_mm = _border(mass, random)
    edge = np.interp(angle, turns, border_mm).astype(np.float32)
    mask[window] = away <= edge
    room[window] = np.exp(-((away / (2 + 0.8 * mass.diameter_mm)) ** 4))
    thickness[window] = _body(mass, away / edge) + _spicules(mass, away, angle, edge, random)
    return Shadow(thickness_cm=thickness, room=room, mask=mask)


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
