"""Where the pectoral muscle lies on the thumbnail of an oblique or lateral view.

The muscle is a bright wedge in the upper corner at the chest wall. Its edge is looked for as a straight line first,
then followed as the best curve along that line; what was found is given back only where the picture speaks for it
clearly (`CLEAR_EDGE`). The numbers below were chosen on thumbnails whose longest side is about 256 pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from mammoscope.images.breast import Side, bounding_box
from mammoscope.trail import Step
from mammoscope.vocabulary import View

SHOWS_MUSCLE = frozenset({View.MLO, View.LMO, View.ML})
"""Views that show the muscle as a wedge in the upper corner; on all others it is not looked for."""

SMOOTH_PX = 2.0  # standard deviation of the blur before slopes are taken
SKIN_PX = 7  # slopes nearer to the skin than this belong to the skin
STRONG = 0.04  # of the grey range of the breast a pixel: a steeper slope counts no more, so one clip cannot win
TOPS, BOTTOMS, SAMPLES = 28, 36, 36  # lines tried: where they start and end, and points looked at on each
LENGTH_PX = 150.0  # a line longer than this is no better
SWAY_PX, END_SWAY_PX = 16, 4  # how far the curve may leave the line, and at its lower end
STEP_PX = 2.5  # along the line
BEND = 0.25  # price of one pixel sideways in one step, in strong slopes
BESIDE_PX = (3, 25)  # from the edge: where muscle and breast are compared
BRIGHTER = 0.15  # of a strong slope: the muscle is clearly brighter here

FIRM = 0.9  # share of the edge along which it is brighter towards the corner
APART = 1.3  # muscle less breast beside the edge, in standard deviations within them
ONE_WAY = 1.3  # the line is that much stronger than the strongest one that falls the other way
SHORTEST_PX = 45.0  # of the edge inside the breast
STEEPNESS_DEG = (35.0, 86.5)  # of the edge; what is upright is a fold or a strip at the chest wall
SHARE = (0.01, 0.4)  # of the breast that is muscle
CLEAR_EDGE = (
    f"brighter towards the corner on {FIRM:.0%} of the edge, {APART:g} standard deviations brighter beside it, "
    f"{ONE_WAY:g} times as strong as any edge the other way, {SHORTEST_PX:g} pixels long, "
    f"{STEEPNESS_DEG[0]:g} to {STEEPNESS_DEG[1]:g} degrees steep; muscle {SHARE[0]:.0%} to {SHARE[1]:.0%} of the breast"
)
"""The rule of confidence, in words. All of it must hold, or no muscle is given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slopes:
    """Change of grey a pixel, in strong slopes; 0 near to and outside the skin."""

    grey: Float32[np.ndarray, "rows cols"]
    across: Float32[np.ndarray, "rows cols"]
    down: Float32[np.ndarray, "rows cols"]
    inner: UInt8[np.ndarray, "rows cols"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """From the top of the breast (`top`, `y0`) down to the chest wall (`x0`, `bottom`).

    `one_way` is its score over that of the best line which falls the other way: near 1 in mere texture.
    """

    x0: float
    y0: float
    top: float
    bottom: float
    one_way: float

    @property
    def length(self) -> float:
        return float(np.hypot(self.top - self.x0, self.bottom - self.y0))

    @property
    def outward(self) -> tuple[float, float]:
        """One pixel across the line, away from the corner."""
        return (self.bottom - self.y0) / self.length, (self.top - self.x0) / self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edge:
    """The curve, from top to bottom; `firm` is the share of it that is brighter towards the corner."""

    points: Float[np.ndarray, "points 2"]
    firm: float
    length: float

    @property
    def steepness_deg(self) -> float:
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        return float(np.degrees(np.arctan2(y1 - y0, x0 - x1)))


def pectoral_mask(
    shown: Float32[np.ndarray, "rows cols"], *, breast: Bool[np.ndarray, "rows cols"], chest: Side
) -> Bool[np.ndarray, "rows cols"] | None:
    """The pectoral muscle of an oblique or lateral view, where it is clearly seen.

    Args:
        shown: Thumbnail with the breast bright, in [0, 1]; from `stretched`.
        breast: From `breast_mask`.
        chest: Side of the chest wall.

    Returns:
        The muscle, a part of `breast`, or None unless its edge is as clear as `CLEAR_EDGE` says.

    Source:
        A straight line in the upper corner: Karssemeijer, Physics in Medicine and Biology 43:365-378 (1998);
        Kwok et al., IEEE Transactions on Medical Imaging 23:1129-1140 (2004), who then bend it as we do.
        The edge followed from there: Ferrari et al., ibid. 23:232-245 (2004), with another filter.

    Example:
        >>> y, x = np.mgrid[:256, :200]
        >>> breast = np.hypot(y - 128, x) < 120
        >>> shown = (0.4 * breast + 0.4 * (breast & (2 * x + y < 160))).astype(np.float32)
        >>> muscle = pectoral_mask(shown, breast=breast, chest="left")
        >>> muscle is not None and bool(muscle[60, 10]), bool(muscle[128, 60])
        (True, False)
    """
    if chest == "right":
        mirrored = pectoral_mask(
            np.ascontiguousarray(shown[:, ::-1]), breast=np.ascontiguousarray(breast[:, ::-1]), chest="left"
        )
        return None if mirrored is None else np.ascontiguousarray(mirrored[:, ::-1])
    slopes = _slopes(shown, breast) if breast.any() else None
    line = None if slopes is None else _best_line(slopes, box=bounding_box(breast))
    edge = None if slopes is None or line is None else _followed(slopes, line)
    if slopes is None or line is None or edge is None:
        return None
    muscle = _wedge(edge, line, shape=breast.shape) & breast
    clear = (
        line.one_way >= ONE_WAY
        and edge.firm >= FIRM
        and edge.length >= SHORTEST_PX
        and STEEPNESS_DEG[0] <= edge.steepness_deg <= STEEPNESS_DEG[1]
        and SHARE[0] <= muscle.sum() / breast.sum() <= SHARE[1]
        and _apart(slopes, muscle) >= APART
    )
    return muscle if clear else None


def look_for_muscle(
    view: View | None,
    *,
    shown: Float32[np.ndarray, "rows cols"],
    breast: Bool[np.ndarray, "rows cols"] | None,
    chest: Side | None,
) -> tuple[Bool[np.ndarray, "rows cols"] | None, Step]:
    """`pectoral_mask` where the view shows the muscle, and what came of it for the trail.

    Args:
        view: Of the picture; the muscle is looked for on `SHOWS_MUSCLE` only.
        shown: Thumbnail with the breast bright, in [0, 1]; from `stretched`.
        breast: From `breast_mask`.
        chest: Side of the chest wall.

    Example:
        >>> blank = np.zeros((64, 64), dtype=np.float32)
        >>> look_for_muscle(View.CC, shown=blank, breast=None, chest=None)[1].detail
        'kept: not looked for'
    """
    if view not in SHOWS_MUSCLE:
        shows = ", ".join(sorted(SHOWS_MUSCLE))
        cause = "the view is not known" if view is None else f"view {view} is not one of {shows}"
        return None, Step(name="pectoral", detail="kept: not looked for", cause=cause)
    if breast is None or chest is None:
        missing = "breast" if breast is None else "chest wall"
        return None, Step(name="pectoral", detail="kept: not looked for", cause=f"the {missing} was not found")
    muscle = pectoral_mask(shown, breast=breast, chest=chest)
    if muscle is None:
        return None, Step(name="pectoral", detail="kept: no clear edge", cause=f"asked for: {CLEAR_EDGE}")
    low = bounding_box(muscle)[3] / len(muscle)
    share = muscle.sum() / breast.sum()
    detail = f"muscle set to 0: {share:.0%} of the breast, at the upper {chest}, down to row {low:.0%}"
    return muscle, Step(name="pectoral", detail=detail, cause=f"pectoral = clear, view {view}")


def _slopes(shown: Float32[np.ndarray, "rows cols"], breast: Bool[np.ndarray, "rows cols"]) -> _Slopes | None:
    smooth = cv2.GaussianBlur(shown, (0, 0), SMOOTH_PX)
    low, high = np.percentile(smooth[breast][::3], (5, 95))
    if high - low < 0.02:
        return None
    grey = (smooth - np.float32(low)) * np.float32(1 / (high - low))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * SKIN_PX + 1, 2 * SKIN_PX + 1))
    inner = np.asarray(cv2.erode(breast.astype(np.uint8), disc), dtype=np.uint8)
    across, down = (
        np.asarray(cv2.Sobel(grey, cv2.CV_32F, *order, scale=0.125 / STRONG) * inner) for order in ((1, 0), (0, 1))
    )
    return _Slopes(grey=grey, across=across, down=down, inner=inner)


def _best_line(slopes: _Slopes, *, box: tuple[int, int, int, int]) -> _Line | None:
    """The line with the highest mean fall of grey across it, weighted by the root of its length inside the breast."""
    rows, cols = slopes.inner.shape
    x0, y0, x1, y1 = box
    tops, bottoms = np.meshgrid(
        x0 + (x1 - x0) * np.linspace(0.08, 1.1, TOPS, dtype=np.float32),
        y0 + (y1 - y0) * np.linspace(0.15, 1.15, BOTTOMS, dtype=np.float32),
        indexing="ij",
    )
    along = np.linspace(0.0, 1.0, SAMPLES, dtype=np.float32)[:, None, None]
    x = (tops + along * (x0 - tops)).astype(np.int32)
    y = (y0 + along * (bottoms - y0)).astype(np.int32)
    at = np.minimum(y, rows - 1) * cols + np.minimum(x, cols - 1)
    length = np.hypot(tops - x0, bottoms - y0)
    fall = -(slopes.across.take(at) * ((bottoms - y0) / length) + slopes.down.take(at) * ((tops - x0) / length))
    inside = slopes.inner.take(at) * ((x < cols) & (y < rows))
    count = inside.sum(axis=0)
    seen = length * (count / SAMPLES)
    mean = (np.clip(fall, -1, 1) * inside).sum(axis=0) / np.maximum(count, 1)
    score = np.where(seen < 0.5 * SHORTEST_PX, 0.0, mean * np.sqrt(np.minimum(seen, LENGTH_PX)))
    best = int(score.argmax())
    if score.flat[best] <= 0:
        return None
    one_way = float(score.flat[best] / max(-score.min(), 1e-6))
    top, bottom = float(tops.flat[best]), float(bottoms.flat[best])
    return _Line(x0=float(x0), y0=float(y0), top=top, bottom=bottom, one_way=one_way)


def _followed(slopes: _Slopes, line: _Line) -> _Edge | None:
    """The curve along the line with the most fall of grey across it, less the price of its bends."""
    steps = int(line.length / STEP_PX) + 2
    along = np.linspace(0.0, 1.0, steps)[:, None]
    off = np.arange(-SWAY_PX, SWAY_PX + 1)
    out_x, out_y = line.outward
    x = (line.top + along * (line.x0 - line.top) + off * out_x).astype(np.float32)
    y = (line.y0 + along * (line.bottom - line.y0) + off * out_y).astype(np.float32)
    across, down = (cv2.remap(slope, x, y, cv2.INTER_LINEAR) for slope in (slopes.across, slopes.down))
    fall = np.clip(-(across * out_x + down * out_y), -1, 1)
    room = END_SWAY_PX + (SWAY_PX - END_SWAY_PX) * np.minimum(1.0, 4 * (1 - along))
    where = _cheapest(np.where(np.abs(off) <= room, fall, -9.0).astype(np.float32))
    each = np.arange(steps)
    points = np.stack([x[each, where], y[each, where]], axis=1)
    inside = cv2.remap(slopes.inner, x, y, cv2.INTER_NEAREST)[each, where] > 0
    if not inside.any():
        return None
    firm = float((fall[each, where][inside] > BRIGHTER).mean())
    return _Edge(points=points, firm=firm, length=float(inside.mean() * line.length))


def _cheapest(gain: Float32[np.ndarray, "steps offsets"]) -> Int[np.ndarray, " steps"]:
    """Dynamic programming: one offset a step, at most one further from step to step."""
    steps, width = gain.shape
    moved = np.zeros((steps, width), dtype=np.int8)
    total = gain[0].copy()
    around = np.full(width + 2, -np.inf, dtype=np.float32)
    for step in range(1, steps):
        around[1:-1] = total
        side = np.maximum(around[:-2], around[2:]) - np.float32(BEND)
        moved[step] = np.where(side > total, np.where(around[:-2] > around[2:], -1, 1), 0)
        total = np.maximum(side, total) + gain[step]
    where = np.empty(steps, dtype=np.int64)
    where[-1] = total.argmax()
    for step in range(steps - 1, 0, -1):
        where[step - 1] = where[step] + moved[step, where[step]]
    return where


def _wedge(edge: _Edge, line: _Line, *, shape: tuple[int, ...]) -> Bool[np.ndarray, "rows cols"]:
    """All that lies between the curve and the corner; its open end goes on like the line."""
    end_x, end_y = edge.points[-1]
    out_x, out_y = line.outward
    close_y = end_y + max(0.0, end_x - line.x0) * out_x / max(out_y, 0.2)
    rest = [(line.x0 - 1, close_y), (line.x0 - 1, line.y0 - 1), (edge.points[0, 0], line.y0 - 1)]
    corners = np.concatenate([edge.points, rest])
    drawn = np.zeros(shape, dtype=np.uint8)
    cv2.fillPoly(drawn, [np.rint(8 * corners).astype(np.int32)], 1, shift=3)  # corners in eighths of a pixel
    return drawn.astype(bool)


def _apart(slopes: _Slopes, muscle: Bool[np.ndarray, "rows cols"]) -> float:
    """How much brighter the muscle is than the breast beside its edge, in standard deviations within the two."""
    near, far = BESIDE_PX
    bands = []
    for side in (muscle, ~muscle):
        depth = cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, 3)
        bands.append(slopes.grey[(depth > near) & (depth < far) & (muscle | (slopes.inner > 0))])
    inner, outer = bands
    if not inner.size or not outer.size:
        return 0.0
    within = float(np.sqrt((inner.var() + outer.var()) / 2))
    return float(inner.mean() - outer.mean()) / max(within, 1e-6)
