"""Transfer syntaxes of tiny DICOM files: each gives the same pixels."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from mammoscope.errors import ImageError
from mammoscope.images import Preprocess, read_mammogram
from mg_files import AS_IS, breast, compressed, mg, read, said, saved


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_lossless_syntaxes_give_the_same_pixels(tmp_path: Path, syntax: str) -> None:
    mammogram = read(compressed(breast(), syntax), tmp_path, syntax=syntax)

    np.testing.assert_allclose(mammogram.pixels, breast() / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_native_syntaxes_give_the_same_pixels(tmp_path: Path, syntax: str) -> None:
    dataset = mg(breast(), WindowCenter=2048, WindowWidth=4096)
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = breast().astype(">u2").tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    file = tmp_path / "one.dcm"
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    dcmwrite(file, dataset, enforce_file_format=True, implicit_vr=implicit, little_endian=little)

    np.testing.assert_allclose(read_mammogram(file, preprocess=AS_IS).pixels, breast() / 4095, atol=1e-6)


def test_a_large_jpeg_2000_is_decoded_smaller_and_looks_and_lies_the_same(tmp_path: Path) -> None:
    y, x = np.mgrid[:1024, :768]
    away = np.hypot((y - 512) / 1.2, x)
    pixels = np.where(away < 380, 600 + 3000 * np.exp(-away / 200) + 200 * np.sin(x / 40) * np.cos(y / 30), 0).astype(
        int
    )
    wanted = Preprocess(rows=64, cols=64)

    small = read_mammogram(
        saved(compressed(pixels, JPEG2000Lossless), tmp_path, syntax=JPEG2000Lossless), preprocess=wanted
    )
    whole = read_mammogram(saved(compressed(pixels, RLELossless), tmp_path, syntax=RLELossless), preprocess=wanted)

    assert "read at 1/4 of the resolution, 256 x 192" in said(small, "geometry")[0]
    assert small.original_shape == whole.original_shape == (1024, 768)
    corners = np.array([[100.0, 200.0], [300.0, 700.0]])
    np.testing.assert_allclose(small.geometry.to_final(corners), whole.geometry.to_final(corners), atol=0.5)
    assert np.abs(small.pixels - whole.pixels).mean() < 0.005


@pytest.mark.parametrize("implicit", [False, True])
def test_a_file_without_preamble_or_meta_is_read(tmp_path: Path, *, implicit: bool) -> None:
    file = tmp_path / "bare.dcm"
    dataset = mg(breast(), WindowCenter=2048, WindowWidth=4096)
    dcmwrite(file, dataset, implicit_vr=implicit, little_endian=True)

    mammogram = read_mammogram(file, preprocess=AS_IS)

    np.testing.assert_allclose(mammogram.pixels, breast() / 4095, atol=1e-6)
    assert said(mammogram, "inversion") == ["none | Photometric Interpretation (0028,0004) = MONOCHROME2"]


@pytest.mark.parametrize(
    "start", [b"\x08\x00", b"\x08\x00\x16\x00\x02", b"\x08\x00\x16\x00\x02\x00\x00\x00ab\x08\x00\x05\x00"]
)
def test_what_only_begins_like_an_element_is_no_dicom(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "notes.bin").write_bytes(start.ljust(200, b"\1"))

    with pytest.raises(ImageError) as caught:
        read_mammogram(tmp_path / "notes.bin")

    assert caught.value.code == "not_an_image"
