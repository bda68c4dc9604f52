"""How large a pixel is in the plane of the breast: which of the elements, and why."""

from math import isclose

from mammoscope.dicom.header import Header, tagged, told

SMALLEST_MM, LARGEST_MM = 0.01, 2.0
LONGEST_PICTURE_MM = 400.0  # the largest detectors and films are 24 x 30 cm
SAME = 1e-3  # two spacings that differ by less are one, written with other digits
LARGEST_FACTOR = 5.0  # magnification stands reach 2
LOOSE = 0.05  # sizes that are rounded, or of a detector's nominal pitch, may differ by so much


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
        if kind is not None:
            return _told(
                header, spacing, f"{tagged('PixelSpacing')}: {tagged('PixelSpacingCalibrationType')} = {told(kind)}"
            )
        if imager is None:
            return _told(
                header, spacing, f"{tagged('PixelSpacing')}: there is no usable {tagged('ImagerPixelSpacing')}"
            )
        if not _same(spacing, imager):
            _doubt(header, spacing, imager)
            detector = f"{tagged('ImagerPixelSpacing')} = {imager[0]:g} x {imager[1]:g}"
            return _told(header, spacing, f"{tagged('PixelSpacing')}: calibrated, for it differs from {detector}")
    if imager is not None:
        factor, divisor = _magnification(header)
        why = f"there is no usable {tagged('PixelSpacing')}"
        if spacing is not None:
            why = f"{tagged('PixelSpacing')} is the same, so it was not calibrated"
        return _told(
            header, (imager[0] / factor, imager[1] / factor), f"{tagged('ImagerPixelSpacing')}{divisor}: {why}"
        )
    scanned = _pair(header, header, "NominalScannedPixelSpacing")
    cause = f"{tagged('NominalScannedPixelSpacing')}: there is no other usable spacing"
    return None if scanned is None else _told(header, scanned, cause)


def shrinkage_of(header: Header) -> float | None:
    """How much smaller a pixel is in the breast than on the detector; None unless the header has both sizes."""
    quiet = header.unheard()
    spacing = _pair(quiet, quiet.group("PixelMeasuresSequence"), "PixelSpacing")
    imager = None if spacing is None else _pair(quiet, quiet, "ImagerPixelSpacing")
    if spacing is None or imager is None:
        return None
    return min(imager[0] / spacing[0], imager[1] / spacing[1])


def _doubt(header: Header, spacing: tuple[float, float], imager: tuple[float, float]) -> None:
    """The breast lies above the detector: its pixels are smaller there, by less than any stand magnifies."""
    ratios = [detector / breast for detector, breast in zip(imager, spacing, strict=True)]
    if not 1 - LOOSE <= min(ratios) <= max(ratios) <= LARGEST_FACTOR or max(ratios) > min(ratios) * (1 + LOOSE):
        sizes = f"{spacing[0]:g} x {spacing[1]:g} mm in the breast, {imager[0]:g} x {imager[1]:g} mm on the detector"
        cause = f"{tagged('PixelSpacing')}, {tagged('ImagerPixelSpacing')}"
        header.note("oddity", f"two sizes that no exposure gives: {sizes}; the first was used", cause)


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
