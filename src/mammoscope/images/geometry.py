"""Where a pixel of the file lies in the final picture, and back.

Convention: points are (x, y) with x to the right and y downward, in pixels, from the outer corner of
the top left pixel. The pixel in row `i`, column `j` covers [j, j + 1) x [i, i + 1); its centre is
(j + 0.5, i + 0.5). A box is (x0, y0, x1, y1), half open, as the lesion boxes of the index are.
"""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

Box = tuple[float, float, float, float]
Crop = tuple[int, int, int, int]
"""Whole columns and rows as (x0, y0, x1, y1), half open."""

Grid = Literal["blocks", "samples"]
"""What a pixel of a smaller picture is: the mean of the block that it covers, or the sample at its first pixel."""

FINE = 4  # maps are placed on a grid this much finer than the final picture, then averaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """A chain of crop, flip, scale and pad, collapsed to x' = x_scale x + x_offset and the same for y.

    Build it with `Geometry.of(shape)` and one call per step; each call returns a new value.

    Attributes:
        original_shape: Rows and columns of the picture in the file.
        shape: Rows and columns of the final picture.
        x_scale: Final pixels per original pixel along x; negative if mirrored.
        x_offset: Final x of original x = 0.
        y_scale: Final pixels per original pixel along y.
        y_offset: Final y of original y = 0.
        kept: Box of the original pixels that the final picture shows.
        original_spacing_mm: Height and width of one original pixel in mm, or None.
        chain: The steps, in words.

    Example:
        >>> geometry = Geometry.of((100, 80)).cropped((10, 20, 60, 100)).mirrored().resized(40, 25).padded(40, 40)
        >>> geometry.to_final(np.array([[60.0, 20.0], [10.0, 100.0]]))
        array([[ 0.,  0.],
               [25., 40.]])
        >>> geometry.box_to_original((0.0, 0.0, 25.0, 40.0))
        (10.0, 20.0, 60.0, 100.0)
    """

    original_shape: tuple[int, int]
    shape: tuple[int, int]
    x_scale: float = 1.0
    x_offset: float = 0.0
    y_scale: float = 1.0
    y_offset: float = 0.0
    kept: Box
    original_spacing_mm: tuple[float, float] | None = None
    chain: tuple[str, ...] = ()

    @classmethod
    def of(cls, shape: tuple[int, int], *, spacing_mm: tuple[float, float] | None = None) -> "Geometry":
        """Start with the picture as it is in the file."""
        rows, cols = shape
        kept = (0.0, 0.0, float(cols), float(rows))
        return cls(original_shape=shape, shape=shape, kept=kept, original_spacing_mm=spacing_mm)

    def reduced(self, factor: int, *, grid: Grid) -> "Geometry":
        """Read the picture at 1/`factor` of its resolution; its last row and column may stand for less than a block.

        Pixel k of a grid of blocks covers the pixels from `factor` * k on. Sample k of a wavelet's low-pass part
        stands for pixel `factor` * k, so that the centres of these two coincide.

        Source:
            ISO/IEC 15444-1 F.4.2: the low-pass samples are those at even positions.
        """
        scale = 1.0 / factor
        offset = 0.0 if grid == "blocks" else 0.5 - 0.5 * scale
        shape = -(-self.shape[0] // factor), -(-self.shape[1] // factor)
        told = () if factor == 1 else (f"read at 1/{factor} of the resolution, {shape[0]} x {shape[1]}",)
        return replace(
            self,
            shape=shape,
            x_scale=self.x_scale * scale,
            x_offset=self.x_offset * scale + offset,
            y_scale=self.y_scale * scale,
            y_offset=self.y_offset * scale + offset,
            chain=(*self.chain, *told),
        )

    def cropped(self, box: tuple[int, int, int, int]) -> "Geometry":
        """Keep columns x0 to x1 and rows y0 to y1 of the picture so far."""
        x0, y0, x1, y1 = box
        rows, cols = self.shape
        if not (0 <= x0 < x1 <= cols and 0 <= y0 < y1 <= rows):
            raise ValueError(f"box {box} is empty or leaves the picture of {rows} rows and {cols} columns")
        return replace(
            self,
            shape=(y1 - y0, x1 - x0),
            x_offset=self.x_offset - x0,
            y_offset=self.y_offset - y0,
            kept=self._within_original(self.box_to_original((float(x0), float(y0), float(x1), float(y1)))),
            chain=(*self.chain, f"crop to columns {x0}-{x1}, rows {y0}-{y1}"),
        )

    def _within_original(self, box: Box) -> Box:
        rows, cols = self.original_shape
        x0, y0, x1, y1 = box
        return max(0.0, x0), max(0.0, y0), min(float(cols), x1), min(float(rows), y1)

    def mirrored(self) -> "Geometry":
        """Exchange left and right."""
        width = self.shape[1]
        return replace(
            self,
            x_scale=-self.x_scale,
            x_offset=float(width - self.x_offset),
            chain=(*self.chain, "mirror left and right"),
        )

    def resized(self, rows: int, cols: int) -> "Geometry":
        """Stretch the picture so far to `rows` x `cols`."""
        if min(rows, cols) < 1:
            raise ValueError(f"a picture needs at least one row and one column, got {rows} x {cols}")
        y, x = rows / self.shape[0], cols / self.shape[1]
        return replace(
            self,
            shape=(rows, cols),
            x_scale=self.x_scale * x,
            x_offset=self.x_offset * x,
            y_scale=self.y_scale * y,
            y_offset=self.y_offset * y,
            chain=(*self.chain, f"resize to {rows} x {cols}"),
        )

    def padded(self, rows: int, cols: int, *, left: int = 0, top: int = 0) -> "Geometry":
        """Put the picture so far into one of `rows` x `cols`, `left` and `top` pixels from its corner."""
        if left < 0 or top < 0 or left + self.shape[1] > cols or top + self.shape[0] > rows:
            raise ValueError(f"{self.shape} does not fit into {(rows, cols)} at column {left}, row {top}")
        return replace(
            self,
            shape=(rows, cols),
            x_offset=self.x_offset + left,
            y_offset=self.y_offset + top,
            chain=(*self.chain, f"pad to {rows} x {cols}, picture at column {left}, row {top}"),
        )

    @property
    def flipped(self) -> bool:
        """Whether left and right are exchanged."""
        return self.x_scale < 0

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Height and width of one final pixel in mm, or None if the file does not say."""
        if self.original_spacing_mm is None:
            return None
        return self.original_spacing_mm[0] / self.y_scale, self.original_spacing_mm[1] / abs(self.x_scale)

    def to_final(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Map original points to the final picture; points that were cropped away fall outside it."""
        return points * (self.x_scale, self.y_scale) + (self.x_offset, self.y_offset)

    def to_original(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Map final points to the picture in the file."""
        return (points - (self.x_offset, self.y_offset)) / (self.x_scale, self.y_scale)

    def box_to_final(self, box: Box) -> Box:
        """Map an original box; the result is ordered again, and not clipped to the final picture."""
        return _box_of(self.to_final(np.array(box, dtype=float).reshape(2, 2)))

    def box_to_original(self, box: Box) -> Box:
        """Map a final box to the picture in the file; not clipped to it."""
        return _box_of(self.to_original(np.array(box, dtype=float).reshape(2, 2)))

    def polygon_to_final(self, polygon: tuple[float, ...]) -> tuple[float, ...]:
        """Map an original polygon x, y, x, y ... as the index keeps it."""
        return tuple(self.to_final(np.array(polygon, dtype=float).reshape(-1, 2)).ravel().tolist())

    def polygon_to_original(self, polygon: tuple[float, ...]) -> tuple[float, ...]:
        """Map a final polygon x, y, x, y ... to the picture in the file."""
        return tuple(self.to_original(np.array(polygon, dtype=float).reshape(-1, 2)).ravel().tolist())

    def to_mm(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"] | None:
        """Map final points to the plane of the breast.

        Returns:
            x to the right and y downward in mm from the outer corner of the file's first pixel; None if the spacing
            is unknown.

        Example:
            >>> geometry = Geometry.of((100, 80), spacing_mm=(0.2, 0.1)).resized(50, 40)
            >>> geometry.to_mm(np.array([[10.0, 10.0]]))
            array([[2., 4.]])
        """
        if self.original_spacing_mm is None:
            return None
        height_mm, width_mm = self.original_spacing_mm
        return np.asarray(self.to_original(points) * (width_mm, height_mm))

    def from_mm(self, points_mm: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"] | None:
        """Map points in the plane of the breast, as `to_mm` gives them, to the final picture."""
        if self.original_spacing_mm is None:
            return None
        height_mm, width_mm = self.original_spacing_mm
        return self.to_final(points_mm / (width_mm, height_mm))

    def box_mm(self, box: Box) -> tuple[float, float] | None:
        """Height and width in mm of a box of the final picture, or None if the spacing is unknown."""
        if self.spacing_mm is None:
            return None
        x0, y0, x1, y1 = box
        return (y1 - y0) * self.spacing_mm[0], (x1 - x0) * self.spacing_mm[1]

    def heatmap_to_final(self, heatmap: Float[np.ndarray, "map_rows map_cols"]) -> Float32[np.ndarray, "rows cols"]:
        """Resample a map that covers the picture in the file, at any resolution, onto the final picture.

        Fine maps are area-averaged, coarse ones interpolated. Padding is 0.
        """
        return self.placed(heatmap, fine=FINE)

    def seen_from(
        self, view: "Geometry", seen: Float32[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _"]
    ) -> Float32[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _"]:
        """Resample what was seen in another view of the same picture, say a thumbnail, onto the final picture.

        Args:
            view: How that view came from the picture in the file.
            seen: One value for each of its pixels.

        Returns:
            One value for each final pixel, of the same type; 0 in the padding.
        """
        x, y = self.x_scale / view.x_scale, self.y_scale / view.y_scale
        matrix = np.array([[x, 0, self.x_offset - x * view.x_offset], [0, y, self.y_offset - y * view.y_offset]])
        return _inside(_warp(seen, matrix=matrix, shape=self.shape), box=self.box_to_final(self.kept))

    def placed(
        self, heatmap: Float[np.ndarray, "map_rows map_cols"], *, fine: int, smooth: bool = True
    ) -> Float32[np.ndarray, "rows cols"]:
        """`heatmap_to_final` on a grid `fine` times finer than the final picture, then averaged."""
        (rows, cols), (final_rows, final_cols) = self.original_shape, self.shape
        x_scale, y_scale = self.x_scale * fine, self.y_scale * fine
        grid = heatmap.astype(np.float32, copy=False)
        size = min(grid.shape[0], max(1, round(rows * y_scale))), min(grid.shape[1], max(1, round(cols * abs(x_scale))))
        if size != grid.shape:
            grid = np.asarray(cv2.resize(grid, size[::-1], interpolation=cv2.INTER_AREA), dtype=np.float32)
        matrix = np.array([[x_scale, 0, self.x_offset * fine], [0, y_scale, self.y_offset * fine]])
        matrix[:, :2] *= (cols / grid.shape[1], rows / grid.shape[0])
        x0, y0, x1, y1 = (edge * fine for edge in self.box_to_final(self.kept))
        shape = (final_rows * fine, final_cols * fine)
        found = _inside(_warp(grid, matrix=matrix, shape=shape, smooth=smooth), box=(x0, y0, x1, y1))
        if fine == 1:
            return found
        return np.asarray(cv2.resize(found, (final_cols, final_rows), interpolation=cv2.INTER_AREA), dtype=np.float32)

    def heatmap_to_original(self, heatmap: Float[np.ndarray, "map_rows map_cols"]) -> Float32[np.ndarray, "rows cols"]:
        """Resample a map that covers the final picture, at any resolution, onto the picture in the file.

        What the final picture does not show is 0.
        """
        rows, cols = self.shape
        matrix = np.array(
            [[1 / self.x_scale, 0, -self.x_offset / self.x_scale], [0, 1 / self.y_scale, -self.y_offset / self.y_scale]]
        )
        matrix[:, :2] *= (cols / heatmap.shape[1], rows / heatmap.shape[0])
        grid = heatmap.astype(np.float32)
        return _inside(_warp(grid, matrix=matrix, shape=self.original_shape), box=self.kept)

    def mask_to_final(self, mask: Bool[np.ndarray, "map_rows map_cols"]) -> Bool[np.ndarray, "rows cols"]:
        """Final pixels of which the original mask covers at least half; if none, the best covered one."""
        cover = self.placed(mask.astype(np.float32), fine=FINE, smooth=False)
        least = min(0.5, float(cover.max()))
        return (cover >= least) if least > 0 else np.zeros(self.shape, dtype=bool)

    def mask_to_original(self, mask: Bool[np.ndarray, "map_rows map_cols"]) -> Bool[np.ndarray, "rows cols"]:
        """Original pixels that a mask of the final picture covers."""
        return self.heatmap_to_original(mask.astype(np.float32)) >= 0.5


def _box_of(corners: Float[np.ndarray, "2 2"]) -> Box:
    (x0, y0), (x1, y1) = corners.tolist()
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def _warp(
    grid: Float32[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _"],
    *,
    matrix: Float[np.ndarray, "2 3"],
    shape: tuple[int, int],
    smooth: bool = True,
) -> Float32[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _"]:
    """Apply `matrix`, given in corner coordinates; OpenCV counts from pixel centres, half a pixel further in."""
    method = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    centred = matrix.copy()
    centred[:, 2] += 0.5 * np.diag(matrix[:, :2]) - 0.5
    return np.asarray(cv2.warpAffine(grid, centred, shape[::-1], flags=method, borderMode=cv2.BORDER_REPLICATE))


def _inside(
    grid: Float32[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _"], *, box: Box
) -> Float32[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _"]:
    """Set pixels whose centre lies outside the box to 0; `grid` is ours to change."""
    rows, cols = grid.shape
    x0, y0, x1, y1 = (round(edge) for edge in box)
    grid[: max(0, y0)] = 0
    grid[min(rows, y1) :] = 0
    grid[:, : max(0, x0)] = 0
    grid[:, min(cols, x1) :] = 0
    return grid
