"""Pixels do not change without their version: caches and bundles tell old from new by nothing else."""

from pathlib import Path

import numpy as np
import pytest

from golden_pixels import FULL, READ, golden, pixels_of
from mammoscope.images import PIXELS_VERSION

TOLERANCE = 2  # of 4095 steps: processors differ in the last bits of a float, decoders of lossy files by a step


def test_the_kept_pixels_are_of_this_version() -> None:
    version, kept = golden()

    assert version == PIXELS_VERSION, "run python tests/golden_pixels.py, and look at what changed"
    assert kept.keys() == READ.keys()


@pytest.mark.parametrize("name", READ)
def test_a_file_gives_the_pixels_that_it_gave(name: str, tmp_path: Path) -> None:
    data, kept = golden()[1][name]

    pixels = pixels_of(data, name, tmp_path)

    assert pixels.shape == kept.shape
    assert len(np.unique(kept)) > 20 and kept.max() > FULL / 2  # noqa: PT018 a picture at all
    changed = "pixels changed: raise PIXELS_VERSION of images/reading.py, then run python tests/golden_pixels.py"
    np.testing.assert_allclose(pixels, kept, rtol=0, atol=TOLERANCE, err_msg=changed)
