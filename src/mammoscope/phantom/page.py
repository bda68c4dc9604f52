"""One page of phantom pictures: densities, lesions, views, film and digital."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from mammoscope.errors import RecipeError
from mammoscope.phantom.cluster import Cluster
from mammoscope.phantom.developing import Look
from mammoscope.phantom.exam import VIEWS, Breast, lesion_places
from mammoscope.phantom.lesion import Lesion
from mammoscope.phantom.mass import CONTRAST, Mass
from mammoscope.phantom.outline import draw_shape
from mammoscope.phantom.picture import Picture, take
from mammoscope.phantom.tissue import SHARES
from mammoscope.vocabulary import Density, Laterality

ROWS = 1024  # at which the pictures are drawn: 0.2 mm, so that specks are seen in the close-ups
EIGHT, SIX = (300, 195), (400, 262)  # height and width of a picture where as many stand in a row
TITLE, GAP = 26, 6
CLOSE_MM = 52.0  # side of a close-up
INK = 230
LESIONS: dict[str, Lesion] = {
    "circumscribed mass": Mass(diameter_mm=18, spiculation=0.08, aspect=1.25),
    "ill-defined mass": Mass(diameter_mm=20, spiculation=0.55, aspect=1.2),
    "spiculated mass": Mass(diameter_mm=15, spiculation=0.85, aspect=1.15),
    "round specks": Cluster(diameter_mm=24, pleomorphism=0.0, contrast=CONTRAST),
    "pleomorphic cluster": Cluster(diameter_mm=18, pleomorphism=0.65, contrast=CONTRAST),
    "fine linear branching": Cluster(diameter_mm=24, pleomorphism=1.0, contrast=CONTRAST),
}

Grey = UInt8[np.ndarray, "height width"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tile:
    grey: Grey
    title: str


def contact_page(seed: int) -> UInt8[np.ndarray, "height width"]:
    """Draw one page that shows what phantoms look like.

    Rows, from the top: the densities A to D in both views on film; the same breasts from digital machines of two looks;
    both views of three masses and of three clusters, on film and digital in turn, an arrow head below each lesion;
    close-ups of the same.

    Args:
        seed: Of the breasts, 0 or above.

    Returns:
        The page, 0 black to 255 white.

    Raises:
        RecipeError: The seed is below 0.

    Source:
        The model and its references are described in docs/explain/phantom.md.
    """
    if seed < 0:
        raise RecipeError(f"seed {seed} is below 0. Choose a whole number from 0")
    rows = [_densities(seed, Look.FILM), _densities(seed, Look.STRONG, Look.FLAT), *_lesions(seed)]
    width = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(row, ((0, GAP), (0, width - row.shape[1]))) for row in rows])


def _densities(seed: int, *looks: Look) -> Grey:
    """Both views of a breast of each density; looks take turns."""
    tiles = []
    for n, density in enumerate(Density):
        look = looks[n % len(looks)]
        breast = _breast(seed + n, density, None, laterality=list(Laterality)[n % 2])
        tiles += [
            _Tile(grey=_small(take(breast, view=view, rows=ROWS, look=look), EIGHT), title=f"{density} {view} {look}")
            for view in VIEWS
        ]
    return _side_by_side(tiles)


def _lesions(seed: int) -> list[Grey]:
    """Two rows of whole pictures, masses and clusters, and two of close-ups."""
    whole, close = [], []
    for n, (name, lesion) in enumerate(LESIONS.items()):
        look = (Look.FILM, Look.STRONG)[n % 2]
        breast = _breast(seed + 10 + n, list(Density)[n % 2 if n < 3 else 1], lesion, laterality=Laterality.LEFT)
        places = lesion_places(breast, lesion=lesion)
        for view in VIEWS:
            picture = take(breast, view=view, rows=ROWS, look=look)
            whole.append(_Tile(grey=_marked(picture, places[view]), title=f"{name}, {view}, {look}"))
            close.append(_Tile(grey=_close(picture, places[view]), title=f"{name}, {view}, {look}"))
    half = len(whole) // 2
    return [_side_by_side(tiles) for tiles in (whole[:half], whole[half:], close[:half], close[half:])]


def _breast(seed: int, density: Density, lesion: Lesion | None, *, laterality: Laterality) -> Breast:
    random = np.random.default_rng([seed, 2])
    return Breast(
        laterality=laterality,
        density=density,
        share=random.uniform(*SHARES[density]),
        shape=draw_shape(random),
        lesion=lesion,
        place=(random.uniform(0.2, 0.8), random.uniform(0.2, 0.8), random.uniform(0.2, 0.8)),
        key=(seed, 2),
    )


def _small(picture: Picture, size: tuple[int, int]) -> Grey:
    found = cv2.resize(picture.pixels, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(found // 257, np.uint8)


def _marked(picture: Picture, place_mm: tuple[float, float]) -> Grey:
    """A small arrow head points at the lesion from below."""
    grey = _small(picture, SIX)
    scale = SIX[0] / picture.pixels.shape[0] / picture.spacing_mm
    x, y = (round(scale * one) for one in place_mm)
    tip = y + round(scale * 16)
    corners = np.array([(x, tip), (x - 5, tip + 11), (x + 5, tip + 11)], np.int32)
    cv2.fillPoly(grey, [corners], 255, cv2.LINE_AA)
    return grey


def _close(picture: Picture, place_mm: tuple[float, float]) -> Grey:
    """A square around the lesion, in the grey range that is in it."""
    side = round(CLOSE_MM / picture.spacing_mm)
    rows, cols = picture.pixels.shape
    left = int(np.clip(round(place_mm[0] / picture.spacing_mm) - side // 2, 0, cols - side))
    top = int(np.clip(round(place_mm[1] / picture.spacing_mm) - side // 2, 0, rows - side))
    part = picture.pixels[top : top + side, left : left + side].astype(np.float32)
    return _stretched(cv2.resize(part, (SIX[1], SIX[1]), interpolation=cv2.INTER_CUBIC))


def _stretched(part: Float[np.ndarray, "height width"]) -> Grey:
    low, high = np.quantile(part, (0.005, 0.9995))
    return np.asarray(np.clip((part - low) / (high - low), 0, 1) * 255, np.uint8)


def _side_by_side(tiles: list[_Tile]) -> UInt8[np.ndarray, "rows cols"]:
    found = []
    for tile in tiles:
        head = np.zeros((TITLE, tile.grey.shape[1]), np.uint8)
        cv2.putText(head, tile.title, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
        found.append(np.pad(np.vstack([head, tile.grey]), ((0, 0), (0, GAP))))
    return np.hstack(found)
