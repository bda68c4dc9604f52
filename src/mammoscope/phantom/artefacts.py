"""What is on a film beside the breast: its label, and now and then dust, scratches and the film's edge."""

import cv2
import numpy as np
from jaxtyping import Float

from mammoscope.vocabulary import Laterality, View

SIDES = {Laterality.LEFT: "L", Laterality.RIGHT: "R"}


def with_label(
    grey: Float[np.ndarray, "rows cols"],
    *,
    laterality: Laterality,
    view: View,
    spacing_mm: float,
    random: np.random.Generator,
) -> Float[np.ndarray, "rows cols"]:
    """The film with a lead marker such as `R MLO` in the upper corner away from the chest wall.

    Args:
        grey: The film as it is shown, a right breast already mirrored.
        laterality: Side that the marker names.
        view: View that it names.
        spacing_mm: Of the pixels.
        random: Where its place and brightness come from.
    """
    rows, cols = grey.shape
    letter_mm, inset_mm, down_mm = random.uniform(3.6, 5.0), random.uniform(3, 7), random.uniform(8, 22)
    text, font = f"{SIDES[laterality]} {view}", cv2.FONT_HERSHEY_SIMPLEX
    scale = letter_mm / spacing_mm / 22  # a capital of this font is 22 pixels high
    thick = max(1, round(0.5 / spacing_mm))
    (width, height), _ = cv2.getTextSize(text, font, scale, thick)
    inset = round(inset_mm / spacing_mm)
    left = cols - width - inset if laterality is Laterality.LEFT else inset
    marker = np.zeros((rows, cols), np.uint8)
    cv2.putText(marker, text, (left, round(down_mm / spacing_mm) + height), font, scale, 255, thick, cv2.LINE_AA)
    soft = cv2.GaussianBlur(marker, (0, 0), 0.15 / spacing_mm + 0.3) / np.float32(255)
    return np.asarray(np.maximum(grey, random.uniform(0.6, 0.9) * soft), np.float32)


def with_wear(
    grey: Float[np.ndarray, "rows cols"], *, spacing_mm: float, random: np.random.Generator
) -> Float[np.ndarray, "rows cols"]:
    """The film with dust, a scratch and a bright strip along one edge, as an old scanned one.

    Args:
        grey: The film as it is shown. Not modified.
        spacing_mm: Of the pixels.
        random: Where the wear comes from.
    """
    rows, cols = grey.shape
    worn = np.zeros((rows, cols), np.uint8)
    for _ in range(int(random.integers(3, 12))):
        centre = (int(random.integers(cols)), int(random.integers(rows)))
        cv2.circle(worn, centre, round(random.uniform(0, 0.4) / spacing_mm), int(random.integers(128, 256)), -1)
    start = (int(random.integers(cols)), int(random.integers(rows)))
    slant, length = random.normal(0, 3) / spacing_mm, random.uniform(20, 150) / spacing_mm
    end = (int(start[0] + slant), int(start[1] + length))
    cv2.line(worn, start, end, int(random.integers(50, 115)), 1, cv2.LINE_AA)
    strip = max(1, round(random.uniform(0.4, 2.0) / spacing_mm))
    edge = (np.s_[:strip, :], np.s_[-strip:, :], np.s_[:, :strip], np.s_[:, -strip:])[int(random.integers(4))]
    worn[edge] = int(random.integers(200, 256))
    return np.asarray(np.maximum(grey, worn / np.float32(255)), np.float32)
