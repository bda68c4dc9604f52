"""Pictures that explain: original, what was found and final picture side by side; and the final picture, small."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from mammoscope.images.breast import stretched
from mammoscope.images.captions import (
    first_step,
    oddities,
    printable,
    shape_words,
    side_and_view,
    size_words,
    spacing_words,
    stored_words,
    window_words,
)
from mammoscope.images.geometry import Box, Geometry
from mammoscope.images.mammogram import Mammogram
from mammoscope.images.pectoral import look_for_muscle
from mammoscope.images.plate import CHEST, Line, Panel, lay_out
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.sight import Sight

Mask = Bool[np.ndarray, "thumb_rows thumb_cols"]

BREAST, CROP, MUSCLE = (86, 204, 222), (244, 176, 78), (184, 144, 255)
USUAL_PX = 800  # height of a panel, about: a final pixel is drawn as a whole number of pixels
LARGEST_PX = 1280  # final pictures above it are averaged
DIMMED = 0.45  # what is cropped away
THUMB_PX = 256
QUALITY = 85


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumb:
    """A small final picture.

    Attributes:
        jpeg: Grey.
        rows: Height.
        cols: Width.
        outline: Around the breast, each part as x, y, x, y ... in its pixels.
    """

    jpeg: bytes
    rows: int
    cols: int
    outline: tuple[tuple[float, ...], ...]


def display_settings(preprocess: Preprocess) -> Preprocess:
    """How to read the whole original, shown through the same window, at the height of a panel."""
    side = _scaled(preprocess.rows)
    return Preprocess(
        rows=side,
        cols=side,
        region="whole",
        flip="none",
        clear_background=False,
        window=preprocess.window,
        window_index=preprocess.window_index,
        window_explanation=preprocess.window_explanation,
        percentiles=preprocess.percentiles,
        accept=preprocess.accept,
        slab=preprocess.slab,
        slab_by=preprocess.slab_by,
    )


def draw_panels(
    final: Mammogram, *, sight: Sight, shown: Mammogram, preprocess: Preprocess, name: str
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw original, what was found on it, and final picture side by side, with captions.

    Args:
        final: As a network gets it.
        sight: What was seen on the way.
        shown: The same file, read with `display_settings`.
        preprocess: How `final` was read.
        name: Of the file.

    Returns:
        Red, green and blue.
    """
    muscle = _muscle(final, sight) if preprocess.pectoral == "clear" else None
    panels = (_original(final, sight, shown), _findings(final, sight, shown, muscle=muscle), _input(final, sight))
    window = window_words(final.trail)
    head = [
        side_and_view(final.laterality, final.view),
        *final.traits,
        stored_words(final.trail),
        "no window" if window == "none" else f"window {window}",
    ]
    notes = [f"oddity: {printable(step.detail)}, by {printable(step.cause)}" for step in oddities(final.trail)]
    return lay_out(panels, name=printable(name), head="   |   ".join(head), notes=notes)


def draw_thumb(final: Mammogram, *, sight: Sight) -> Thumb:
    """Draw the final picture, small."""
    rows, cols = final.pixels.shape
    scale = min(1.0, THUMB_PX / max(rows, cols))
    shape = max(1, round(rows * scale)), max(1, round(cols * scale))
    grey = _grey(final.pixels)
    small = grey if scale == 1 else np.asarray(cv2.resize(grey, shape[::-1], interpolation=cv2.INTER_AREA))
    mask = sight.mask
    outline = [] if mask is None else outlines(mask, seen_at=sight.geometry, geometry=final.geometry)
    factors = np.array([shape[1] / cols, shape[0] / rows])
    return Thumb(
        jpeg=cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes(),
        rows=shape[0],
        cols=shape[1],
        outline=tuple(_simple(line * factors) for line in outline),
    )


def outlines(mask: Mask, *, seen_at: Geometry, geometry: Geometry) -> list[Float32[np.ndarray, "points 2"]]:
    """The edge of an area, seen on a thumbnail, in another picture of the same file.

    Args:
        mask: The area on the thumbnail.
        seen_at: From the file to the thumbnail.
        geometry: From the file to the other picture.

    Returns:
        Closed lines of x and y from the corner of the other picture.
    """
    seen = geometry.seen_from(seen_at, mask.astype(np.uint8) * np.uint8(255))
    coarse = abs(geometry.x_scale / seen_at.x_scale)  # pixels for one of the thumbnail
    if coarse > 1:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), 0.6 * coarse))
    found, _ = cv2.findContours((seen >= 128).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [line.reshape(-1, 2).astype(np.float32) + np.float32(0.5) for line in found if len(line) > 2]


def encode_png(picture: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Bytes of a PNG file."""
    return cv2.imencode(".png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 5])[1].tobytes()


def _scaled(rows: int) -> int:
    """Height of a panel: a whole number of pixels for a final one."""
    return rows * max(1, round(USUAL_PX / rows)) if rows <= LARGEST_PX else LARGEST_PX


def _original(final: Mammogram, sight: Sight, shown: Mammogram) -> Panel:
    spacing = final.geometry.original_spacing_mm
    words = f"{shape_words(final.original_shape)} px"
    size = "the file states no spacing" if spacing is None else f"a pixel is {spacing_words(spacing)}"
    lines = [words, size] if spacing is None else [f"{words}, {size_words(final.original_shape, spacing)}", size]
    polarity = "inverted: low values are shown bright" if sight.invert else "not inverted"
    return Panel(
        picture=_colour(_content(shown)[0]),
        title="Original, as displayed",
        lines=tuple((line, None) for line in (*lines, polarity)),
    )


def _muscle(final: Mammogram, sight: Sight) -> Mask | None:
    shown = stretched(sight.values, invert=sight.invert)
    return look_for_muscle(final.view, shown=shown, breast=sight.mask, chest=sight.chest)[0]


def _findings(final: Mammogram, sight: Sight, shown: Mammogram, *, muscle: Mask | None) -> Panel:
    grey, left, top = _content(shown)
    picture = _colour(grey)
    x0, y0, x1, y1 = _moved(shown.geometry.box_to_final(final.geometry.kept), -left, -top)
    box = max(0, round(x0)), max(0, round(y0)), min(grey.shape[1], round(x1)), min(grey.shape[0], round(y1))
    kept = picture[box[1] : box[3], box[0] : box[2]].copy()
    picture = np.asarray(picture * DIMMED, dtype=np.uint8)
    picture[box[1] : box[3], box[0] : box[2]] = kept
    cv2.rectangle(picture, (box[0] + 1, box[1] + 1), (box[2] - 2, box[3] - 2), CROP, 2)
    for mask, colour in ((sight.mask, BREAST), (muscle, MUSCLE)):
        for line in [] if mask is None else outlines(mask, seen_at=sight.geometry, geometry=shown.geometry):
            points = np.rint((line - (left, top) - 0.5) * 8).astype(np.int32)
            cv2.polylines(picture, [points], isClosed=True, color=colour, thickness=2, lineType=cv2.LINE_AA, shift=3)
    share = "breast: not found, the whole picture is used"
    if sight.mask is not None:
        share = f"breast, {sight.mask.mean():.0%} of the picture"
    wall = "chest wall: cannot be told" if sight.chest is None else f"chest wall, on the {sight.chest}"
    kx0, ky0, kx1, ky1 = final.geometry.kept
    crop = f"crop, columns {kx0:.0f} to {kx1:.0f}, rows {ky0:.0f} to {ky1:.0f}"
    lines: list[Line] = [(share, BREAST), (crop, CROP), (wall, CHEST)]
    step = first_step(final.trail, "pectoral")
    if step is not None:
        lines.append((step.detail if muscle is None else "pectoral muscle, set to 0", MUSCLE))
    return Panel(picture=picture, title="What was found", lines=tuple(lines), chest=sight.chest)


def _input(final: Mammogram, sight: Sight) -> Panel:
    rows, cols = final.pixels.shape
    height = _scaled(rows)
    grey = _grey(final.pixels)
    if height >= rows:
        times = height // rows
        picture = np.kron(grey, np.ones((times, times), dtype=np.uint8))
        drawn = "" if times == 1 else f", each drawn {times} x {times}"
    else:
        size = max(1, round(cols * height / rows)), height
        picture = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        drawn = f", drawn at 1/{rows / height:.3g}"
    geometry = final.geometry
    mirrored = "mirrored, " if geometry.flipped else ""
    lines = [
        f"{shape_words((rows, cols))} px{drawn}",
        f"a pixel is {spacing_words(geometry.spacing_mm)}" if geometry.spacing_mm else "spacing not known",
        f"{mirrored}scaled by {geometry.y_scale:.3g}",
    ]
    side = sight.chest
    if geometry.flipped and side is not None:
        side = "left" if side == "right" else "right"
    return Panel(picture=_colour(picture), title="Input", lines=tuple((line, None) for line in lines), chest=side)


def _content(shown: Mammogram) -> tuple[UInt8[np.ndarray, "rows cols"], int, int]:
    """Without the padding, and where it begins in the padded picture."""
    x0, y0, x1, y1 = shown.geometry.box_to_final(shown.geometry.kept)
    rows, cols = shown.pixels.shape
    left, top = max(0, round(x0)), max(0, round(y0))
    return _grey(shown.pixels[top : min(rows, round(y1)), left : min(cols, round(x1))]), left, top


def _moved(box: Box, x: float, y: float) -> Box:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def _grey(pixels: Float32[np.ndarray, "rows cols"]) -> UInt8[np.ndarray, "rows cols"]:
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 255), dtype=np.uint8)


def _colour(grey: UInt8[np.ndarray, "rows cols"]) -> UInt8[np.ndarray, "rows cols 3"]:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _simple(line: Float[np.ndarray, "points 2"]) -> tuple[float, ...]:
    fewer = cv2.approxPolyDP(line.astype(np.float32).reshape(-1, 1, 2), 0.5, closed=True)
    return tuple(round(float(value), 1) for value in fewer.ravel())
