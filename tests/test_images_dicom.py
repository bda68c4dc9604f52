"""Tiny DICOM files, sound ones and odd ones seen in the wild."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from mammoscope.errors import ImageError
from mammoscope.images import Mammogram, Preprocess, read_mammogram
from mammoscope.vocabulary import Laterality, View

ROWS, COLS = 64, 48
AS_IS = Preprocess(rows=ROWS, cols=COLS, region="whole", flip="none", clear_background=False)
FILM = "1.2.840.10008.5.1.4.1.1.1.2"


def breast(*, low: int = 0, high: int = 4095) -> np.ndarray:
    """A half disc at the left edge whose values run from dark to bright, on `low`."""
    y, x = np.mgrid[:ROWS, :COLS]
    away = np.hypot(y - ROWS / 2 + 0.5, x)
    return np.where(away < 28, low + (high - low) * (1 - away / 40), low).astype(np.int64)


def mg(pixels: np.ndarray, *, bits: int = 12, signed: bool = False, **elements: object) -> Dataset:
    """A mammogram for presentation, native 16 bit, with further elements."""
    dataset = Dataset()
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = "2.25.1"
    dataset.Modality = "MG"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = pixels.astype(np.int16 if signed else np.uint16).tobytes()
    dataset["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def saved(dataset: Dataset, folder: Path, *, syntax: str = ExplicitVRLittleEndian) -> Path:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    file = folder / "one.dcm"
    dcmwrite(file, dataset, enforce_file_format=True)
    return file


def read(dataset: Dataset, folder: Path, *, syntax: str = ExplicitVRLittleEndian, **fields: object) -> Mammogram:
    return read_mammogram(saved(dataset, folder, syntax=syntax), preprocess=AS_IS.model_copy(update=fields))


def said(mammogram: Mammogram, name: str) -> list[str]:
    return [f"{step.detail} | {step.cause}" for step in mammogram.trail if step.name == name]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_pixels_equal_pydicom_then_inversion(tmp_path: Path, function: str, photometric: str) -> None:
    dataset = mg(breast(), WindowCenter=1500, WindowWidth=2000, VOILUTFunction=function, RescaleSlope="0.5")
    dataset.RescaleIntercept = "300"
    dataset.PhotometricInterpretation = photometric
    shown = apply_voi_lut(apply_modality_lut(breast().astype(np.uint16), dataset), dataset)
    top = 4095 * 0.5 + 300  # pydicom's output range: the modality values of the stored range
    shown = (shown - 300) / (top - 300)

    mammogram = read(dataset, tmp_path)

    wanted = 1 - shown if photometric == "MONOCHROME1" else shown
    np.testing.assert_allclose(mammogram.pixels, wanted, atol=1e-6)


def test_the_voi_table_wins_over_the_window_and_another_can_be_chosen(tmp_path: Path) -> None:
    items = []
    for power in (1, 2):
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [4096, 0, 12])
        item.add_new("LUTData", "US", ((np.arange(4096) / 4095) ** power * 4095).astype(int).tolist())
        items.append(item)
    dataset = mg(breast(), WindowCenter=10, WindowWidth=10, VOILUTSequence=items)

    first, second = (read(dataset, tmp_path, window_index=index) for index in (0, 1))

    np.testing.assert_allclose(first.pixels, breast() / 4095, atol=1e-6)
    np.testing.assert_allclose(second.pixels, (breast() / 4095) ** 2, atol=1e-3)
    assert "number 2 of 2" in said(second, "window")[0]


def test_a_broken_voi_table_gives_way_to_the_window(tmp_path: Path) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 12])
    item.add_new("LUTData", "US", [1, 2, 3])

    mammogram = read(mg(breast(), VOILUTSequence=[item], WindowCenter=2048, WindowWidth=4096), tmp_path)

    np.testing.assert_allclose(mammogram.pixels, breast() / 4095, atol=1e-6)
    assert any("do not fit together" in text for text in said(mammogram, "oddity"))


def test_of_several_windows_the_first_is_used_unless_another_is_asked_for(tmp_path: Path) -> None:
    dataset = mg(breast(), WindowCenter=[2048, 500], WindowWidth=[4096, 1000])

    first, second, beyond = (read(dataset, tmp_path, window_index=index) for index in (0, 1, 7))

    np.testing.assert_allclose(first.pixels, breast() / 4095, atol=1e-6)
    np.testing.assert_allclose(second.pixels, np.clip((breast() - 499.5) / 999 + 0.5, 0, 1), atol=1e-6)
    np.testing.assert_array_equal(first.pixels, beyond.pixels)
    assert any("there are only 2" in text for text in said(beyond, "oddity"))


@pytest.mark.parametrize(
    ("elements", "oddity"),
    [
        ({"WindowCenter": 2000, "WindowWidth": 0}, "the window was ignored"),
        ({"WindowCenter": 2000, "WindowWidth": 4000, "VOILUTFunction": "CUBIC"}, "taken as LINEAR"),
        ({"RescaleSlope": "0"}, "the rescale was ignored"),
    ],
)
def test_a_senseless_display_element_is_noted(tmp_path: Path, elements: dict, oddity: str) -> None:
    mammogram = read(mg(breast(), **elements), tmp_path)

    assert any(oddity in text for text in said(mammogram, "oddity"))
    assert mammogram.pixels.max() > 0.5


def test_without_a_window_percentiles_of_the_breast_are_used(tmp_path: Path) -> None:
    pixels = np.where(breast() > 0, 10_000 + breast() // 8, 0)

    mammogram = read(mg(pixels, bits=16), tmp_path)

    assert "percentiles 0.5 to 99.5 of the breast" in said(mammogram, "window")[0]
    inside = mammogram.pixels[breast() > 0]
    assert inside.min() == 0.0
    assert inside.max() == 1.0
    assert 0.1 < np.median(inside) < 0.7


@pytest.mark.parametrize(("bits", "allocated"), [(8, 8), (8, 16), (10, 16), (12, 16), (14, 16), (16, 16)])
@pytest.mark.parametrize("signed", [False, True])
def test_every_depth_and_sign_is_read(tmp_path: Path, bits: int, allocated: int, signed: bool) -> None:  # noqa: FBT001
    low = -(2 ** (bits - 1)) if signed else 0
    pixels = breast(low=low, high=low + 2**bits - 1)
    dataset = mg(pixels, bits=bits, signed=signed)
    dataset.WindowCenter, dataset.WindowWidth = low + 2 ** (bits - 1), 2**bits
    dataset.BitsAllocated = allocated
    dtype = np.int8 if signed else np.uint8
    if allocated == 8:
        dataset.PixelData = pixels.astype(dtype).tobytes()
        dataset["PixelData"].VR = "OB"
    else:  # bits above Bits Stored hold rubbish
        dataset.PixelData = ((pixels & (2**bits - 1)) | (~(2**bits - 1) & 0xAAAA)).astype(np.uint16).tobytes()

    mammogram = read(dataset, tmp_path)

    np.testing.assert_allclose(mammogram.pixels, (pixels - low) / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_background_at_either_end(tmp_path: Path, photometric: str) -> None:
    inverse = photometric == "MONOCHROME1"
    pixels = 4095 - breast(low=100) if inverse else breast(low=100)
    pixels[:, -8:] = 0 if inverse else 4095  # padding shown white by the window
    dataset = mg(pixels, PixelPaddingValue=int(pixels[0, -1]), WindowCenter=2048, WindowWidth=4096)
    dataset.PhotometricInterpretation = photometric

    mammogram = read(dataset, tmp_path)

    assert mammogram.pixels[:, -8:].max() == 0.0
    assert mammogram.pixels[32, 2] > 0.9
    assert "stored" in said(mammogram, "padding")[0]


def test_a_padding_range_of_signed_pixels_is_background(tmp_path: Path) -> None:
    pixels = breast(low=-1000, high=1000)
    pixels[:, -8:] = np.arange(1900, 1908)
    dataset = mg(pixels, signed=True, WindowCenter=500, WindowWidth=3000)
    dataset.add_new("PixelPaddingValue", "SS", 1900)
    dataset.add_new("PixelPaddingRangeLimit", "SS", 1910)

    assert read(dataset, tmp_path).pixels[:, -8:].max() == 0.0


def test_shrinking_beside_padding_draws_no_bright_rim(tmp_path: Path) -> None:
    pixels = np.full((256, 192), 3000)
    pixels[20:236, :100] = np.linspace(500, 1500, 100).astype(int)
    pixels[:, 120:] = 0  # white in MONOCHROME1
    dataset = mg(pixels, PixelPaddingValue=0, WindowCenter=2048, WindowWidth=4096)
    dataset.PhotometricInterpretation = "MONOCHROME1"

    mammogram = read(dataset, tmp_path, rows=60, cols=45)

    assert mammogram.pixels[:, 25:].max() < 0.3


def test_inverse_presentation_shape_inverts_once(tmp_path: Path) -> None:
    dataset = mg(4095 - breast(), WindowCenter=2048, WindowWidth=4096, PresentationLUTShape="INVERSE")

    plain = read(dataset, tmp_path)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    both = read(dataset, tmp_path)

    np.testing.assert_allclose(plain.pixels, breast() / 4095, atol=1e-6)
    np.testing.assert_array_equal(plain.pixels, both.pixels)


def test_a_header_that_contradicts_the_background_is_followed_and_noted(tmp_path: Path) -> None:
    mammogram = read(mg(4095 - breast(), WindowCenter=2048, WindowWidth=4096), tmp_path)

    assert any("background looks bright" in text for text in said(mammogram, "oddity"))
    assert mammogram.pixels[0, -1] == 1.0


@pytest.mark.parametrize(
    ("elements", "laterality", "view"),
    [
        ({"ImageLaterality": "R", "ViewPosition": "MLO"}, Laterality.RIGHT, View.MLO),
        ({"Laterality": "L", "PatientOrientation": "CC"}, Laterality.LEFT, View.CC),  # CBIS-DDSM
        ({"ImageLaterality": "B", "ViewPosition": "OTHER"}, None, None),
        ({"PatientOrientation": ["P", "F"]}, None, None),
        ({}, None, None),
    ],
)
def test_side_and_view_come_from_their_elements(
    tmp_path: Path, elements: dict, laterality: object, view: object
) -> None:
    mammogram = read(mg(breast(), **elements), tmp_path)

    assert mammogram.laterality == laterality
    assert mammogram.view == view


@pytest.mark.parametrize(("code", "view"), [("399162004", View.CC), ("R-10226", View.MLO), ("399192008", View.XCCL)])
def test_the_view_code_is_read(tmp_path: Path, code: str, view: View) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", "view"

    assert read(mg(breast(), ViewCodeSequence=[item], ViewPosition="XX"), tmp_path).view is view


def test_what_the_data_set_says_wins_and_the_difference_is_noted(tmp_path: Path) -> None:
    file = saved(mg(breast(), ImageLaterality="L", ViewPosition="CC"), tmp_path)

    mammogram = read_mammogram(file, preprocess=AS_IS, laterality=Laterality.RIGHT, view=View.CC)

    assert mammogram.laterality is Laterality.RIGHT
    assert any("the header says L" in text for text in said(mammogram, "oddity"))
    assert any("chest wall is on the left" in text for text in said(mammogram, "oddity"))


@pytest.mark.parametrize(
    ("elements", "spacing"),
    [
        ({"ImagerPixelSpacing": [0.11, 0.22], "EstimatedRadiographicMagnificationFactor": "1.1"}, (0.1, 0.2)),
        ({"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
        ({"ImagerPixelSpacing": [0.1, 0.1], "PixelSpacing": [0.09, 0.09]}, (0.09, 0.09)),
        ({"NominalScannedPixelSpacing": [0.05, 0.05]}, (0.05, 0.05)),
        ({"PixelSpacing": [0.0, 0.1]}, None),
        ({}, None),
    ],
)
def test_spacing_is_in_the_plane_of_the_breast(tmp_path: Path, elements: dict, spacing: object) -> None:
    mammogram = read(mg(breast(), **elements), tmp_path)

    assert mammogram.geometry.original_spacing_mm == (None if spacing is None else pytest.approx(spacing))
    assert len(said(mammogram, "spacing")) == (spacing is not None)


def compressed(pixels: np.ndarray, syntax: str) -> Dataset:
    dataset = mg(pixels, WindowCenter=2048, WindowWidth=4096)
    values = pixels.astype(np.uint16)
    if syntax == JPEG2000Lossless:
        dataset.PixelData = encapsulate([bytes(encode_array(values, bits_stored=12))])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    else:
        dataset.compress(syntax, values, generate_instance_uid=False)
    return dataset


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


def test_a_file_without_preamble_or_meta_is_read(tmp_path: Path) -> None:
    file = tmp_path / "bare.dcm"
    dcmwrite(file, mg(breast(), WindowCenter=2048, WindowWidth=4096), implicit_vr=False, little_endian=True)

    np.testing.assert_allclose(read_mammogram(file, preprocess=AS_IS).pixels, breast() / 4095, atol=1e-6)


def test_warnings_of_the_reader_are_noted_without_their_text(tmp_path: Path) -> None:
    dataset = mg(breast(), PatientID="CANARY-4711")
    file = saved(dataset, tmp_path)
    file.write_bytes(file.read_bytes().replace(b"2.25.1", b"CANARY"))  # an invalid UI: pydicom warns with its value

    mammogram = read_mammogram(file, preprocess=AS_IS)

    assert "CANARY" not in repr(mammogram.trail)


def test_grey_saved_as_rgb_is_read_and_its_polarity_seen(tmp_path: Path) -> None:
    grey = (255 - breast() // 16).astype(np.uint8)
    dataset = rgb(np.stack([grey] * 3, axis=-1))

    mammogram = read(dataset, tmp_path)

    assert mammogram.pixels[0, -1] == 0.0
    assert mammogram.pixels[32, 2] > 0.9


def rgb(colour: np.ndarray) -> Dataset:
    dataset = mg(colour[..., 0], SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = colour.tobytes()
    dataset["PixelData"].VR = "OB"
    return dataset


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


def test_a_deflate_bomb_is_refused_before_parsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mammoscope.images.dicom.MAX_INFLATED_BYTES", 1 << 20)
    file = saved(mg(breast()), tmp_path, syntax=DeflatedExplicitVRLittleEndian)
    start = file.read_bytes()
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeeze.compress(bytes(1 << 24)) + squeeze.flush()
    file.write_bytes(start[: 144 + int.from_bytes(start[140:144], "little")] + body)

    with pytest.raises(ImageError, match="inflates to more than") as caught:
        read_mammogram(file)

    assert caught.value.code == "implausible"


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
