"""DICOM files that are no mammogram, or are cut, damaged or made to harm: refused with a reason."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from mammoscope.errors import ImageError
from mammoscope.images import read_mammogram
from mg_files import AS_IS, breast, compressed, mg, read, rgb, saved


def short(dataset: Dataset) -> Dataset:
    dataset.PixelData = dataset.PixelData[:1000]
    return dataset


REFUSED = {
    "for processing": (lambda: mg(breast(), PresentationIntentType="FOR PROCESSING"), "refused", "FOR PROCESSING"),
    "another modality": (lambda: mg(breast(), Modality="CT"), "refused", "Modality.*is CT, not one of MG"),
    "several frames": (lambda: mg(breast(), NumberOfFrames=3), "multi_frame", "3 slices.*slab"),
    "missing rows": (lambda: without(mg(breast()), "Rows"), "damaged", r"Rows \(0028,0010\) is missing"),
    "no pixels": (lambda: without(mg(breast()), "PixelData"), "no_pixels", "no Pixel Data"),
    "no image at all": (lambda: without(mg(breast()), "PixelData", "Rows"), "no_pixels", "no Pixel Data"),
    "short pixels": (lambda: short(mg(breast())), "truncated", "1,000 bytes of pixels.*claims 6,144"),
    "huge claim": (lambda: mg(breast(), Rows=65535, Columns=65535), "implausible", "65535 rows"),
    "zero rows": (lambda: mg(breast(), Rows=0), "implausible", "0 rows"),
    "32 bits": (lambda: mg(breast(), BitsAllocated=32, BitsStored=32, HighBit=31), "unsupported_pixels", "8 or 16"),
    "shown flat": (lambda: mg(breast(), WindowCenter=30000, WindowWidth=100), "blank", "shows every pixel as 0.00"),
    "constant": (lambda: mg(np.full((64, 64), 7)), "blank", "every pixel is 7"),
    "colour": (lambda: rgb(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)), "colour", "differ"),
    "palette": (lambda: mg(breast(), SamplesPerPixel=4), "colour", "4 samples"),
}


def without(dataset: Dataset, *keywords: str) -> Dataset:
    for keyword in keywords:
        delattr(dataset, keyword)
    return dataset


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_no_mammogram_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    make, code, message = REFUSED[name]

    with pytest.raises(ImageError, match=f"one.dcm: .*{message}") as caught:
        read(make(), tmp_path)

    assert caught.value.code == code


def test_an_unknown_syntax_is_named(tmp_path: Path) -> None:
    dataset = mg(breast())
    dataset.PixelData = encapsulate([b"\0" * 100])

    with pytest.raises(ImageError, match=r"no decoder for MPEG2.*gdcmconv") as caught:
        read(dataset, tmp_path, syntax=MPEG2MPML)

    assert caught.value.code == "unsupported_syntax"


def test_a_name_that_slipped_into_the_syntax_is_not_told(tmp_path: Path) -> None:
    read(mg(breast()), tmp_path)
    (file,) = tmp_path.iterdir()
    said = b"1.2.840.10008.1.2.1\0"
    file.write_bytes(file.read_bytes().replace(said, b"BIRD^MIA".ljust(len(said)), 1))

    with pytest.raises(ImageError, match="Transfer Syntax UID .* is no UID") as caught:
        read_mammogram(file)

    assert caught.value.code == "unsupported_syntax"


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_stream_that_claims_another_size_is_never_decoded(tmp_path: Path, syntax: str) -> None:
    dataset = compressed(breast(), syntax)
    dataset.Rows = 6400

    with pytest.raises(ImageError, match=r"claim \(64, 48\), its header \(6400, 48\)") as caught:
        read(dataset, tmp_path, syntax=syntax)

    assert caught.value.code == "implausible"


@pytest.mark.parametrize(
    ("syntax", "code"), [(JPEG2000Lossless, "truncated"), (JPEGLSLossless, "truncated"), (HTJ2KLossless, "damaged")]
)
def test_a_cut_stream_is_not_shown_half(tmp_path: Path, syntax: str, code: str) -> None:
    dataset = compressed(breast(), JPEG2000Lossless if syntax == HTJ2KLossless else syntax)
    stream = b"not a stream" if syntax == HTJ2KLossless else get_frame(dataset.PixelData, 0, number_of_frames=1)[:-200]
    dataset.PixelData = encapsulate([stream])

    with pytest.raises(ImageError) as caught:
        read(dataset, tmp_path, syntax=syntax)

    assert caught.value.code == code


def test_a_run_length_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    dataset = compressed(breast(), RLELossless)
    dataset.Rows = dataset.Columns = 9000

    with pytest.raises(ImageError, match="bytes of RLE cannot hold 9000 x 9000") as caught:
        read(dataset, tmp_path, syntax=RLELossless)

    assert caught.value.code == "implausible"


@pytest.mark.parametrize("group_length", ["right", "absent", "too short", "behind a command set"])
def test_a_deflate_bomb_is_refused_wherever_its_stream_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_length: str
) -> None:
    monkeypatch.setattr("mammoscope.dicom.parsing.MAX_INFLATED_BYTES", 1 << 20)
    file = saved(mg(breast()), tmp_path, syntax=DeflatedExplicitVRLittleEndian)
    start = file.read_bytes()
    meta = start[144 : 144 + int.from_bytes(start[140:144], "little")]
    length = start[132:140] + (4 if group_length == "too short" else len(meta)).to_bytes(4, "little")
    command = bytes.fromhex("0000 0000 04000000 00000000") if group_length == "behind a command set" else b""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(bytes(1 << 24)) + squeeze.flush()
    file.write_bytes(start[:132] + (b"" if group_length == "absent" else length) + meta + command + body)

    with pytest.raises(ImageError, match="inflates to more than") as caught:
        read_mammogram(file)

    assert caught.value.code == "implausible"


def test_a_deflated_picture_is_read_whatever_its_group_length_says(tmp_path: Path) -> None:
    file = saved(mg(breast(), WindowCenter=2048, WindowWidth=4096), tmp_path, syntax=DeflatedExplicitVRLittleEndian)
    data = file.read_bytes()
    right = read_mammogram(file, preprocess=AS_IS).pixels

    file.write_bytes(data[:132] + data[144:] + b"behind the stream")

    np.testing.assert_array_equal(read_mammogram(file, preprocess=AS_IS).pixels, right)


def test_endless_nesting_is_refused(tmp_path: Path) -> None:
    file = saved(mg(breast()), tmp_path, syntax=ImplicitVRLittleEndian)
    level = bytes.fromhex("4000 7502 ffffffff feff 00e0 ffffffff")  # a sequence and an item of undefined length
    whole = file.read_bytes()
    meta = 144 + int.from_bytes(whole[140:144], "little")
    file.write_bytes(whole[:meta] + level * 5000)

    with pytest.raises(ImageError, match="nested without end") as caught:
        read_mammogram(file)

    assert caught.value.code == "implausible"


def test_every_cut_of_a_file_is_a_typed_refusal_or_a_picture(tmp_path: Path) -> None:
    whole = saved(mg(breast(), PatientName="CANARY^ONE"), tmp_path).read_bytes()
    file = tmp_path / "cut.dcm"
    codes = set()

    for length in [*range(1, 900, 7), *range(900, len(whole), 501)]:
        file.write_bytes(whole[:length])
        with pytest.raises(ImageError) as caught:
            read_mammogram(file)
        codes.add(caught.value.code)
        assert "CANARY" not in str(caught.value)

    assert codes <= {"not_an_image", "damaged", "truncated", "no_pixels"}


def test_flipped_bytes_never_escape_the_error_tree(tmp_path: Path) -> None:
    whole = bytearray(saved(compressed(breast(), JPEGLSLossless), tmp_path, syntax=JPEGLSLossless).read_bytes())
    generator, file = np.random.default_rng(7), tmp_path / "flipped.dcm"

    for _ in range(300):
        damaged = bytearray(whole)
        for at in generator.integers(132, min(len(whole), 900), 3):
            damaged[at] = generator.integers(256)
        file.write_bytes(damaged)
        try:
            mammogram = read_mammogram(file, preprocess=AS_IS)
        except ImageError:
            continue
        assert np.isfinite(mammogram.pixels).all()


def test_a_file_cut_within_its_compressed_pixels_is_truncated(tmp_path: Path) -> None:
    file = saved(compressed(breast(), JPEG2000Lossless), tmp_path, syntax=JPEG2000Lossless)
    file.write_bytes(file.read_bytes()[:-200])

    with pytest.raises(ImageError, match="ends before its pixels do") as caught:
        read_mammogram(file)

    assert caught.value.code == "truncated"


def test_an_element_longer_than_its_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    dataset = mg(breast())
    dataset.add_new(0x00281052, "DS", "0")
    file = saved(dataset, tmp_path)
    whole = file.read_bytes()
    at = whole.index(b"\xe0\x7f\x10\x00OW")
    file.write_bytes(whole[: at + 8] + (0xFFFFFF00).to_bytes(4, "little") + whole[at + 12 :])

    with pytest.raises(ImageError, match=r"element \(7FE0,0010\) claims 4,294,967,040 bytes") as caught:
        read_mammogram(file)

    assert caught.value.code == "truncated"
