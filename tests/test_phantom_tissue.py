"""Tissue has the spectrum of mammograms, and a share that grows with density."""

from itertools import pairwise

import numpy as np
import pytest

from mammoscope.phantom import phantom_view
from mammoscope.phantom.picture import Picture
from mammoscope.phantom.tissue import SHARES, Ground, glandular_share, power_law
from mammoscope.vocabulary import Density


def exponent_of(square: np.ndarray, *, spacing_mm: float, low: float, high: float) -> float:
    """Slope of the radial power spectrum between two frequencies in cycles per millimetre, by a Hann window."""
    side = len(square)
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.fft2((square - square.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side, spacing_mm), np.fft.fftfreq(side, spacing_mm)))
    step = 1 / (side * spacing_mm)
    edges = np.arange(low, high, step)
    middles = [(a + a + step) / 2 for a in edges]
    means = [power[(frequency >= a) & (frequency < a + step)].mean() for a in edges]
    return float(-np.polyfit(np.log(middles), np.log(means), 1)[0])


def behind_nipple(picture: Picture, *, side: int) -> np.ndarray:
    """A square in the middle of the breast at the chest wall of a left CC view."""
    tissue = picture.pixels.astype(float)
    middle = int(np.average(np.arange(len(tissue)), weights=tissue.sum(axis=1)))
    return tissue[middle - side // 2 : middle + side // 2, 20 : 20 + side]


@pytest.mark.parametrize("exponent", [2.0, 3.0, 3.5])
def test_a_power_law_field_has_its_exponent(exponent: float) -> None:
    random = np.random.default_rng(1)

    field = power_law(random, rows=384, cols=384, exponent=exponent)

    assert exponent_of(field, spacing_mm=1, low=0.02, high=0.4) == pytest.approx(exponent, abs=0.15)


def test_a_stretched_field_is_longer_along_its_direction() -> None:
    random = np.random.default_rng(1)

    field = power_law(random, rows=256, cols=256, exponent=4, longest=0.2, stretch=4, direction=0)

    assert np.abs(np.diff(field, axis=0)).mean() > 2 * np.abs(np.diff(field, axis=1)).mean()


def test_the_picture_of_the_tissue_keeps_a_power_law_near_3() -> None:
    # Burgess 2003: 1.5 to 3.5, 2.8 on average; Chen 2012: 3.17 (CC), 3.30 (MLO); the same measure on
    # the tissue of 38 mini-MIAS films: 3.07, standard deviation 0.25
    views = [phantom_view(seed, density=density) for density in Density for seed in range(3)]

    found = [
        exponent_of(behind_nipple(view, side=128), spacing_mm=view.spacing_mm, low=0.12, high=1.0) for view in views
    ]

    assert np.mean(found) == pytest.approx(3.0, abs=0.3)
    assert min(found) > 2.3
    assert max(found) < 3.8


def test_the_shares_of_the_categories_do_not_overlap() -> None:
    shares = [SHARES[density] for density in Density]

    assert all(0 < low < high < 1 for low, high in shares)
    assert all(lower[1] < upper[0] for lower, upper in pairwise(shares))


def test_more_share_is_more_gland() -> None:
    y, x = np.mgrid[0:160, 0:100].astype(np.float32)
    inward = np.maximum(80 - np.hypot(x, y - 80), 0).astype(np.float32)
    ground = Ground(inward_mm=inward, nipple=(80.0, 80.0), depth_mm=80.0, muscle=np.zeros_like(inward), spacing_mm=1.0)

    means = [
        float(glandular_share(ground, share=share, random=np.random.default_rng(3)).mean())
        for share in (0.1, 0.4, 0.6, 0.85)
    ]

    assert means == sorted(means)
    assert means[-1] > 2 * means[0]
