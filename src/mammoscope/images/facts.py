"""What a DICOM header says about a mammogram: whose side, which view, how to show it; and what is refused."""

import numpy as np
from pydicom.dataset import Dataset

from mammoscope.images.display import Lut, Rescale, Window, WindowFunction
from mammoscope.images.header import UNREADABLE, Header, tagged
from mammoscope.images.mammogram import refusal
from mammoscope.vocabulary import Laterality, View

MODALITIES = ("MG", "CR", "DX", "RG", "OT", "SC")
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"  # Digital Mammography X-Ray Image Storage - For Processing
FUNCTIONS: dict[str, WindowFunction] = {"LINEAR": "LINEAR", "LINEAR_EXACT": "LINEAR_EXACT", "SIGMOID": "SIGMOID"}
VIEW_CODES = {  # PS3.16 CID 4014 View for Mammography: SNOMED CT and the older SNOMED RT codes
    **dict.fromkeys(("399162004", "R-10242"), View.CC),
    **dict.fromkeys(("399368009", "R-10226"), View.MLO),
    **dict.fromkeys(("399260004", "R-10224"), View.ML),
    **dict.fromkeys(("399352003", "R-10228"), View.LM),
    **dict.fromkeys(("399099002", "R-10230"), View.LMO),
    **dict.fromkeys(("399196006", "R-10244"), View.FB),
    **dict.fromkeys(("399188001", "R-102D0"), View.SIO),
    **dict.fromkeys(("441555000", "R-40AAA"), View.ISO),
    **dict.fromkeys(("399192008", "R-1024A"), View.XCCL),
    **dict.fromkeys(("399101009", "R-1024B"), View.XCCM),
}


def refuse_by_policy(header: Header) -> None:
    """Refuse what is no mammogram for presentation, by its own header.

    Raises:
        ImageError: FOR PROCESSING, another modality, or several frames.
    """
    intent, modality = header.word("PresentationIntentType"), header.word("Modality")
    if intent == "FOR PROCESSING" or header.word("SOPClassUID") == FOR_PROCESSING:
        what = "is FOR PROCESSING: raw detector values that no reader sees. Use the FOR PRESENTATION image"
        raise refusal(header.path, "refused", what)
    if modality is not None and modality not in MODALITIES:
        what = f"{tagged('Modality')} is {modality}, not one of {', '.join(MODALITIES)}. Leave it out of the index"
        raise refusal(header.path, "refused", what)
    if modality not in {None, "MG"}:
        header.note("oddity", "read as a mammogram all the same", f"{tagged('Modality')} = {modality}")
    frames = header.whole("NumberOfFrames") or 1
    if frames > 1:
        what = (
            f"holds {frames} frames. Reading one of several needs a frame option, which does not exist yet: "
            "export the frame as its own file"
        )
        raise refusal(header.path, "multi_frame", what)
    for keyword in ("BurnedInAnnotation", "BreastImplantPresent", "PartialView", "LossyImageCompression"):
        word = header.word(keyword)
        if word in {"YES", "01"}:
            header.note("header says", tagged(keyword), word)


def laterality_of(header: Header) -> Laterality | None:
    """Image Laterality, else Laterality; anything but L or R is unknown."""
    for keyword in ("ImageLaterality", "Laterality"):
        word = header.word(keyword)
        if word in set(Laterality):
            header.note("laterality", word, f"{tagged(keyword)} = {word}")
            return Laterality(word)
        if word is not None:
            header.note("oddity", "laterality stays unknown", f"{tagged(keyword)} = {word[:16]}")
    return None


def view_of(header: Header) -> View | None:
    """View Code Sequence, else View Position, else the view that CBIS-DDSM keeps in Patient Orientation."""
    for item in header.items("ViewCodeSequence"):
        code = Header(path=header.path, dataset=item, trail=header.trail).word("CodeValue")
        if code in VIEW_CODES:
            header.note("view", VIEW_CODES[code], f"{tagged('ViewCodeSequence')} = {code}")
            return VIEW_CODES[code]
    for keyword in ("ViewPosition", "PatientOrientation"):
        word = header.word(keyword)
        if word in set(View):
            header.note("view", word, f"{tagged(keyword)} = {word}")
            return View(word)
        if word is not None and keyword == "ViewPosition":
            header.note("oddity", "view stays unknown", f"{tagged(keyword)} = {word[:16]}")
    return None


def spacing_of(header: Header) -> tuple[float, float] | None:
    """Height and width of a pixel in the plane of the breast, in mm.

    Source:
        DICOM PS3.3 10.7.1.3: Pixel Spacing that equals Imager Pixel Spacing was not
        calibrated; the detector's spacing is then divided by the magnification.
    """
    pairs = {key: _spacing(header, key) for key in ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing")}
    imager, calibrated = pairs["ImagerPixelSpacing"], pairs["PixelSpacing"]
    if calibrated is not None and calibrated != imager:
        header.note("spacing", f"{calibrated[0]:g} x {calibrated[1]:g} mm", tagged("PixelSpacing"))
        return calibrated
    if imager is not None:
        factors = header.numbers("EstimatedRadiographicMagnificationFactor")
        factor = factors[0] if factors and factors[0] > 0 else 1.0
        cause = tagged("ImagerPixelSpacing")
        if factor != 1.0:
            cause += f" / {tagged('EstimatedRadiographicMagnificationFactor')} = {factor:g}"
        header.note("spacing", f"{imager[0] / factor:g} x {imager[1] / factor:g} mm", cause)
        return imager[0] / factor, imager[1] / factor
    scanned = pairs["NominalScannedPixelSpacing"]
    if scanned is not None:
        header.note("spacing", f"{scanned[0]:g} x {scanned[1]:g} mm", tagged("NominalScannedPixelSpacing"))
    return scanned


def modality_of(header: Header) -> Rescale | Lut:
    """Modality LUT Sequence, else rescale, else the identity."""
    for item in header.items("ModalityLUTSequence"):
        lut = _lut(header, item)
        if lut is not None:
            header.note("modality", f"table of {len(lut.entries)} entries", tagged("ModalityLUTSequence"))
            return lut
    slope, intercept = header.numbers("RescaleSlope"), header.numbers("RescaleIntercept")
    if slope and slope[0] == 0:
        header.note("oddity", "the rescale was ignored", f"{tagged('RescaleSlope')} = 0")
        return Rescale()
    rescale = Rescale(slope=slope[0] if slope else 1.0, intercept=intercept[0] if intercept else 0.0)
    if rescale != Rescale():
        detail = f"times {rescale.slope:g} plus {rescale.intercept:g}"
        header.note("modality", detail, f"{tagged('RescaleSlope')}, {tagged('RescaleIntercept')}")
    return rescale


def voi_of(header: Header, *, index: int) -> Window | Lut | None:
    """The VOI LUT, else the window, that stands at `index`; None if there is no usable one.

    Source:
        DICOM PS3.3 C.11.2: several windows or tables are alternatives.
    """
    items = header.items("VOILUTSequence")
    if items:
        at = _choose(header, index, count=len(items), keyword="VOILUTSequence")
        lut = _lut(header, items[at])
        if lut is not None:
            detail = f"table of {len(lut.entries)} entries, number {at + 1} of {len(items)}"
            header.note("window", detail, tagged("VOILUTSequence"))
            return lut
    centres, widths = header.numbers("WindowCenter"), header.numbers("WindowWidth")
    count = min(len(centres), len(widths))
    if count == 0:
        return None
    word = header.word("VOILUTFunction")
    if word is not None and word not in FUNCTIONS:
        header.note("oddity", "taken as LINEAR", f"{tagged('VOILUTFunction')} = {word[:16]}")
    function = FUNCTIONS.get(word or "LINEAR", "LINEAR")
    at = _choose(header, index, count=count, keyword="WindowCenter")
    centre, width = centres[at], widths[at]
    if width < 1 and (function == "LINEAR" or width <= 0):
        header.note("oddity", "the window was ignored", f"{tagged('WindowWidth')} = {width:g} for {function}")
        return None
    detail = f"{function}, centre {centre:g}, width {width:g}, number {at + 1} of {count}"
    header.note("window", detail, f"{tagged('WindowCenter')}, {tagged('WindowWidth')}, {tagged('VOILUTFunction')}")
    return Window(centre=centre, width=width, function=function)


def inversion_of(header: Header) -> bool | None:
    """Whether low values are to be shown bright; None if the header does not say.

    Source:
        DICOM PS3.3 C.7.6.3.1.2 (Photometric Interpretation), C.8.11.3.1 (Presentation LUT Shape).
    """
    photometric, shape = header.word("PhotometricInterpretation"), header.word("PresentationLUTShape")
    if photometric == "MONOCHROME1":
        header.note("inversion", "after the window", f"{tagged('PhotometricInterpretation')} = MONOCHROME1")
        return True
    if shape == "INVERSE":
        cause = f"{tagged('PresentationLUTShape')} = INVERSE"
        header.note("inversion", "after the window", cause)
        header.note("oddity", "MONOCHROME2 should have shape IDENTITY", cause)
        return True
    return False if photometric == "MONOCHROME2" else None


def padding_of(header: Header, *, signed: bool) -> tuple[int, int] | None:
    """First and last stored value that mean "no picture here".

    Source:
        DICOM PS3.3 C.7.5.1.1.2.
    """
    first = header.whole("PixelPaddingValue")
    if first is None:
        return None
    last = header.whole("PixelPaddingRangeLimit")
    low, high = sorted((first, first if last is None else last))
    cause = tagged("PixelPaddingValue") if last is None else f"{tagged('PixelPaddingValue')} to its Range Limit"
    header.note("padding", f"stored {low}" if low == high else f"stored {low} to {high}", cause)
    if signed and low > 0x7FFF:  # seen in the wild: written as unsigned beside signed pixels
        low, high = low - 0x10000, high - 0x10000
        header.note("oddity", f"read as signed: {low}", tagged("PixelPaddingValue"))
    return low, high


def _spacing(header: Header, keyword: str) -> tuple[float, float] | None:
    found = header.numbers(keyword)
    if len(found) == 2 and min(found) > 0:
        return found[0], found[1]
    if found:
        header.note("oddity", "was ignored: not two numbers above 0", tagged(keyword))
    return None


def _choose(header: Header, index: int, *, count: int, keyword: str) -> int:
    if index < count:
        return index
    header.note("oddity", f"there are only {count}: the first was used", f"window_index = {index}, {tagged(keyword)}")
    return 0


def _lut(header: Header, item: Dataset) -> Lut | None:
    """One table; None (noted) if its parts do not fit together."""
    table = Header(path=header.path, dataset=item, trail=header.trail)
    descriptor, data = table.value("LUTDescriptor"), table.value("LUTData")
    try:
        count, first, bits = (int(part) for part in descriptor)
        entries = _entries(data, count=count or 65536)
    except UNREADABLE as error:
        header.note("oddity", "a table was ignored: it cannot be read", type(error).__name__)
        return None
    count = count or 65536
    if len(entries) < count or not 8 <= bits <= 16:
        cause = f"{tagged('LUTDescriptor')} = {count}, {first}, {bits}; {len(entries)} entries"
        header.note("oddity", "a table was ignored: its parts do not fit together", cause)
        return None
    return Lut(first=first, entries=entries[:count].astype(np.int64), bits=bits)


def _entries(data: object, *, count: int) -> "np.ndarray":
    if isinstance(data, bytes):
        return np.frombuffer(data, dtype="<u2" if len(data) >= 2 * count else "u1")
    return np.atleast_1d(np.asarray(data, dtype=np.int64))
