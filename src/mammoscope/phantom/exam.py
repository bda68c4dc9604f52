"""A patient: her breasts, what is in them, and where both views show it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from mammoscope.phantom import cluster, mass
from mammoscope.phantom.lesion import Lesion
from mammoscope.phantom.malignancy import draw_suspicion, malignancy_probability
from mammoscope.phantom.outline import FIELD_MM, BreastShape, Outline, draw_shape, filled, inward_mm, outline
from mammoscope.phantom.reading import Reading, read_lesion
from mammoscope.phantom.tissue import SHARES
from mammoscope.vocabulary import Density, Laterality, Pathology, View

VIEWS = (View.CC, View.MLO)
DENSITY_FREQUENCIES = {Density.A: 0.20, Density.B: 0.44, Density.C: 0.27, Density.D: 0.09}  # mass rows of CBIS-DDSM
BILATERAL = 0.08  # of the patients have a lesion in each breast
WITHOUT_CALLBACK = 0.15  # of the benign lesions: 141 of 912 in CBIS-DDSM
GRID_MM = 1.0  # on which the place of a lesion is chosen, whatever the resolution of the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Breast:
    """One breast and the lesion in it.

    Attributes:
        laterality: Its side.
        density: Its category.
        share: Dense share of the part that bears gland; see `SHARES`.
        shape: Of the compressed breast.
        lesion: What is in it.
        place: Three numbers in [0, 1]: depth behind the nipple, across in CC, across in MLO, as shares of the
            positions where the lesion fits.
        key: What its random numbers are derived from.
    """

    laterality: Laterality
    density: Density
    share: float
    shape: BreastShape
    lesion: Lesion | None
    place: tuple[float, float, float]
    key: tuple[int, ...]

    def random(self, view: View, purpose: int) -> np.random.Generator:
        """The generator of one view and one purpose: drawing more of one never changes another."""
        return np.random.default_rng([*self.key, VIEWS.index(view), purpose])

    def outline(self, view: View) -> Outline:
        """The outline of one view."""
        return outline(self.shape, view=view, random=self.random(view, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A breast with a lesion, and what is known of the lesion."""

    breast: Breast
    lesion: Lesion
    p_malignant: float
    pathology: Pathology
    reading: Reading

    @property
    def malignant(self) -> bool:
        """The label."""
        return self.pathology is Pathology.MALIGNANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One woman."""

    patient_id: str
    findings: tuple[Finding, ...]

    @property
    def malignant(self) -> bool:
        """Whether any of her lesions is."""
        return any(finding.malignant for finding in self.findings)


def draw_patient(
    number: int, *, seed: int, difficulty: float, contrast: float = mass.CONTRAST, calcifications: float = 0.0
) -> Patient:
    """Draw a patient; the same number and seed give the same one, whoever else is drawn.

    Args:
        number: Counted from 1.
        seed: Of the whole data set.
        difficulty: See `malignancy_probability`.
        contrast: Of the lesions; see `Mass`.
        calcifications: Probability that her lesions are clusters of calcifications and not masses.
    """
    random = np.random.default_rng([seed, number])
    density = Density(random.choice(list(DENSITY_FREQUENCIES), p=list(DENSITY_FREQUENCIES.values())))
    share = random.uniform(*SHARES[density])
    shape = draw_shape(random)
    sides = [Laterality(side) for side in random.permutation(list(Laterality))]
    sides = sides if random.uniform() < BILATERAL else sides[:1]
    clustered = np.random.default_rng([seed, number, len(Laterality)]).uniform() < calcifications
    findings = []
    for side in sides:
        lesion = _draw_lesion(random, clustered=clustered, contrast=contrast)
        breast = Breast(
            laterality=side,
            density=density,
            share=share,
            shape=shape,
            lesion=lesion,
            place=(random.uniform(), random.uniform(), random.uniform()),
            key=(seed, number, list(Laterality).index(side)),
        )
        findings.append(_finding(breast, lesion, difficulty, random))
    return Patient(patient_id=f"P_{number:05d}", findings=tuple(findings))


def _draw_lesion(random: np.random.Generator, *, clustered: bool, contrast: float) -> Lesion:
    size, suspicion, aspect = random.uniform(), draw_suspicion(random), random.uniform(1.0, 1.45)
    low, high = cluster.DIAMETERS_MM if clustered else mass.DIAMETERS_MM
    diameter_mm = low + (high - low) * size
    if clustered:
        return cluster.Cluster(diameter_mm=diameter_mm, pleomorphism=suspicion, contrast=contrast)
    return mass.Mass(diameter_mm=diameter_mm, spiculation=suspicion, contrast=contrast, aspect=aspect)


def _finding(breast: Breast, lesion: Lesion, difficulty: float, random: np.random.Generator) -> Finding:
    probability = malignancy_probability(lesion.suspicion, difficulty=difficulty)
    pathology = Pathology.BENIGN if random.uniform() < 1 - WITHOUT_CALLBACK else Pathology.BENIGN_WITHOUT_CALLBACK
    if random.uniform() < probability:
        pathology = Pathology.MALIGNANT
    reading = read_lesion(lesion, share=breast.share, random=random)
    return Finding(breast=breast, lesion=lesion, p_malignant=probability, pathology=pathology, reading=reading)


def lesion_places(breast: Breast, *, lesion: Lesion) -> dict[View, tuple[float, float]]:
    """Where both views show the lesion: x and y in millimetres, at the same depth behind the nipple."""
    outlines = {view: breast.outline(view) for view in VIEWS}
    fits = {view: _fits_behind_nipple(outlines[view], 0.5 * lesion.diameter_mm) for view in VIEWS}
    common = min(len(fit) for fit in fits.values())
    depths = np.flatnonzero(np.logical_and.reduce([fit[:common].any(axis=1) for fit in fits.values()]))
    depth = int(depths[int(breast.place[0] * len(depths))])
    places = {}
    for view, across in zip(VIEWS, breast.place[1:], strict=True):
        rows = np.flatnonzero(fits[view][depth])
        y = (float(rows[int(across * len(rows))]) + 0.5) * GRID_MM
        places[view] = (outlines[view].nipple[0] - (depth + 0.5) * GRID_MM, y)
    return places


def _fits_behind_nipple(found: Outline, radius: float) -> Bool[np.ndarray, "depths rows"]:
    """Where the middle of a lesion may lie: by depth behind the nipple, then by row, on the coarse grid."""
    rows, cols = (round(side / GRID_MM) for side in FIELD_MM)
    fits = inward_mm(found.skin, rows=rows, cols=cols, spacing_mm=GRID_MM) > 1.15 * radius + 5
    if found.muscle is not None:
        fits &= ~filled(found.muscle + 0.6 * radius, rows=rows, cols=cols, spacing_mm=GRID_MM)
    margin = round((radius + 3) / GRID_MM)
    fits[:margin] = fits[-margin:] = False
    fits[:, :margin] = False
    return np.asarray(fits[:, : int(found.nipple[0] / GRID_MM)][:, ::-1].T)
