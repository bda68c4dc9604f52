"""What a radiologist who looked at the lesion wrote down, in the words of CBIS-DDSM."""

from dataclasses import dataclass

import numpy as np

from mammoscope.phantom.lesion import Lesion
from mammoscope.phantom.mass import Mass

MARGINS = ((0.3, "CIRCUMSCRIBED"), (0.5, "MICROLOBULATED"), (0.7, "ILL_DEFINED"), (9.0, "SPICULATED"))
CALC_TYPES = (
    (0.2, "ROUND_AND_REGULAR-LUCENT_CENTER"),
    (0.4, "PUNCTATE"),
    (0.55, "AMORPHOUS"),
    (0.85, "PLEOMORPHIC"),
    (9.0, "FINE_LINEAR_BRANCHING"),
)
LINEAR_FROM = 0.8  # suspicion from which on most specks lie along a duct
GROUPED_MM = 20.0  # a cluster that is wider is regional; ACR BI-RADS 5th edition
ASSESSMENTS = ((0.1, "2"), (0.25, "3"), (0.72, "4"), (9.0, "5"))
INCOMPLETE = 0.08  # of the assessments are 0, more pictures wanted
READING_ERROR = 0.12  # standard deviation of the suspicion as the reader sees it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The reader's words.

    Attributes:
        descriptors: Shape and margins of a mass, type and distribution of calcifications.
        assessment: BI-RADS category.
        subtlety: 1 subtle to 5 obvious.
    """

    descriptors: tuple[str, str]
    assessment: int
    subtlety: int


def read_lesion(lesion: Lesion, *, share: float, random: np.random.Generator) -> Reading:
    """Describe a lesion by its suspicion as the reader sees it, with an error; the reader knows no pathology.

    Args:
        lesion: What is seen.
        share: Dense share of the breast, which may hide it.
        random: Where the errors come from.
    """
    seen = lesion.suspicion + random.normal(0, READING_ERROR)
    again = seen + random.normal(0, 0.08)
    hidden = share + random.normal(0, 0.2) > 0.7
    plain = lesion.contrast * (1.5 + lesion.diameter_mm / 10) + 1.5 * lesion.suspicion - 1.5 * share
    subtlety = int(np.clip(round(plain + random.normal(0, 0.6)), 1, 5))
    assessment = 0 if random.uniform() < INCOMPLETE else int(_word(ASSESSMENTS, seen))
    if isinstance(lesion, Mass):
        descriptors = _mass_words(lesion, seen=seen, again=again, hidden=hidden)
    else:
        wide = "REGIONAL" if lesion.diameter_mm > GROUPED_MM else "CLUSTERED"
        descriptors = (_word(CALC_TYPES, seen), "LINEAR" if again >= LINEAR_FROM else wide)
    return Reading(descriptors=descriptors, assessment=assessment, subtlety=subtlety)


def _mass_words(mass: Mass, *, seen: float, again: float, hidden: bool) -> tuple[str, str]:
    oval = "ROUND" if mass.aspect < 1.12 else "OVAL"
    shape = _word(((0.3, oval), (0.6, "LOBULATED"), (9.0, "IRREGULAR")), again)
    margins = _word(MARGINS, seen)
    return shape, "OBSCURED" if hidden and margins == "CIRCUMSCRIBED" else margins


def _word(scale: tuple[tuple[float, str], ...], value: float) -> str:
    """The word of the first step that the value lies below."""
    return next(word for limit, word in scale if value < limit)
