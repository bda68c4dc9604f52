"""What decides the bytes of a phantom, and which values are allowed."""

from dataclasses import dataclass

from mammoscope.errors import RecipeError
from mammoscope.phantom.mass import CONTRAST
from mammoscope.phantom.picture import refuse_size

DIFFICULTY = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What decides the bytes of a phantom."""

    patients: int
    seed: int
    rows: int
    difficulty: float = DIFFICULTY
    contrast: float = CONTRAST
    calcifications: float = 0.0
    wear: float = 0.0


def refuse_settings(settings: Settings, *, most_patients: int, workers: int) -> None:
    """Raise unless a phantom can be drawn with these settings.

    Raises:
        RecipeError: A value is outside its range.
    """
    if not 2 <= settings.patients <= most_patients:
        raise RecipeError(f"patients {settings.patients} is not from 2 to {most_patients}. Choose a number in between")
    if settings.seed < 0:
        raise RecipeError(f"seed {settings.seed} is below 0. Choose a whole number from 0")
    for name in ("difficulty", "calcifications", "wear"):
        value = getattr(settings, name)
        if not 0 <= value <= 1:
            raise RecipeError(f"{name} {value} is not from 0 to 1. Choose a number in between")
    if not 0 < settings.contrast <= 3:
        raise RecipeError(f"contrast {settings.contrast} is not above 0 and up to 3. 1 is gland in the place of fat")
    if workers < 1:
        raise RecipeError(f"workers {workers} is below 1. One process is the least")
    refuse_size(settings.rows)
