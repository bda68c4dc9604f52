"""Whether a picture is like those a model was trained on, by its embedding."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from sklearn.covariance import LedoitWolf

from mammoscope.errors import RecipeError, SourceError
from mammoscope.referral import Gate, GateKind, finite, unit_length


def fit_gate(
    train: Float[np.ndarray, "train features"],
    *,
    tune: Float[np.ndarray, "tune features"],
    kind: GateKind = "mahalanobis",
    patients: Int[np.ndarray, " given"] | None = None,
    inside: float = 0.95,
    neighbours: int = 10,
    seed: int = 0,
) -> Gate:
    """Fit a gate on embeddings of the train part, its limit on those of the tune part.

    A picture outside is unlike the training pictures: another projection, a foreign object, another maker. A picture
    inside may still be misread. A gate says nothing of the label, and nothing of which shifts it notices was promised:
    measure it on pictures of the kind you fear.

    Args:
        train: One row a picture.
        tune: Of other women, one row a picture.
        patients: Number of the woman of each tune row; then one picture drawn of each counts, so that the share holds
            for a picture of a new woman. None where every row is of another woman.
        kind: `mahalanobis` (one cloud, covariance shrunk towards a sphere), or `neighbours` (any shape; keeps the
            training embeddings, scaled to unit length).
        inside: Share of pictures of new women that lie within the limit, in (0, 1): 1 - inside of good ones are
            refused.
        neighbours: k of the distance to the k-th nearest.
        seed: Of the draw of one picture of each woman.

    Returns:
        The gate.

    Raises:
        RecipeError: A setting is not allowed, or the tune part is too small for it.
        SourceError: Embeddings are not finite, or do not have the same number of features.

    Source:
        Lee et al., NeurIPS (2018): Mahalanobis distance; Ledoit and Wolf, J. Multivariate Analysis 88 (2004): the
        shrinkage; Sun et al., ICML (2022): the k-th neighbour of embeddings of unit length. The limit is the value of
        rank ceil((n + 1) inside), as in split conformal prediction; Dunn, Wasserman and Ramdas, JASA 118 (2023): one
        draw of each group.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> gate = fit_gate(rng.normal(size=(500, 4)), tune=rng.normal(size=(200, 4)))
        >>> gate.outside(np.array([[0.0, 0.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]]))
        array([False,  True])
    """
    if not 0.0 < inside < 1.0:
        raise RecipeError(f"inside must be in (0, 1), got {inside}. 0.95 is usual")
    if kind == "neighbours" and not 1 <= neighbours <= len(train):
        raise RecipeError(f"neighbours must be from 1 to the {len(train)} training rows, got {neighbours}")
    if len(train) < 2:
        raise RecipeError(f"a gate takes at least 2 training rows, got {len(train)}")
    drawn = _one_of_each(tune, patients=patients, seed=seed)
    rank = int(np.ceil((len(drawn) + 1) * inside - 1e-9))
    if rank > len(drawn):
        whose = "rows" if patients is None else "women"
        raise RecipeError(
            f"{len(drawn)} tune {whose} are too few for inside {inside}. Take more {whose}, or a smaller share"
        )
    wide, features = finite(train, features=train.shape[1]), train.shape[1]
    if kind == "mahalanobis":
        centre, whitening, known = *_cloud(wide), np.empty((0, features))
    else:
        centre, whitening, known = np.zeros(features), np.eye(features), unit_length(wide)
    gate = Gate(
        kind=kind,
        centre=centre,
        whitening=whitening,
        known=known,
        neighbours=neighbours if kind == "neighbours" else 0,
        limit=np.inf,
        inside=inside,
    )
    return replace(gate, limit=float(np.sort(gate.distances(drawn))[rank - 1]))


def _one_of_each(
    tune: Float[np.ndarray, "tune features"], *, patients: Int[np.ndarray, " given"] | None, seed: int
) -> Float[np.ndarray, "drawn features"]:
    """One picture drawn of each woman; all where nothing says whose they are."""
    if patients is None:
        return tune
    if len(patients) != len(tune):
        raise SourceError(f"embeddings: {len(tune)} tune rows, but patients of {len(patients)}. Give one for each row")
    order = np.random.default_rng(seed).permutation(len(patients))
    return np.asarray(tune[order[np.unique(patients[order], return_index=True)[1]]])


def _cloud(
    train: Float[np.ndarray, "train features"],
) -> tuple[Float[np.ndarray, " features"], Float[np.ndarray, "features features"]]:
    """Centre, and the inverse square root of the shrunk covariance."""
    fitted = LedoitWolf().fit(train)
    values, vectors = np.linalg.eigh(fitted.covariance_)
    if values.max() <= 0.0:
        raise SourceError("embeddings: every training row is the same: no distance can be measured")
    return fitted.location_, vectors / np.sqrt(np.maximum(values, 1e-12 * values.max()))
