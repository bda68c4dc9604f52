"""The classical description of density."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mammoscope.models.encoders.base import Encoder
from mammoscope.models.histogram import HistogramEncoder, HistogramModel, histogram_features, histogram_names


def pictures(count: int = 2, *, rows: int = 32, cols: int = 24, seed: int = 0) -> torch.Tensor:
    """A half disc of noise in front of black."""
    draw = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    breast = (y - rows / 2) ** 2 + x**2 < (0.4 * rows) ** 2
    return (torch.rand(count, 1, rows, cols, generator=draw) * 0.9 + 0.05) * breast


def named(pixels: torch.Tensor, *, bins: int = 32) -> list[dict[str, float]]:
    return [
        dict(zip(histogram_names(bins=bins), row.tolist(), strict=True))
        for row in histogram_features(pixels, bins=bins)
    ]


def test_values_on_the_counted_greys_are_counted_as_numpy_counts_them() -> None:
    greys = torch.linspace(0, 1, 11)
    pixels = greys[torch.randint(1, 11, (3, 1, 20, 20), generator=torch.Generator().manual_seed(1))]

    features = histogram_features(pixels, bins=11)[:, :11]

    for picture, ours in zip(pixels.numpy(), features.numpy(), strict=True):
        theirs = np.histogram(picture, bins=np.linspace(-0.05, 1.05, 12))[0] / 400
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_value_between_two_greys_counts_for_both_by_its_distance() -> None:
    found = named(torch.full((1, 1, 16, 16), 0.35), bins=11)[0]

    assert found["grey 0.300"] == pytest.approx(0.5, abs=1e-5)
    assert found["grey 0.400"] == pytest.approx(0.5, abs=1e-5)


def test_moments_are_those_of_scipy_over_the_breast() -> None:
    pixels = pictures()

    for picture, found in zip(pixels.numpy(), named(pixels), strict=True):
        breast = picture[picture > 0].astype(np.float64)
        ours = [found[name] for name in ("mean", "sd", "skewness", "excess kurtosis", "breast area")]
        theirs = [breast.mean(), breast.std(), stats.skew(breast), stats.kurtosis(breast), breast.size / picture.size]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_roughness_is_that_of_a_loop_over_neighbours(scale: int) -> None:
    picture = pictures(1)[0, 0].numpy().astype(np.float64)
    rows, cols = (side // scale for side in picture.shape)
    small = np.full((rows, cols), np.nan)
    for r in range(rows):
        for c in range(cols):
            block = picture[r * scale : (r + 1) * scale, c * scale : (c + 1) * scale]
            if (block > 0).mean() >= 0.5:
                small[r, c] = block[block > 0].mean()
    pairs = [(small[r, c], small[r, c + 1]) for r in range(rows) for c in range(cols - 1)]
    pairs += [(small[r, c], small[r + 1, c]) for r in range(rows - 1) for c in range(cols)]
    squares = [(one - two) ** 2 for one, two in pairs if np.isfinite(one) and np.isfinite(two)]

    found = named(torch.from_numpy(picture).float()[None, None])[0][f"roughness at {scale} px"]

    assert found == pytest.approx(np.sqrt(np.mean(squares)) / picture[picture > 0].std(), rel=1e-4)


@given(seed=st.integers(0, 10**6), bins=st.sampled_from([2, 8, 32]))
@settings(max_examples=20)
def test_shares_sum_to_one_and_mirroring_changes_nothing(seed: int, bins: int) -> None:
    pixels = pictures(2, seed=seed)

    features = histogram_features(pixels, bins=bins)

    torch.testing.assert_close(features[:, :bins].sum(dim=1), torch.ones(2))
    torch.testing.assert_close(features[:, bins : bins + 13].sum(dim=1), torch.ones(2))
    torch.testing.assert_close(histogram_features(pixels.flip(3), bins=bins), features, rtol=1e-4, atol=1e-4)


def test_more_background_changes_only_the_breasts_area() -> None:
    pixels = pictures()
    wide = torch.nn.functional.pad(pixels, (0, 24, 0, 8))

    before, after = named(pixels), named(wide)

    for one, two in zip(before, after, strict=True):
        assert two.pop("breast area") == pytest.approx(one.pop("breast area") * 32 * 24 / (40 * 48))
        assert two == pytest.approx(one, rel=1e-4, abs=1e-5)


def test_contrast_moves_no_relative_share_and_no_roughness() -> None:
    pixels = pictures()
    duller = (0.5 * pixels + 0.2) * (pixels > 0)

    before, after = named(pixels), named(duller)

    for one, two in zip(before, after, strict=True):
        same = [name for name in one if " sd" in name or "roughness" in name or name in {"skewness", "breast area"}]
        assert [two[name] for name in same] == pytest.approx([one[name] for name in same], rel=1e-3, abs=1e-4)
        assert two["mean"] != pytest.approx(one["mean"], rel=1e-2)


def test_a_picture_without_a_breast_is_all_zero_and_spoils_no_other() -> None:
    pixels = pictures(2)
    pixels[0] = 0

    features = histogram_features(pixels)

    assert features[0].abs().max() == 0
    torch.testing.assert_close(features[1], histogram_features(pixels[1:])[0])


def test_the_description_can_be_differentiated_everywhere() -> None:
    pixels = torch.cat([pictures(1), torch.full((1, 1, 32, 24), 0.5), torch.zeros(1, 1, 32, 24)]).requires_grad_()

    histogram_features(pixels).sum().backward()

    assert pixels.grad is not None
    assert pixels.grad.isfinite().all()
    assert pixels.grad[0].abs().max() > 0


def test_the_encoder_undoes_the_scaling_and_has_no_parameter() -> None:
    config, pixels = HistogramModel(bins=16), pictures()
    encoder = HistogramEncoder(config)
    scaled = (pixels - config.mean) / config.std

    vector = encoder.pooled(encoder.forward_features(scaled), scaled)

    torch.testing.assert_close(vector, histogram_features(pixels, bins=16), rtol=1e-4, atol=1e-5)
    assert isinstance(encoder, Encoder)
    assert vector.shape == (2, encoder.width) == (2, len(histogram_names(bins=16)))
    assert list(encoder.parameters()) == encoder.blocks() == []


def test_half_precision_around_it_changes_nothing() -> None:
    pixels = pictures()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = histogram_features(pixels)

    assert torch.equal(inside, histogram_features(pixels))


def test_a_picture_too_small_for_the_coarsest_scale_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 16 by 16, got \(12, 40\)"):
        histogram_features(torch.zeros(1, 1, 12, 40))
