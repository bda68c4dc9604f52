"""How pixels become the input of a model."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mammoscope.dicom.policy import ACCEPTED
from mammoscope.vocabulary import Trait


class Preprocess(BaseModel):
    """How pixels become the input of a model; part of every recipe.

    Attributes:
        rows: Height of the final picture.
        cols: Width of the final picture.
        region: Crop to the breast, or keep the whole picture.
        margin: Air left around the breast, as a fraction of its box.
        flip: Mirror so that the chest wall is on the left, or leave as it is.
        window: As the header says (else by percentiles), always by percentiles, or from 0 to the largest value kept.
        window_index: Which of several windows or VOI LUTs of a header, from 0.
        window_explanation: Which of them by its name, such as HARDER; where a header has none of that name, the index.
        percentiles: Of the modality values in the breast, shown as black and white where no header's window is.
        accept: Traits of pictures that are read and tagged; a picture with any other is refused.
        slab: First and last slice to read of a tomosynthesis volume, from 1 as DICOM counts frames; None refuses one.
        slab_by: How the slices of a slab become one picture, after each was averaged to the resolution it is read at.
        clear_background: Set everything outside the breast (labels, markers, tape) to 0.
        pectoral: On views that show it, set the pectoral muscle to 0 where it is clearly found, or leave it.
        clahe: Limit of adaptive histogram equalisation (CLAHE) of what is not 0 then; 2 to 4 is usual, 0 is off.
        clahe_tiles: Tiles a side of the final picture for it.
        bits: Of a final pixel: what is trained on, scored and explained is rounded to them, and the cache holds them.

    Example:
        >>> Preprocess(rows=512, cols=384).model_dump(exclude_defaults=True)
        {'rows': 512, 'cols': 384}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(default=224, ge=16, le=8192)
    cols: int = Field(default=224, ge=16, le=8192)
    region: Literal["breast", "whole"] = "breast"
    margin: float = Field(default=0.02, ge=0.0, le=0.5)
    flip: Literal["left", "none"] = "left"
    window: Literal["header", "percentile", "maximum"] = "header"
    window_index: int = Field(default=0, ge=0, le=63)
    window_explanation: str | None = Field(default=None, min_length=1, max_length=64)
    percentiles: tuple[float, float] = (0.5, 99.5)
    accept: tuple[Trait, ...] = ACCEPTED
    clear_background: bool = True
    pectoral: Literal["keep", "clear"] = "keep"
    clahe: float = Field(default=0.0, ge=0.0, le=256.0)
    clahe_tiles: int = Field(default=8, ge=1, le=64)
    bits: Literal[8, 16] = 16
    slab: tuple[int, int] | None = None
    slab_by: Literal["mean", "max"] = "mean"

    @field_validator("percentiles")
    @classmethod
    def _rising(cls, percentiles: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise ValueError(f"percentiles must rise from 0 to 100 at most, got {percentiles}")
        return percentiles

    @field_validator("accept")
    @classmethod
    def _each_once(cls, accept: tuple[Trait, ...]) -> tuple[Trait, ...]:
        return tuple(trait for trait in Trait if trait in accept)  # equal settings are written alike

    @field_validator("slab")
    @classmethod
    def _in_order(cls, slab: tuple[int, int] | None) -> tuple[int, int] | None:
        if slab is not None and not 1 <= slab[0] <= slab[1]:
            raise ValueError(f"slab must be first and last slice from 1 on, got {slab}")
        return slab
