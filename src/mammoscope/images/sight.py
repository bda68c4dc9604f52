"""What is seen on a thumbnail of the stored values, before anything is cropped: polarity, breast, chest wall."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from mammoscope.images.breast import THUMB_SIDE, Side, bounding_box, breast_mask, chest_side, grown, polarity, stretched
from mammoscope.images.display import Rescale, modality_values
from mammoscope.images.mammogram import Step
from mammoscope.images.picture import Picture, Resized, Stored
from mammoscope.vocabulary import Laterality

RIM_PX = 3  # thumbnail pixels at the rim of the breast where air is mixed in


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """What the pixels of one picture show.

    Attributes:
        stored: Stored values, padding replaced by the darkest value of the picture.
        padding: Share of padding in each stored pixel, 0 or 255; None if there is none.
        values: Modality values of the thumbnail.
        invert: Low modality values are to be shown bright.
        mask: The breast on the thumbnail; None if nothing stands out.
        chest: Side of the chest wall; None if it cannot be told.
        trail: What was decided.
    """

    stored: Stored
    padding: UInt8[np.ndarray, "rows cols"] | None
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


def look(picture: Picture) -> Sight:
    """Look at a thumbnail: where the background, the breast and the chest wall are."""
    stored, padding = _without_padding(picture)
    thumb = resampled(stored, shape=_thumb_shape(stored.shape[0], stored.shape[1]))
    values = modality_values(thumb, picture.modality)
    seen = polarity(values)
    steps = []
    numbers = f"pixels at one value: {seen.dark:.0%} at the dark end, {seen.bright:.0%} at the bright end"
    invert = seen.inverted if picture.invert is None else picture.invert
    if picture.invert is None:
        detail = "background is bright: inverted" if invert else "background is dark: kept"
        steps.append(Step(name="polarity", detail=detail, cause=numbers))
    elif invert != seen.inverted:
        steps.append(Step(name="oddity", detail="the background looks bright, the header was followed", cause=numbers))
    mask = breast_mask(stretched(values, invert=invert))
    usual = _usual_side(picture.laterality)
    chest = usual if mask is None else chest_side(mask, expected=usual)
    steps.append(_told(mask, chest))
    if usual is not None and chest != usual:
        detail = f"the chest wall is on the {chest}: the picture is mirrored, or its side is wrong"
        steps.append(Step(name="oddity", detail=detail, cause=f"laterality {picture.laterality}"))
    return Sight(
        stored=stored, padding=padding, values=values, invert=invert, mask=mask, chest=chest, trail=tuple(steps)
    )


def resampled(stored: Stored, *, shape: tuple[int, int]) -> Resized:
    """Area average when shrinking, linear interpolation when enlarging. The one place where pixels are resampled."""
    shrinks = shape[0] < stored.shape[0] or shape[1] < stored.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    smaller: Resized = cv2.resize(stored, shape[::-1], interpolation=method)
    return smaller


def padding_is_bright(picture: Picture) -> bool:
    """Whether padding is brighter than the picture: then it must be taken out before any averaging."""
    if picture.padding is None:
        return False
    low, high = picture.padding
    shown = picture.stored[(picture.stored < low) | (picture.stored > high)]
    if shown.size == 0:
        return False
    above = low > float(np.median(shown))
    return above != _dark_is_high(picture)


def _dark_is_high(picture: Picture) -> bool:
    falling = isinstance(picture.modality, Rescale) and picture.modality.slope < 0
    return bool(picture.invert) != falling


def _without_padding(picture: Picture) -> tuple[Stored, UInt8[np.ndarray, "rows cols"] | None]:
    """Replace padding by the darkest value of the picture, so that averaging draws no bright rim."""
    stored = picture.stored
    if picture.padding is None:
        return stored, None
    padding = cv2.inRange(stored, *(np.array([float(value)]) for value in picture.padding))
    inside = padding == 0
    if inside.all() or not inside.any():
        return stored, None
    dark = stored.max(where=inside, initial=np.iinfo(stored.dtype).min)
    if not _dark_is_high(picture):
        dark = stored.min(where=inside, initial=np.iinfo(stored.dtype).max)
    return np.where(inside, stored, dark), padding


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
