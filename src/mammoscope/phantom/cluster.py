"""Clusters of calcifications, from round and scattered to fine, pleomorphic and branching."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from mammoscope.phantom.shadow import Shadow, around, no_shadow

DIAMETERS_MM = (10.0, 30.0)
MARGIN_MM = 2.0  # of the mask around the outermost specks
CALCIUM = 8.0  # gland-like centimetres that the middle of a speck of 1 mm replaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A group of calcifications, as both views show it.

    Attributes:
        diameter_mm: Of the circle that holds it.
        pleomorphism: 0 is few, round, even and scattered, 1 many, fine, uneven and along branching lines.
        contrast: Factor on what calcium absorbs.
    """

    diameter_mm: float
    pleomorphism: float
    contrast: float

    @property
    def suspicion(self) -> float:
        """What the label is drawn from."""
        return self.pleomorphism


def cluster_shadow(
    cluster: Cluster,
    *,
    centre_mm: tuple[float, float],
    rows: int,
    cols: int,
    spacing_mm: float,
    random: np.random.Generator,
) -> Shadow:
    """Project a cluster; its mask is the hull of the specks with a margin.

    Args:
        cluster: What to draw.
        centre_mm: x and y of its middle.
        rows: Height of the picture.
        cols: Width of the picture.
        spacing_mm: Of the pixels.
        random: Where the specks come from.
    """
    reach = 0.5 * cluster.diameter_mm + 4
    window, across, down = around(centre_mm, reach_mm=reach, rows=rows, cols=cols, spacing_mm=spacing_mm)
    found = no_shadow(rows, cols)
    places, turns = _places(cluster, random)
    found.thickness_cm[window] = _specks(cluster, places, turns, across, down, spacing_mm, random)
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rims = places[:, None] + MARGIN_MM * np.column_stack([np.cos(turn), np.sin(turn)])
    hull = cv2.convexHull(rims.reshape(-1, 2).astype(np.float32))[:, 0]
    corners = np.rint(((hull + centre_mm) / spacing_mm - 0.5) * 8).astype(np.int32)
    mask = np.zeros((rows, cols), np.uint8)
    cv2.fillPoly(mask, [corners], 1, shift=3)
    found.mask[:] = mask.astype(bool)
    return found


def _places(
    cluster: Cluster, random: np.random.Generator
) -> tuple[Float[np.ndarray, "specks 2"], Float[np.ndarray, " specks"]]:
    """Where the specks lie about the middle, and which way they point: strewn, or along a branching duct."""
    count = 9 + int(random.integers(5)) + round(16 * cluster.pleomorphism)
    radius = 0.5 * cluster.diameter_mm
    angle, away = random.uniform(0, 2 * np.pi, count), radius * np.sqrt(random.uniform(0.02, 1, count))
    strewn = np.column_stack([away * np.cos(angle), away * np.sin(angle)])
    axis = random.uniform(0, np.pi)
    turns = axis + random.choice([-0.55, 0.0, 0.5], count)
    along = random.uniform(-1, 1, count) * radius
    forward = np.clip(along, 0, None)  # the duct is straight up to the middle and branches there
    line = np.column_stack(
        [
            np.minimum(along, 0) * np.cos(axis) + forward * np.cos(turns),
            np.minimum(along, 0) * np.sin(axis) + forward * np.sin(turns),
        ]
    )
    line += random.normal(0, 1.0, line.shape)
    on_line = random.uniform(size=count) < 0.75 * cluster.pleomorphism**1.5
    tight = 1 - 0.35 * cluster.pleomorphism
    return np.where(on_line[:, None], line, strewn * tight), np.where(along < 0, axis, turns)


def _specks(
    cluster: Cluster,
    places: Float[np.ndarray, "specks 2"],
    turns: Float[np.ndarray, " specks"],
    across: Float[np.ndarray, "rows cols"],
    down: Float[np.ndarray, "rows cols"],
    spacing_mm: float,
    random: np.random.Generator,
) -> Float[np.ndarray, "rows cols"]:
    """Gaussian specks, widened to what a pixel can show and weakened to match; big round ones are hollow."""
    total = np.zeros_like(across)
    p = cluster.pleomorphism
    sizes = (0.40 - 0.22 * p) * np.exp(random.normal(0, 0.08 + 0.32 * p, len(places)))
    lengths = 1 + 1.6 * p * random.uniform(size=len(places))
    for (x, y), turn, size, length in zip(
        places.tolist(), turns.tolist(), sizes.tolist(), lengths.tolist(), strict=True
    ):
        right, below = across - x, down - y
        along = right * np.cos(turn) + below * np.sin(turn)
        beside = below * np.cos(turn) - right * np.sin(turn)
        shown = float(np.hypot(size, 0.4 * spacing_mm))
        squared = (along / (shown * length)) ** 2 + (beside / shown) ** 2
        hollow = 0.75 * (1 - p) ** 3 * np.exp(-2.5 * squared)
        total += (size / shown) ** 2 * size * (np.exp(-0.5 * squared) - hollow)
    return np.asarray(CALCIUM * total, np.float32)
