"""Whether one map points at the lesions of its picture."""

import numpy as np
from jaxtyping import Bool, Float32
from scipy.stats import rankdata

from mammoscope.errors import SourceError

MEASURES = ("pointing", "energy", "pixel_auc", "iou_best", "iou_half")
HALF = 0.5  # of the highest value: the fixed threshold of `iou_half`


def localisation_scores(
    heat: Float32[np.ndarray, "rows cols"] | None,
    *,
    truth: Bool[np.ndarray, "_ _"],
    breast: Bool[np.ndarray, "_ _"] | None = None,
) -> dict[str, float]:
    """Score one map against the lesions of its picture.

    A map that is not defined says nothing of places: it is scored as one with the same value everywhere.

    Args:
        heat: 0 and above, as `Maps.heat` gives it; None where it is not defined.
        truth: Pixels of lesions.
        breast: Pixels over which `pixel_auc` is taken, lesions included in any case; the whole picture if None.

    Returns:
        `pointing`: whether the highest place is on a lesion (of equal ones, their share). `energy`: share of the map's
        sum on lesions. `pixel_auc`: chance that a pixel of a lesion has a higher value than another of the breast.
        `iou_best`: overlap by union with the lesions, at the threshold that is best for this picture, which nobody
        knows beforehand. `iou_half`: at half of the highest value.

    Raises:
        SourceError: There is no lesion pixel, or the sizes differ.

    Source:
        Pointing game: Zhang et al., IJCV 126 (2018). Energy: Wang et al., Score-CAM, CVPRW 2020, section 4.3.
        Pixel AUC: Mann and Whitney. IoU: Jaccard.

    Example:
        >>> heat, truth = np.array([[0.0, 1.0, 0.5, 0.0]], dtype=np.float32), np.array([[False, True, True, False]])
        >>> localisation_scores(heat, truth=truth)
        {'pointing': 1.0, 'energy': 1.0, 'pixel_auc': 1.0, 'iou_best': 1.0, 'iou_half': 1.0}
    """
    seen = np.ones(truth.shape, dtype=np.float64) if heat is None else heat.astype(np.float64)
    _refuse(seen.shape, truth=truth, breast=breast)
    within = np.ones_like(truth) if breast is None else breast | truth
    highest = seen == seen.max()
    above = seen >= HALF * seen.max()
    return {
        "pointing": float(truth[highest].mean()),
        "energy": float(seen[truth].sum() / seen.sum()),
        "pixel_auc": _auc(seen[within], truth[within]),
        "iou_best": _best_overlap(seen.ravel(), truth.ravel()),
        "iou_half": float((above & truth).sum() / (above | truth).sum()),
    }


def _refuse(shape: tuple[int, ...], *, truth: np.ndarray, breast: np.ndarray | None) -> None:
    for name, mask in (("lesion", truth), ("breast", breast)):
        if mask is not None and mask.shape != shape:
            raise SourceError(
                f"the mask of the {name} has {mask.shape[0]} rows and {mask.shape[1]} columns, the map {shape[0]} and "
                f"{shape[1]}. Bring both onto one grid, with Mammogram.geometry"
            )
    if not truth.any():
        raise SourceError("the mask of the lesion is empty: there is nothing to point at. Leave the picture out")


def _auc(values: np.ndarray, truth: np.ndarray) -> float:
    """0.5 where everything is lesion: there is nothing to rank."""
    inside, outside = int(truth.sum()), int((~truth).sum())
    if not outside:
        return 0.5
    ranks = rankdata(values)[truth].sum()
    return float((ranks - inside * (inside + 1) / 2) / (inside * outside))


def _best_overlap(values: np.ndarray, truth: np.ndarray) -> float:
    order = np.argsort(-values, kind="stable")
    hits, sorted_values = np.cumsum(truth[order]), values[order]
    last = np.append(sorted_values[1:] != sorted_values[:-1], True)  # a cut never parts equal values
    called = np.arange(1, len(order) + 1)
    return float((hits / (truth.sum() + called - hits))[last].max())
