"""What is seen on a thumbnail of the stored values, before anything is cropped: polarity, breast, chest wall."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from mammoscope.dicom.display import Rescale, modality_values
from mammoscope.images.area import area_mean
from mammoscope.images.breast import THUMB_SIDE, Side, bounding_box, breast_mask, chest_side, grown, polarity, stretched
from mammoscope.images.doubts import doubts
from mammoscope.images.geometry import Geometry
from mammoscope.images.levels import Reduced, SlabLevels, block_mean
from mammoscope.images.picture import Picture
from mammoscope.trail import Step
from mammoscope.vocabulary import Laterality

TINY = 0.005  # of a pixel: by so much larger than an old pixel, a new one may be interpolated and not averaged
RIM_PX = 3  # thumbnail pixels at the rim of the breast where air is mixed in


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What the pixels of one picture show.

    Attributes:
        glance: Stored values of the whole picture, as small as they were looked at.
        factor: Pixels of the file for one of `glance`.
        geometry: From the picture in the file to the thumbnail.
        values: Modality values of the thumbnail.
        invert: Low modality values are to be shown bright.
        mask: The breast on the thumbnail; None if nothing stands out.
        chest: Side of the chest wall; None if it cannot be told.
        trail: What was decided.
    """

    glance: Reduced
    factor: int
    geometry: Geometry
    values: Float[np.ndarray, "thumb_rows thumb_cols"]
    invert: bool
    mask: Bool[np.ndarray, "thumb_rows thumb_cols"] | None
    chest: Side | None
    trail: tuple[Step, ...]

    @property
    def breast_values(self) -> Float[np.ndarray, " pixels"]:
        """Modality values inside the breast without its rim, or of the whole thumbnail."""
        if self.mask is None:
            return self.values.ravel()
        inner = ~grown(~self.mask, pixels=RIM_PX)
        kept: Float[np.ndarray, " pixels"] = self.values[inner if inner.any() else self.mask]
        return kept


def look(picture: Picture, glance: Reduced, *, factor: int) -> Sight:
    """Look at a thumbnail: where the background, the breast and the chest wall are.

    Args:
        picture: What the file says.
        glance: Its stored values, the whole picture at least at the size of the thumbnail.
        factor: Pixels of the file for one of `glance`.
    """
    blocks = max(1, max(glance.shape) // (2 * THUMB_SIDE))
    seen_at = Geometry.of(picture.levels.shape, spacing_mm=picture.spacing_mm).reduced(factor, grid=picture.levels.grid)
    thumb = block_mean(glance, rows=blocks, cols=blocks)
    clean, bare = without_padding(thumb, picture)
    shape = _thumb_shape(clean.shape[0], clean.shape[1])
    geometry = seen_at.reduced(blocks, grid="blocks").resized(*shape)
    values = modality_values(resampled(clean, shape=shape), picture.modality).astype(np.float64)
    seen = polarity(values)
    steps = [] if picture.padding is None or bare is not None else [unmatched(thumb, picture.padding)]
    numbers = f"pixels at one value: {seen.dark:.0%} at the dark end, {seen.bright:.0%} at the bright end"
    invert = seen.inverted if picture.invert is None else picture.invert
    if picture.invert is None:
        detail = "background is bright: inverted" if invert else "background is dark: kept"
        steps.append(Step(name="polarity", detail=detail, cause=numbers))
    elif invert != seen.inverted:
        steps.append(Step(name="oddity", detail="the background looks bright, the header was followed", cause=numbers))
    shown = stretched(values, invert=invert)
    mask = breast_mask(shown)
    usual = _usual_side(picture.laterality)
    chest = usual if mask is None else chest_side(mask, expected=usual)
    steps.append(_told(mask, chest))
    if usual is not None and chest != usual:
        detail = f"the chest wall is on the {chest}: the picture is mirrored, or its side is wrong"
        steps.append(Step(name="oddity", detail=detail, cause=f"laterality {picture.laterality}"))
    if mask is not None:
        steps += doubts(shown, breast=mask, chest=chest, view=picture.view, geometry=geometry)
    return Sight(
        glance=glance,
        factor=factor,
        geometry=geometry,
        values=values,
        invert=invert,
        mask=mask,
        chest=chest,
        trail=tuple(steps),
    )


def resampled(values: Reduced, *, shape: tuple[int, int]) -> Float32[np.ndarray, "new_rows new_cols"]:
    """Area average when shrinking, linear interpolation when enlarging. The one place where pixels are resampled.

    Means of 8-bit values keep their fractions to 1/512; of deeper ones, 0.5 of at most 65535 is lost. Where a new
    pixel covers 1 + s old ones along an axis, s being tiny, it overlaps two or three, and the weights of their mean
    and of the interpolation at its centre are at most s / 2 apart: there the quicker of the two is taken.
    """
    ratios = values.shape[0] / shape[0], values.shape[1] / shape[1]
    if min(ratios) >= 1 and max(ratios) > 1 + TINY:
        return area_mean(values, shape=shape)
    return np.asarray(cv2.resize(values.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR))


def padding_is_bright(picture: Picture, glance: Reduced) -> bool:
    """Whether padding is brighter than the picture: then it must be taken out before any averaging."""
    if picture.padding is None:
        return False
    low, high = picture.padding
    shown = glance[(glance < low) | (glance > high)]
    if shown.size == 0:  # ... of a slab, perhaps here of one slice and there of another: then it was the brightest
        return isinstance(picture.levels, SlabLevels)
    above = low > float(np.median(shown[:: max(1, shown.size // 4096)]))
    return above != _dark_is_high(picture)


def without_padding(
    values: Reduced, picture: Picture, *, mixed: bool = True
) -> tuple[Reduced, UInt8[np.ndarray, "_ _"] | None]:
    """Replace padding by the darkest value of the picture, so that averaging draws no rim.

    Args:
        values: Stored values. Not modified.
        picture: What the file says of them.
        mixed: They are averages: those beyond the darkest one that does not touch padding are mixed from padding and
            picture, and are replaced too. Values as they stand in the file are left.

    Returns:
        The values, and 255 where they were padding, 0 elsewhere; None if they nowhere were.
    """
    if picture.padding is None:
        return values, None
    low, high = (np.array([float(end)]) for end in picture.padding)
    padding = np.asarray(cv2.inRange(values, low, high), dtype=np.uint8)
    count = cv2.countNonZero(padding)
    if count in {0, padding.size}:
        return values, None
    pure = cv2.bitwise_not(padding)
    if mixed:
        apart = cv2.erode(pure, np.ones((3, 3), dtype=np.uint8))
        pure = apart if cv2.countNonZero(apart) else pure
    least, most, _, _ = cv2.minMaxLoc(values, mask=pure)
    falling = _dark_is_high(picture)
    dark = np.array(most if falling else least, dtype=values.dtype)
    clean = np.minimum(values, dark) if falling else np.maximum(values, dark)
    if (low < dark) if falling else (high > dark):  # padding that lies beyond the darkest value is replaced already
        np.copyto(clean, dark, where=padding.view(np.bool_))
    return clean, padding


def unmatched(values: Reduced, padding: tuple[int, int]) -> Step:
    """What may be said of padding that `without_padding` left alone: no pixel is padding, or every one."""
    if is_padding(values, padding):
        return Step(name="oddity", detail="padding was ignored: every pixel is padding", cause="stored values")
    where = f"stored values looked at are {int(values.min())} to {int(values.max())}"
    return Step(name="padding", detail="none was seen: nothing was replaced", cause=where)


def is_padding(values: Reduced, padding: tuple[int, int]) -> bool:
    """Whether every value means "no picture here"."""
    return padding[0] <= int(values.min()) and int(values.max()) <= padding[1]


def _dark_is_high(picture: Picture) -> bool:
    falling = isinstance(picture.modality, Rescale) and picture.modality.slope < 0
    return bool(picture.invert) != falling


def _thumb_shape(rows: int, cols: int) -> tuple[int, int]:
    scale = min(1.0, THUMB_SIDE / max(rows, cols))
    return max(1, round(rows * scale)), max(1, round(cols * scale))


def _told(mask: Bool[np.ndarray, "rows cols"] | None, chest: Side | None) -> Step:
    if mask is None:
        return Step(name="breast", detail="not found: the whole picture is used", cause="no area stands out")
    x0, y0, x1, y1 = bounding_box(mask)
    rows, cols = mask.shape
    where = f"columns {x0 / cols:.0%}-{x1 / cols:.0%}, rows {y0 / rows:.0%}-{y1 / rows:.0%}"
    wall = "chest wall cannot be told" if chest is None else f"chest wall on the {chest}"
    return Step(
        name="breast", detail=f"{where}; {wall}", cause=f"largest bright area, {mask.mean():.0%} of the picture"
    )


def _usual_side(laterality: Laterality | None) -> Side | None:
    """Where the chest wall of this side is usually shown."""
    if laterality is None:
        return None
    return "left" if laterality is Laterality.LEFT else "right"
