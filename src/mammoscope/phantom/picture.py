"""One view as the film shows it: thickness and tissue to attenuation, attenuation to grey."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt16

from mammoscope.errors import RecipeError
from mammoscope.phantom.artefacts import with_label, with_wear
from mammoscope.phantom.developing import EDGE, FAT_PER_CM, Look, developed, thickness_cm
from mammoscope.phantom.exam import Breast, lesion_places
from mammoscope.phantom.lesion import lesion_shadow
from mammoscope.phantom.mass import CONTRAST, DIAMETERS_MM, Mass
from mammoscope.phantom.outline import FIELD_MM, draw_shape, inward_mm
from mammoscope.phantom.shadow import Shadow
from mammoscope.phantom.tissue import SHARES, Ground, glandular_share
from mammoscope.vocabulary import Density, Laterality, View

GLAND_MORE_PER_CM = 0.34  # gland less fat, ibid.
MUSCLE_DEPTH_MM = 16.0  # over which the pectoral muscle comes to its full thickness
MUSCLE_MORE = 0.95  # attenuation of the muscle at its thickest, less the fat in its place
SKIN_MM = 1.6
MIN_ROWS, MAX_ROWS = 128, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A synthetic mammogram and its truth.

    Attributes:
        pixels: Film-like grey, bright where much is absorbed.
        mask: Inside of the lesion, or None without one.
        spacing_mm: Of the pixels.
    """

    pixels: UInt16[np.ndarray, "rows cols"]
    mask: Bool[np.ndarray, "rows cols"] | None
    spacing_mm: float


def phantom_view(
    seed: int,
    *,
    view: View = View.CC,
    laterality: Laterality = Laterality.LEFT,
    density: Density = Density.B,
    diameter_mm: float | None = None,
    spiculation: float = 0.0,
    contrast: float = CONTRAST,
    rows: int = 768,
) -> Picture:
    """Draw one synthetic mammogram.

    Args:
        seed: The same seed is the same breast: its CC and its MLO view belong together.
        view: CC or MLO.
        laterality: A left breast has its chest wall at the left edge, a right one at the right.
        density: Category; it sets the dense share of the gland-bearing area.
        diameter_mm: Of a mass, 8 to 35; None draws no mass.
        spiculation: Margin of the mass, 0 (circumscribed) to 1 (spiculated).
        contrast: Of the mass; at 1 it is gland in the place of fat.
        rows: Height of the picture, 128 to 4096; the field is 200 mm high and 130 mm wide.

    Returns:
        The picture, with the mask of the mass.

    Raises:
        RecipeError: An argument is outside its range.

    Source:
        The model and its references are described in docs/explain/phantom.md.

    Example:
        >>> picture = phantom_view(7, diameter_mm=20, rows=128)
        >>> picture.pixels.shape, picture.pixels.dtype.name, picture.mask.any()
        ((128, 83), 'uint16', np.True_)
    """
    refuse_size(rows)
    if view not in {View.CC, View.MLO}:
        raise RecipeError(f"view {view} is not one of CC, MLO. The phantom draws these two")
    if seed < 0:
        raise RecipeError(f"seed {seed} is below 0. Choose a whole number from 0")
    mass = None
    if diameter_mm is not None:
        mass = checked_mass(diameter_mm=diameter_mm, spiculation=spiculation, contrast=contrast)
    random = np.random.default_rng(seed)
    breast = Breast(
        laterality=laterality,
        density=density,
        shape=draw_shape(random),
        place=(random.uniform(), random.uniform(), random.uniform()),
        share=random.uniform(*SHARES[density]),
        lesion=mass,
        key=(seed,),
    )
    return take(breast, view=view, rows=rows)


def refuse_size(rows: int) -> None:
    """Raise unless a picture of so many rows can be drawn."""
    if not MIN_ROWS <= rows <= MAX_ROWS:
        raise RecipeError(f"rows {rows} is not from {MIN_ROWS} to {MAX_ROWS}. Choose a height in between")


def checked_mass(*, diameter_mm: float, spiculation: float, contrast: float) -> Mass:
    """A mass, if its numbers make sense."""
    smallest, largest = DIAMETERS_MM
    if not smallest <= diameter_mm <= largest:
        raise RecipeError(f"diameter_mm {diameter_mm} is not from {smallest} to {largest}. Choose one in between")
    if not 0 <= spiculation <= 1:
        raise RecipeError(f"spiculation {spiculation} is not from 0 to 1. Choose a margin in between")
    if not 0 < contrast <= 3:
        raise RecipeError(f"contrast {contrast} is not above 0 and up to 3. 1 is gland in the place of fat")
    return Mass(diameter_mm=diameter_mm, spiculation=spiculation, contrast=contrast)


def take(breast: Breast, *, view: View, rows: int, wear: float = 0.0, look: Look = Look.FILM) -> Picture:
    """Take one view of a breast.

    Args:
        breast: What is pictured.
        view: CC or MLO.
        rows: Height of the picture.
        wear: Probability that the film is dusty and scratched and shows its edge.
        look: What became of the exposure.
    """
    spacing_mm = FIELD_MM[0] / rows
    cols = round(FIELD_MM[1] / spacing_mm)
    found = breast.outline(view)
    inward = inward_mm(found.skin, rows=rows, cols=cols, spacing_mm=spacing_mm)
    muscle = np.zeros_like(inward)
    if found.muscle is not None:
        depth = inward_mm(found.muscle, rows=rows, cols=cols, spacing_mm=spacing_mm) * (inward > 0)
        muscle = np.sqrt(np.clip(depth / MUSCLE_DEPTH_MM, 0, 1))
    ground = Ground(
        inward_mm=inward, nipple=found.nipple, depth_mm=breast.shape.depth_mm, muscle=muscle, spacing_mm=spacing_mm
    )
    gland = glandular_share(ground, share=breast.share, random=breast.random(view, 1))
    shadow = None
    if breast.lesion is not None:
        shadow = lesion_shadow(
            breast.lesion,
            centre_mm=lesion_places(breast, lesion=breast.lesion)[view],
            rows=rows,
            cols=cols,
            spacing_mm=spacing_mm,
            random=breast.random(view, 2),
        )
        gland = gland * (1 - 0.6 * shadow.room)
    absorbed = _absorbed(breast, ground, gland, shadow)
    grey = developed(
        absorbed,
        inward,
        middle_cm=breast.shape.thickness_cm,
        spacing_mm=spacing_mm,
        look=look,
        random=breast.random(view, 3),
    )
    mask = None if shadow is None else shadow.mask
    if breast.laterality is Laterality.RIGHT:
        grey = np.ascontiguousarray(grey[:, ::-1])
        mask = None if mask is None else np.ascontiguousarray(mask[:, ::-1])
    random = breast.random(view, 5)
    grey = with_label(grey, laterality=breast.laterality, view=view, spacing_mm=spacing_mm, random=random)
    if random.uniform() < wear:
        grey = with_wear(grey, spacing_mm=spacing_mm, random=random)
    pixels = np.rint(np.clip(grey, 0, 1) * 65535).astype(np.uint16)
    return Picture(pixels=pixels, mask=mask, spacing_mm=spacing_mm)


def _absorbed(
    breast: Breast, ground: Ground, gland: Float[np.ndarray, "rows cols"], shadow: Shadow | None
) -> Float[np.ndarray, "rows cols"]:
    """Line integral of the attenuation, in nepers: 0 beside the breast."""
    thick = breast.shape.thickness_cm
    depth = np.clip(ground.inward_mm / (10 * EDGE * thick), 0, 1)
    thickness = thickness_cm(ground.inward_mm, middle_cm=thick)
    skin = 0.10 * np.exp(-(((ground.inward_mm - 0.5 * SKIN_MM) / SKIN_MM) ** 2)) * (ground.inward_mm > 0)
    total = thickness * (FAT_PER_CM + GLAND_MORE_PER_CM * gland * (1 - 0.7 * ground.muscle))
    total = total + skin + ground.muscle * MUSCLE_MORE * thickness / 5
    if breast.lesion is not None and shadow is not None:
        total = total + breast.lesion.contrast * GLAND_MORE_PER_CM * shadow.thickness_cm * np.sqrt(depth)
    return np.asarray(total, np.float32)
