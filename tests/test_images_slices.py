"""Tomosynthesis: slices are read one at a time, or as a named slab; never by accident."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from openjpeg.utils import encode_array
from pydantic import ValidationError
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from headers import item
from mammoscope.dicom.parsing import DEFER_BYTES
from mammoscope.errors import ImageError
from mammoscope.images import Preprocess, read_mammogram, read_slices
from mg_files import breast, mg, read, said

SLICES, ROWS, COLS = 5, 320, 240
AS_IS = Preprocess(rows=ROWS, cols=COLS, region="whole", flip="none", clear_background=False)


def volume() -> np.ndarray:
    """A half disc in each slice, brighter from slice to slice, with a spot that wanders down.

    Its grain keeps compressed slices long, so that they are left in the file as those of real volumes are.
    """
    y, x = np.mgrid[:ROWS, :COLS]
    away = np.hypot(y - ROWS / 2, x)
    slices = np.stack([np.where(away < 150, 1000 + 100 * number, 20) for number in range(SLICES)])
    for number in range(SLICES):
        slices[number, 60 + 40 * number : 70 + 40 * number, 50:60] = 4000
    return (slices + np.random.default_rng(1).integers(0, 80, slices.shape)).astype(np.uint16)


def saved(folder: Path, *, syntax: str = ExplicitVRLittleEndian, table: str = "basic") -> Path:
    pixels = volume()
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.13.1.3"
    dataset.SOPInstanceUID = "2.25.1"
    dataset.Modality = "MG"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.SamplesPerPixel = 1
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRLittleEndian:
        dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OW"
    elif syntax == RLELossless:
        dataset.compress(syntax, pixels, generate_instance_uid=False)
    else:
        streams = [bytes(encode_array(one, bits_stored=12)) for one in pixels]
        if table == "extended":
            whole = encapsulate_extended(streams)
            dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = whole
        else:
            dataset.PixelData = encapsulate(streams, has_bot=table == "basic")
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    file = folder / "volume.dcm"
    dcmwrite(file, dataset, enforce_file_format=True)
    return file


def expected(stored: np.ndarray) -> np.ndarray:
    return stored / 4095


@pytest.mark.parametrize(
    ("syntax", "table"),
    [
        (ExplicitVRLittleEndian, "none"),
        (RLELossless, "basic"),
        (JPEG2000Lossless, "basic"),
        (JPEG2000Lossless, "empty"),
        (JPEG2000Lossless, "extended"),
    ],
)
def test_each_slice_is_its_own_mammogram(tmp_path: Path, syntax: str, table: str) -> None:
    read = list(read_slices(saved(tmp_path, syntax=syntax, table=table), preprocess=AS_IS))

    assert len(read) == SLICES
    assert saved(tmp_path, syntax=syntax, table=table).stat().st_size > DEFER_BYTES + 4096
    for mammogram, stored in zip(read, volume(), strict=True):
        np.testing.assert_allclose(mammogram.pixels, expected(stored), atol=1e-6)
    assert ["slice 3 of 5" in step.detail for step in read[2].trail if step.name == "slices"] == [True]


@pytest.mark.parametrize("by", ["mean", "max"])
def test_a_named_slab_is_its_slices_combined(tmp_path: Path, by: str) -> None:
    wanted = AS_IS.model_copy(update={"slab": (2, 4), "slab_by": by})

    mammogram = read_mammogram(saved(tmp_path), preprocess=wanted)

    slab = volume()[1:4]
    stored = slab.max(axis=0) if by == "max" else np.rint(slab.mean(axis=0))
    np.testing.assert_allclose(mammogram.pixels, expected(stored), atol=1e-6)
    assert any(f"{by} of slices 2 to 4 of 5" in step.detail for step in mammogram.trail)
    assert "tomosynthesis" in mammogram.traits


def each_its_own(file: Path, **macros: list[Dataset]) -> Path:
    """The volume with functional groups of its own for each slice."""
    dataset = dcmread(file)
    dataset.PerFrameFunctionalGroupsSequence = [
        item(**{name: [items[at]] for name, items in macros.items()}) for at in range(SLICES)
    ]
    dataset.save_as(file)
    return file


@pytest.mark.parametrize(
    ("macro", "items", "told"),
    [
        (
            "PixelValueTransformationSequence",
            [item(RescaleSlope=slope, RescaleIntercept=0) for slope in (9, 1, 1, 2, 9)],
            r"slices 2 and 4 differ in rescale: Rescale\(slope=1.0, intercept=0.0\) and Rescale\(slope=2.0",
        ),
        (
            "PixelMeasuresSequence",
            [item(PixelSpacing=[side, side]) for side in (0.1, 0.1, 0.2, 0.1, 0.1)],
            r"slices 2 and 3 differ in spacing: \(0.1, 0.1\) and \(0.2, 0.2\)",
        ),
    ],
)
def test_slices_of_several_kinds_make_no_slab(tmp_path: Path, macro: str, items: list[Dataset], told: str) -> None:
    """Two slices of slope 1 and 2 were once averaged as stored, and shown with slope 1."""
    file = each_its_own(saved(tmp_path), **{macro: items})

    with pytest.raises(ImageError, match=told) as caught:
        read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (2, 4)}))

    assert caught.value.code == "unsupported_pixels"
    assert len(list(read_slices(file, preprocess=AS_IS))) == SLICES


def test_slices_that_go_through_a_table_make_no_slab(tmp_path: Path) -> None:
    """The table was once applied to the mean of the slices; the brightest of a falling one was the darkest slice."""
    file = saved(tmp_path)
    dataset = dcmread(file)
    falling = (4095 - np.arange(4096)).astype("<u2").tobytes()
    dataset.ModalityLUTSequence = [item(LUTDescriptor=[4096, 0, 16], ModalityLUTType="US", LUTData=falling)]
    dataset.save_as(file)

    with pytest.raises(ImageError, match=r"Modality LUT Sequence .* is a table, .* --slices, or read_slices") as caught:
        read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (2, 3)}))

    assert caught.value.code == "unsupported_pixels"
    alone = read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (2, 2)}))
    np.testing.assert_allclose(alone.pixels, 1 - expected(volume()[1]), atol=1e-6)


def test_slices_with_an_equal_rescale_of_their_own_make_a_slab(tmp_path: Path) -> None:
    groups = [item(RescaleSlope=2, RescaleIntercept=-100) for _ in range(SLICES)]
    file = each_its_own(saved(tmp_path), PixelValueTransformationSequence=groups)

    mammogram = read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (2, 4)}))

    stored = np.rint(volume()[1:4].mean(axis=0))
    np.testing.assert_allclose(mammogram.pixels, np.clip((2 * stored - 100) / 4095, 0, 1), atol=1e-6)


def test_a_slab_whose_slices_have_windows_of_their_own_says_whose_shows_it(tmp_path: Path) -> None:
    groups = [item(WindowCenter=centre, WindowWidth=4096) for centre in (1000, 2048, 2048, 1500, 1000)]
    file = each_its_own(saved(tmp_path), FrameVOILUTSequence=groups)

    alike, apart = (
        read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": slab})) for slab in ((2, 3), (2, 5))
    )

    assert [step for step in alike.trail if step.name == "oddity"] == []
    told = [step.detail for step in apart.trail if step.name == "oddity"]
    assert told == ["2 slices have another window than slice 2, which shows the slab"]


def test_the_brightest_of_inverted_slices_is_the_lowest(tmp_path: Path) -> None:
    file = saved(tmp_path)
    dataset = dcmread(file)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.save_as(file)

    mammogram = read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (2, 4), "slab_by": "max"}))

    np.testing.assert_allclose(mammogram.pixels, 1 - expected(volume()[1:4].min(axis=0)), atol=1e-6)


def padded(file: Path, *, value: int, bands: dict[int, slice], kind: str = "MONOCHROME2") -> tuple[Path, np.ndarray]:
    """The volume with padding in other rows of each slice, from 0; the file and where the padding is."""
    dataset, pixels, where = dcmread(file), volume(), np.zeros((SLICES, ROWS, COLS), dtype=bool)
    for number, rows in bands.items():
        where[number, rows] = True
    pixels[where] = value
    dataset.PixelData, dataset["PixelData"].VR = pixels.tobytes(), "OW"
    dataset.add_new("PixelPaddingValue", "US", value)
    dataset.PhotometricInterpretation = kind
    dataset.save_as(file)
    return file, where


@pytest.mark.parametrize("by", ["mean", "max"])
@pytest.mark.parametrize(("value", "kind"), [(4095, "MONOCHROME2"), (0, "MONOCHROME1")])
@pytest.mark.parametrize(
    "bands", [{1: slice(0, 60), 2: slice(0, 100)}, {1: slice(0, 160), 2: slice(160, ROWS)}, {2: slice(0, 100)}]
)
def test_bright_padding_is_replaced_in_each_slice_before_they_are_combined(
    tmp_path: Path, by: str, value: int, kind: str, bands: dict[int, slice]
) -> None:
    """Where only some slices were padding, the mean of padding and picture was once taken as breast."""
    file, where = padded(saved(tmp_path), value=value, bands=bands, kind=kind)

    mammogram = read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (2, 3), "slab_by": by}))

    kept = volume()[1:3].astype(float)
    shown = 1 - kept / 4095 if kind == "MONOCHROME1" else kept / 4095
    dark = np.where(where[1:3], np.inf, shown).min(axis=(1, 2), keepdims=True)
    each = np.where(where[1:3], dark, shown)
    together = np.where(where[1:3].all(axis=0), 0, each.max(axis=0) if by == "max" else each.mean(axis=0))
    np.testing.assert_allclose(mammogram.pixels, together, atol=0.51 / 4095)
    assert f"replaced in {len(bands)} of 2 slices before they were combined | it is brighter than the picture" in said(
        mammogram, "padding"
    )


def test_a_band_that_is_padding_in_one_slice_does_not_widen_the_breast(tmp_path: Path) -> None:
    file, _ = padded(saved(tmp_path), value=4095, bands={1: slice(0, 60), 2: slice(0, 100)})

    slab, alone = (read_mammogram(file, preprocess=Preprocess(slab=slab)) for slab in ((2, 3), (2, 2)))

    assert slab.geometry.kept == pytest.approx(alone.geometry.kept, abs=2)


def test_a_slab_with_a_slice_of_padding_alone_is_refused(tmp_path: Path) -> None:
    file, _ = padded(saved(tmp_path), value=4095, bands={2: slice(0, ROWS)})

    with pytest.raises(ImageError, match="slice 2 of the 3 of its slab is padding throughout. Name other") as caught:
        read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (2, 4)}))

    assert caught.value.code == "blank"


def test_padding_that_no_slice_has_is_noted_of_a_slab(tmp_path: Path) -> None:
    file, _ = padded(saved(tmp_path), value=4095, bands={})

    mammogram = read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (2, 3)}))

    np.testing.assert_allclose(mammogram.pixels, expected(np.rint(volume()[1:3].mean(axis=0))), atol=1e-6)
    assert said(mammogram, "padding")[-1].startswith("none was seen: nothing was replaced")


def test_a_volume_is_refused_unless_slices_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"volume.dcm: holds 5 slices.*slab = \[first, last\]") as caught:
        read_mammogram(saved(tmp_path))

    assert caught.value.code == "multi_frame"


def test_a_slice_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"holds 5 slices, and slab is 4 to 6") as caught:
        read_mammogram(saved(tmp_path), preprocess=AS_IS.model_copy(update={"slab": (4, 6)}))

    assert caught.value.code == "multi_frame"


def test_slices_are_named_in_order() -> None:
    with pytest.raises(ValidationError, match="first and last slice"):
        Preprocess(slab=(3, 2))


def test_a_volume_cut_short_is_refused_whatever_slice_is_named(tmp_path: Path) -> None:
    file = saved(tmp_path)
    file.write_bytes(file.read_bytes()[: -ROWS * COLS * 2])

    with pytest.raises(ImageError, match=r"claims 768,000 bytes, and the file holds 614,400") as caught:
        read_mammogram(file, preprocess=AS_IS.model_copy(update={"slab": (1, 1)}))

    assert caught.value.code == "truncated"


def test_any_other_file_has_one_slice(tmp_path: Path) -> None:
    """The header of a PNG was once parsed as DICOM, and refused."""
    picture = np.where(np.hypot(*np.mgrid[-100:100, 0:150]) < 90, 140, 3).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "film.png"), picture)

    assert len(list(read_slices(tmp_path / "film.png"))) == 1
    with pytest.raises(ImageError, match="there is no such file"):
        list(read_slices(tmp_path / "none.dcm"))


def test_a_picture_read_with_a_slab_says_that_it_is_no_volume(tmp_path: Path) -> None:
    whole = read(mg(breast(), WindowCenter=2048, WindowWidth=4096), tmp_path)
    alone = read(mg(breast(), WindowCenter=2048, WindowWidth=4096), tmp_path, slab=(2, 3))

    np.testing.assert_array_equal(alone.pixels, whole.pixels)
    assert said(whole, "slices") == []
    assert said(alone, "slices") == [
        "the one picture of the file | it is no volume: Number of Frames (0028,0008) is not above 1"
    ]
