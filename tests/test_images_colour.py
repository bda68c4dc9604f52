"""Grey mammograms that were saved as colour, in every kind of DICOM file."""

import io
from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import encode_array
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from mammoscope.errors import ImageError
from mg_files import breast, read, rgb, said

GREY = (breast() // 16).astype(np.uint8)
COLOUR = np.stack([GREY] * 3, axis=-1)
NEUTRAL = np.full_like(GREY, 128)


def windowed() -> Dataset:
    """Native colour; the window shows values as they are."""
    dataset = rgb(COLOUR)
    dataset.WindowCenter, dataset.WindowWidth = 128, 256
    return dataset


def squeezed(stream: bytes, photometric: str = "RGB") -> Dataset:
    """A colour header around a stream."""
    dataset = windowed()
    dataset.PhotometricInterpretation = photometric
    dataset.PixelData = encapsulate([stream])
    return dataset


def wavelets(colour: np.ndarray = COLOUR, *, bits: int = 8, **options: object) -> bytes:
    return bytes(encode_array(colour, bits_stored=bits, **{"photometric_interpretation": 1, **options}))


def jpeg(colour: np.ndarray = COLOUR) -> bytes:
    file = io.BytesIO()
    Image.fromarray(colour).save(file, "JPEG", quality=100, subsampling=1)
    return file.getvalue()


def by_pydicom(syntax: str) -> Dataset:
    dataset = windowed()
    dataset.compress(syntax, COLOUR, generate_instance_uid=False)
    return dataset


def subsampled() -> Dataset:
    """Native pixels, two of which share their chroma."""
    dataset = windowed()
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    pairs = np.stack([GREY[:, ::2], GREY[:, 1::2], NEUTRAL[:, ::2], NEUTRAL[:, ::2]], axis=-1)
    dataset.PixelData = pairs.tobytes()
    return dataset


KINDS = {
    "native": (ExplicitVRLittleEndian, windowed),
    "native, shared chroma": (ExplicitVRLittleEndian, subsampled),
    "RLE": (RLELossless, lambda: by_pydicom(RLELossless)),
    "JPEG-LS": (JPEGLSLossless, lambda: by_pydicom(JPEGLSLossless)),
    "JPEG": (JPEGBaseline8Bit, lambda: squeezed(jpeg(), "YBR_FULL_422")),
    "JPEG 2000, reversible": (JPEG2000Lossless, lambda: squeezed(wavelets(), "YBR_RCT")),
    "JPEG 2000, not transformed": (JPEG2000Lossless, lambda: squeezed(wavelets(use_mct=False))),
    "JPEG 2000, luminance": (
        JPEG2000Lossless,
        lambda: squeezed(
            wavelets(np.dstack([GREY, NEUTRAL, NEUTRAL]), photometric_interpretation=3, use_mct=False), "YBR_FULL"
        ),
    ),
    "JPEG 2000, irreversible": (JPEG2000, lambda: squeezed(wavelets(compression_ratios=[2]), "YBR_ICT")),
    "HTJ2K": (HTJ2KLossless, lambda: squeezed(wavelets(), "YBR_RCT")),  # OpenJPEG decodes by what the stream says
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_grey_saved_as_colour_is_read_in_every_syntax(tmp_path: Path, name: str) -> None:
    syntax, make = KINDS[name]

    mammogram = read(make(), tmp_path, syntax=syntax)

    lossy = name in {"JPEG", "JPEG 2000, irreversible"}
    np.testing.assert_allclose(mammogram.pixels, GREY / 255, atol=0.02 if lossy else 1e-6)
    assert said(mammogram, "decode")[0].endswith("three equal channels | Samples per Pixel (0028,0002) = 3")


BROKEN = {
    "another size": (
        JPEGBaseline8Bit,
        lambda: squeezed(jpeg(np.zeros((200, 300, 3), np.uint8))),
        ("implausible", r"claim \(200, 300\), its header \(64, 48\)"),
    ),
    "no end": (JPEG2000Lossless, lambda: squeezed(wavelets()[:-60]), ("truncated", "end too early")),
    "too deep": (
        JPEG2000Lossless,
        lambda: squeezed(wavelets(COLOUR.astype(np.uint16), bits=12)),
        ("implausible", "samples of 12 bits, its header 8 allocated"),
    ),
    "one channel": (
        JPEG2000Lossless,
        lambda: squeezed(wavelets(GREY, photometric_interpretation=2)),
        ("damaged", "cannot be decoded"),
    ),
    "true colour": (
        JPEG2000Lossless,
        lambda: squeezed(wavelets(COLOUR // np.array([1, 2, 3], np.uint8))),
        ("colour", "differ"),
    ),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_colour_stream_is_held_against_its_header(tmp_path: Path, name: str) -> None:
    syntax, make, (code, message) = BROKEN[name]

    with pytest.raises(ImageError, match=message) as caught:
        read(make(), tmp_path, syntax=syntax)

    assert caught.value.code == code


def test_native_colour_that_ends_early_is_truncated(tmp_path: Path) -> None:
    dataset = windowed()
    dataset.PixelData = dataset.PixelData[:1000]

    with pytest.raises(ImageError, match="holds 1,000 bytes of pixels, and its header claims 9,216") as caught:
        read(dataset, tmp_path)

    assert caught.value.code == "truncated"
