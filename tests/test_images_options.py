"""Pixel options that are off by default: percentiles, pectoral muscle, contrast."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from mammoscope.images import Mammogram, Preprocess, read_mammogram
from mammoscope.images.contrast import equalised
from mammoscope.phantom import phantom_view
from mammoscope.training import find_recipe
from mammoscope.vocabulary import Laterality, View
from mg_files import AS_IS, breast, mg, read

PLAIN = Preprocess(rows=192, cols=128)


def saved(folder: Path, *, side: Laterality = Laterality.LEFT, view: View = View.MLO) -> Path:
    file = folder / f"{side}-{view}.png"
    assert cv2.imwrite(str(file), phantom_view(3, view=view, laterality=side, rows=384).pixels)
    return file


def told(mammogram: Mammogram, name: str) -> list[str]:
    return [step.detail for step in mammogram.trail if step.name == name]


def test_by_default_nothing_is_retouched_or_told(tmp_path: Path) -> None:
    mammogram = read_mammogram(saved(tmp_path), preprocess=PLAIN, view=View.MLO)

    assert told(mammogram, "pectoral") == told(mammogram, "contrast") == []
    assert mammogram.pixels[2:20, 2:10].min() > 0


@pytest.mark.parametrize("side", list(Laterality))
@pytest.mark.parametrize("region", ["breast", "whole"])
def test_the_muscle_is_cleared_at_its_corner_and_nothing_else(tmp_path: Path, side: Laterality, region: str) -> None:
    file = saved(tmp_path, side=side)
    wanted = PLAIN.model_copy(update={"region": region})
    plain = read_mammogram(file, preprocess=wanted, laterality=side, view=View.MLO)

    cleared = read_mammogram(
        file, preprocess=wanted.model_copy(update={"pectoral": "clear"}), laterality=side, view=View.MLO
    )

    gone = (cleared.pixels == 0) & (plain.pixels > 0)
    corner = "left" if side is Laterality.LEFT else "right"
    assert f"at the upper {corner}" in told(cleared, "pectoral")[0]
    assert cleared.pixels[:20, :10].max() == 0  # the chest wall is brought to the left
    assert 0.02 < gone.sum() / (plain.pixels > 0).sum() < 0.3
    assert not gone[120:].any()
    assert np.array_equal(cleared.pixels[~gone], plain.pixels[~gone])


def test_a_view_that_does_not_show_the_muscle_or_is_not_known_is_kept_and_the_trail_says_so(tmp_path: Path) -> None:
    wanted = PLAIN.model_copy(update={"pectoral": "clear"})
    file = saved(tmp_path)
    plain = read_mammogram(file, preprocess=PLAIN)

    for view in (None, View.CC):
        kept = read_mammogram(file, preprocess=wanted, view=view)

        assert told(kept, "pectoral") == ["kept: not looked for"]
        assert np.array_equal(kept.pixels, plain.pixels)


def test_contrast_is_equalised_last_and_cleared_pixels_are_not_counted(tmp_path: Path) -> None:
    file = saved(tmp_path)
    both = PLAIN.model_copy(update={"pectoral": "clear", "clahe": 3.0, "clahe_tiles": 4})
    cleared = read_mammogram(file, preprocess=both.model_copy(update={"clahe": 0.0}), view=View.MLO)

    mammogram = read_mammogram(file, preprocess=both, view=View.MLO)

    assert np.array_equal(mammogram.pixels, equalised(cleared.pixels, limit=3.0, tiles=4))
    assert np.array_equal(mammogram.pixels == 0, cleared.pixels == 0)
    assert told(mammogram, "contrast") == ["equalised in 4 x 4 tiles, limit 3; 0 stays 0"]


def test_percentiles_set_what_is_black_and_white(tmp_path: Path) -> None:
    file = saved(tmp_path, view=View.CC)
    narrow = PLAIN.model_copy(update={"percentiles": (20.0, 80.0)})

    wide, tight = (read_mammogram(file, preprocess=wanted) for wanted in (PLAIN, narrow))

    assert (tight.pixels == 1).mean() > 5 * (wide.pixels == 1).mean()
    assert "percentiles 20 to 80 of the breast" in told(tight, "window")[0]
    assert "percentiles 0.5 to 99.5 of the breast" in told(wide, "window")[0]


def test_maximum_divides_by_the_largest_value_whatever_the_header_says_and_however_bright_the_dark_is(
    tmp_path: Path,
) -> None:
    stored = breast(low=900, high=3000)

    mammogram = read(mg(stored, WindowCenter=1000, WindowWidth=200), tmp_path, window="maximum")

    np.testing.assert_allclose(mammogram.pixels, stored / stored.max(), atol=1e-6)
    assert mammogram.pixels.min() > 0.3
    assert told(mammogram, "window")[-1].startswith("0 to the maximum of what is kept: centre 1486.5, width 2973")


def test_the_recipe_of_masses_and_a_forest_divides_by_the_largest_value(tmp_path: Path) -> None:
    wanted = find_recipe("mass-resnet50-forest").preprocess
    stored = breast(low=900, high=3000)

    mammogram = read(mg(stored), tmp_path, **(wanted.model_dump() | {"rows": AS_IS.rows, "cols": AS_IS.cols}))

    np.testing.assert_allclose(mammogram.pixels, stored / stored.max(), atol=1e-6)


def test_maximum_is_that_of_modality_values_without_padding_and_comes_before_the_inversion(tmp_path: Path) -> None:
    stored = breast(low=900, high=3000)
    padded = stored.copy()
    padded[:, -4:] = 4095

    inverted = read(mg(4095 - stored, PhotometricInterpretation="MONOCHROME1"), tmp_path, window="maximum")
    rescaled = read(mg(stored, RescaleSlope=2, RescaleIntercept=-2000), tmp_path, window="maximum")
    without = read(mg(padded, PixelPaddingValue=4095), tmp_path, window="maximum")

    np.testing.assert_allclose(inverted.pixels, 1 - (4095 - stored) / (4095 - 900), atol=1e-6)
    np.testing.assert_allclose(
        rescaled.pixels, np.clip(2 * stored - 2000, 0, None) / (2 * stored.max() - 2000), atol=1e-6
    )
    np.testing.assert_allclose(without.pixels[:, :-4], stored[:, :-4] / stored.max(), atol=1e-6)
    assert without.pixels[:, -4:].max() == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"window": "largest"}, "'header', 'percentile' or 'maximum'"),
        ({"percentiles": (60, 40)}, "percentiles must rise"),
        ({"percentiles": (0, 101)}, "percentiles must rise"),
        ({"clahe": -1}, "greater than or equal to 0"),
        ({"clahe_tiles": 0}, "greater than or equal to 1"),
        ({"pectoral": "remove"}, "'keep' or 'clear'"),
    ],
)
def test_settings_without_sense_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Preprocess.model_validate(setting)
