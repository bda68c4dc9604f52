"""A patient: her breasts, what is in them, and where both views show it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from mammoscope.phantom.lesion import CONTRAST, DIAMETERS_MM, Mass, draw_spiculation, malignancy_probability
from mammoscope.phantom.outline import FIELD_MM, BreastShape, Outline, draw_shape, filled, inward_mm, outline
from mammoscope.phantom.tissue import SHARES
from mammoscope.vocabulary import Density, Laterality, Pathology, View

VIEWS = (View.CC, View.MLO)
DENSITY_FREQUENCIES = {Density.A: 0.20, Density.B: 0.44, Density.C: 0.27, Density.D: 0.09}  # mass rows of CBIS-DDSM
BILATERAL = 0.08  # of the patients have a mass in each breast
WITHOUT_CALLBACK = 0.15  # of the benign masses: 141 of 912 in CBIS-DDSM
GRID_MM = 1.0  # on which the place of a mass is chosen, whatever the resolution of the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Breast:
    """One breast and the mass in it.

    Attributes:
        laterality: Its side.
        density: Its category.
        share: Dense share of the part that bears gland; see `SHARES`.
        shape: Of the compressed breast.
        mass: What is in it.
        place: Three numbers in [0, 1]: depth behind the nipple, across in CC, across in MLO, as shares of the
            positions where the mass fits.
        key: What its random numbers are derived from.
    """

    laterality: Laterality
    density: Density
    share: float
    shape: BreastShape
    mass: Mass | None
    place: tuple[float, float, float]
    key: tuple[int, ...]

    def random(self, view: View, purpose: int) -> np.random.Generator:
        """The generator of one view and one purpose: drawing more of one never changes another."""
        return np.random.default_rng([*self.key, VIEWS.index(view), purpose])

    def outline(self, view: View) -> Outline:
        """The outline of one view."""
        return outline(self.shape, view=view, random=self.random(view, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a radiologist who looked at the mass wrote down, in the words of CBIS-DDSM."""

    shape: str
    margins: str
    assessment: int
    subtlety: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A breast with a mass, and what is known of the mass."""

    breast: Breast
    mass: Mass
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
        """Whether any of her masses is."""
        return any(finding.malignant for finding in self.findings)


def draw_patient(number: int, *, seed: int, difficulty: float, contrast: float = CONTRAST) -> Patient:
    """Draw a patient; the same number and seed give the same one, whoever else is drawn.

    Args:
        number: Counted from 1.
        seed: Of the whole data set.
        difficulty: See `malignancy_probability`.
        contrast: Of the masses; see `Mass`.
    """
    random = np.random.default_rng([seed, number])
    density = Density(random.choice(list(DENSITY_FREQUENCIES), p=list(DENSITY_FREQUENCIES.values())))
    share = random.uniform(*SHARES[density])
    shape = draw_shape(random)
    sides = [Laterality(side) for side in random.permutation(list(Laterality))]
    sides = sides if random.uniform() < BILATERAL else sides[:1]
    findings = []
    for side in sides:
        mass = Mass(
            diameter_mm=random.uniform(*DIAMETERS_MM),
            spiculation=draw_spiculation(random),
            contrast=contrast,
            aspect=random.uniform(1.0, 1.45),
        )
        breast = Breast(
            laterality=side,
            density=density,
            share=share,
            shape=shape,
            mass=mass,
            place=(random.uniform(), random.uniform(), random.uniform()),
            key=(seed, number, list(Laterality).index(side)),
        )
        findings.append(_finding(breast, mass, difficulty, random))
    return Patient(patient_id=f"P_{number:05d}", findings=tuple(findings))


def _finding(breast: Breast, mass: Mass, difficulty: float, random: np.random.Generator) -> Finding:
    probability = malignancy_probability(mass.spiculation, difficulty=difficulty)
    pathology = Pathology.BENIGN if random.uniform() < 1 - WITHOUT_CALLBACK else Pathology.BENIGN_WITHOUT_CALLBACK
    if random.uniform() < probability:
        pathology = Pathology.MALIGNANT
    reading = _read(mass, breast.share, random)
    return Finding(breast=breast, mass=mass, p_malignant=probability, pathology=pathology, reading=reading)


def _read(mass: Mass, share: float, random: np.random.Generator) -> Reading:
    """Words by the margin as the reader sees it, with an error; he knows no pathology."""
    seen = mass.spiculation + random.normal(0, 0.12)
    hidden = share + random.normal(0, 0.2) > 0.7
    margins = ("CIRCUMSCRIBED", "MICROLOBULATED", "ILL_DEFINED", "SPICULATED")[
        int(np.searchsorted((0.3, 0.5, 0.7), seen))
    ]
    oval = "ROUND" if mass.aspect < 1.12 else "OVAL"
    shape = (oval, "LOBULATED", "IRREGULAR")[int(np.searchsorted((0.3, 0.6), seen + random.normal(0, 0.08)))]
    if hidden and margins == "CIRCUMSCRIBED":
        margins = "OBSCURED"
    assessment = (2, 3, 4, 5)[int(np.searchsorted((0.1, 0.25, 0.72), seen))]
    if random.uniform() < 0.08:  # incomplete, needs more pictures
        assessment = 0
    plain = mass.contrast * (1.5 + mass.diameter_mm / 10) + 1.5 * mass.spiculation - 1.5 * share
    subtlety = int(np.clip(round(plain + random.normal(0, 0.6)), 1, 5))
    return Reading(shape=shape, margins=margins, assessment=assessment, subtlety=subtlety)


def mass_places(breast: Breast, *, mass: Mass) -> dict[View, tuple[float, float]]:
    """Where both views show the mass: x and y in millimetres, at the same depth behind the nipple."""
    outlines = {view: breast.outline(view) for view in VIEWS}
    fits = {view: _fits_behind_nipple(outlines[view], mass) for view in VIEWS}
    common = min(len(fit) for fit in fits.values())
    depths = np.flatnonzero(np.logical_and.reduce([fit[:common].any(axis=1) for fit in fits.values()]))
    depth = int(depths[int(breast.place[0] * len(depths))])
    places = {}
    for view, across in zip(VIEWS, breast.place[1:], strict=True):
        rows = np.flatnonzero(fits[view][depth])
        y = (float(rows[int(across * len(rows))]) + 0.5) * GRID_MM
        places[view] = (outlines[view].nipple[0] - (depth + 0.5) * GRID_MM, y)
    return places


def _fits_behind_nipple(found: Outline, mass: Mass) -> Bool[np.ndarray, "depths rows"]:
    """Where the middle of a mass may lie: by depth behind the nipple, then by row, on the coarse grid."""
    rows, cols = (round(side / GRID_MM) for side in FIELD_MM)
    radius = 0.5 * mass.diameter_mm
    fits = inward_mm(found.skin, rows=rows, cols=cols, spacing_mm=GRID_MM) > 1.15 * radius + 5
    if found.muscle is not None:
        fits &= ~filled(found.muscle + 0.6 * radius, rows=rows, cols=cols, spacing_mm=GRID_MM)
    margin = round((radius + 3) / GRID_MM)
    fits[:margin] = fits[-margin:] = False
    fits[:, :margin] = False
    return np.asarray(fits[:, : int(found.nipple[0] / GRID_MM)][:, ::-1].T)
