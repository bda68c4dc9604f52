"""Augmentation: what each change does to a picture, and what none of them may do."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest
from torch.nn import functional

from mammoscope.batches import PARAMETERS, Augment, apply, draw, mixed
from mammoscope.batches.counter import normals, uniforms
from mammoscope.batches.film import with_artefacts
from mammoscope.batches.moving import CELLS, INJECTIVE, MAX_ELASTIC, POINTS, elastic_points, field, moved

MOVES = {"flip_vertical": 0.5, "flip_horizontal": 0.5, "rotate_deg": 30, "shift": 0.2, "zoom": 0.2, "elastic": 0.05}
GREYS = {"brightness": 0.2, "contrast": 0.3, "gamma": 0.3, "blur": 1.5, "noise": 0.1, "cutout": 0.4}
EACH = [Augment(**{name: value}) for name, value in (MOVES | GREYS | {"artefacts": 1.0}).items()]
ALL = Augment(**MOVES, **GREYS, artefacts=0.5)


def breasts(count: int, *, rows: int = 48, cols: int = 32, seed: int = 0) -> torch.Tensor:
    """Noise on the left half, nothing on the right."""
    pixels = torch.zeros(count, 1, rows, cols)
    pixels[..., : cols // 2] = 0.2 + 0.6 * torch.rand(
        count, 1, rows, cols // 2, generator=torch.Generator().manual_seed(seed)
    )
    return pixels


def parameters(**given: float) -> np.ndarray:
    row = np.zeros((1, len(PARAMETERS)), dtype=np.float32)
    for name, value in given.items():
        row[0, PARAMETERS.index(name)] = value
    return row


@pytest.mark.parametrize("augment", [*EACH, ALL], ids=lambda one: "+".join(one.model_dump(exclude_defaults=True)))
def test_a_picture_is_changed_the_same_way_in_any_batch(augment: Augment) -> None:
    pixels, numbers = breasts(5), [9, 2, 77, 3, 0]

    together = apply(pixels, draw(augment, seed=1, epoch=2, samples=numbers), augment=augment)

    assert not torch.equal(together, pixels)
    for at, number in enumerate(numbers):
        alone = apply(pixels[at : at + 1], draw(augment, seed=1, epoch=2, samples=[number]), augment=augment)
        assert torch.equal(alone[0], together[at])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_augmented_pictures_stay_in_range_and_the_input_is_not_modified(seed: int) -> None:
    pixels = breasts(3, rows=24, cols=16, seed=seed)
    before = pixels.clone()

    out = apply(pixels, draw(ALL, seed=seed, epoch=0, samples=[0, 1, 2]), augment=ALL)

    assert out.shape == pixels.shape
    assert out.dtype == pixels.dtype
    assert 0 <= out.min() <= out.max() <= 1
    assert torch.equal(pixels, before)


def test_another_epoch_seed_or_picture_is_another_change() -> None:
    pixels = breasts(1).expand(4, 1, 48, 32)
    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    drawn = np.concatenate([draw(ALL, seed=seed, epoch=epoch, samples=[n]) for seed, epoch, n in places])

    out = apply(pixels, drawn, augment=ALL)

    assert len({one.numpy().tobytes() for one in out}) == 4


def test_what_older_recipes_draw_has_not_changed() -> None:
    """Columns were added behind; these are the draws of the first version."""
    augment = Augment(flip_vertical=0.5, rotate_deg=10, shift=0.05, zoom=0.1, contrast=0.1)
    uniform = np.random.default_rng((7, 3, 11)).uniform(-1, 1, 9)

    found = draw(augment, seed=7, epoch=3, samples=[11])[0, :9]

    wanted = uniform * [0, 0, 10, 0.05, 0.05, 0.1, 0, 0.1, 0]
    wanted[0] = abs(uniform[0]) < 0.5
    np.testing.assert_array_equal(found, wanted.astype(np.float32))


def test_no_augmentation_changes_nothing() -> None:
    pixels = breasts(2)

    out = apply(pixels, draw(Augment(), seed=0, epoch=0, samples=[0, 1]), augment=Augment())

    assert torch.equal(out, pixels)


@pytest.mark.parametrize("name", GREYS)
def test_the_background_stays_black(name: str) -> None:
    augment = Augment(**{name: GREYS[name]})
    pixels = breasts(6)

    out = apply(pixels, draw(augment, seed=0, epoch=0, samples=range(6)), augment=augment)

    assert not torch.equal(out, pixels)
    assert out[..., 16:].max() == 0


def test_a_bag_is_changed_picture_by_picture() -> None:
    pixels = breasts(6)
    drawn = draw(ALL, seed=0, epoch=0, samples=range(6))

    bags = apply(pixels.view(2, 3, 1, 48, 32), drawn, augment=ALL)

    assert torch.equal(bags.view(6, 1, 48, 32), apply(pixels, drawn, augment=ALL))


@pytest.mark.parametrize(("name", "axis"), [("flip_v", 2), ("flip_h", 3)])
def test_a_flip_is_an_exact_mirror(name: str, axis: int) -> None:
    pixels = torch.rand(1, 1, 8, 6)

    out = apply(pixels, parameters(**{name: 1}), augment=Augment())

    torch.testing.assert_close(out, pixels.flip(axis), atol=1e-5, rtol=0)


def test_a_quarter_turn_of_an_oblong_picture_keeps_pixels_square() -> None:
    pixels = torch.zeros(1, 1, 40, 20)
    pixels[0, 0, 18:22, 5:15] = 1  # a bar across, 4 x 10

    out = apply(pixels, parameters(angle=90), augment=Augment())

    lit = np.argwhere(out[0, 0].numpy() > 0.5)
    assert np.ptp(lit, axis=0).tolist() == [9, 3]  # now upright, 10 x 4


def test_flip_turn_shift_and_zoom_are_those_of_torch_affine_grid() -> None:
    pixels = breasts(4)
    augment = Augment(**{**MOVES, "elastic": 0})
    drawn = draw(augment, seed=3, epoch=0, samples=range(4))

    out = apply(pixels, drawn, augment=augment)

    flip_v, flip_h, angle, x, y, zoom = (torch.from_numpy(drawn[:, at]) for at in range(6))
    cosine, sine = (f(angle * math.pi / 180) / (1 + zoom) for f in (torch.cos, torch.sin))
    first = torch.stack([cosine * (1 - 2 * flip_h), -sine * 48 / 32 * (1 - 2 * flip_h), 2 * x], dim=1)
    second = torch.stack([sine * 32 / 48 * (1 - 2 * flip_v), cosine * (1 - 2 * flip_v), 2 * y], dim=1)
    grid = functional.affine_grid(torch.stack([first, second], dim=1), [4, 1, 48, 32], align_corners=False)
    torch.testing.assert_close(out, functional.grid_sample(pixels, grid, align_corners=False), atol=1e-4, rtol=0)


def test_cubic_splines_of_equal_control_points_are_a_plain_shift() -> None:
    points = torch.tensor([0.1, -0.2]).expand(1, POINTS, POINTS, 2)

    found = field(points, rows=7, cols=5)

    torch.testing.assert_close(found, torch.tensor([0.1, -0.2]).expand(1, 7, 5, 2))


def test_cubic_splines_pass_on_a_straight_line() -> None:
    """A cubic B-spline through control points on a line is that line: the worked check of its weights."""
    line = (torch.arange(POINTS) - 1.0) / CELLS  # of the control point, in shares of the side
    points = line[None, None, :, None].expand(1, POINTS, POINTS, 2)

    found = field(points.contiguous(), rows=4, cols=10)

    torch.testing.assert_close(found[0, 2, :, 0], (torch.arange(10) + 0.5) / 10)


def test_the_largest_deformation_does_not_fold_the_picture() -> None:
    assert MAX_ELASTIC < INJECTIVE / CELLS
    keys = torch.arange(40, dtype=torch.int32)

    displaced = field(elastic_points(torch.full((40,), MAX_ELASTIC), keys=keys), rows=96, cols=96)

    down, across = torch.gradient(displaced, spacing=2 / 96, dim=(1, 2))
    jacobian = (1 + across[..., 0]) * (1 + down[..., 1]) - across[..., 1] * down[..., 0]
    assert displaced.abs().max() > MAX_ELASTIC  # halves of the side: up to twice that
    assert jacobian.min() > 0


def test_a_deformed_picture_is_turned_afterwards_not_another_deformation() -> None:
    pixels = breasts(1)
    key = 0.3

    turned = apply(pixels, parameters(elastic=0.05, key=key, flip_v=1), augment=Augment(elastic=0.05))

    plain = {name: torch.zeros(1) for name in PARAMETERS} | {"elastic": torch.tensor([0.05])}
    keys = torch.tensor([key]).view(torch.int32)
    deformed = moved(pixels.flip(2), plain, keys=keys, elastic=True)
    torch.testing.assert_close(turned, deformed, atol=1e-4, rtol=0)


@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_blur_is_the_gaussian_of_scipy(deviation: float) -> None:
    pixels = 0.1 + 0.9 * torch.rand(1, 1, 40, 30, generator=torch.Generator().manual_seed(0))

    out = apply(pixels, parameters(blur=deviation), augment=Augment(blur=2))

    wanted = gaussian_filter(pixels[0, 0].numpy(), deviation, mode="nearest", truncate=6 / deviation)
    np.testing.assert_allclose(out[0, 0], wanted, atol=1e-5)


def test_grey_follows_the_formula_and_stays_black_where_it_was() -> None:
    pixels = torch.tensor([0.0, 0.25, 0.5, 1.0]).view(1, 1, 2, 2)

    out = apply(pixels, parameters(contrast=0.2, brightness=-0.1, gamma=0.5), augment=Augment())

    torch.testing.assert_close(out.flatten(), torch.tensor([0.0, 0.2**1.5, 0.5**1.5, 1.0]))


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    pixels = torch.full((4, 1, 200, 200), 0.5)
    augment = Augment(noise=0.05)

    out = apply(pixels, draw(augment, seed=0, epoch=0, samples=range(4)), augment=augment)

    assert out.std().item() == pytest.approx(0.05, rel=0.01)
    assert np.abs(np.corrcoef(out.flatten(1).numpy()) - np.eye(4)).max() < 0.02  # of pictures with one another


def test_a_cut_out_is_a_black_rectangle_of_the_size_drawn() -> None:
    pixels = torch.ones(1, 1, 40, 20)

    out = apply(pixels, parameters(cut_x=0, cut_y=0.5, cut_high=0.2, cut_wide=0.5), augment=Augment(cutout=0.5))

    black = np.argwhere(out[0, 0].numpy() == 0)
    assert black.min(axis=0).tolist() == [26, 5]
    assert black.max(axis=0).tolist() == [33, 14]
    assert len(black) == 8 * 10


@pytest.mark.parametrize("kind", ["scratch", "dust", "marker", "edge"])
def test_an_artefact_is_bright_on_few_pixels_and_darkens_none(kind: str) -> None:
    pixels = breasts(64, rows=256, cols=160).mul_(0.5)
    drawn = {name: torch.full((64,), float(name == kind)) for name in ("scratch", "dust", "marker", "edge")}

    out = with_artefacts(pixels, drawn, keys=torch.arange(64, dtype=torch.int32))

    changed = (out > pixels).flatten(1).float().mean(dim=1)
    assert bool((out >= pixels).all())
    assert 0 < changed.mean() < 0.03
    assert changed.max() < 0.05
    assert len({one.numpy().tobytes() for one in out}) == 64


def test_a_marker_stands_away_from_the_chest_wall() -> None:
    pixels = torch.cat([breasts(20, rows=128, cols=96), breasts(20, rows=128, cols=96).flip(3)])
    drawn = {name: torch.full((40,), float(name == "marker")) for name in ("scratch", "dust", "marker", "edge")}

    out = with_artefacts(pixels, drawn, keys=torch.arange(40, dtype=torch.int32))

    lit = (out > pixels).any(dim=2)[:, 0]
    assert not lit[:20, :48].any()
    assert lit[:20, 48:].any(dim=1).all()
    assert not lit[20:, 48:].any()
    assert lit[20:, :48].any(dim=1).all()


def test_each_artefact_comes_as_often_as_was_asked() -> None:
    drawn = draw(Augment(artefacts=0.3), seed=0, epoch=0, samples=range(4000))

    shares = drawn[:, [PARAMETERS.index(name) for name in ("scratch", "dust", "marker", "edge")]].mean(axis=0)

    np.testing.assert_allclose(shares, 0.3, atol=0.03)


def test_counted_numbers_are_spread_as_they_should_and_differ_between_keys_and_streams() -> None:
    keys = torch.arange(50, dtype=torch.int32)

    flat, bell = uniforms(keys, stream=0, count=2001), normals(keys, stream=0, count=2001)

    assert 0 < flat.min() < flat.max() < 1
    assert kstest(flat.flatten().numpy(), "uniform").pvalue > 0.01
    assert kstest(bell.flatten().numpy(), "norm").pvalue > 0.01
    assert np.abs(np.corrcoef(flat.numpy()) - np.eye(50)).max() < 0.12
    assert abs(np.corrcoef(flat.flatten(), uniforms(keys, stream=1, count=2001).flatten())[0, 1]) < 0.02
    assert abs(np.corrcoef(flat[:, 1:].flatten(), flat[:, :-1].flatten())[0, 1]) < 0.02


def test_the_hash_is_the_published_one() -> None:
    """Worked in Python's own integers, which do not wrap: lowbias32."""

    def lowbias32(x: int) -> int:
        x = (x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF
        x = (x ^ (x >> 15)) * 0x846CA68B & 0xFFFFFFFF
        return x ^ (x >> 16)

    keys = [0, 1, 2**31 - 1, -1]
    wanted = [
        [
            ((lowbias32(n ^ lowbias32((lowbias32(key & 0xFFFFFFFF) + 5) & 0xFFFFFFFF)) >> 8) + 0.5) / 2**24
            for n in range(4)
        ]
        for key in keys
    ]

    found = uniforms(torch.tensor(keys, dtype=torch.int32), stream=5, count=4)

    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


def test_a_marker_says_one_of_four_texts_upright() -> None:
    """What is lit is what OpenCV draws, and each text comes."""
    pixels = torch.zeros(30, 1, 400, 300)
    drawn = {name: torch.full((30,), float(name == "marker")) for name in ("scratch", "dust", "marker", "edge")}
    texts = []
    for text in ("L CC", "R CC", "L MLO", "R MLO"):
        page = np.zeros((60, 120), np.uint8)
        (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 14 / 22, 1)
        cv2.putText(page, text, (100 - wide, 40), cv2.FONT_HERSHEY_SIMPLEX, 14 / 22, 255, 1, cv2.LINE_AA)
        texts.append(_lit(page.astype(np.float32)))

    out = with_artefacts(pixels, drawn, keys=torch.arange(30, dtype=torch.int32))

    found = [_lit(one.numpy()) for one in out[:, 0]]
    said = [
        [at for at, text in enumerate(texts) if text.shape == one.shape and np.allclose(text, one)] for one in found
    ]
    assert {len(one) for one in said} == {1}
    assert {one[0] for one in said} == {0, 1, 2, 3}


def _lit(page: np.ndarray) -> np.ndarray:
    """The rectangle that is not black, the brightest of it 1."""
    rows, cols = page.any(axis=1).nonzero()[0], page.any(axis=0).nonzero()[0]
    return page[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] / page.max()


@given(alpha=st.floats(0.05, 4), step=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_mixup_blends_each_picture_with_its_partner(alpha: float, step: int) -> None:
    pixels = breasts(5, rows=6, cols=4)

    found = mixed(pixels, alpha=alpha, seed=0, epoch=1, step=step)

    assert 0 <= found.share <= 1
    assert sorted(found.partners.tolist()) == list(range(5))
    wanted = found.share * pixels + (1 - found.share) * pixels[found.partners]
    torch.testing.assert_close(found.pixels, wanted)
    assert torch.equal(found.pixels, mixed(pixels, alpha=alpha, seed=0, epoch=1, step=step).pixels)


def test_the_share_of_mixup_follows_the_beta_distribution() -> None:
    shares = [mixed(torch.zeros(2, 1, 1, 1), alpha=0.4, seed=0, epoch=0, step=n).share for n in range(600)]

    assert kstest(shares, "beta", args=(0.4, 0.4)).pvalue > 0.01


def test_mixup_without_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha must be above 0, got 0"):
        mixed(torch.zeros(2, 1, 1, 1), alpha=0, seed=0, epoch=0, step=0)


def test_a_deformation_that_could_fold_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 0.08"):
        Augment(elastic=0.1)
