"""A screened woman: both breasts, most without a lesion, and what is known of her."""

from dataclasses import dataclass, replace

import numpy as np

from mammoscope.phantom.exam import Breast, Finding, Patient, draw_patient
from mammoscope.phantom.malignancy import ideal_auc
from mammoscope.phantom.settings import Settings
from mammoscope.vocabulary import Laterality

AGE_MEAN, AGE_SPREAD, AGES = 58.5, 10.0, (32, 88)  # years; 54,669 rows of the RSNA table have 58.5 and 10.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One breast of a screened woman, and the lesion in it if there is one."""

    breast: Breast
    finding: Finding | None

    @property
    def malignant(self) -> bool:
        """The label of the breast."""
        return self.finding is not None and self.finding.malignant


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """One woman.

    Attributes:
        number: Counted from 1.
        age_years: Independent of all else.
        sides: Her left and right breast, in this order.
        draw: A number in [0, 1) for each of what a layout may want to decide, such as machine and follow-up.
    """

    number: int
    age_years: int
    sides: tuple[Side, Side]
    draw: tuple[float, ...]

    @property
    def malignant(self) -> bool:
        """Whether any of her lesions is."""
        return any(side.malignant for side in self.sides)


def draw_screened(number: int, settings: Settings, *, share: float) -> Screened:
    """Draw a woman; the same number and seed give the same one, whoever else is drawn.

    Args:
        number: Counted from 1.
        settings: Of the phantom.
        share: Probability that she has a lesion, or one in each breast.
    """
    patient = draw_patient(
        number,
        seed=settings.seed,
        difficulty=settings.difficulty,
        contrast=settings.contrast,
        calcifications=settings.calcifications,
    )
    random = np.random.default_rng([settings.seed, number, len(Laterality), 1])
    has_lesion = random.uniform() < share
    age = int(np.clip(round(random.normal(AGE_MEAN, AGE_SPREAD)), *AGES))
    left, right = (_side(patient, laterality, has_lesion=has_lesion) for laterality in Laterality)
    return Screened(number=number, age_years=age, sides=(left, right), draw=tuple(random.uniform(size=8).tolist()))


def best_by_breast(difficulty: float, *, share: float, bilateral: float, unknown: float = 0.0) -> float:
    """Best AUC of a score of breasts, by an observer who sees each lesion and reads its look without error.

    Breasts without a lesion are told from all others. Of those with one, half are malignant.

    Args:
        difficulty: As in `malignancy_probability`.
        share: Of the women have a lesion.
        bilateral: Of these have one in each breast.
        unknown: Of the lesions that are not malignant have no label, and are left out.
    """
    with_lesion = 0.5 * share * (1 + bilateral)  # of the breasts
    normal, benign = 1 - with_lesion, 0.5 * with_lesion * (1 - unknown)
    return (normal + benign * ideal_auc(difficulty)) / (normal + benign)


def _side(patient: Patient, laterality: Laterality, *, has_lesion: bool) -> Side:
    """The breast of one side; one that was drawn without a lesion is like the other, with tissue of its own."""
    mine = [finding for finding in patient.findings if finding.breast.laterality is laterality]
    if mine and has_lesion:
        return Side(breast=mine[0].breast, finding=mine[0])
    other = (mine or list(patient.findings))[0].breast
    key = (*other.key[:-1], list(Laterality).index(laterality))
    return Side(breast=replace(other, laterality=laterality, lesion=None, key=key), finding=None)
