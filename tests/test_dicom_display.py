"""Windows and tables, against the formulas of PS3.3 and against pydicom over all 12-bit values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, apply_windowing

from mammoscope.dicom.display import (
    Lut,
    Rescale,
    Window,
    display_values,
    modality_values,
    percentile_window,
    windowed,
)

TWELVE_BITS = np.arange(4096, dtype=np.uint16)


def header(**elements: object) -> Dataset:
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored = 12
    dataset.BitsAllocated = 16
    dataset.PixelRepresentation = 0
    for name, value in elements.items():
        setattr(dataset, name, value)
    return dataset


def table(first: int, entries: np.ndarray, *, bits: int, **more: object) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "US", entries.tolist())
    for name, value in more.items():
        setattr(item, name, value)
    return item


def test_the_linear_window_gives_the_worked_example_of_the_standard() -> None:
    # PS3.3 C.11.2.1.2.1: c = 2048, w = 4096 maps 0 to the bottom and 4095 to the top; c = 0, w = 1 is a threshold.
    assert windowed(np.array([0.0, 4095.0]), Window(centre=2048.0, width=4096.0)).tolist() == [0.0, 1.0]
    assert windowed(np.array([-1.0, -0.5, 0.0]), Window(centre=0.0, width=1.0)).tolist() == [0.0, 0.0, 1.0]
    # c = 0, w = 100: below -50 is the bottom, above 49 the top
    edges = windowed(np.array([-50.0, 49.0, -0.5]), Window(centre=0.0, width=100.0))
    assert edges.tolist() == [0.0, 1.0, 0.5]


def test_the_exact_window_gives_the_worked_example_of_the_standard() -> None:
    # PS3.3 C.11.2.1.3.2: c = 0, w = 100: -50 is the bottom, 50 the top
    edges = windowed(np.array([-50.0, 0.0, 50.0]), Window(centre=0.0, width=100.0, function="LINEAR_EXACT"))

    assert edges.tolist() == [0.0, 0.5, 1.0]


def test_the_sigmoid_is_the_formula_of_the_standard() -> None:
    # PS3.3 C.11.2.1.3.1: y = 1 / (1 + exp(-4 (x - c) / w))
    shown = windowed(TWELVE_BITS.astype(float), Window(centre=1802.31, width=1091.97, function="SIGMOID"))

    np.testing.assert_allclose(shown, 1 / (1 + np.exp(-4 * (TWELVE_BITS - 1802.31) / 1091.97)), atol=1e-12)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(2048.0, 4096.0), (1802.31, 1091.97), (500.5, 40.0), (-100.0, 3000.0)])
def test_every_window_equals_pydicom_over_all_12_bit_values(function: str, centre: float, width: float) -> None:
    said = header(WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)

    ours = windowed(TWELVE_BITS.astype(float), Window(centre=centre, width=width, function=function))

    np.testing.assert_allclose(ours, apply_windowing(TWELVE_BITS, said) / 4095, atol=1e-9)


def test_the_rescale_equals_pydicom() -> None:
    said = header(RescaleSlope="2.5", RescaleIntercept="-1024")

    ours = modality_values(TWELVE_BITS, Rescale(slope=2.5, intercept=-1024.0))

    np.testing.assert_allclose(ours, apply_modality_lut(TWELVE_BITS, said))


def test_a_modality_table_equals_pydicom_and_holds_its_ends() -> None:
    entries = np.linspace(100, 60000, 1000).astype(np.uint16)
    said = header(ModalityLUTSequence=[table(500, entries, bits=16, ModalityLUTType="US")])

    ours = modality_values(TWELVE_BITS, Lut(first=500, entries=entries.astype(np.int64), bits=16))

    np.testing.assert_array_equal(ours, apply_modality_lut(TWELVE_BITS, said))
    assert ours[0] == 100
    assert ours[4095] == 60000


def test_a_voi_table_equals_pydicom() -> None:
    entries = (np.linspace(0, 1, 4096) ** 2 * 1023).astype(np.uint16)
    said = header(VOILUTSequence=[table(0, entries, bits=10)])

    ours = display_values(
        TWELVE_BITS, modality=Rescale(), voi=Lut(first=0, entries=entries.astype(np.int64), bits=10), invert=False
    )

    np.testing.assert_allclose(ours, apply_voi_lut(TWELVE_BITS, said) / 1023, atol=1e-6)


def test_inversion_comes_after_the_window() -> None:
    window = Window(centre=1000.0, width=200.0, function="LINEAR_EXACT")

    ours = display_values(TWELVE_BITS, modality=Rescale(), voi=window, invert=True)

    assert ours[0] == 1.0
    assert ours[4095] == 0.0
    np.testing.assert_allclose(ours[950], 0.75)


@pytest.mark.parametrize(
    ("width", "function"), [(0.0, "LINEAR"), (0.5, "LINEAR"), (0.0, "SIGMOID"), (-1.0, "LINEAR_EXACT")]
)
def test_a_window_without_width_is_refused(width: float, function: str) -> None:
    with pytest.raises(ValueError, match="too small"):
        windowed(np.zeros(1), Window(centre=0.0, width=width, function=function))


@given(
    arrays(np.float64, 12, elements=st.floats(-4096, 65535)),
    st.floats(-4096, 65535),
    st.floats(1, 65536),
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_windows_keep_order_range_and_input(values: np.ndarray, centre: float, width: float, function: str) -> None:
    before = values.copy()

    shown = windowed(values, Window(centre=centre, width=width, function=function))

    assert shown.min() >= 0
    assert shown.max() <= 1
    assert np.all(np.diff(shown[np.argsort(values)]) >= 0)
    np.testing.assert_array_equal(values, before)


@given(
    arrays(np.float32, 12, elements=st.floats(-4096, 65535, width=32)),
    st.floats(-4096, 65535),
    st.one_of(st.floats(1, 65536), st.sampled_from([1.0, 1.0 + 1e-9])),
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    st.builds(Rescale, slope=st.sampled_from([1.0, -1.0, 0.25, 3.7, 0.0]), intercept=st.floats(-4096, 4096)),
    st.booleans(),
)
def test_single_precision_in_one_go_shows_what_two_steps_in_double_precision_show(
    stored: np.ndarray,
    centre: float,
    width: float,
    function: str,
    modality: Rescale,
    invert: bool,  # noqa: FBT001
) -> None:
    before, window = stored.copy(), Window(centre=centre, width=width, function=function)
    slowly = windowed(modality_values(stored, modality), window)

    shown = display_values(stored, modality=modality, voi=window, invert=invert)

    assert shown.dtype == np.float32
    np.testing.assert_array_equal(stored, before)
    np.testing.assert_allclose(shown, 1 - slowly if invert else slowly, atol=5e-7)


def test_a_percentile_window_of_one_value_divides_by_nothing() -> None:
    window = percentile_window(np.full(10, 7.0), low=1.0, high=99.0)

    assert np.isfinite(windowed(np.array([6.0, 7.0, 8.0]), window)).all()
