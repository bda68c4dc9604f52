"""Batches from the cache."""

from pathlib import Path

import numpy as np
import pytest

from mammoscope.batches import Samples, batches, steps_of


def test_batches_carry_their_own_labels(tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.npy" for n in range(5)]
    for n, file in enumerate(files):
        np.save(file, np.full((2, 3), n * 1000, dtype=np.uint16))
    samples = Samples(files=files, labels=np.array([[n % 2] for n in range(5)]))

    found = list(batches(samples, steps_of(np.array([4, 1, 0, 3]), batch_size=3)))

    assert [batch.samples.tolist() for batch in found] == [[4, 1, 0], [3]]
    assert [batch.labels[:, 0].tolist() for batch in found] == [[0, 1, 0], [1]]
    assert found[0].pixels[0, 0, 0, 0].item() == pytest.approx(4000 / 65535)


def test_a_last_batch_of_one_can_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.save(file, np.zeros((2, 2), dtype=np.uint16))
    samples = Samples(files=[file] * 5, labels=np.zeros((5, 1), dtype=np.int64))

    sizes = [len(b.samples) for b in batches(samples, steps_of(np.arange(5), batch_size=2, drop_last=True))]

    assert sizes == [2, 2]
