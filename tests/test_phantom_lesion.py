"""The look of a lesion, and nothing else, says how likely it is malignant; and how masses and clusters look."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mammoscope.phantom import ideal_auc, malignancy_probability
from mammoscope.phantom.cluster import Cluster, cluster_shadow
from mammoscope.phantom.malignancy import draw_suspicion
from mammoscope.phantom.mass import Mass, mass_shadow
from mammoscope.phantom.shadow import Shadow


def drawn(spiculation: float, *, diameter_mm: float = 20.0, seed: int = 0) -> Shadow:
    mass = Mass(diameter_mm=diameter_mm, spiculation=spiculation)
    random = np.random.default_rng(seed)
    return mass_shadow(mass, centre_mm=(50.0, 50.0), rows=200, cols=200, spacing_mm=0.5, random=random)


@pytest.mark.parametrize("difficulty", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_the_ideal_auc_is_that_of_a_simulated_observer_of_the_margin(difficulty: float) -> None:
    random = np.random.default_rng(7)
    margins = np.array([draw_suspicion(random) for _ in range(6_000)])
    chances = np.array([malignancy_probability(margin, difficulty=difficulty) for margin in margins])
    labels = random.uniform(size=len(margins)) < chances

    found = roc_auc_score(labels, margins)

    assert found == pytest.approx(ideal_auc(difficulty), abs=0.02)  # three standard errors


def test_the_ideal_auc_has_converged() -> None:
    assert ideal_auc(0.3, steps=2_000) == pytest.approx(ideal_auc(0.3, steps=200_000), abs=1e-6)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_harder_phantom_has_a_lower_ideal_auc(first: float, second: float) -> None:
    easier, harder = sorted([first, second])

    assert 0.5 <= ideal_auc(harder, steps=500) <= ideal_auc(easier, steps=500) + 1e-12 <= 1 + 1e-12


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_worse_margin_is_never_less_likely_malignant(first: float, second: float, difficulty: float) -> None:
    better, worse = sorted([first, second])

    low, high = (malignancy_probability(margin, difficulty=difficulty) for margin in (better, worse))

    assert 0 <= low <= high <= 1
    assert malignancy_probability(1 - better, difficulty=difficulty) == pytest.approx(1 - low, abs=1e-9)


@pytest.mark.parametrize("spiculation", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("diameter_mm", [8.0, 20.0, 30.0])
def test_the_mask_has_the_area_of_the_diameter_whatever_the_margin(spiculation: float, diameter_mm: float) -> None:
    mask = drawn(spiculation, diameter_mm=diameter_mm).mask

    assert mask.sum() * 0.25 == pytest.approx(np.pi * diameter_mm**2 / 4, rel=0.03)


def test_spicules_reach_beyond_the_outline_and_a_halo_surrounds_a_smooth_one() -> None:
    smooth, spiculated = (drawn(spiculation) for spiculation in (0.0, 1.0))

    assert smooth.thickness_cm[~smooth.mask].max() < 0.35 * smooth.thickness_cm.max()
    assert smooth.thickness_cm.min() < 0
    far = np.hypot(*(np.mgrid[0:200, 0:200] - 99.5)) * 0.5 > 15
    assert np.abs(smooth.thickness_cm[far]).max() < 0.01
    assert spiculated.thickness_cm[far].max() > 0.2


def test_the_outline_grows_longer_with_spiculation() -> None:
    def length(mask: np.ndarray) -> int:
        return int((mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum())

    lengths = [np.mean([length(drawn(s, seed=seed).mask) for seed in range(8)]) for s in (0.0, 0.5, 1.0)]

    assert lengths[0] < lengths[1] < lengths[2]


def test_a_mass_at_the_edge_of_the_picture_is_cut_not_moved() -> None:
    mass = Mass(diameter_mm=20.0, spiculation=0.5)

    cut = mass_shadow(mass, centre_mm=(5.0, 5.0), rows=60, cols=60, spacing_mm=0.5, random=np.random.default_rng(0))

    assert cut.mask[0].any()
    assert cut.mask[:, 0].any()
    assert np.isfinite(cut.thickness_cm).all()


def specks(pleomorphism: float, *, seed: int = 0, spacing_mm: float = 0.2) -> Shadow:
    cluster = Cluster(diameter_mm=20.0, pleomorphism=pleomorphism, contrast=1.0)
    side = round(60 / spacing_mm)
    random = np.random.default_rng(seed)
    return cluster_shadow(cluster, centre_mm=(30.0, 30.0), rows=side, cols=side, spacing_mm=spacing_mm, random=random)


@pytest.mark.parametrize("pleomorphism", [0.0, 0.5, 1.0])
def test_all_specks_lie_inside_the_mask_of_their_cluster(pleomorphism: float) -> None:
    found = specks(pleomorphism)

    bright = found.thickness_cm > 0.3
    y, x = np.nonzero(found.mask)
    assert bright.any()
    assert (bright & found.mask).sum() > 0.98 * bright.sum()
    assert np.hypot(y - 149.5, x - 149.5).max() * 0.2 < 14
    assert not found.room.any()


def test_suspicious_specks_are_smaller_and_more() -> None:
    def pieces(shadow: Shadow) -> tuple[int, float]:
        count, _, stats, _ = cv2.connectedComponentsWithStats((shadow.thickness_cm > 0.4).astype(np.uint8))
        return count - 1, float(np.median(stats[1:, cv2.CC_STAT_AREA]))

    round_ones = [pieces(specks(0.0, seed=seed)) for seed in range(6)]
    fine_ones = [pieces(specks(1.0, seed=seed)) for seed in range(6)]

    assert np.mean([n for n, _ in fine_ones]) > np.mean([n for n, _ in round_ones])
    assert np.mean([area for _, area in fine_ones]) < 0.7 * np.mean([area for _, area in round_ones])


def test_coarser_pixels_keep_the_calcium() -> None:
    fine, coarse = (specks(0.8, spacing_mm=spacing) for spacing in (0.1, 0.4))

    amounts = [float(shadow.thickness_cm.sum()) * spacing**2 for shadow, spacing in ((fine, 0.1), (coarse, 0.4))]

    assert amounts[1] == pytest.approx(amounts[0], rel=0.25)
