"""Clustered DeLong against the published example, other implementations and itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import Sample, delong_difference, delong_interval, design_effect
from mammoscope.evaluation.delong import auc_covariance, degrees_of_freedom, placements

# Obuchowski, Biometrics 53 (1997), table 3: 65 arteries of 36 patients, positive or not, scored by two readers.
# One line a patient: label, reader 1, reader 2 of each artery.
ARTERIES = """
1 87 87 1 79 83 / 1 88 94 1 95 93 / 1 100 100 1 68 79 / 1 65 61 1 89 91 / 1 97 97 1 100 100 / 1 100 99 1 89 88
1 77 77 / 1 94 89 0 45 44 / 1 89 92 0 -11 -17 / 1 95 91 0 30 14 / 1 95 95 0 10 -122 / 1 100 100 0 19 -3
1 75 75 / 0 70 73 1 70 81 / 0 26 27 1 86 93 / 0 0 8 1 65 70 / 0 6 23 1 100 100 / 0 76 79 1 96 95
0 44 55 1 100 100 / 0 73 67 1 97 94 / 1 85 86 / 0 58 60 1 100 99 / 0 -2 -2 1 100 100 / 0 -3 -14 0 0 -11
0 47 -3 0 -94 -90 / 0 -16 17 0 75 85 / 0 5 -22 0 -1 -14 / 0 -6 -52 / 0 37 38 0 47 35 / 0 42 40 0 4 6
0 55 23 0 55 45 / 0 4 -87 0 -13 -65 / 0 49 24 0 35 9 / 0 53 66 / 0 2 -15 / 0 -48 -78
"""


def readers() -> tuple[Sample, Sample]:
    patients = [line.split() for line in ARTERIES.replace("\n", "/").split("/") if line.strip()]
    rows = np.array(
        [(code, *cells[at : at + 3]) for code, cells in enumerate(patients) for at in range(0, len(cells), 3)],
        dtype=np.float64,
    )
    codes = rows[:, 0].astype(np.int64)
    return tuple(  # type: ignore[return-value]
        Sample(labels=rows[:, 1] == 1, scores=rows[:, column].copy(), patients=codes, patient_count=len(patients))
        for column in (2, 3)
    )


def simulated(seed: int, *, patients: int = 40, images: int = 3, mixed: bool = True, tied: bool = False) -> Sample:
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(patients), rng.integers(0, patients, (images - 1) * patients)])
    labels = rng.random(len(codes)) < 0.4 if mixed else (rng.random(patients) < 0.4)[codes]
    scores = rng.normal(size=patients)[codes] + rng.normal(size=len(codes)) + labels
    return Sample(labels=labels, scores=np.round(scores) if tied else scores, patients=codes, patient_count=patients)


def by_pairs(one: Sample, other: Sample) -> float:
    """Equations 4 to 6 of the paper, literally: every pair, every cluster, in loops."""
    found = []
    for sample in (one, other):
        x, y = sample.scores[sample.labels], sample.scores[~sample.labels]
        kernel = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
        found.append((kernel.mean(), kernel.mean(axis=1), kernel.mean(axis=0)))
    px, py = one.patients[one.labels], one.patients[~one.labels]
    m, n, clusters = len(px), len(py), sorted(set(one.patients.tolist()))
    i10, i01, i = len(set(px.tolist())), len(set(py.tolist())), len(clusters)
    s10 = s01 = s11 = s22 = 0.0
    for c in clusters:
        dx = [f[1][px == c].sum() - (px == c).sum() * f[0] for f in found]
        dy = [f[2][py == c].sum() - (py == c).sum() * f[0] for f in found]
        s10, s01 = s10 + dx[0] * dx[1], s01 + dy[0] * dy[1]
        s11, s22 = s11 + dx[0] * dy[1], s22 + dx[1] * dy[0]
    ratio = i / (i - 1)
    return (
        i10 / ((i10 - 1) * m) * s10 / m
        + i01 / ((i01 - 1) * n) * s01 / n
        + ratio * s11 / (m * n)
        + ratio * s22 / (m * n)
    )


def test_the_example_of_the_paper_comes_out_to_every_printed_digit() -> None:
    first, second = readers()

    one, other = (delong_interval(sample, scale="plain") for sample in (first, second))
    test = delong_difference(second, first)

    assert (one.n, one.patients, one.positives) == (65, 36, 29)
    assert [round(found.value, 4) for found in (one, other)] == [0.9837, 0.9852]
    errors = [auc_covariance(found, found) ** 0.5 for found in (placements(first), placements(second))]
    assert np.round(errors, 4).tolist() == [0.0108, 0.0097]
    assert round(one.low, 4) == 0.9625
    assert round(test.difference.value, 4) == 0.0014
    assert round(test.standard_error, 4) == 0.0066
    assert (round(test.difference.low, 4), round(test.difference.high, 4)) == (-0.0115, 0.0143)
    assert round(test.p_value, 4) == 0.8271


def test_the_components_of_the_example_are_those_of_the_paper() -> None:
    one, other = (placements(sample) for sample in readers())

    assert (one.positive_patients, one.negative_patients) == (23, 27)
    s10, s01, s11 = 23 / (22 * 29), 27 / (26 * 36), 36 / 35
    np.testing.assert_allclose(s10 * one.positive @ one.positive, 0.0013151307, atol=5e-11)
    np.testing.assert_allclose(s01 * one.negative @ one.negative, 0.0022375873, atol=5e-11)
    np.testing.assert_allclose(s11 * one.positive @ one.negative, 0.0051785478, atol=5e-11)
    np.testing.assert_allclose(s11 * other.positive @ other.negative, -0.0005015760, atol=5e-11)
    np.testing.assert_allclose(s10 * one.positive @ other.positive, 0.0008484357, atol=5e-11)
    np.testing.assert_allclose(s11 * one.positive @ other.negative, 0.0028648340, atol=5e-11)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_midranks_give_what_all_pairs_in_loops_give(*, mixed: bool, tied: bool) -> None:
    one = simulated(1, mixed=mixed, tied=tied)
    other = Sample(
        labels=one.labels,
        scores=simulated(2, mixed=mixed, tied=tied).scores[: len(one.labels)] + one.labels,
        patients=one.patients,
        patient_count=one.patient_count,
    )

    first, second = placements(one), placements(other)

    for pair, samples in (((first, first), (one, one)), ((first, second), (one, other))):
        np.testing.assert_allclose(auc_covariance(*pair), by_pairs(*samples), rtol=1e-10)


def test_one_row_a_patient_is_plain_delong() -> None:
    from MLstatkit import Delong_test  # an implementation that knows no patients

    rng = np.random.default_rng(3)
    labels = rng.random(120) < 0.4
    one, other = (
        Sample(labels=labels, scores=rng.normal(size=120) + labels, patients=np.arange(120), patient_count=120)
        for _ in range(2)
    )

    z, p = Delong_test(labels.astype(int), one.scores, other.scores)[:2]
    found = delong_difference(one, other)

    assert abs(found.difference.value / found.standard_error) == pytest.approx(abs(z), rel=1e-9)
    assert found.p_value == pytest.approx(p, rel=1e-9)


def test_the_variance_is_about_that_of_leaving_patients_out() -> None:
    from sklearn.metrics import roc_auc_score

    one = simulated(4, patients=150)
    kept = [one.patients != code for code in range(150)]
    left = np.array([roc_auc_score(one.labels[rows], one.scores[rows]) for rows in kept])
    jackknife = 149 / 150 * ((left - left.mean()) ** 2).sum()

    found = placements(one)

    assert auc_covariance(found, found) == pytest.approx(jackknife, rel=0.03)  # equal but for terms of 1 / patients


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_neither_order_nor_numbering_nor_an_increasing_transform_changes_the_interval(seed: int) -> None:
    one = simulated(seed, patients=15, tied=True)
    order = np.random.default_rng(seed).permutation(len(one.labels))
    other = Sample(
        labels=one.labels[order],
        scores=np.exp(one.scores[order] / 3),
        patients=(one.patient_count - 1 - one.patients)[order],
        patient_count=one.patient_count,
    )

    first, second = delong_interval(one), delong_interval(other)

    assert first.value == pytest.approx(second.value, abs=1e-12)
    assert first.low == pytest.approx(second.low, abs=1e-9)
    assert first.high == pytest.approx(second.high, abs=1e-9)


def test_copying_every_row_within_its_patient_changes_nothing() -> None:
    one = simulated(5)
    copied = Sample(
        labels=np.tile(one.labels, 4),
        scores=np.tile(one.scores, 4),
        patients=np.tile(one.patients, 4),
        patient_count=one.patient_count,
    )

    first, second = delong_interval(one), delong_interval(copied)

    assert (first.low, first.high) == (pytest.approx(second.low, abs=1e-12), pytest.approx(second.high, abs=1e-12))


def test_the_difference_changes_sign_with_the_order_of_the_two() -> None:
    first, second = readers()

    there, back = delong_difference(first, second), delong_difference(second, first)

    assert there.difference.value == -back.difference.value
    assert there.difference.low == pytest.approx(-back.difference.high)
    assert there.p_value == pytest.approx(back.p_value)


def test_the_same_ranking_twice_differs_by_nothing() -> None:
    one = simulated(6)
    other = Sample(labels=one.labels, scores=one.scores * 3 + 1, patients=one.patients, patient_count=one.patient_count)

    found = delong_difference(one, other)

    assert (found.difference.value, found.p_value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("labels", "scores", "patients", "why"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], [0, 1, 2], "single class: no negative"),
        ([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], [0, 1, 2, 3], "perfect ranking"),
        ([0, 1, 0, 1], [0.1, 0.1, 0.2, 0.2], [0, 0, 1, 0], "fewer than two patients have a positive row"),
    ],
)
def test_where_the_variance_cannot_be_told_there_is_a_reason_and_no_interval(labels, scores, patients, why) -> None:
    one = Sample(
        labels=np.array(labels) == 1,
        scores=np.array(scores),
        patients=np.array(patients),
        patient_count=max(patients) + 1,
    )

    found, test = delong_interval(one), delong_difference(one, one)

    assert why in found.reason
    assert (found.low, found.high) == (None, None)
    assert test.p_value in (None, 1.0)


def test_scores_that_tell_nothing_apart_have_an_auc_of_one_half_whoever_the_patients_are() -> None:
    labels, patients = np.array([False, True, False, True]), np.arange(4)
    one = Sample(labels=labels, scores=np.full(4, 0.3), patients=patients, patient_count=4)

    found = delong_interval(one)

    assert (found.value, found.low, found.high, found.reason) == (0.5, 0.5, 0.5, None)


@pytest.mark.parametrize("seed", range(4))
def test_degrees_of_freedom_for_one_row_a_patient_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(30) < 8 + seed
    scores = np.round(rng.normal(size=30) + labels, 1)
    one = Sample(labels=labels, scores=scores, patients=np.arange(30), patient_count=30)

    found = placements(one)
    free, error = degrees_of_freedom(found), np.sqrt(auc_covariance(found, found))

    expected = stats.brunnermunzel(scores[~labels], scores[labels], distribution="t").pvalue
    assert 2 * stats.t.sf(abs(found.auc - 0.5) / error, free) == pytest.approx(expected, rel=1e-9)
    assert min(labels.sum(), (~labels).sum()) - 1 <= free <= 28


def test_the_logit_interval_of_few_patients_is_wider_than_by_the_normal_distribution() -> None:
    widths = {}
    for patients in (12, 2000):
        one = simulated(1, patients=patients, images=1)
        found = placements(one)
        reach = stats.norm.ppf(0.975) * np.sqrt(auc_covariance(found, found)) / (found.auc * (1 - found.auc))
        low, high = (special.expit(special.logit(found.auc) + step) for step in (-reach, reach))
        told = delong_interval(one)
        widths[patients] = (told.high - told.low) / (high - low)

    assert widths[12] > 1.05
    assert 1.0 < widths[2000] < 1.001


def test_other_rows_are_refused_and_so_is_a_confidence_of_ninety_five() -> None:
    first, _ = readers()

    with pytest.raises(SourceError, match="not of the same rows"):
        delong_difference(first, simulated(1))
    with pytest.raises(RecipeError, match="between 0 and 1, got 95"):
        delong_interval(first, confidence=95)


def test_images_that_resemble_each_other_have_a_design_effect_above_one() -> None:
    alike, mixed = simulated(7, patients=300, mixed=False), simulated(7, patients=300, mixed=True)

    assert design_effect(alike) > 1.3 > design_effect(mixed)
