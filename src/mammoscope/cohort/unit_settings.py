"""What is classified, as a recipe states it: a picture, a lesion, a breast, an exam."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Unit = Literal["image", "lesion", "breast", "exam"]


class Input(BaseModel):
    """What one sample is.

    Attributes:
        unit: `image` is one picture. `lesion` is what lies around one finding. `breast` and `exam` are all pictures of
            one, read together.
        crop: Of a lesion: `box` cuts it out of the picture, around its box, outline or mask; `file` is the data set's
            own crop.
        context: Air on each side of the lesion's box, as a share of its longer side.
        square: Whether the cut is widened to a square around the lesion.

    Example:
        >>> Input(unit="lesion", crop="file").model_dump(exclude_defaults=True)
        {'unit': 'lesion', 'crop': 'file'}
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    unit: Unit = Field(default="image", description="what one sample is")
    crop: Literal["box", "file"] = Field(
        default="box", description="of a lesion: cut out around its place, or the data set's own crop"
    )
    context: float = Field(
        default=0.25, ge=0, le=4, description="air on each side of a lesion, as a share of its longer side"
    )
    square: bool = Field(default=True, description="whether the cut around a lesion is square")

    @model_validator(mode="after")
    def _of_a_lesion(self) -> "Input":
        fields = type(self).model_fields
        changed = [name for name in fields if name != "unit" and getattr(self, name) != fields[name].default]
        if self.unit != "lesion" and changed:
            raise ValueError(f"{', '.join(changed)}: only for unit = 'lesion', and unit is {self.unit!r}. Leave it out")
        return self

    @property
    def bags(self) -> bool:
        """Whether a sample is several pictures."""
        return self.unit in {"breast", "exam"}
