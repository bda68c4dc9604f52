"""From stored values to display values in [0, 1]: Modality LUT, VOI LUT, inversion, in this order.

All functions are pure and work on arrays of any shape, so that a caller may resample first.
"""

from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
from jaxtyping import Float, Float32, Int, Real

WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescale:
    """Rescale Slope (0028,1053) and Rescale Intercept (0028,1052)."""

    slope: float = 1.0
    intercept: float = 0.0


IDENTITY = Rescale()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lut:
    """A Modality LUT or VOI LUT: LUT Descriptor (0028,3002) and LUT Data (0028,3006).

    Attributes:
        first: Input value that maps to the first entry.
        entries: Output values.
        bits: Bits of an output value; 2**bits - 1 is full scale.
    """

    first: int
    entries: Int[np.ndarray, " entries"]
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Window Center (0028,1050), Window Width (0028,1051) and VOI LUT Function (0028,1056)."""

    centre: float
    width: float
    function: WindowFunction = "LINEAR"


def modality_values(stored: Real[np.ndarray, "..."], modality: Rescale | Lut) -> Float[np.ndarray, "..."]:
    """Apply the Modality LUT or the rescale.

    Source:
        DICOM PS3.3 C.11.1.1.

    Example:
        >>> modality_values(np.array([10.0]), Rescale(slope=2.0, intercept=-5.0))
        array([15.])
    """
    if isinstance(modality, Lut):
        return _looked_up(stored, modality)
    return stored.astype(np.float64) * modality.slope + modality.intercept


def windowed(values: Float[np.ndarray, "..."], window: Window) -> Float[np.ndarray, "..."]:
    """Map modality values to display values in [0, 1] through a window.

    Args:
        values: Modality values. Not modified.
        window: A width of at least 1 for LINEAR, above 0 for the others.

    Returns:
        Display values in [0, 1], same shape.

    Raises:
        ValueError: The width is too small for the function.

    Source:
        DICOM PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT), with
        the output range taken as [0, 1].

    Example:
        >>> windowed(np.array([0.0, 2047.5, 4095.0]), Window(centre=2048.0, width=4096.0))
        array([0. , 0.5, 1. ])
    """
    centre, width = window.centre, window.width
    if not width > 0 or (window.function == "LINEAR" and width < 1):
        raise ValueError(f"Window Width {width} is too small for {window.function}")
    if window.function == "LINEAR" and width == 1:
        return (values > centre - 0.5).astype(np.float64)
    return _ramp(values.astype(np.float64), window)


def _ramp(values: Float[np.ndarray, "..."], window: Window, modality: Rescale = IDENTITY) -> Float[np.ndarray, "..."]:
    """Rescale and window in one go, in the precision of `values`, which are overwritten.

    Both are linear but for the ends, so the window is expressed in stored values; what its centre loses
    in float32 is added at the end.
    """
    centre, width = window.centre, window.width
    if window.function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    centre, width = (centre - modality.intercept) / modality.slope, width / modality.slope
    near = float(values.dtype.type(centre))
    values -= near
    values /= width
    match window.function:
        case "LINEAR" | "LINEAR_EXACT":
            values += 0.5 - (centre - near) / width
            return np.clip(values, 0.0, 1.0, out=values)
        case "SIGMOID":
            values -= (centre - near) / width
            values *= 2.0
            np.tanh(values, out=values)
            values += 1.0
            values *= 0.5
            return values
        case _:
            assert_never(window.function)


def display_values(
    stored: Real[np.ndarray, "..."], *, modality: Rescale | Lut, voi: Window | Lut, invert: bool
) -> Float32[np.ndarray, "..."]:
    """Apply modality transformation, VOI transformation and inversion, in this order.

    Returns:
        Display values in [0, 1]; 1 is the brightest.

    Source:
        DICOM PS3.4 N.2 (order of the grayscale transformations); PS3.3 C.11.2.

    Example:
        >>> voi = Window(centre=50.0, width=100.0, function="LINEAR_EXACT")
        >>> display_values(np.array([25.0]), modality=Rescale(), voi=voi, invert=True)
        array([0.75], dtype=float32)
    """
    if isinstance(voi, Window) and isinstance(modality, Rescale) and _is_tame(voi, modality):
        values = stored.astype(np.result_type(stored.dtype, np.float32))
        shown = _ramp(values, voi, modality)
    elif isinstance(voi, Window):
        shown = windowed(modality_values(stored, modality), voi)
    else:
        shown = np.clip(_looked_up(modality_values(stored, modality), voi) / (2**voi.bits - 1), 0.0, 1.0)
    if invert:
        np.subtract(1.0, shown, out=shown)
    return np.asarray(shown, dtype=np.float32)


def _is_tame(window: Window, modality: Rescale) -> bool:
    """Whether float32 holds what a window and a rescale are made of; a window of one value is a threshold."""
    numbers = (window.width, modality.slope)
    least = 1.0 if window.function == "LINEAR" else 0.0
    return (
        window.width > least
        and all(1e-6 <= abs(number) <= 1e6 for number in numbers)
        and max(abs(window.centre), abs(modality.intercept)) <= 1e6
    )


def percentile_window(values: Float[np.ndarray, " pixels"], *, low: float, high: float) -> Window:
    """The window between two percentiles of modality values, wide enough never to divide by zero.

    Example:
        >>> percentile_window(np.arange(101.0), low=10.0, high=90.0)
        Window(centre=50.0, width=80.0, function='LINEAR_EXACT')
    """
    bottom, top = (float(value) for value in np.percentile(values, [low, high]))
    return Window(centre=(bottom + top) / 2, width=max(top - bottom, 1e-6), function="LINEAR_EXACT")


def maximum_window(values: Float[np.ndarray, "..."]) -> Window:
    """The window that divides by the largest of modality values: 0 is black, and what is below it.

    Example:
        >>> maximum_window(np.array([[-5.0, 50.0, 200.0]]))
        Window(centre=100.0, width=200.0, function='LINEAR_EXACT')
    """
    top = max(float(values.max()), 1e-6)
    return Window(centre=top / 2, width=top, function="LINEAR_EXACT")


def _looked_up(values: Real[np.ndarray, "..."], lut: Lut) -> Float[np.ndarray, "..."]:
    index = np.clip(np.rint(values).astype(np.int64) - lut.first, 0, len(lut.entries) - 1)
    return np.asarray(lut.entries[index], dtype=np.float64)
