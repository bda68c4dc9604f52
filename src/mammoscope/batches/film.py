"""What scanned films carry beside the breast, drawn: a scratch, dust, a lead marker, a bright edge.

Each is a list of points with their grey; all points of a batch are drawn in one step, where they are brighter than
what is there.
"""

import math
from collections.abc import Mapping
from functools import lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from mammoscope.batches.counter import Keys, uniforms

Points = tuple[Tensor, Tensor, Tensor]
"""Rows, columns and grey, each [batch points]; columns and rows may lie outside."""

MARKERS = ("L CC", "R CC", "L MLO", "R MLO")
SPECKS = 8  # of dust, at most
LETTER = 0.035  # height of a marker's letters, in shares of the rows
EDGE = 0.02  # widest strip, in shares of the longer side
FINE_ROWS = 512  # up to here a speck is about a pixel; larger pictures show larger ones

_SCRATCH, _DUST, _MARKER, _EDGE = 3, 4, 5, 6  # streams


def with_artefacts(
    pixels: Float[Tensor, "batch 1 rows cols"], drawn: Mapping[str, Tensor], *, keys: Keys
) -> Float[Tensor, "batch 1 rows cols"]:
    """Draw what each picture's columns of `PARAMETERS` ask for. Nothing becomes darker.

    Args:
        pixels: Display values. Not modified.
        drawn: Columns of `PARAMETERS`; `scratch`, `dust`, `marker` and `edge` are 0 or 1.
        keys: Of place, size and grey.
    """
    rows, cols = pixels.shape[-2:]
    parts = (
        (drawn["scratch"], _scratch(keys, rows=rows, cols=cols)),
        (drawn["dust"], _dust(keys, rows=rows, cols=cols)),
        (drawn["marker"], _marker(keys, pixels)),
        (drawn["edge"], _edge(keys, rows=rows, cols=cols)),
    )
    ys, xs = (torch.cat([points[axis] for _, points in parts], dim=1).long() for axis in (0, 1))
    grey = torch.cat([points[2] * wanted[:, None] for wanted, points in parts], dim=1)
    inside = (ys >= 0) & (ys < rows) & (xs >= 0) & (xs < cols)
    places = torch.where(inside, ys * cols + xs, 0)
    grey = torch.where(inside, grey, 0).to(pixels.dtype)
    return pixels.flatten(1).scatter_reduce(1, places, grey, "amax").view_as(pixels)


def _scratch(keys: Keys, *, rows: int, cols: int) -> Points:
    """Down the film, a pixel wide: shared between the two pixels that it runs between."""
    x, slant, start, length, grey = uniforms(keys, stream=_SCRATCH, count=5).T[:, :, None]
    ys = torch.arange(rows, device=keys.device).expand(len(keys), rows)
    along = ys / rows - 0.7 * start
    xs = x * cols + (slant - 0.5) * 0.4 * rows * along
    left = xs.floor()
    on = (along >= 0) & (along < 0.2 + 0.8 * length)
    bright = (0.4 + 0.5 * grey) * on
    part = xs - left
    return (
        torch.cat([ys, ys], dim=1),
        torch.cat([left, left + 1], dim=1),
        torch.cat([bright * (1 - part), bright * part], dim=1),
    )


def _dust(keys: Keys, *, rows: int, cols: int) -> Points:
    """Round specks with soft edges."""
    x, y, size, grey = uniforms(keys, stream=_DUST, count=4 * SPECKS).view(-1, 4, SPECKS, 1).unbind(1)
    count = 1 + uniforms(keys, stream=_DUST + 100, count=1) * SPECKS
    there = torch.arange(SPECKS, device=keys.device) < count.floor()
    unit = max(1.0, rows / FINE_ROWS)
    reach = math.ceil(2 * unit)
    steps = torch.arange(-reach, reach + 1, device=keys.device)
    down, across = (one.flatten() for one in torch.meshgrid(steps, steps, indexing="ij"))
    ys, xs = (y * rows).floor() + down, (x * cols).floor() + across
    soft = ((0.4 + 1.1 * size) * unit + 0.5 - torch.hypot(down.float(), across.float())).clamp(0, 1)
    bright = (0.6 + 0.4 * grey) * soft * there[:, :, None]
    return ys.flatten(1), xs.flatten(1), bright.flatten(1)


def _marker(keys: Keys, pixels: Tensor) -> Points:
    """Side and view in lead letters, in a corner away from the chest wall; chance decides what they say."""
    rows, cols = pixels.shape[-2:]
    which, lower, inset, down, grey = uniforms(keys, stream=_MARKER, count=5).T[:, :, None]
    shapes = torch.from_numpy(_letters(max(7, round(LETTER * rows)))).to(keys.device)
    _, high, wide = shapes.shape
    tissue = pixels[:, 0].sum(dim=1)
    left, right = tissue[:, : cols // 2].sum(dim=1), tissue[:, cols // 2 :].sum(dim=1)
    away = (left >= right)[:, None]  # the wall is on the left: the marker goes to the right
    margin_x, margin_y = (0.01 + 0.06 * inset) * cols, (0.02 + 0.1 * down) * rows
    x0 = torch.where(away, cols - wide - margin_x, margin_x).floor()
    y0 = torch.where(lower < 0.5, margin_y, rows - high - margin_y).floor()
    at = torch.arange(high * wide, device=keys.device)
    bright = (0.6 + 0.4 * grey) * shapes.flatten(1)[(which[:, 0] * len(MARKERS)).long()]
    return y0 + at // wide, x0 + at % wide, bright


def _edge(keys: Keys, *, rows: int, cols: int) -> Points:
    """A bright strip along one side, where the film did not cover the scanner."""
    which, width, grey = uniforms(keys, stream=_EDGE, count=3).T[:, :, None]
    longest = max(rows, cols)
    deepest = max(1, round(EDGE * longest))
    at = torch.arange(deepest * longest, device=keys.device)
    depth, along = at // longest, at % longest
    side = (which * 4).floor()
    upright = side < 2  # along the left or right side
    near = torch.where(side % 2 == 0, depth, torch.where(upright, cols, rows) - 1 - depth)
    ys, xs = torch.where(upright, along, near), torch.where(upright, near, along)
    return ys, xs, (0.8 + 0.2 * grey) * (depth < 1 + width * (deepest - 1))


@lru_cache(maxsize=8)
def _letters(high: int) -> Float32[np.ndarray, "markers rows cols"]:
    """Each marker's text, flush with the right."""
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(high / 10))
    scale = high / 22  # a capital of this font is 22 pixels high at scale 1
    sizes = [cv2.getTextSize(text, font, scale, thick)[0] for text in MARKERS]
    rows, cols = high + 2 * thick, max(wide for wide, _ in sizes) + 2 * thick
    shapes = np.zeros((len(MARKERS), rows, cols), np.uint8)
    for shape, text, (wide, _) in zip(shapes, MARKERS, sizes, strict=True):
        cv2.putText(shape, text, (cols - wide - thick, rows - thick - 1), font, scale, 255, thick, cv2.LINE_AA)
    return shapes.astype(np.float32) / np.float32(255)
