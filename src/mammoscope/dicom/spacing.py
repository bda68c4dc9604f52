"""How large a pixel is in the plane of the breast: which of the elements, and why."""

from math import isclose

from mammoscope.dicom.header import Header, tagged, told

SMALLEST_MM, LARGEST_MM = 0.01, 2.0
LONGEST_PICTURE_MM = 400.0  # the largest detectors and films are 24 x 30 cm
SAME = 1e-3  # two spacings that differ by less are one, written with other digits
LARGEST_FACTOR = 5.0  # magnification stands reach 2


def spacing_of(header: Header) -> tuple[float, float] | None:
    """Height and width of a pixel in the plane of the breast, in mm.

    In order: Pixel Spacing, if it is calibrated (it differs from Imager Pixel Spacing, there is none, or Pixel
    Spacing Calibration Type says so); Imager Pixel Spacing, which lies in the plane of the detector, divided by the
    magnification; Nominal Scanned Pixel Spacing of a digitised film. Sizes that no mammogram has are passed over.

    Source:
        DICOM PS3.3 10.7.1.3 (order of the values; above 0), C.7.6.16.2.1 (Pixel Measures of slices), C.8.11.3
        (Imager Pixel Spacing), 10.7.1 (Pixel Spacing Calibration Type).
    """
    measures = header.group("PixelMeasuresSequence")
    imager = _pair(header, header, "ImagerPixelSpacing")
    spacing = _pair(header, measures, "PixelSpacing")
    if spacing is not None:
        kind = header.word("PixelSpacingCalibrationType")
        if kind is not None or imager is None or not _same(spacing, imager):
            said = f", {tagged('PixelSpacingCalibrationType')} = {told(kind)}" if kind else ""
            return _told(header, spacing, tagged("PixelSpacing") + said)
    if imager is not None:
        factor, cause = _magnification(header)
        return _told(header, (imager[0] / factor, imager[1] / factor), tagged("ImagerPixelSpacing") + cause)
    scanned = _pair(header, header, "NominalScannedPixelSpacing")
    return None if scanned is None else _told(header, scanned, tagged("NominalScannedPixelSpacing"))


def _told(header: Header, spacing: tuple[float, float], cause: str) -> tuple[float, float]:
    header.note("spacing", f"{spacing[0]:g} x {spacing[1]:g} mm", cause)
    return spacing


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(isclose(a, b, rel_tol=SAME) for a, b in zip(one, other, strict=True))


def _magnification(header: Header) -> tuple[float, str]:
    factors = header.numbers("EstimatedRadiographicMagnificationFactor")
    factor = factors[0] if factors else 1.0
    name = tagged("EstimatedRadiographicMagnificationFactor")
    if not 1.0 <= factor <= LARGEST_FACTOR:
        header.note("oddity", f"was ignored: not from 1 to {LARGEST_FACTOR:g}", f"{name} = {factor:g}")
        return 1.0, ""
    return factor, f" / {name} = {factor:g}" if factor != 1.0 else ""


def _pair(header: Header, where: Header, keyword: str) -> tuple[float, float] | None:
    """Two sizes in mm, or None (noted) where they cannot be a mammogram's."""
    found = where.numbers(keyword)
    if not found:
        return None
    if len(found) != 2 or min(found) <= 0:
        header.note("oddity", "was ignored: not two numbers above 0", tagged(keyword))
        return None
    sides = header.whole("Rows") or 0, header.whole("Columns") or 0
    lengths = [side * size for side, size in zip(sides, found, strict=True)]
    if not SMALLEST_MM <= min(found) <= max(found) <= LARGEST_MM or max(lengths) > LONGEST_PICTURE_MM:
        detail = (
            f"was ignored: {found[0]:g} x {found[1]:g} mm would make a picture of {lengths[0]:g} x {lengths[1]:g} mm"
        )
        header.note("oddity", detail, tagged(keyword))
        return None
    return found[0], found[1]
