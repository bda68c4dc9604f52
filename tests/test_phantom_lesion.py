"""The margin, and only the margin, says how likely a mass is malignant."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mammoscope.phantom import ideal_auc, malignancy_probability
from mammoscope.phantom.lesion import Mass, Shadow, draw_spiculation, shadow


def drawn(spiculation: float, *, diameter_mm: float = 20.0, seed: int = 0) -> Shadow:
    mass = Mass(diameter_mm=diameter_mm, spiculation=spiculation)
    random = np.random.default_rng(seed)
    return shadow(mass, centre_mm=(50.0, 50.0), rows=200, cols=200, spacing_mm=0.5, random=random)


@pytest.mark.parametrize("difficulty", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_the_ideal_auc_is_that_of_a_simulated_observer_of_the_margin(difficulty: float) -> None:
    random = np.random.default_rng(7)
    margins = np.array([draw_spiculation(random) for _ in range(6_000)])
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

    cut = shadow(mass, centre_mm=(5.0, 5.0), rows=60, cols=60, spacing_mm=0.5, random=np.random.default_rng(0))

    assert cut.mask[0].any()
    assert cut.mask[:, 0].any()
    assert np.isfinite(cut.thickness_cm).all()
