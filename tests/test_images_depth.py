"""Compressed streams that are deeper than their header says."""

from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from mammoscope.errors import ImageError
from mammoscope.images.codestream import wavelet_bits
from mg_files import breast, mg, read


def wavelets(pixels: np.ndarray, *, bits: int, **options: object) -> Dataset:
    """A mammogram of Bits Stored 12, in a JPEG 2000 stream of another depth."""
    dataset = mg(breast(), WindowCenter=2048, WindowWidth=4096)
    dataset.PixelData = encapsulate([bytes(encode_array(pixels, bits_stored=bits, **options))])
    dataset["PixelData"].VR = "OB"
    return dataset


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("rows", [16, 64])
def test_a_wavelet_stream_that_does_not_fit_bits_allocated_is_refused_at_every_size(
    tmp_path: Path, dtype: type, rows: int
) -> None:
    dataset = wavelets(breast(high=2047).astype(dtype), bits=12)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7

    with pytest.raises(ImageError, match="samples of 12 bits, its header 8 allocated") as caught:
        read(dataset, tmp_path, syntax=JPEG2000Lossless, rows=rows, cols=rows)

    assert caught.value.code == "implausible"


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.int16, 13), (np.uint16, 16)])
def test_a_wavelet_stream_says_its_depth(dtype: type, bits: int) -> None:
    values = np.ones((64, 64), dtype=dtype)

    assert wavelet_bits(bytes(encode_array(values, bits_stored=bits))) == bits
    colours = bytes(encode_array(np.dstack([values] * 3), bits_stored=bits, photometric_interpretation=1))
    assert wavelet_bits(colours) == bits
    assert wavelet_bits(colours[:40]) is None
    assert wavelet_bits(b"no stream") is None
