"""Order, augmentation and batches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mammoscope.batches import PARAMETERS, Augment, Samples, apply, batches, draw, epoch_order


@given(seed=st.integers(0, 99), epoch=st.integers(0, 9), labels=st.lists(st.booleans(), min_size=1, max_size=40))
def test_a_natural_epoch_visits_each_sample_once_and_always_in_the_same_order(
    seed: int, epoch: int, labels: list[bool]
) -> None:
    given = {"seed": seed, "epoch": epoch, "sampling": "natural"}

    order = epoch_order(np.array(labels), **given)

    assert sorted(order) == list(range(len(labels)))
    assert np.array_equal(order, epoch_order(np.array(labels), **given))


@given(positives=st.integers(1, 9), negatives=st.integers(1, 30))
def test_a_balanced_epoch_is_as_long_and_half_positive(positives: int, negatives: int) -> None:
    labels = np.array([True] * positives + [False] * negatives)

    order = epoch_order(labels, seed=0, epoch=0, sampling="balanced")

    assert len(order) == len(labels)
    assert labels[order].sum() == len(labels) // 2


ANY = Augment(flip_vertical=0.5, flip_horizontal=0.5, rotate_deg=30, shift=0.2, zoom=0.2, brightness=0.2, contrast=0.3)


@given(samples=st.lists(st.integers(0, 1000), min_size=2, max_size=6, unique=True))
def test_a_sample_is_changed_the_same_way_in_any_batch(samples: list[int]) -> None:
    together = draw(ANY, seed=1, epoch=2, samples=samples)

    alone = np.concatenate([draw(ANY, seed=1, epoch=2, samples=[n]) for n in samples])

    assert np.array_equal(together, alone)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_augmented_pictures_stay_in_range_and_the_input_is_not_modified(seed: int) -> None:
    pixels = torch.rand(3, 1, 24, 16, generator=torch.Generator().manual_seed(seed))
    before = pixels.clone()

    out = apply(pixels, draw(ANY, seed=seed, epoch=0, samples=[0, 1, 2]), augment=ANY)

    assert out.shape == pixels.shape
    assert 0 <= out.min() <= out.max() <= 1
    assert torch.equal(pixels, before)


def test_no_augmentation_changes_nothing() -> None:
    pixels = torch.rand(2, 1, 8, 6)

    out = apply(pixels, draw(Augment(), seed=0, epoch=0, samples=[0, 1]), augment=Augment())

    assert torch.equal(out, pixels)


@pytest.mark.parametrize(("name", "axis"), [("flip_v", 2), ("flip_h", 3)])
def test_a_flip_is_an_exact_mirror(name: str, axis: int) -> None:
    pixels = torch.rand(1, 1, 8, 6)
    parameters = np.zeros((1, len(PARAMETERS)), dtype=np.float32)
    parameters[0, PARAMETERS.index(name)] = 1

    out = apply(pixels, parameters, augment=Augment())

    torch.testing.assert_close(out, pixels.flip(axis), atol=1e-5, rtol=0)


def test_a_quarter_turn_of_an_oblong_picture_keeps_pixels_square() -> None:
    pixels = torch.zeros(1, 1, 40, 20)
    pixels[0, 0, 18:22, 5:15] = 1  # a bar across, 4 x 10
    parameters = np.zeros((1, len(PARAMETERS)), dtype=np.float32)
    parameters[0, PARAMETERS.index("angle")] = 90

    out = apply(pixels, parameters, augment=Augment())

    lit = np.argwhere(out[0, 0].numpy() > 0.5)
    assert np.ptp(lit, axis=0).tolist() == [9, 3]  # now upright, 10 x 4


def test_batches_carry_their_own_labels(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.npy" for n in range(5)]
    for n, file in enumerate(files):
        np.save(file, np.full((2, 3), n * 1000, dtype=np.uint16))
    samples = Samples(files=files, labels=np.array([n % 2 == 1 for n in range(5)]))

    found = list(batches(samples, np.array([4, 1, 0, 3]), batch_size=3))

    assert [batch.samples.tolist() for batch in found] == [[4, 1, 0], [3]]
    assert [batch.labels.tolist() for batch in found] == [[0, 1, 0], [1]]
    assert found[0].pixels[0, 0, 0, 0].item() == pytest.approx(4000 / 65535)


def test_a_last_batch_of_one_can_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.save(file, np.zeros((2, 2), dtype=np.uint16))
    samples = Samples(files=[file] * 5, labels=np.zeros(5, dtype=bool))

    sizes = [len(b.samples) for b in batches(samples, np.arange(5), batch_size=2, drop_last=True)]

    assert sizes == [2, 2]
