"""Logistic regression of few terms, unpenalised, for many weightings of the rows at once."""

import numpy as np
from jaxtyping import Float
from scipy.special import expit

STEPS = 50
FAR = 4.0  # the furthest that one step may move a log odds
CLOSE = 1e-9  # a step that moves no log odds further has arrived


def fit_logistic(
    terms: Float[np.ndarray, "rows terms"],
    *,
    hits: Float[np.ndarray, "rows columns"],
    weights: Float[np.ndarray, "rows columns"],
    offset: Float[np.ndarray, " rows"] | None = None,
    start: Float[np.ndarray, " terms"] | None = None,
) -> Float[np.ndarray, "terms columns"]:
    """Most likely coefficients, by Newton's method.

    Args:
        terms: What is multiplied by the coefficients.
        hits: How often each row came true, at most its weight; one column a fit.
        weights: How often each row counts.
        offset: Added to the log odds with coefficient 1.
        start: Coefficients to begin at; zeros if None.

    Returns:
        One column a fit; NaN where there is no single most likely set (a single class, rows that can be told apart
        without error, terms that depend on each other).

    Source:
        McCullagh and Nelder, Generalized Linear Models (1989), section 4.4.
    """
    count = terms.shape[1]
    begin = np.zeros(count) if start is None or not np.isfinite(start).all() else start
    found = np.repeat(begin[:, None], weights.shape[1], axis=1)
    out = np.full_like(found, np.nan)
    active = np.arange(weights.shape[1])
    shift = np.zeros((len(terms), 1)) if offset is None else offset[:, None]
    pairs = [(i, j) for i in range(count) for j in range(i, count)]
    products = np.stack([terms[:, i] * terms[:, j] for i, j in pairs])
    for _ in range(STEPS):
        chance = expit(terms @ found[:, active] + shift)
        told = weights[:, active] * chance
        step = _solved(terms.T @ (hits[:, active] - told), products @ (told * (1.0 - chance)), pairs)
        moved = np.abs(terms @ np.nan_to_num(step)).max(axis=0, initial=0.0)
        found[:, active] += np.nan_to_num(step) * np.minimum(1.0, FAR / np.maximum(moved, 1e-300))
        lost = np.isnan(step).any(axis=0)
        there = ~lost & (moved < CLOSE)
        out[:, active[there]] = found[:, active[there]]
        active = active[~(lost | there)]
        if not len(active):
            break
    return out


def _solved(
    gradient: Float[np.ndarray, "terms columns"],
    curvature: Float[np.ndarray, "pairs columns"],
    pairs: list[tuple[int, int]],
) -> Float[np.ndarray, "terms columns"]:
    """Newton's step of each column; NaN where the curvature is all but flat in some direction."""
    count, columns = gradient.shape
    matrix = np.empty((columns, count, count))
    for (i, j), row in zip(pairs, curvature, strict=True):
        matrix[:, i, j] = matrix[:, j, i] = row
    scale = np.sqrt(np.diagonal(matrix, axis1=1, axis2=2))
    flat = (scale < 1e-6).any(axis=1)
    scale[flat] = 1.0
    unit = matrix / (scale[:, :, None] * scale[:, None, :])
    unit[flat] = np.eye(count)
    flat |= np.abs(np.linalg.det(unit)) < 1e-10
    unit[flat] = np.eye(count)
    step = np.linalg.solve(unit, (gradient.T / scale)[:, :, None])[:, :, 0] / scale
    step[flat] = np.nan
    return np.ascontiguousarray(step.T)
