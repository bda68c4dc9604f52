"""Where a picture's points go: flip, turn, shift, zoom and elastic deformation, in one resampling."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from mammoscope.batches.counter import Keys, uniforms

CELLS = 6  # of the elastic grid, a side
POINTS = CELLS + 3  # a cubic spline reaches one point before and two after a cell
INJECTIVE = 1 / 2.046392675  # of a cell: control points that move less than this never fold the picture
MAX_ELASTIC = 0.08  # share of a side; below INJECTIVE / CELLS

_ELASTIC = 1  # stream


def moved(
    pixels: Float[Tensor, "batch 1 rows cols"], drawn: Mapping[str, Tensor], *, keys: Keys, elastic: bool
) -> Float[Tensor, "batch 1 rows cols"]:
    """Resample once, bilinearly. What comes in from outside is background, 0.

    Args:
        pixels: Display values. Not modified.
        drawn: Columns of `PARAMETERS`.
        keys: Of the elastic fields.
        elastic: Whether there is any deformation.
    """
    rows, cols = pixels.shape[-2:]
    matrix = _matrix(drawn, rows=rows, cols=cols)
    ys, xs = (_centres(size, pixels.device) for size in (rows, cols))
    from_rows = matrix[:, None, :, 1] * ys[:, None] + matrix[:, None, :, 2]
    grid = from_rows[:, :, None] + (matrix[:, None, :, 0] * xs[:, None])[:, None]
    if elastic:
        points = elastic_points(drawn["elastic"], keys=keys) @ matrix[:, None, :, :2].mT  # moved as the picture is
        grid += field(points, rows=rows, cols=cols)
    return functional.grid_sample(pixels, grid.to(pixels.dtype), align_corners=False)


def elastic_points(strength: Float32[Tensor, " batch"], *, keys: Keys) -> Float32[Tensor, "batch points points 2"]:
    """By how much each control point is displaced, as x and y in halves of the side, up to `strength` of the side."""
    drawn = uniforms(keys, stream=_ELASTIC, count=POINTS * POINTS * 2).view(-1, POINTS, POINTS, 2)
    return (2 * drawn - 1) * (2 * strength.view(-1, 1, 1, 1))


def field(
    points: Float32[Tensor, "batch points points 2"], *, rows: int, cols: int
) -> Float32[Tensor, "batch rows cols 2"]:
    """Displacement of each pixel, by cubic B-splines between control points.

    Source:
        Rueckert et al., Nonrigid registration using free-form deformations, IEEE TMI 1999, equation 3; that it does
        not fold: Choi and Lee, Injectivity conditions of 2D and 3D uniform cubic B-spline functions, 2000.
    """
    down, across = (_basis(size, points.device) for size in (rows, cols))
    lines = torch.einsum("rp,bpqc->brqc", down, points)  # small: the other axis still has its few points
    both = torch.einsum("sq,cd->qcsd", across, torch.eye(2, device=points.device)).reshape(2 * POINTS, 2 * cols)
    return (lines.reshape(-1, 2 * POINTS) @ both).view(-1, rows, cols, 2)


def _basis(size: int, device: torch.device) -> Float32[Tensor, "size points"]:
    """Weight of each control point at each pixel of one axis."""
    places = (torch.arange(size, device=device) + 0.5) / size * CELLS
    cells = places.floor().clamp_(max=CELLS - 1)
    t = places - cells
    weights = torch.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], dim=1).div_(
        6
    )
    out = torch.zeros(size, POINTS, device=device)
    return out.scatter_(1, cells.long()[:, None] + torch.arange(4, device=device), weights)


def _matrix(drawn: Mapping[str, Tensor], *, rows: int, cols: int) -> Float32[Tensor, "batch 2 3"]:
    """From a point of the result to the point it comes from, in halves of the side from the middle."""
    angle = drawn["angle"] * (torch.pi / 180)
    cosine, sine = torch.cos(angle) / (1 + drawn["zoom"]), torch.sin(angle) / (1 + drawn["zoom"])
    flip_h, flip_v = 1 - 2 * drawn["flip_h"], 1 - 2 * drawn["flip_v"]
    return torch.stack(
        [
            torch.stack([cosine * flip_h, -sine * rows / cols * flip_h, 2 * drawn["shift_x"]], dim=1),
            torch.stack([sine * cols / rows * flip_v, cosine * flip_v, 2 * drawn["shift_y"]], dim=1),
        ],
        dim=1,
    )


def _centres(size: int, device: torch.device) -> Float32[Tensor, " size"]:
    """Middles of pixels, from -1 to 1 over the side."""
    return (2 * torch.arange(size, device=device) + 1) / size - 1
