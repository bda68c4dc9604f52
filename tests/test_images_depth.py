"""Compressed streams that are deeper than their header says."""

from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import decode, encode_array
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, HTJ2KLossless, JPEG2000Lossless, JPEGLSLossless, RLELossless

from mammoscope.errors import ImageError
from mammoscope.images import read_mammogram, stored
from mammoscope.images.codestream import wavelet_bits
from mg_files import AS_IS, breast, mg, read, said, saved


def wavelets(pixels: np.ndarray, *, bits: int) -> Dataset:
    """A mammogram of Bits Stored 12, in a JPEG 2000 stream of another depth."""
    return in_wavelets(bytes(encode_array(pixels, bits_stored=bits)))


def in_wavelets(stream: bytes) -> Dataset:
    dataset = mg(breast(), WindowCenter=2048, WindowWidth=4096)
    dataset.PixelData = encapsulate([stream])
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


def overlaid() -> np.ndarray:
    """A breast of 12 bits, and an overlay in bit 15 of some of its pixels."""
    pixels = breast().astype(np.uint16)
    pixels[20:26, 4:20] |= 0x8000
    return pixels


@pytest.mark.parametrize("rows", [16, 64])
def test_an_overlay_above_high_bit_is_masked_in_every_lossless_syntax(tmp_path: Path, rows: int) -> None:
    native = mg(overlaid(), WindowCenter=2048, WindowWidth=4096)
    found = {"native": read(native, tmp_path, rows=rows, cols=rows)}
    for syntax in (RLELossless, JPEGLSLossless):
        squeezed = mg(overlaid(), bits=16, WindowCenter=2048, WindowWidth=4096)
        squeezed.compress(syntax, overlaid(), generate_instance_uid=False)
        squeezed.BitsStored, squeezed.HighBit = 12, 11
        found[syntax] = read(squeezed, tmp_path, syntax=syntax, rows=rows, cols=rows)
    for syntax in (JPEG2000Lossless, HTJ2KLossless):  # OpenJPEG decodes either by what the stream says
        found[syntax] = read(wavelets(overlaid(), bits=16), tmp_path, syntax=syntax, rows=rows, cols=rows)

    for mammogram in found.values():
        np.testing.assert_array_equal(mammogram.pixels, found["native"].pixels)
    assert said(found[JPEG2000Lossless], "oddity") == [
        "bits above High Bit, in 96 pixels, were masked | Bits Stored (0028,0101) = 12, its stream has 16"
    ]


def test_a_deep_lossless_stream_of_shallow_pixels_is_read_as_it_would_be_under_a_true_header(tmp_path: Path) -> None:
    y, x = np.mgrid[:512, :384]
    pixels = (2000 + 1500 * np.sin(y / 40) * np.cos(x / 30)).astype(np.uint16)
    deep = wavelets(pixels, bits=16)
    deep.Rows, deep.Columns = pixels.shape
    wanted = AS_IS.model_copy(update={"rows": 32, "cols": 24})

    shallow = read_mammogram(saved(deep, tmp_path, syntax=JPEG2000Lossless), preprocess=wanted)
    deep.BitsStored, deep.HighBit = 16, 15
    true = read_mammogram(saved(deep, tmp_path, syntax=JPEG2000Lossless), preprocess=wanted)

    assert "of the resolution" in said(shallow, "geometry")[0]
    assert said(shallow, "oddity") == []
    np.testing.assert_array_equal(shallow.pixels, true.pixels)


@pytest.mark.parametrize("rows", [16, 64])
def test_a_lossy_stream_keeps_what_overshoots_and_says_so(tmp_path: Path, rows: int) -> None:
    pixels = np.where(breast() > 2000, 4095, 0).astype(np.uint16)
    stream = bytes(encode_array(pixels, bits_stored=16, compression_ratios=[20]))
    white = slice(3 * rows // 8, 5 * rows // 8), slice(0, rows // 4)

    mammogram = read(in_wavelets(stream), tmp_path, syntax=JPEG2000, rows=rows, cols=rows)

    assert (decode(stream)[24:40, :12] > 4095).any()
    assert mammogram.pixels[white].min() > 0.9
    assert said(mammogram, "oddity") == [
        "bits above High Bit were kept, since the stream is lossy | Bits Stored (0028,0101) = 12, its stream has 16"
    ]


def test_a_deep_lossless_stream_of_shallow_pixels_is_not_decoded_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many archives write 12 bits as 16: to look through all of them took four times as long as reading the picture."""
    y, x = np.mgrid[:1024, :768]
    pixels = (2000 + 1500 * np.sin(y / 40) * np.cos(x / 30)).astype(np.uint16)
    deep = wavelets(pixels, bits=16)
    deep.Rows, deep.Columns = pixels.shape
    file = saved(deep, tmp_path, syntax=JPEG2000Lossless)

    def refuse(*_given: object) -> None:
        raise AssertionError("decoded whole")

    monkeypatch.setattr(stored, "_whole", refuse)
    assert read_mammogram(file, preprocess=AS_IS.model_copy(update={"rows": 64, "cols": 48})).pixels.any()
