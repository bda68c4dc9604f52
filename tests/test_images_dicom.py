"""Display, sides and spacing of tiny DICOM files, sound ones and odd ones seen in the wild."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from mammoscope.images import read_mammogram
from mammoscope.vocabulary import Laterality, View
from mg_files import AS_IS, breast, mg, read, rgb, said, saved


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
        ({"WindowCenter": 2000, "WindowWidth": 0}, "window 1 of 1 was passed over"),
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


@pytest.mark.parametrize(("first", "last"), [(32768, 0), (65531, 5)])
def test_signed_padding_written_as_unsigned_leaves_the_breast_alone(tmp_path: Path, first: int, last: int) -> None:
    pixels = breast(low=100)
    pixels[:, -8:] = -5 if last else -32768
    dataset = mg(pixels, bits=16, signed=True, WindowCenter=2048, WindowWidth=4096)
    dataset.add_new("PixelPaddingValue", "US", first)
    dataset.add_new("PixelPaddingRangeLimit", "US", last)

    mammogram = read(dataset, tmp_path)

    assert mammogram.pixels[32, 2] > 0.9
    assert mammogram.pixels[:, -8:].max() == 0.0
    assert "read as signed" in said(mammogram, "oddity")[0]


def test_unsigned_padding_written_as_minus_one_is_background(tmp_path: Path) -> None:
    pixels = breast(low=100)
    pixels[:, -8:] = 65535
    dataset = mg(pixels, bits=16, WindowCenter=2048, WindowWidth=4096)
    dataset.add_new("PixelPaddingValue", "SS", -1)

    mammogram = read(dataset, tmp_path)

    assert mammogram.pixels[:, -8:].max() == 0.0
    assert said(mammogram, "padding") == ["stored 65535 | Pixel Padding Value (0028,0120)"]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("modality", [{}, {"ModalityLUTSequence": "table"}])
def test_padding_that_no_pixel_has_is_noted(tmp_path: Path, photometric: str, modality: dict) -> None:
    dataset = mg(breast(low=100, high=4000), PixelPaddingValue=0, WindowCenter=2048, WindowWidth=4096)
    dataset.PhotometricInterpretation = photometric
    if modality:
        table = Dataset()
        table.add_new("LUTDescriptor", "US", [4096, 0, 16])
        table.add_new("LUTData", "OW", np.arange(4096, dtype="<u2").tobytes())
        dataset.ModalityLUTSequence = [table]

    stored, none = said(read(dataset, tmp_path), "padding")

    assert stored.startswith("stored 0 |")
    most = int(breast(low=100, high=4000).max())
    assert none == f"none was seen: nothing was replaced | stored values looked at are 100 to {most}"


def test_padding_that_every_pixel_has_is_ignored_and_noted(tmp_path: Path) -> None:
    dataset = mg(breast(), PixelPaddingValue=0, PixelPaddingRangeLimit=4095, WindowCenter=2048, WindowWidth=4096)

    mammogram = read(dataset, tmp_path)

    np.testing.assert_allclose(mammogram.pixels, breast() / 4095, atol=1e-6)
    assert "padding was ignored: every pixel is padding | stored values" in said(mammogram, "oddity")


def test_the_trail_does_not_deny_a_window_that_was_passed_over(tmp_path: Path) -> None:
    mammogram = read(mg(breast(), WindowCenter=2048, WindowWidth=0), tmp_path)

    assert said(mammogram, "window")[0].endswith("| the file gives no usable window")


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
