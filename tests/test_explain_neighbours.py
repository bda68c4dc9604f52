"""Nearest samples, how far away they are, and the samples that stand for a class."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from mammoscope.errors import RecipeError, SourceError
from mammoscope.explain import nearest_distances, nearest_samples, prototypes, share_nearer
from mammoscope.explain.medoids import k_medoids


def vectors(seed: int, rows: int = 30, values: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, values))


@given(seed=st.integers(0, 500), most=st.integers(1, 35))
@settings(max_examples=30)
def test_neighbours_are_those_of_scikit_learn(seed: int, most: int) -> None:
    known, query = vectors(seed), vectors(seed + 1)[0]
    theirs = NearestNeighbors(n_neighbors=min(most, 30), metric="cosine", algorithm="brute").fit(known)
    away, rows = theirs.kneighbors(query[None])

    found = nearest_samples(query, known, most=most)

    assert found.rows.tolist() == rows[0].tolist()
    assert found.distances == pytest.approx(away[0], abs=1e-12)


@given(seed=st.integers(0, 500))
@settings(max_examples=30)
def test_own_distances_are_to_other_patients_and_as_scipy_has_them(seed: int) -> None:
    known = vectors(seed, rows=20)
    patients = np.random.default_rng(seed).integers(0, 5, 20)
    away = cdist(known, known, "cosine")
    away[patients[:, None] == patients[None]] = np.inf

    found = nearest_distances(known, known, of=patients, patients=patients)

    assert found == pytest.approx(away.min(axis=1), abs=1e-12)


def test_the_length_of_a_vector_says_nothing_and_zeros_are_like_nobody() -> None:
    known = np.array([[1.0, 0.0], [0.0, 1.0]])

    long = nearest_samples(np.array([5e3, 0.0]), known, most=1)
    nothing = nearest_samples(np.zeros(2), known, most=2)

    assert (long.rows.tolist(), long.distances.tolist()) == ([0], [0.0])
    assert nothing.distances.tolist() == [1.0, 1.0]


def test_who_is_not_allowed_is_never_a_neighbour_even_where_too_few_are_left() -> None:
    known = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])

    found = nearest_samples(known[0], known, most=3, allowed=np.array([False, False, True]))

    assert found.rows.tolist() == [2]
    with pytest.raises(SourceError, match="no training sample is of another patient"):
        nearest_samples(known[0], known, most=3, allowed=np.zeros(3, dtype=bool))


def test_other_widths_and_values_that_are_not_finite_are_refused() -> None:
    known = vectors(0)

    with pytest.raises(SourceError, match="embeddings: 4 values, where the training samples have 5"):
        nearest_samples(np.zeros(4), known, most=1)
    with pytest.raises(SourceError, match="a value is not a finite number"):
        nearest_samples(np.full(5, np.nan), known, most=1)
    with pytest.raises(SourceError, match="there is no training sample"):
        nearest_samples(np.zeros(5), np.empty((0, 5)), most=1)


def test_a_share_leaves_out_who_has_nobody_to_be_near_to() -> None:
    assert share_nearer(0.5, np.array([0.1, 0.6, np.inf, 0.2])) == pytest.approx(2 / 3)
    assert share_nearer(0.5, np.array([np.inf])) is None


@given(seed=st.integers(0, 300), count=st.integers(1, 4))
@settings(max_examples=30)
def test_no_exchange_of_one_medoid_is_better(seed: int, count: int) -> None:
    points = vectors(seed, rows=14, values=2)
    away = cdist(points, points)

    chosen = k_medoids(away, count).tolist()

    cost = away[:, chosen].min(axis=1).sum()
    others = [row for row in range(14) if row not in chosen]
    exchanged = [
        away[:, [*(one for one in chosen if one != out), into]].min(axis=1).sum() for out in chosen for into in others
    ]
    assert len(set(chosen)) == count
    assert cost <= min(exchanged) + 1e-9


def test_of_clusters_that_lie_apart_the_medoids_are_the_best_there_are() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(centre, 0.3, (6, 2)) for centre in ((0, 0), (9, 0), (0, 9))])
    away = cdist(points, points)

    found = k_medoids(away, 3)

    best = min(combinations(range(18), 3), key=lambda rows: away[:, list(rows)].min(axis=1).sum())
    assert sorted(found.tolist()) == sorted(best)


def test_prototypes_name_rows_of_the_whole_table_and_their_shares_add_up() -> None:
    known = vectors(3, rows=40)
    rows = np.arange(5, 35, 2)

    found = prototypes(known, rows=rows, count=3)

    assert {one.row for one in found} <= set(rows.tolist())
    assert sum(one.share for one in found) == pytest.approx(1.0)
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)


def test_a_class_of_two_has_two_prototypes_and_an_empty_one_is_refused() -> None:
    known = vectors(1)

    assert len(prototypes(known, rows=np.array([3, 9]), count=5)) == 2
    with pytest.raises(SourceError, match="the class has no training sample"):
        prototypes(known, rows=np.array([], dtype=np.int64), count=1)
    with pytest.raises(RecipeError, match="at least 1 a class, got 0"):
        prototypes(known, rows=np.array([1]), count=0)


def test_of_a_large_class_some_are_searched_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mammoscope.explain.medoids.SEARCHED", 4)
    known = vectors(2)

    found = prototypes(known, rows=np.arange(30), count=2)

    assert {one.row for one in found} <= {0, 10, 19, 29}
    assert sum(one.share for one in found) == pytest.approx(1.0)
