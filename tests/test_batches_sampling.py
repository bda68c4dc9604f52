"""The order of an epoch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammoscope.batches import epoch_order

SAMPLINGS = ("natural", "balanced", "patient", "balanced-patient")


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows = draw(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 6)), min_size=1, max_size=60))
    return np.array([row[0] for row in rows]), np.array([row[1] * 10 for row in rows])


@given(cohort=cohorts(), seed=st.integers(0, 99), epoch=st.integers(0, 9), sampling=st.sampled_from(SAMPLINGS))
def test_an_epoch_is_as_long_as_the_table_and_always_the_same(
    cohort: tuple[np.ndarray, np.ndarray], seed: int, epoch: int, sampling: str
) -> None:
    labels, patients = cohort

    order = epoch_order(labels, seed=seed, epoch=epoch, sampling=sampling, patients=patients)

    assert len(order) == len(labels)
    assert set(order) <= set(range(len(labels)))
    assert np.array_equal(order, epoch_order(labels, seed=seed, epoch=epoch, sampling=sampling, patients=patients))


@given(cohort=cohorts())
def test_a_natural_epoch_visits_each_sample_once(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    order = epoch_order(cohort[0], seed=0, epoch=0, sampling="natural")

    assert sorted(order) == list(range(len(order)))


@given(cohort=cohorts(), sampling=st.sampled_from(["balanced", "balanced-patient"]))
def test_a_balanced_epoch_has_as_many_of_each_class_and_the_unknown_once(
    cohort: tuple[np.ndarray, np.ndarray], sampling: str
) -> None:
    labels, patients = cohort

    order = epoch_order(labels, seed=0, epoch=0, sampling=sampling, patients=patients)

    seen = labels[order]
    counts = [int((seen == one).sum()) for one in np.unique(labels[labels >= 0])]
    assert max(counts, default=0) - min(counts, default=0) <= 1
    assert sorted(order[seen < 0]) == sorted(np.flatnonzero(labels < 0))


@given(cohort=cohorts())
def test_a_patient_epoch_has_as_many_of_each_patient(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    labels, patients = cohort

    order = epoch_order(labels, seed=0, epoch=0, sampling="patient", patients=patients)

    counts = [int((patients[order] == one).sum()) for one in np.unique(patients)]
    assert max(counts) - min(counts) <= 1
    _repeats_are_even(order, patients)


@given(cohort=cohorts())
def test_within_a_class_of_a_balanced_patient_epoch_each_patient_comes_as_often(
    cohort: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, patients = cohort

    order = epoch_order(labels, seed=0, epoch=0, sampling="balanced-patient", patients=patients)

    for one in np.unique(labels[labels >= 0]):
        rows = order[labels[order] == one]
        counts = [int((patients[rows] == who).sum()) for who in np.unique(patients[labels == one])]
        assert max(counts) - min(counts) <= 1
        _repeats_are_even(rows, np.where(labels == one, patients, -1))


def _repeats_are_even(order: np.ndarray, groups: np.ndarray) -> None:
    """No row of a group comes a second time before its others have come once."""
    times = np.bincount(order, minlength=len(groups))
    for one in np.unique(groups[groups >= 0]):
        found = times[groups == one]
        assert found.max() - found.min() <= 1


@pytest.mark.parametrize("as_type", [bool, int])
@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_two_classes_are_visited_in_the_order_of_the_first_version(sampling: str, as_type: type) -> None:
    """The first version, written out: older runs resume to the bit."""
    labels = np.array([True, False, False, True, False, False, False])
    draw = np.random.default_rng((5, 2))
    if sampling == "natural":
        wanted = draw.permutation(7)
    else:
        positives = np.concatenate([draw.permutation([0, 3]) for _ in range(2)])[:3]
        negatives = draw.permutation([1, 2, 4, 5, 6])[:4]
        wanted = draw.permutation(np.concatenate([positives, negatives]))

    order = epoch_order(labels.astype(as_type), seed=5, epoch=2, sampling=sampling)

    assert np.array_equal(order, wanted)


def test_who_has_more_pictures_than_others_is_thinned_and_varies_between_epochs() -> None:
    patients = np.array([0] * 18 + [1, 2])
    labels = np.zeros(20, dtype=int)

    orders = [epoch_order(labels, seed=0, epoch=n, sampling="patient", patients=patients) for n in range(20)]

    assert {int((patients[order] == 0).sum()) for order in orders} == {6, 7}
    assert set(np.concatenate(orders)) == set(range(20))


@pytest.mark.parametrize("sampling", ["patient", "balanced-patient"])
def test_sampling_by_patient_without_patients_is_refused(sampling: str) -> None:
    with pytest.raises(ValueError, match=f"sampling '{sampling}' needs to know whose each sample is"):
        epoch_order(np.array([0, 1]), seed=0, epoch=0, sampling=sampling)
