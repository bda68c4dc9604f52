"""One picture: black beside the breast, mirrored by side, the same for the same seed."""

import numpy as np
import pytest

from mammoscope.errors import RecipeError
from mammoscope.phantom import phantom_view
from mammoscope.phantom.exam import draw_patient
from mammoscope.phantom.picture import take
from mammoscope.vocabulary import Density, Laterality, View


@pytest.mark.parametrize("view", [View.CC, View.MLO])
def test_the_same_seed_is_the_same_picture(view: View) -> None:
    first, again, other = (
        phantom_view(seed, view=view, diameter_mm=15, spiculation=0.5, rows=192) for seed in (4, 4, 5)
    )

    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.pixels != other.pixels).mean() > 0.2


@pytest.mark.parametrize("view", [View.CC, View.MLO])
def test_a_left_breast_hangs_on_the_left_edge_and_a_right_one_on_the_right(view: View) -> None:
    for seed in range(6):
        left = phantom_view(seed, view=view, laterality=Laterality.LEFT, rows=192).pixels.astype(float)
        right = phantom_view(seed, view=view, laterality=Laterality.RIGHT, rows=192).pixels.astype(float)

        assert left[:, :10].mean() > 5 * left[:, -10:].mean()
        np.testing.assert_array_equal(left[40:], right[40:, ::-1])  # the label above names the side


@pytest.mark.parametrize("density", list(Density))
def test_the_background_is_black_and_the_tissue_uses_the_grey_scale(density: Density) -> None:
    pixels = phantom_view(3, density=density, rows=256).pixels

    assert np.median(pixels[:, -20:]) < 0.01 * 65535
    assert np.quantile(pixels, 0.99) > 0.5 * 65535
    assert pixels.max() > pixels.min()


def test_the_muscle_is_bright_in_the_upper_corner_of_the_oblique_view_only() -> None:
    corners = {
        view: np.mean([phantom_view(seed, view=view, density=Density.A, rows=192).pixels[:8, :8] for seed in range(5)])
        for view in (View.CC, View.MLO)
    }

    assert corners[View.MLO] > 0.4 * 65535
    assert corners[View.CC] < 0.05 * 65535


@pytest.mark.parametrize("view", [View.CC, View.MLO])
@pytest.mark.parametrize("laterality", list(Laterality))
def test_a_label_stands_in_the_upper_corner_away_from_the_chest_wall(laterality: Laterality, view: View) -> None:
    for seed in range(5):
        pixels = phantom_view(seed, view=view, laterality=laterality, rows=384).pixels
        outer = pixels[:60, -70:] if laterality is Laterality.LEFT else pixels[:60, :70]
        edge = outer[:, -4:] if laterality is Laterality.LEFT else outer[:, :4]

        assert outer.max() > 0.4 * 65535
        assert edge.max() < 0.05 * 65535  # not cut off


def test_wear_only_adds_light_and_leaves_the_truth_alone() -> None:
    breast = draw_patient(1, seed=0, difficulty=0.3).findings[0].breast

    clean, worn = (take(breast, view=View.CC, rows=256, wear=wear) for wear in (0.0, 1.0))

    assert (worn.pixels >= clean.pixels).all()
    assert 0 < (worn.pixels != clean.pixels).mean() < 0.05
    np.testing.assert_array_equal(clean.mask, worn.mask)


def test_a_mass_shows_inside_its_mask() -> None:
    with_mass = phantom_view(3, density=Density.A, diameter_mm=20, rows=256)
    without = phantom_view(3, density=Density.A, rows=256)

    brighter = with_mass.pixels.astype(float) - without.pixels

    assert without.mask is None
    assert with_mass.mask is not None
    assert brighter[with_mass.mask].mean() > 0.05 * 65535
    assert with_mass.mask.sum() * with_mass.spacing_mm**2 == pytest.approx(np.pi * 100, rel=0.05)


def test_resolution_changes_neither_the_outline_nor_the_place_of_the_mass() -> None:
    fine, coarse = (phantom_view(3, view=View.MLO, diameter_mm=20, rows=rows) for rows in (512, 256))
    centres = [
        np.array([axis.mean() + 0.5 for axis in np.nonzero(picture.mask)]) * picture.spacing_mm
        for picture in (fine, coarse)
    ]

    np.testing.assert_allclose(centres[0], centres[1], atol=0.3)
    covered = [(picture.pixels > 3000).mean() for picture in (fine, coarse)]
    assert covered[0] == pytest.approx(covered[1], abs=0.03)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 64}, "rows 64 is not from 128 to 4096"),
        ({"view": View.ML}, "view ML is not one of CC, MLO"),
        ({"diameter_mm": 50}, "diameter_mm 50 is not from 8.0 to 35.0"),
        ({"diameter_mm": 20, "spiculation": 1.5}, "spiculation 1.5 is not from 0 to 1"),
        ({"diameter_mm": 20, "contrast": 0.0}, "contrast 0.0 is not above 0"),
        ({"seed": -1}, "seed -1 is below 0"),
    ],
)
def test_nonsense_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        phantom_view(**({"seed": 0} | arguments))  # type: ignore[arg-type]
