"""How pixels become the input of a model."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Preprocess(BaseModel):
    """How pixels become the input of a model; part of every recipe.

    Attributes:
        rows: Height of the final picture.
        cols: Width of the final picture.
        region: Crop to the breast, or keep the whole picture.
        margin: Air left around the breast, as a fraction of its box.
        flip: Mirror so that the chest wall is on the left, or leave as it is.
        window: Show as the header says (where it says nothing: from percentiles), or always from percentiles.
        window_index: Which of several windows or VOI LUTs of a header, from 0.
        clear_background: Set everything outside the breast (labels, markers, tape) to 0.

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
    window: Literal["header", "percentile"] = "header"
    window_index: int = Field(default=0, ge=0, le=63)
    clear_background: bool = True
