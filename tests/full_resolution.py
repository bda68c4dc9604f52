"""What a reader gets that decodes every pixel: the reference for pictures that are read at part of their resolution.

It shares the header's decisions and the place of the crop with `read_mammogram`, and no other step: the pixels are
decoded whole, and averaged once, in double precision, by how much of each lies in a final pixel.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from mammoscope.dicom.display import IDENTITY, Lut, display_values, modality_values, percentile_window
from mammoscope.images import Geometry, Mammogram, Preprocess
from mammoscope.images.picture import Picture
from mammoscope.images.reading import _box, picture_of, read_with_sight
from mammoscope.images.sight import Sight, look, resampled, without_padding


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Between both readers, in grey levels of 255.

    Attributes:
        mean: Over the breast.
        p99: Over the breast, 99 % of the final pixels differ by less.
        bias: Mean over the breast with its sign.
        largest: Over all that is kept.
        crop_px: Largest distance, in final pixels, between the edges of the crop that each of them finds.
        same_decisions: Whether inversion and chest wall are the same.
    """

    mean: float
    p99: float
    bias: float
    largest: float
    crop_px: float
    same_decisions: bool


def difference(path: Path, *, wanted: Preprocess) -> Difference:
    """Read a file both ways; the background is kept, so that it counts too."""
    wanted = wanted.model_copy(update={"clear_background": False})
    ours, sight = read_with_sight(path, preprocess=wanted)
    picture = picture_of(path, wanted)
    whole = picture.levels.read(1)
    signed = (ours.pixels - read_whole(picture, whole, ours.geometry, sight=sight, wanted=wanted)) * 255
    apart = np.abs(signed)
    everything = shown_rows(ours.geometry)[:, None] & shown_cols(ours.geometry)[None, :]
    breast = _breast(ours, sight) & everything
    full_sight = look(picture, whole, factor=1)
    edges = np.subtract(_box(picture, sight, wanted), _box(picture, full_sight, wanted))
    scale = abs(ours.geometry.x_scale), ours.geometry.y_scale
    return Difference(
        mean=float(apart[breast].mean()),
        p99=float(np.percentile(apart[breast], 99)),
        bias=float(signed[breast].mean()),
        largest=float(apart[everything].max()),
        crop_px=float(np.abs(edges * (scale * 2)).max()),
        same_decisions=(sight.invert, sight.chest) == (full_sight.invert, full_sight.chest),
    )


def read_whole(
    picture: Picture, whole: np.ndarray, geometry: Geometry, *, sight: Sight, wanted: Preprocess
) -> np.ndarray:
    """The final pixels of a geometry, from every pixel of the file."""
    values, padding = without_padding(whole, picture, mixed=False)
    modality = picture.modality
    if isinstance(modality, Lut):
        values, modality = modality_values(values, modality), IDENTITY
    voi = picture.voi
    if wanted.window == "percentile" or voi is None:
        low, high = wanted.percentiles
        voi = percentile_window(sight.breast_values, low=low, high=high)
    final = display_values(averaged(values, geometry), modality=modality, voi=voi, invert=sight.invert)
    if padding is not None:
        final[averaged(padding.astype(np.uint8) * 255, geometry) >= 254.5] = 0.0
    final[~shown_rows(geometry)] = 0.0
    final[:, ~shown_cols(geometry)] = 0.0
    return final


def averaged(values: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Mean of the pixels of the file that lie in each final pixel, by the share of them that does."""
    if geometry.y_scale > 1 or abs(geometry.x_scale) > 1:
        return _enlarged(values, geometry)
    down = _shares(values.shape[0], geometry.shape[0], scale=geometry.y_scale, offset=geometry.y_offset)
    right = _shares(values.shape[1], geometry.shape[1], scale=geometry.x_scale, offset=geometry.x_offset)
    return (right @ (down @ values.astype(np.float64)).T).T


def _shares(count: int, final: int, *, scale: float, offset: float) -> csr_array:
    """Row i holds the weights of the pixels 0 to count of the file in final pixel i; they add up to 1."""
    edges = (np.arange(final + 1) - offset) / scale
    low, high = np.minimum(edges[:-1], edges[1:]).clip(0, count), np.maximum(edges[:-1], edges[1:]).clip(0, count)
    first, most = np.floor(low).astype(int), int(np.ceil(1 / abs(scale))) + 1
    pixels = first[:, None] + np.arange(most)
    weights = np.clip(np.minimum(pixels + 1, high[:, None]) - np.maximum(pixels, low[:, None]), 0, 1)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    rows = np.repeat(np.arange(final), most)
    return csr_array((weights.ravel(), (rows, pixels.clip(0, count - 1).ravel())), shape=(final, count))


def _enlarged(values: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Nothing is left out then: the file is read whole, and interpolated."""
    x0, y0, x1, y1 = (round(edge) for edge in geometry.kept)
    rows, cols = np.flatnonzero(shown_rows(geometry)), np.flatnonzero(shown_cols(geometry))
    final = np.zeros(geometry.shape)
    larger = resampled(values[y0:y1, x0:x1], shape=(len(rows), len(cols)))
    final[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = larger[:, ::-1] if geometry.flipped else larger
    return final


def shown_rows(geometry: Geometry) -> np.ndarray:
    """Rows of the final picture that are not padding."""
    _, y0, _, y1 = (round(edge) for edge in geometry.box_to_final(geometry.kept))
    at = np.arange(geometry.shape[0])
    return (at >= y0) & (at < y1)


def shown_cols(geometry: Geometry) -> np.ndarray:
    """Columns of the final picture that are not padding."""
    x0, _, x1, _ = (round(edge) for edge in geometry.box_to_final(geometry.kept))
    at = np.arange(geometry.shape[1])
    return (at >= x0) & (at < x1)


def _breast(ours: Mammogram, sight: Sight) -> np.ndarray:
    if sight.mask is None:
        return np.ones(ours.pixels.shape, dtype=bool)
    return ours.geometry.seen_from(sight.geometry, sight.mask.astype(np.float32)) >= 0.5
