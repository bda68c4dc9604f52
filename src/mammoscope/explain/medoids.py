"""Samples that stand for the others of their class: medoids of what a network says of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics.pairwise import cosine_distances

from mammoscope.errors import RecipeError, SourceError

SEARCHED = 2000
"""Samples of a class among which medoids are sought: as many squared distances are held in memory."""

SWAPS = 200  # at most; each makes the sum of distances smaller
SMALL = 1e-9  # of a sum of distances: a smaller gain is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototype:
    """One sample that stands for others.

    Attributes:
        row: Its row number.
        share: Of its class, how many are nearer to it than to the other prototypes.
        distance: Mean cosine distance of these to it.
    """

    row: int
    share: float
    distance: float


def prototypes(
    vectors: Float[np.ndarray, "samples values"], *, rows: Int[np.ndarray, " members"], count: int
) -> list[Prototype]:
    """Choose the samples of a class that the others are nearest to.

    The k-medoids of the class in cosine distance: the first is the sample with the smallest sum of distances, each
    further one lessens the sum most, and then a medoid is exchanged for another sample as long as that lessens it. No
    chance is in it. Of more than `SEARCHED` samples so many are searched, evenly over the table; all are counted.

    Args:
        vectors: What the network says of every sample.
        rows: Row numbers of the class.
        count: Prototypes; fewer where the class has fewer samples.

    Returns:
        The prototypes, that with the largest share first.

    Raises:
        RecipeError: `count` is below 1.
        SourceError: The class has no samples.

    Source:
        Kaufman and Rousseeuw, Finding Groups in Data, 1990, chapter 2: PAM, BUILD and SWAP; Schubert and Rousseeuw,
        Information Systems 101 (2021), section 3: the best swap from one pass.

    Example:
        >>> vectors = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1], [0.0, 1.0]])
        >>> [(one.row, one.share) for one in prototypes(vectors, rows=np.arange(4), count=2)]
        [(0, 0.75), (3, 0.25)]
    """
    if count < 1:
        raise RecipeError(f"prototypes: at least 1 a class, got {count}")
    if not len(rows):
        raise SourceError("prototypes: the class has no training sample")
    searched = rows
    if len(rows) > SEARCHED:
        searched = rows[np.linspace(0, len(rows) - 1, SEARCHED).round().astype(np.int64)]
    among = cosine_distances(vectors[searched]).astype(np.float64)
    chosen = searched[k_medoids(among, min(count, len(searched)))]
    away = cosine_distances(vectors[rows], vectors[chosen])
    own = away.argmin(axis=1)
    found = [
        Prototype(
            row=int(row),
            share=float((own == at).mean()),
            distance=float(away[own == at, at].mean()) if (own == at).any() else 0.0,
        )
        for at, row in enumerate(chosen)
    ]
    return sorted(found, key=lambda one: (-one.share, one.row))


def k_medoids(distances: Float[np.ndarray, "n n"], count: int) -> Int[np.ndarray, " medoids"]:
    """Row numbers of k medoids; see `prototypes`."""
    medoids = [int(distances.sum(axis=0).argmin())]
    nearest = distances[:, medoids[0]]
    while len(medoids) < count:
        gain = np.maximum(nearest[:, None] - distances, 0).sum(axis=0)
        gain[medoids] = -1.0
        medoids.append(int(gain.argmax()))
        nearest = np.minimum(nearest, distances[:, medoids[-1]])
    for _ in range(SWAPS):
        if not _swapped(distances, medoids):
            break
    return np.array(medoids, dtype=np.int64)


def _swapped(distances: np.ndarray, medoids: list[int]) -> bool:
    """Make the best exchange of a medoid, in place; whether there was one."""
    ordered = np.sort(distances[:, medoids], axis=1)
    own, first = distances[:, medoids].argmin(axis=1), ordered[:, :1]
    second = ordered[:, 1:2] if len(medoids) > 1 else np.full_like(first, np.inf)
    gained = np.minimum(distances - first, 0)  # of a sample whose medoid stays
    moved = np.minimum(distances, second) - first  # of one whose medoid goes
    change = np.stack([gained[own != at].sum(axis=0) + moved[own == at].sum(axis=0) for at in range(len(medoids))])
    change[:, medoids] = np.inf
    at, row = np.unravel_index(int(change.argmin()), change.shape)
    if not change[at, row] < -SMALL:
        return False
    medoids[int(at)] = int(row)
    return True
