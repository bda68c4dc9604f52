"""Which samples lie nearest in what a network says of them, and how far away that is."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.metrics import pairwise_distances_chunked
from sklearn.metrics.pairwise import cosine_distances

from mammoscope.errors import SourceError

MIB = 64  # of distances that are held at a time

Vectors = Float[np.ndarray, "samples values"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbours:
    """The nearest samples of one query, the nearest first.

    Attributes:
        rows: Their row numbers.
        distances: Cosine distance to each: 1 less the cosine of the angle, from 0 (the same direction) to 2.
    """

    rows: Int[np.ndarray, " found"]
    distances: Float[np.ndarray, " found"]


def nearest_samples(
    query: Float[np.ndarray, " given"],
    vectors: Vectors,
    *,
    most: int,
    allowed: Bool[np.ndarray, " samples"] | None = None,
) -> Neighbours:
    """Find the nearest samples of a query.

    Args:
        query: What the network says of it. All zeros: it has nothing in common with any, at distance 1.
        vectors: What it says of the samples.
        most: Neighbours, at most.
        allowed: Who may be a neighbour; all if None.

    Returns:
        The neighbours; of equally near ones the first in the table.

    Raises:
        SourceError: There is nobody to be near to, or a value is not finite.

    Example:
        >>> vectors = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
        >>> nearest_samples(np.array([3.0, 0.1]), vectors, most=2).rows
        array([0, 1])
    """
    _refuse(query[None], vectors)
    if allowed is not None and not allowed.any():
        raise SourceError("no training sample is of another patient: there is nothing to be similar to")
    away = cosine_distances(query[None], vectors)[0]
    if allowed is not None:
        away = np.where(allowed, away, np.inf)
    rows = np.argsort(away, kind="stable")[:most]
    rows = rows[np.isfinite(away[rows])]
    return Neighbours(rows=rows, distances=away[rows].astype(np.float64))


def nearest_distances(
    queries: Float[np.ndarray, "queries given"],
    vectors: Vectors,
    *,
    of: Int[np.ndarray, " queries"],
    patients: Int[np.ndarray, " samples"],
) -> Float[np.ndarray, " queries"]:
    """How far each query is from the nearest sample of another patient.

    Args:
        queries: What the network says of each.
        vectors: What it says of the samples; may be the queries themselves.
        of: Number of each query's patient.
        patients: Number of each sample's patient.

    Returns:
        Cosine distances; infinite where every sample is of the query's own patient. Memory stays flat.

    Example:
        >>> vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> nearest_distances(vectors, vectors, of=np.array([0, 0, 1]), patients=np.array([0, 0, 1])).tolist()
        [1.0, 1.0, 1.0]
    """
    _refuse(queries, vectors)

    def least(away: np.ndarray, start: int) -> np.ndarray:
        own = of[start : start + len(away), None] == patients[None]
        return cast("np.ndarray", np.where(own, np.inf, away).min(axis=1))

    chunks = pairwise_distances_chunked(
        queries, vectors, reduce_func=least, metric="cosine", n_jobs=1, working_memory=MIB
    )
    return np.concatenate([np.empty(0), *chunks]).astype(np.float64)


def share_nearer(distance: float, others: Float[np.ndarray, " others"]) -> float | None:
    """Share of distances that are below one; None where there are none.

    Example:
        >>> share_nearer(0.2, np.array([0.1, 0.2, 0.3, 0.15]))
        0.5
    """
    known = others[np.isfinite(others)]
    return float((known < distance).mean()) if len(known) else None


def _refuse(queries: np.ndarray, vectors: np.ndarray) -> None:
    if not len(vectors):
        raise SourceError("embeddings: there is no training sample. Train the run, or name its own folder")
    if queries.shape[1] != vectors.shape[1]:
        raise SourceError(
            f"embeddings: {queries.shape[1]} values, where the training samples have {vectors.shape[1]}. "
            "Use one network and one layer"
        )
    if not (np.isfinite(queries).all() and np.isfinite(vectors).all()):
        raise SourceError("embeddings: a value is not a finite number. Use a layer whose values are finite")
