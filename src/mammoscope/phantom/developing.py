"""From what a breast absorbs to a grey picture: on film, or processed as digital machines do."""

from enum import StrEnum

import cv2
import numpy as np
from jaxtyping import Float
from scipy.special import expit

FILM_SLOPE = 1.6  # of grey over attenuation, times 4: a film of average gradient near 3
FAT_PER_CM = 0.46  # linear attenuation near 20 keV; Johns & Yaffe, Phys Med Biol 32:675 (1987)
EDGE = 0.45  # the free edge of the compressed breast is as deep as this share of its thickness
DETAIL_MM = 2.5  # what is finer than this is lifted by a machine of strong look


class Look(StrEnum):
    """What became of the exposure."""

    FILM = "film"  # the sigmoid curve of a film, its grain, a dark rim
    STRONG = "strong"  # digital: thickness evened out, detail lifted, fat near black, a bright skin line
    FLAT = "flat"  # digital: thickness evened out, the breast grey up to its skin, little contrast


def thickness_cm(inward_mm: Float[np.ndarray, "rows cols"], *, middle_cm: float) -> Float[np.ndarray, "rows cols"]:
    """Thickness of a compressed breast: even in the middle, round towards the skin.

    Args:
        inward_mm: Distance from the skin, 0 outside.
        middle_cm: Thickness in the middle.
    """
    depth = np.clip(inward_mm / (10 * EDGE * middle_cm), 0, 1)
    return np.asarray(middle_cm * np.sqrt(1 - (1 - depth) ** 2))


def developed(
    absorbed: Float[np.ndarray, "rows cols"],
    inward_mm: Float[np.ndarray, "rows cols"],
    *,
    middle_cm: float,
    spacing_mm: float,
    look: Look,
    random: np.random.Generator,
) -> Float[np.ndarray, "rows cols"]:
    """Grey from 0 to 1, bright where much is absorbed.

    Args:
        absorbed: Line integral of the attenuation in nepers, 0 beside the breast.
        inward_mm: Distance from the skin, 0 outside.
        middle_cm: Thickness of the compressed breast.
        spacing_mm: Of the pixels.
        look: What becomes of the exposure.
        random: Where grain and noise come from.
    """
    if look is Look.FILM:
        return _film(absorbed, inward_mm, middle_cm, random)
    return _digital(absorbed, inward_mm, middle_cm, spacing_mm, look, random)


def _film(
    absorbed: Float[np.ndarray, "rows cols"],
    inward_mm: Float[np.ndarray, "rows cols"],
    middle_cm: float,
    random: np.random.Generator,
) -> Float[np.ndarray, "rows cols"]:
    """Exposure set for the middle of the breast, the sigmoid curve of the film, its grain."""
    middle = absorbed[inward_mm > 5 * EDGE * middle_cm][::5]
    exposed = float(0.55 * np.quantile(middle, 0.5) + 0.45 * np.quantile(middle, 0.97))
    grain = cv2.GaussianBlur(random.standard_normal(absorbed.shape, dtype=np.float32), (0, 0), 0.6)
    beside = expit(0.6 - FILM_SLOPE * exposed)  # the film's black
    grey = (expit(FILM_SLOPE * (absorbed - exposed) + 0.6) - beside) / (1 - beside)
    grey = grey + 0.008 * grain * (0.3 + grey)
    return np.asarray(np.clip(grey, 0, 1), np.float32)


def _digital(
    absorbed: Float[np.ndarray, "rows cols"],
    inward_mm: Float[np.ndarray, "rows cols"],
    middle_cm: float,
    spacing_mm: float,
    look: Look,
    random: np.random.Generator,
) -> Float[np.ndarray, "rows cols"]:
    """The logarithm of the signal with its quantum noise, the rim evened out, a range for the breast, black beside."""
    strong = look is Look.STRONG
    noise = random.standard_normal(absorbed.shape, dtype=np.float32)
    signal = absorbed + 0.005 * np.exp(0.5 * absorbed) * noise / max(spacing_mm / 0.1, 0.5)
    missing = middle_cm - thickness_cm(inward_mm, middle_cm=middle_cm)
    even = (signal + (0.92 if strong else 0.97) * FAT_PER_CM * missing).astype(np.float32)
    if strong:
        even = even + 0.7 * (even - cv2.GaussianBlur(even, (0, 0), DETAIL_MM / spacing_mm))
    inside = even[inward_mm > 3][::5]
    low, high = np.quantile(inside, (0.02, 0.998))
    share = (even - low) / (high - low)
    grey = 0.13 + 0.80 * share if strong else 0.42 + 0.46 * share
    skin = np.clip(inward_mm / 0.6, 0, 1)
    return np.asarray(np.clip(grey, 0.02, 1) * skin, np.float32)
