"""Whether a map hangs on what was learned, and whether the answer hangs on the map."""

from copy import deepcopy
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float32
from scipy.stats import spearmanr
from torch import Tensor, nn

from mammoscope.errors import BundleError
from mammoscope.explain.layers import evaluating, no_gradients
from mammoscope.explain.maps import MapSettings, explain_inputs
from mammoscope.explain.question import question_of
from mammoscope.models import Classifier, Inputs, build

BLUR = 16  # parts of the longer side: standard deviation of the blurred picture that insertion begins with


def randomised_cascade(
    network: Classifier,
    inputs: Inputs,
    *,
    method: str = "grad-cam",
    layer: str | None = None,
    of: str | int | None = None,
    settings: MapSettings | None = None,
    seed: int = 0,
) -> list[tuple[str, float | None]]:
    """Make the weights random from the answer down to the pixels; how much of the map is left?

    A map that stays the same shows the picture, not what was learned.

    Args:
        network: It is not changed.
        inputs: A batch of single pictures.
        method: One of `METHODS`.
        layer: For a class activation map.
        of: Name or number of the class.
        settings: Of the method.
        seed: Of the random weights. What batch normalisation has counted stays.

    Returns:
        What has become random, in order (`head`, `block n` ... `block 0`), with the mean over the pictures of the rank
        correlation between the map before and after; None where a map is the same everywhere, so that it has no ranks.

    Source:
        Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, section 3.1.
    """
    changed, fresh = deepcopy(network), build(network.design, seed=seed, fetch=False)
    asked = question_of(network.tasks, of=of)
    with evaluating(network):
        numbers = asked.numbers(no_gradients(network, inputs)).tolist()

    def maps(of_network: Classifier) -> np.ndarray:
        """Each picture by itself: of the class it was called at first."""
        told = {"method": method, "layer": layer, "settings": settings}
        pictures = [inputs._replace(pixels=one[None]) for one in inputs.pixels]
        found = [
            explain_inputs(of_network, one, of=number, **told).values  # type: ignore[arg-type]
            for one, number in zip(pictures, numbers, strict=True)
        ]
        return np.concatenate(found)

    before = maps(network)
    parts: list[tuple[str, nn.Module, nn.Module]] = [("head", changed.head, fresh.head)]
    blocks = list(zip(changed.encoder.blocks(), fresh.encoder.blocks(), strict=True))
    parts += [(f"block {at}", *blocks[at]) for at in reversed(range(len(blocks)))]
    found = []
    for name, old, new in parts:
        _replace(old, new)
        found.append((name, _alike(before, maps(changed))))
    return found


def _replace(old: nn.Module, new: nn.Module) -> None:
    with torch.no_grad():
        for one, other in zip(old.parameters(), new.parameters(), strict=True):
            one.copy_(other)


def _alike(before: np.ndarray, after: np.ndarray) -> float | None:
    pairs = [(one.ravel(), other.ravel()) for one, other in zip(before, after, strict=True)]
    if any(np.ptp(one) == 0 or np.ptp(other) == 0 for one, other in pairs):
        return None
    return float(np.mean([spearmanr(one, other).statistic for one, other in pairs]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What becomes of the probability of a class as pixels go, and as they come.

    Attributes:
        shares: Of the pixels, the highest of the map first.
        deletion: Probability once they are black.
        insertion: Probability of a blurred picture once they are sharp.
        deletion_area: Under the curve; low is good.
        insertion_area: Under the curve; high is good.
    """

    shares: tuple[float, ...]
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    deletion_area: float
    insertion_area: float


def perturbation_curves(
    network: Classifier,
    pixels: Float32[Tensor, "1 1 rows cols"],
    *,
    heat: Float32[np.ndarray, "_ _"],
    task: str | None = None,
    of: str | int | None = None,
    steps: int = 20,
) -> Curves:
    """Delete and insert pixels in the order of a map.

    Args:
        network: Left in the mode it was in.
        pixels: One picture.
        heat: Its map, higher first; equal values from the top left.
        task: Whose class; the main task's if None.
        of: Name or number of the class; None: the called one, of two classes the positive one.
        steps: Equal steps from no pixel to all of them.

    Returns:
        Both curves and the areas under them.

    Raises:
        BundleError: The map has another size than the picture.

    Source:
        Petsiuk, Das, Saenko, RISE, BMVC 2018, algorithm 1.
    """
    rows, cols = pixels.shape[-2:]
    if heat.shape != (rows, cols):
        raise BundleError(
            f"the map has {heat.shape}, the picture {(rows, cols)} rows and columns. Bring them to one grid"
        )
    question = question_of(network.tasks, task=task, of=of)
    order = np.argsort(-heat.ravel(), kind="stable")
    place = np.empty(rows * cols, dtype=np.int64)
    place[order] = np.arange(rows * cols)
    shares = np.linspace(0, 1, steps + 1)
    taken = torch.from_numpy(place.reshape(1, rows, cols) < np.rint(shares * rows * cols)[:, None, None]).unsqueeze(1)
    soft = cv2.GaussianBlur(pixels[0, 0].cpu().numpy(), (0, 0), max(rows, cols) / BLUR)
    taken, blurred = taken.to(pixels.device), torch.from_numpy(soft).to(pixels.device)
    with evaluating(network):
        number = question.numbers(no_gradients(network, Inputs(pixels))).expand(steps + 1)
        said = [
            question.chance(no_gradients(network, Inputs(shown)), number).cpu().double().numpy()
            for shown in (pixels.masked_fill(taken, 0.0), torch.where(taken, pixels, blurred))
        ]
    areas = [float(np.trapezoid(one, shares)) for one in said]
    return Curves(
        shares=tuple(shares.tolist()),
        deletion=tuple(said[0].tolist()),
        insertion=tuple(said[1].tolist()),
        deletion_area=areas[0],
        insertion_area=areas[1],
    )
