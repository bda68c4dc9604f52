"""How alike two networks' maps of the same pictures are: a map that any network gives shows the picture."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Float32
from scipy.stats import spearmanr

from mammoscope.errors import SourceError
from mammoscope.explain.baselines import breast_of, brightness_map
from mammoscope.explain.layers import evaluating, no_gradients
from mammoscope.explain.localisation import clustered_means
from mammoscope.explain.located import Located, inputs_in, pictures_in
from mammoscope.explain.maps import MapSettings, explain_inputs
from mammoscope.explain.question import question_of
from mammoscope.models import Classifier

LIKENESS = ("rank", "ssim")
SIGMA = 1.5  # of the window of SSIM, in pixels; it is cut off at 5 pixels
WINDOW = 11
STABLE = (0.01**2, 0.03**2)  # of SSIM, for values in [0, 1]
OTHER, BRIGHT = "its map of another picture", "brightness of the picture"


def rank_correlation(
    one: Float[np.ndarray, "rows cols"], other: Float[np.ndarray, "rows cols"], *, within: Bool[np.ndarray, "rows cols"]
) -> float | None:
    """Spearman's correlation of two maps over the breast; None where one of them is the same everywhere there.

    Outside the breast both are low whatever the networks are: that would be called likeness.

    Example:
        >>> rank_correlation(np.eye(2), 1 - np.eye(2), within=np.ones((2, 2), dtype=bool))
        -1.0
    """
    first, second = one[within], other[within]
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return round(float(spearmanr(first, second).statistic), 12)


def structural_similarity(one: Float32[np.ndarray, "rows cols"], other: Float32[np.ndarray, "rows cols"]) -> float:
    """Mean SSIM of two maps with values in [0, 1].

    Source:
        Wang, Bovik, Sheikh, Simoncelli, IEEE Trans. Image Processing 13 (2004), equation 13, window of 11 x 11.

    Example:
        >>> structural_similarity(np.eye(16, dtype=np.float32), np.eye(16, dtype=np.float32))
        1.0
    """

    def smooth(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA, borderType=cv2.BORDER_REFLECT))

    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y = smooth(x), smooth(y)
    spread_x, spread_y = smooth(x * x) - mean_x**2, smooth(y * y) - mean_y**2
    both = smooth(x * y) - mean_x * mean_y
    low, high = STABLE
    above = (2 * mean_x * mean_y + low) * (2 * both + high)
    below = (mean_x**2 + mean_y**2 + low) * (spread_x + spread_y + high)
    return float((above / below).mean())


def map_likeness(
    network: Classifier,
    samples: Iterable[Located],
    *,
    others: Mapping[str, Classifier],
    method: str = "grad-cam",
    layer: str | None = None,
    task: str | None = None,
    of: str | int | None = None,
    settings: MapSettings | None = None,
) -> pl.DataFrame:
    """Compare a network's maps with those of others, and with what any map has.

    Args:
        network: Whose maps.
        samples: Pictures, or lists of those that are read together.
        others: Networks by name, that read the same pictures and are asked the same.
        method: One of `METHODS`.
        layer: For a class activation map.
        task: Whose class; the main task's if None.
        of: Name or number of the class; None: that which `network` calls, of two classes the positive one.
        settings: Of the method.

    Returns:
        One row a picture and comparison: `source`, `patient_id`, `image_id`, `against` (a name; `OTHER`, the network's
        own map of the picture before; `BRIGHT`), `rank` (correlation over the breast) and `ssim` (of the parts that
        speak for the class, each map's highest place being 1); NaN where a map is not defined.

    Raises:
        SourceError: There is no picture.
        BundleError: The method is not defined for one of the networks.

    Source:
        Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, sections 3 and 4.
    """
    how: dict[str, Any] = {"method": method, "layer": layer, "task": task, "settings": settings}
    asked, rows, before = question_of(network.tasks, task=task, of=of), [], None
    for sample in samples:
        inputs = inputs_in(sample)
        with evaluating(network):
            number = int(asked.numbers(no_gradients(network, inputs))[0])
        own = explain_inputs(network, inputs, of=number, **how)
        theirs = {name: explain_inputs(other, inputs, of=number, **how) for name, other in others.items()}
        for at, picture in enumerate(pictures_in(sample)):
            about = {name: getattr(picture, name) for name in ("source", "patient_id", "image_id")}
            mine = (own.values[at], own.heat(at))
            bright = brightness_map(picture.pixels)
            held = {name: (maps.values[at], maps.heat(at)) for name, maps in theirs.items()}
            held |= {OTHER: before} if before is not None else {}
            held |= {BRIGHT: (bright, bright / max(float(bright.max()), 1e-9))}
            breast = breast_of(picture.pixels)
            rows += [about | {"against": name} | _alike(mine, other, breast) for name, other in held.items()]
            before = mine
    if not rows:
        raise SourceError("no picture could be read: there is nothing to compare maps of")
    return pl.DataFrame(rows, infer_schema_length=None)


Shown = tuple[Float32[np.ndarray, "rows cols"], Float32[np.ndarray, "rows cols"] | None]
"""A map as the method gives it, and in [0, 1]."""


def _alike(one: Shown, other: Shown, breast: np.ndarray) -> dict[str, float]:
    ranks = rank_correlation(one[0], other[0], within=breast)
    heats = (one[1], other[1])
    ssim = None if heats[0] is None or heats[1] is None else structural_similarity(heats[0], heats[1])
    return {"rank": np.nan if ranks is None else ranks, "ssim": np.nan if ssim is None else ssim}


def likeness_table(
    rows: pl.DataFrame, *, replicates: int = 2000, confidence: float = 0.95, seed: int = 0
) -> list[dict[str, Any]]:
    """Mean likeness to each other map, with intervals over patients.

    Args:
        rows: What `map_likeness` gave.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates.

    Returns:
        One row a comparison: `against`, `pictures`, `defined` (of them, with a value of both measures), and `rank` and
        `ssim`, each an `Estimate` as a dictionary.
    """
    found = []
    for name in rows["against"].unique(maintain_order=True):
        these = rows.filter(pl.col("against") == name)
        columns = {one: these[one].to_numpy() for one in LIKENESS}
        means = clustered_means(these, columns, replicates=replicates, confidence=confidence, seed=seed)
        whole = int(np.isfinite(np.stack(list(columns.values()))).all(axis=0).sum())
        found.append(
            {"against": name, "pictures": these.height, "defined": whole}
            | {one: asdict(estimate) for one, estimate in means.items()}
        )
    return found
