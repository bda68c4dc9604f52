"""Which part of a file is a picture's subject: the breast, or what lies around one lesion."""

from dataclasses import dataclass

from mammoscope.images.geometry import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What of a file is kept.

    Attributes:
        box: The surroundings of a lesion in pixels of the file; None keeps what the preprocessing says.
        is_crop: The file itself shows the surroundings of a lesion only.
    """

    box: Box | None = None
    is_crop: bool = False

    @property
    def of_a_lesion(self) -> bool:
        """Whether it is not the breast."""
        return self.is_crop or self.box is not None


WHOLE = Cut()
"""What the preprocessing says."""
