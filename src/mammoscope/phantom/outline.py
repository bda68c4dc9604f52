"""The shape of a compressed breast in one view: skin outline, nipple and pectoral muscle, in millimetres.

The chest wall is the left edge of the field (x = 0) and y runs down, for both sides;
a right breast is mirrored when its picture is done.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy.interpolate import CubicSpline

from mammoscope.vocabulary import View

FIELD_MM = (200.0, 130.0)  # height, width: most of an 18 x 24 cm film, its empty border cut off as in the archive
NIPPLE_MM = 4.5  # radius
SUPERSAMPLE = 8  # fillPoly takes fixed-point corners: 2 ** 3 steps a pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class BreastShape:
    """What both views of a breast share.

    Attributes:
        depth_mm: From the chest wall edge to the nipple, the same in both views.
        height_mm: Along the chest wall, in the CC view.
        roundness: Exponent of the superellipse; 2 is an ellipse, more is squarer.
        tilt: How far the nipple sits off the middle, as a share of the height.
        muscle_mm: Width of the pectoral muscle along the top edge of the MLO view.
        thickness_cm: Of the compressed breast.
    """

    depth_mm: float
    height_mm: float
    roundness: float
    tilt: float
    muscle_mm: float
    thickness_cm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """One view of a breast.

    Attributes:
        skin: Closed polygon, x and y in millimetres; it leaves the field at the chest wall.
        nipple: x and y of its base in millimetres.
        muscle: Polygon of the pectoral muscle, or None in a view that does not show it.
    """

    skin: Float[np.ndarray, "points 2"]
    nipple: tuple[float, float]
    muscle: Float[np.ndarray, "corners 2"] | None = None


def draw_shape(random: np.random.Generator) -> BreastShape:
    """Draw one woman's breast shape."""
    depth_mm = random.uniform(62, 108)
    return BreastShape(
        depth_mm=depth_mm,
        height_mm=float(np.clip(depth_mm * random.uniform(1.45, 1.9), 115, 180)),
        roundness=random.uniform(2.0, 2.35),
        tilt=random.uniform(-0.05, 0.05),
        muscle_mm=random.uniform(30, 52),
        thickness_cm=random.uniform(4.0, 6.0),
    )


def outline(shape: BreastShape, *, view: View, random: np.random.Generator) -> Outline:
    """Draw the outline of one view."""
    return _oblique(shape, random) if view is View.MLO else _cranio_caudal(shape, random)


def _cranio_caudal(shape: BreastShape, random: np.random.Generator) -> Outline:
    """A superellipse cut by the chest wall, one side a little fuller, with a slow wobble."""
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 181)
    middle = 0.5 * FIELD_MM[0] + shape.tilt * shape.height_mm
    fuller = 1 + 0.08 * random.uniform(-1, 1) * np.sin(angle)
    wobble = 1 + 0.012 * _slow_wave(angle, random)
    behind = random.uniform(2, 16)  # of the ellipse lies behind the film
    power = 2 / shape.roundness
    x = (shape.depth_mm + behind) * np.cos(angle).clip(0) ** power * wobble - behind
    y = middle + 0.5 * shape.height_mm * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power * fuller * wobble
    tip = int(np.argmax(x))
    skin = _with_nipple(np.column_stack([x, y]), tip, random)
    skin = np.vstack([(-60.0, y[0]), skin, (-60.0, y[-1])])
    return Outline(skin=skin, nipple=(float(x[tip]), float(y[tip])))


def _oblique(shape: BreastShape, random: np.random.Generator) -> Outline:
    """Axilla at the top, a hanging curve to the nipple, the fold below, a little belly."""
    rows, depth = FIELD_MM[0], shape.depth_mm
    half = np.clip(0.5 * shape.height_mm, 58, 84)
    nipple_y = rows * random.uniform(0.54, 0.62)
    axilla = depth * random.uniform(0.5, 0.64)
    fold_y = nipple_y + half * random.uniform(0.92, 1.02)
    waist = random.uniform(7, 13)
    corners = np.array(
        [
            (axilla * random.uniform(0.98, 1.12), -30.0),
            (axilla * random.uniform(0.98, 1.04), 0.0),
            (axilla * random.uniform(1.06, 1.16), 0.42 * (nipple_y - 0.35 * half)),
            (depth * random.uniform(0.84, 0.88), nipple_y - 0.62 * half),
            (depth * random.uniform(0.965, 0.98), nipple_y - 0.26 * half),
            (depth, nipple_y),
            (depth * random.uniform(0.9, 0.93), nipple_y + 0.36 * half),
            (depth * random.uniform(0.58, 0.64), nipple_y + 0.74 * half),
            (waist + 0.16 * depth, fold_y - 0.03 * half),
            (waist, fold_y + 0.1 * half),
            (waist * random.uniform(1.1, 1.5), fold_y + 0.35 * half),
            (waist * random.uniform(1.2, 1.8), rows + 60),
        ]
    )
    chord = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    curve = CubicSpline(chord, corners)(np.linspace(0, chord[-1], 400))
    tip = int(np.argmin(np.abs(curve - (depth, nipple_y)).sum(axis=1)))
    nipple = (float(curve[tip, 0]), float(curve[tip, 1]))
    skin = np.vstack([_with_nipple(curve, tip, random), [(-60.0, rows + 60), (-60.0, -30.0)]])
    return Outline(skin=skin, nipple=nipple, muscle=_muscle(shape, axilla, nipple_y, random))


def _muscle(
    shape: BreastShape, axilla: float, nipple_y: float, random: np.random.Generator
) -> Float[np.ndarray, "corners 2"]:
    """A triangle in the corner of chest wall and axilla, its long side slightly bent."""
    width = min(shape.muscle_mm, axilla - 6)
    length = nipple_y * random.uniform(0.75, 1.02)
    down = np.linspace(-0.05, 1, 40)
    across = width * (1 - down.clip(0)) ** random.uniform(0.82, 1.08) + 0.02 * width * _slow_wave(3 * down, random)
    edge = np.column_stack([across, down * length])
    return np.vstack([edge[0] - (0, 40), edge, (-60.0, edge[-1, 1]), (-60.0, edge[0, 1] - 40)])


def _with_nipple(
    skin: Float[np.ndarray, "points 2"], tip: int, random: np.random.Generator
) -> Float[np.ndarray, "points 2"]:
    """The skin with a small bump at the tip; now and then the nipple is not in profile."""
    height = NIPPLE_MM * random.choice([0.15, 1.0], p=[0.2, 0.8]) * random.uniform(0.7, 1.2)
    along = np.hypot(*(skin - skin[tip]).T)
    bump = height * np.exp(-((along / NIPPLE_MM) ** 4))
    tangent = np.gradient(skin, axis=0)
    outward = np.column_stack([tangent[:, 1], -tangent[:, 0]]) / np.hypot(*tangent.T)[:, None]
    return np.asarray(skin + bump[:, None] * outward)


def _slow_wave(position: Float[np.ndarray, " n"], random: np.random.Generator) -> Float[np.ndarray, " n"]:
    phase = random.uniform(0, 2 * np.pi, 3)
    return np.asarray(sum(np.sin(k * position + p) / k for k, p in zip((2, 3, 5), phase, strict=True)))


def filled(
    polygon: Float[np.ndarray, "points 2"], *, rows: int, cols: int, spacing_mm: float, margin: int = 0
) -> Bool[np.ndarray, "height width"]:
    """The pixels inside a polygon given in millimetres, on a grid with `margin` more pixels on every side."""
    grid = np.zeros((rows + 2 * margin, cols + 2 * margin), np.uint8)
    corners = np.rint(((polygon / spacing_mm - 0.5) + margin) * SUPERSAMPLE).astype(np.int32)
    cv2.fillPoly(grid, [corners], 1, shift=SUPERSAMPLE.bit_length() - 1)
    return grid.astype(bool)


def inward_mm(
    polygon: Float[np.ndarray, "points 2"], *, rows: int, cols: int, spacing_mm: float
) -> Float[np.ndarray, "rows cols"]:
    """Distance of every pixel inside a polygon from its edge, 0 outside; the edge of the field is none."""
    margin = round(40 / spacing_mm)
    grid = filled(polygon, rows=rows, cols=cols, spacing_mm=spacing_mm, margin=margin)
    distance = cv2.distanceTransform(grid.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[margin:-margin, margin:-margin] * spacing_mm, np.float32)
