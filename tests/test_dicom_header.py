"""Windows, tables, spacing and frames of headers, on elements alone and against pydicom through files."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from headers import code, header, item, said
from mammoscope.dicom.display import Lut, Rescale, Window, display_values, modality_values
from mammoscope.dicom.facts import laterality_of, modality_of, padding_of, spacing_of, voi_of
from mammoscope.dicom.header import Header
from mammoscope.vocabulary import Laterality

FFDM = "1.2.840.10008.5.1.4.1.1.1.2"


def frames(**macros: list[Dataset]) -> dict[str, object]:
    """Functional groups of two frames, each with its own item of each macro; one item alone is shared."""
    shared = {key: items for key, items in macros.items() if len(items) == 1}
    own = [{key: [items[at]] for key, items in macros.items() if len(items) > 1} for at in range(2)]
    return {
        "NumberOfFrames": 2,
        "SharedFunctionalGroupsSequence": [item(**shared)],
        "PerFrameFunctionalGroupsSequence": [item(**one) for one in own],
    }


def test_frames_have_their_own_window_rescale_spacing_and_side() -> None:
    groups = frames(
        FrameVOILUTSequence=[
            item(WindowCenter=centre, WindowWidth=100, VOILUTFunction="SIGMOID") for centre in (500, 700)
        ],
        PixelValueTransformationSequence=[item(RescaleSlope="2", RescaleIntercept="-1")],
        PixelMeasuresSequence=[item(PixelSpacing=[0.085, 0.09])],
        FrameAnatomySequence=[item(FrameLaterality="R", AnatomicRegionSequence=[code("76752008")])],
    )
    first, second = header(**groups), header(**groups, frame=1)

    assert voi_of(first, index=0) == Window(centre=500, width=100, function="SIGMOID")
    assert voi_of(second, index=0) == Window(centre=700, width=100, function="SIGMOID")
    assert modality_of(second) == Rescale(slope=2.0, intercept=-1.0)
    assert spacing_of(second) == (0.085, 0.09)
    assert laterality_of(second) is Laterality.RIGHT


def test_without_functional_groups_the_data_set_itself_is_read() -> None:
    one = header(**frames(), WindowCenter=1, WindowWidth=2, RescaleSlope="3", PixelSpacing=[0.1, 0.1], frame=7)

    assert voi_of(one, index=0) == Window(centre=1, width=2)
    assert modality_of(one) == Rescale(slope=3.0)
    assert spacing_of(one) == (0.1, 0.1)


SPACINGS = {
    "calibrated by geometry": (
        {"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "GEOMETRY"}
        | {"EstimatedRadiographicMagnificationFactor": "1.1"},
        (0.1, 0.1),
    ),
    "not calibrated: the detector's, divided": (
        {"PixelSpacing": [0.11, 0.11], "ImagerPixelSpacing": [0.11, 0.11]}
        | {"EstimatedRadiographicMagnificationFactor": "1.1"},
        (0.1, 0.1),
    ),
    "the same number with other digits": (
        {"PixelSpacing": [0.0700001, 0.07], "ImagerPixelSpacing": [0.07, 0.07]}
        | {"EstimatedRadiographicMagnificationFactor": "1.0"},
        (0.07, 0.07),
    ),
    "a senseless factor": (
        {"ImagerPixelSpacing": [0.1, 0.1], "EstimatedRadiographicMagnificationFactor": "0"},
        (0.1, 0.1),
    ),
    "a digitised film": ({"NominalScannedPixelSpacing": [0.042, 0.042]}, (0.042, 0.042)),
    "the size of nothing": ({"PixelSpacing": [1, 1], "Rows": 3328, "Columns": 2560}, None),
    "nothing, beside a size": (
        {"PixelSpacing": [1, 1], "ImagerPixelSpacing": [0.07, 0.07], "Rows": 3328, "Columns": 2560},
        (0.07, 0.07),
    ),
    "in metres": ({"PixelSpacing": [0.00007, 0.00007]}, None),
    "negative": ({"ImagerPixelSpacing": [-0.1, 0.1]}, None),
    "three": ({"PixelSpacing": [0.1, 0.1, 0.1]}, None),
}


@pytest.mark.parametrize("name", sorted(SPACINGS))
def test_spacing_is_read_where_it_is_a_mammograms(name: str) -> None:
    elements, spacing = SPACINGS[name]
    one = header(**elements)

    assert spacing_of(one) == (None if spacing is None else pytest.approx(spacing))
    assert len(said(one, "spacing")) == (spacing is not None)


WHY = {
    "calibrated": (
        {"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "GEOMETRY"},
        "Pixel Spacing (0028,0030): Pixel Spacing Calibration Type (0028,0A02) = GEOMETRY",
    ),
    "differs": (
        {"PixelSpacing": [0.065, 0.065], "ImagerPixelSpacing": [0.07, 0.07]},
        "Pixel Spacing (0028,0030): calibrated, for it differs from Imager Pixel Spacing (0018,1164) = 0.07 x 0.07",
    ),
    "alone": (
        {"PixelSpacing": [0.07, 0.07]},
        "Pixel Spacing (0028,0030): there is no usable Imager Pixel Spacing (0018,1164)",
    ),
    "the same": (
        {"PixelSpacing": [0.07, 0.07], "ImagerPixelSpacing": [0.07, 0.07]},
        "Imager Pixel Spacing (0018,1164): Pixel Spacing (0028,0030) is the same, so it was not calibrated",
    ),
    "the detector alone": (
        {"ImagerPixelSpacing": [0.07, 0.07], "EstimatedRadiographicMagnificationFactor": "1.07"},
        (
            "Imager Pixel Spacing (0018,1164) / Estimated Radiographic Magnification Factor (0018,1114) = 1.07: "
            "there is no usable Pixel Spacing (0028,0030)"
        ),
    ),
    "a film": (
        {"NominalScannedPixelSpacing": [0.05, 0.05]},
        "Nominal Scanned Pixel Spacing (0018,2010): there is no other usable spacing",
    ),
}


@pytest.mark.parametrize("name", sorted(WHY))
def test_the_trail_says_which_spacing_was_taken_and_why(name: str) -> None:
    elements, why = WHY[name]
    one = header(**elements)

    spacing_of(one)

    assert [text.split(" | ")[1] for text in said(one, "spacing")] == [why]
    assert not said(one, "oddity")


@pytest.mark.parametrize("spacing", [[0.7, 0.7], [0.01, 0.01], [0.0745, 0.0745], [0.065, 0.07]])
def test_two_spacings_that_no_exposure_gives_are_noted(spacing: list[float]) -> None:
    one = header(PixelSpacing=spacing, ImagerPixelSpacing=[0.07, 0.07])

    assert spacing_of(one) == tuple(spacing)
    assert said(one, "oddity")[0].startswith("two sizes that no exposure gives: ")


NAMED = {"WindowCenter": [10, 20, 30], "WindowWidth": [1, 2, 3]}
NAMED["WindowCenterWidthExplanation"] = ["Normal", "HARDER ", ""]


@pytest.mark.parametrize(
    ("explanation", "centre", "noted"),
    [(None, 20, False), ("harder", 20, False), (" NORMAL", 10, False), ("SOFTER", 20, True), ("HARD", 20, True)],
)
def test_a_window_is_found_by_its_name_or_the_index_is_used_and_noted(
    explanation: str | None,
    centre: int,
    noted: bool,  # noqa: FBT001
) -> None:
    one = header(**NAMED)

    window = voi_of(one, index=1, explanation=explanation)

    assert isinstance(window, Window)
    assert window.centre == centre
    assert any("no window of that name" in text for text in said(one, "oddity")) is noted


def test_a_name_chooses_among_tables_and_windows() -> None:
    tables = [lut_item([0, 4095], first=0, bits=12, LUTExplanation=name) for name in ("SOFT", "HARD")]
    tables[1].LUTData = [4095, 0]
    both = NAMED | {"VOILUTSequence": tables, "BitsStored": 12}

    named, unnamed, window = (voi_of(header(**both), index=0, explanation=name) for name in ("hard", None, "normal"))

    assert isinstance(named, Lut)
    assert named.entries.tolist() == [4095, 0]
    assert isinstance(unnamed, Lut)
    assert unnamed.entries.tolist() == [0, 4095]
    assert window == Window(centre=10, width=1)


def test_unequal_numbers_of_centres_and_widths_are_noted() -> None:
    one = header(WindowCenter=[1, 2, 3], WindowWidth=[10, 20])

    assert voi_of(one, index=2) == Window(centre=1, width=10)
    assert any("3 centres and 2 widths" in text for text in said(one, "oddity"))


@pytest.mark.parametrize(
    ("elements", "window", "noted"),
    [
        ({"WindowCenter": [5, 7], "WindowWidth": [0, 9]}, Window(centre=7, width=9), ["window 1 of 2 was passed over"]),
        ({"WindowCenter": [1, 2, 3], "WindowWidth": [-1, 0.5, 8]}, Window(centre=3, width=8), ["window 1 of 3"]),
        ({"WindowCenter": ["1500", ""], "WindowWidth": ["4096", ""]}, Window(centre=1500, width=4096), []),
        ({"WindowCenter": ["", "1500"], "WindowWidth": ["", "4096"]}, Window(centre=1500, width=4096), ["no number"]),
        ({"WindowCenter": [5, 7], "WindowWidth": [0, 0]}, None, ["window 1 of 2 was passed over"]),
        ({"WindowCenter": 5}, None, ["1 centres and 0 widths"]),
    ],
)
def test_a_broken_window_gives_way_to_the_next_sound_one(
    elements: dict, window: Window | None, noted: list[str]
) -> None:
    one = header(**elements)

    assert voi_of(one, index=0) == window
    assert len(said(one, "oddity")) == len(noted)
    assert all(text in odd for text, odd in zip(noted, said(one, "oddity"), strict=True))
    assert len(said(one, "window")) == (window is not None)


def test_the_window_asked_for_is_tried_first_then_the_others_in_order() -> None:
    one = header(WindowCenter=[1, 2, 3], WindowWidth=[10, 20, 0])

    assert voi_of(one, index=1) == Window(centre=2, width=20)
    assert not said(one, "oddity")
    assert voi_of(one, index=2) == Window(centre=1, width=10)
    assert "window 3 of 3 was passed over | Window Center (0028,1050) = 3, Window Width" in said(one, "oddity")[0]


def test_a_broken_table_gives_way_to_the_next_sound_one_and_all_broken_to_the_window() -> None:
    tables = [lut_item([0, 4095], first=0, bits=bits, LUTExplanation=name) for bits, name in ((40, "A"), (12, "HARD"))]
    one, broken = (header(BitsStored=12, VOILUTSequence=found, **NAMED) for found in (tables, tables[:1]))

    second = voi_of(one, index=0)

    assert isinstance(second, Lut)
    assert ["number 2 of 2, HARD" in text for text in said(one, "window")] == [True]
    assert voi_of(broken, index=0) == Window(centre=10, width=1)


PADDING = {  # (value, range limit) as written, signed pixels, (first, last) stored value meant, noted
    "as it should be": ((0, None), False, (0, 0), False),
    "a range, ends exchanged": ((9, 2), False, (2, 9), False),
    "signed": ((-32768, -5), True, (-32768, -5), False),
    "signed, written as US": ((32768, None), True, (-32768, -32768), True),
    "signed, written as US, to zero": ((32768, 0), True, (-32768, 0), True),
    "signed, written as US, across zero": ((65531, 5), True, (-5, 5), True),
    "unsigned, written as SS": ((-1, None), False, (65535, 65535), True),
    "unsigned, written as SS, a range": ((-16, -1), False, (65520, 65535), True),
}


@pytest.mark.parametrize("name", sorted(PADDING))
def test_each_end_of_the_padding_has_the_sign_of_the_pixels(name: str) -> None:
    (first, last), signed, meant, odd = PADDING[name]
    one = header()
    for keyword, value in (("PixelPaddingValue", first), ("PixelPaddingRangeLimit", last)):
        if value is not None:
            one.dataset.add_new(keyword, "SS" if min(first, last or 0) < 0 else "US", value)

    assert padding_of(one, signed=signed) == meant
    stored = f"stored {meant[0]}" + (f" to {meant[1]}" if meant[0] != meant[1] else "")
    assert [text.split(" | ")[0] for text in said(one, "padding")] == [stored]
    assert len(said(one, "oddity")) == odd


def lut_item(entries: object, *, first: int, bits: int, vr: str = "US", **more: object) -> Dataset:
    """An item with LUT Descriptor and LUT Data; OW is bytes, the others numbers."""
    table = item(**more)
    count = len(entries) if not isinstance(entries, bytes) else len(entries) // 2
    table.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count % 65536, first, bits])
    table.add_new("LUTData", vr, entries)
    return table


def written(dataset: Dataset, syntax: str) -> Dataset:
    """The data set after it was a file of that syntax."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = FFDM, "2.25.1"
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    stream.seek(0)
    return dcmread(stream)


SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_tables_of_any_form_equal_pydicom(data: st.DataObject) -> None:
    """Random tables, signs, depths, value representations and byte orders, through a file."""
    syntax, signed = data.draw(st.sampled_from(SYNTAXES)), data.draw(st.booleans())
    keyword = data.draw(st.sampled_from(["ModalityLUTSequence", "VOILUTSequence"]))
    depths = [8, 16] if keyword == "ModalityLUTSequence" else [8, 10, 12, 14, 16]  # those that pydicom reads
    stored_bits, bits = data.draw(st.integers(8, 16)), data.draw(st.sampled_from(depths))
    low, high = (-(2 ** (stored_bits - 1)), 2 ** (stored_bits - 1) - 1) if signed else (0, 2**stored_bits - 1)
    count, first = data.draw(st.integers(2, 300)), data.draw(st.integers(low, min(high, 32767)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    entries = rng.integers(0, 2**bits, count).astype(np.uint16)
    as_words = syntax != ImplicitVRLittleEndian and data.draw(st.booleans())
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    given_as = (entries.astype(order).tobytes(), "OW") if as_words else (entries.tolist(), "US")
    table = lut_item(given_as[0], first=first, bits=bits, vr=given_as[1])
    if keyword == "ModalityLUTSequence":
        table.ModalityLUTType = "US"
    dataset = item(Modality="MG", BitsAllocated=16, BitsStored=stored_bits, PixelRepresentation=int(signed))
    dataset.PhotometricInterpretation = "MONOCHROME2"
    setattr(dataset, keyword, [table])
    stored = rng.integers(low, high, 500, endpoint=True).astype(np.int16 if signed else np.uint16)
    if bits == 8:  # pydicom counts in 8 bits here, and wraps around beyond the table
        stored = np.minimum(stored.astype(np.int32), first + 255)
    read = written(dataset, syntax)
    one = Header(path=Path("one.dcm"), dataset=read)

    if keyword == "ModalityLUTSequence":
        ours, theirs = modality_values(stored, modality_of(one)), apply_modality_lut(stored.astype(np.int32), read)
        np.testing.assert_array_equal(ours, theirs)
    else:
        voi = voi_of(one, index=0)
        assert isinstance(voi, Lut)
        ours = display_values(stored, modality=Rescale(), voi=voi, invert=False)
        np.testing.assert_allclose(ours, apply_voi(stored.astype(np.int32), read) / (2**bits - 1), atol=1e-6)
    assert not said(one, "oddity")


def test_a_table_of_65536_entries_has_a_descriptor_of_zero() -> None:
    entries = np.arange(65536, dtype="<u2")[::-1]
    table = lut_item(entries.tobytes(), first=0, bits=16, vr="OW", ModalityLUTType="US")
    assert table.LUTDescriptor[0] == 0
    read = written(
        item(BitsStored=16, BitsAllocated=16, PixelRepresentation=0, ModalityLUTSequence=[table]), SYNTAXES[1]
    )
    stored = np.array([0, 1, 40000, 65535], dtype=np.uint16)

    found = modality_of(Header(path=Path("one.dcm"), dataset=read))

    np.testing.assert_array_equal(modality_values(stored, found), apply_modality_lut(stored, read))
    assert modality_values(stored, found).tolist() == [65535, 65534, 25535, 0]


def test_entries_of_8_bits_may_be_packed_two_in_a_word() -> None:
    # PS3.3 C.11.1.1.1: LUT Data of 8 bits in words, the first entry in the low byte
    table = item(LUTData=b"\x00\x10\x20\x30\xff\x00")
    table.add_new("LUTDescriptor", "US", [5, 0, 8])

    found = voi_of(header(BitsStored=8, VOILUTSequence=[table]), index=0)

    assert isinstance(found, Lut)
    assert found.entries.tolist() == [0, 16, 32, 48, 255]


@pytest.mark.parametrize(
    ("elements", "first", "wanted"),
    [
        ({"BitsStored": 12, "PixelRepresentation": 1}, 65036, -500),  # written as unsigned beside signed pixels
        ({"BitsStored": 12, "RescaleIntercept": "-1024", "RescaleSlope": "1"}, 64512, -1024),
        ({"BitsStored": 16, "PixelRepresentation": 0}, -15536, 50000),  # written as signed beside unsigned ones
        ({"BitsStored": 12, "PixelRepresentation": 0}, 4000, 4000),
    ],
)
def test_the_first_value_of_a_table_has_the_sign_of_what_is_looked_up(elements: dict, first: int, wanted: int) -> None:
    table = lut_item([0, 100, 4095], first=min(first, 32767) if first >= 0 else first, bits=12)
    table["LUTDescriptor"].value = [3, first, 12]
    one = header(**elements, VOILUTSequence=[table])

    found = voi_of(one, index=0)

    assert isinstance(found, Lut)
    assert found.first == wanted
    assert bool(said(one, "oddity")) is (first != wanted)


def test_a_name_that_slipped_into_an_explanation_is_not_told() -> None:
    one = header(WindowCenter=[10, 20], WindowWidth=[1, 2], WindowCenterWidthExplanation=["MIA^BIRD", "HARDER"])

    voi_of(one, index=0)
    voi_of(one, index=0, explanation="SOFTER")

    assert "MIA" not in repr(one.trail)
    assert "HARDER" in repr(one.trail)
