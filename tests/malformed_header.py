"""Spoiled meaning: sound DICOM whose values are missing, absurd, contradictory or of the wrong kind."""

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydicom import dcmread

from malformed_base import (
    BASELINE,
    CANARY,
    CANARY_BORN,
    EXPLICIT,
    IMPLICIT,
    J2K,
    NAME,
    Element,
    changed,
    compressed,
    element,
    fragments,
    mammogram,
    number,
    part10,
    sequence,
    without,
)
from mammoscope.phantom.machine import STRONG
from mammoscope.phantom.mg import Mammography, write_mammogram
from mammoscope.vocabulary import Laterality, View

Rng = np.random.Generator
NEEDED = (
    *("SOPClassUID", "Modality", "PresentationIntentType", "SamplesPerPixel", "PhotometricInterpretation", "Rows"),
    *("Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData", "WindowCenter"),
    *("WindowWidth", "RescaleIntercept", "RescaleSlope", "ImagerPixelSpacing", "ImageLaterality", "ViewPosition"),
    *("ViewCodeSequence", "SOPInstanceUID", "SpecificCharacterSet"),
)
NUMBERS = (
    *("nan", "NaN", "inf", "-inf", "1e400", "-1e400", "1e308", "-1e308", "1e-320", "0", "-0", "-1", "1e30", "-1e30"),
    *("9" * 16, "1,5", "1.5.2", "", " ", "--1", "0x10", "1e", "abc", "1_000", "\u0661", "1\0", "99999999999999999999"),
)
TEXTS = (
    *(
        "\0",
        "\x1b$B",
        "\x1b(",
        "\x1b" * 20,
        "\u202eLR",
        "\xff\xfe",
        "\u200f\u05d0",
        "\\",
        "\\\\\\",
        "%s%n{0}",
        "\n\r\t",
    ),
    *("A" * 70_000, "\U0001f9a0", "=^=^", "../../etc", "'; --", "<script>", "\x7f\x80\x81", "\ud800", "\ufeff"),
)
WORDS = (
    *("Modality", "PresentationIntentType", "PhotometricInterpretation", "ImageLaterality", "ViewPosition"),
    *("PatientOrientation", "VOILUTFunction", "PresentationLUTShape", "SpecificCharacterSet", "SOPClassUID"),
    *("PatientName", "BurnedInAnnotation", "PartialView", "BodyPartExamined", "ImageType", "LossyImageCompression"),
)


def number_text(keyword: str, *values: str) -> Element:
    return element(keyword, "\\".join(values).encode("utf-8"))


def missing_one(rng: Rng, case: int) -> bytes:
    """Each element that matters, one at a time, absent, empty, or of one byte."""
    elements, keyword = mammogram(rng), NEEDED[case % len(NEEDED)]
    if case < len(NEEDED):
        return part10(without(elements, keyword))
    vr = "SQ" if keyword.endswith("Sequence") else None
    value = b"" if case < 2 * len(NEEDED) else b"\1"
    return part10(changed(elements, element(keyword, value, vr="OW" if keyword == "PixelData" else vr)))


def missing_several(rng: Rng, case: int) -> bytes:
    gone = rng.choice(NEEDED, 2 + case % 12, replace=False)
    return part10(without(mammogram(rng), *gone), syntax=IMPLICIT if case % 4 == 3 else EXPLICIT)


def dimensions(rng: Rng, case: int) -> bytes:
    """Rows and Columns of 0, 1, 65535, swapped, negative, doubled, as text or as several values."""
    elements = mammogram(rng)
    rows, cols = number(elements, "Rows"), number(elements, "Columns")
    pairs = [
        *((0, cols), (rows, 0), (1, cols), (rows, 1), (15, 15), (65535, 65535), (65535, cols), (1, rows * cols)),
        *((cols, rows), (rows + 1, cols), (rows, cols + 1), (2 * rows, cols), (rows // 2, cols), (rows * cols, 1)),
        *((16, 16), (10000, 10000), (32768, 3000)),
    ]
    down, across = pairs[case % len(pairs)]
    kind = case // len(pairs)
    if kind == 0:
        return part10(changed(elements, element("Rows", down), element("Columns", across)))
    if kind == 1:
        lie = struct.pack("<i", -int(rng.integers(1, 40_000)))
        return part10(changed(elements, element("Rows", lie, vr="SL"), element("Columns", across)))
    if kind == 2:
        texts = f"{down}", f"{across}.0", f"{down}e0", CANARY
        return part10(
            changed(elements, element("Rows", texts[case % 4], vr="IS"), element("Columns", texts[1], vr="DS"))
        )
    lie = int(rng.integers(65536))
    return part10(changed(elements, element("Rows", down, lie), element("Columns", lie, across)))


def bits(rng: Rng, case: int) -> bytes:
    """Bits Allocated of 0 to 64, Bits Stored above them, a High Bit elsewhere, a strange Pixel Representation."""
    elements = mammogram(rng)
    allocated = (1, 0, 2, 7, 8, 12, 16, 16, 24, 32, 64, 255, 65535)[case % 13]
    stored = int(rng.choice([0, 1, 7, 8, 12, 15, 16, 17, 32, 65535]))
    high = int(rng.choice([0, 7, 11, 15, 16, max(0, stored - 1), 65535]))
    sign = int(rng.choice([0, 1, 2, 65535]))
    news = [element("BitsAllocated", allocated), element("BitsStored", stored), element("HighBit", high)]
    return part10(changed(elements, *news[: 1 + case % 3], element("PixelRepresentation", sign)))


def samples(rng: Rng, case: int) -> bytes:
    """Two, three, four samples, planar or not, of one depth or another, in right and wrong amount."""
    elements = mammogram(rng, bits=(8, 12)[case % 2])
    many = (2, 3, 4, 0, 3, 65535)[case % 6]
    grey = np.frombuffer(elements[-1].value, "<u2")
    depth = ("u1", "<u2")[case % 2]
    values = np.repeat(grey[:, None], 3 if many > 4 else max(1, many), axis=1).astype(depth)
    if case % 4 == 1:
        values = values + (rng.random(values.shape) < 0.01).astype(depth)
    word = ("RGB", "YBR_FULL", "MONOCHROME2", "YBR_FULL_422", "ARGB", "YBR_RCT", "CMYK")[case % 7]
    news = [element("SamplesPerPixel", many), element("PhotometricInterpretation", word)]
    news += [element("PlanarConfiguration", int(rng.choice([0, 1, 2])))]
    news += [element("BitsAllocated", values.itemsize * 8)]
    data = values.T.tobytes() if case % 3 else values.tobytes()
    return part10(changed(elements, *news, element("PixelData", data[: len(data) // (1 + case % 2)], vr="OW")))


def palettes(rng: Rng, case: int) -> bytes:
    """Palette colour: with tables, without, with tables that are too short or claim too much."""
    elements = mammogram(rng, bits=8)
    count = (256, 0, 1, 65535)[case % 4]
    tables = []
    for colour in ("Red", "Green", "Blue")[: 3 - case % 3]:
        tables.append(
            element(f"{colour}PaletteColorLookupTableDescriptor", count, 0, int(rng.choice([8, 16, 0, 99])), vr="US")
        )
        tables.append(element(f"{colour}PaletteColorLookupTableData", rng.bytes(int(rng.choice([0, 2, 512])))))
    return part10(changed(elements, element("PhotometricInterpretation", "PALETTE COLOR"), *tables))


def float_pixels(rng: Rng, case: int) -> bytes:
    """Float and Double Float Pixel Data, with NaN and infinities, alone or beside Pixel Data."""
    elements = mammogram(rng)
    values = np.frombuffer(elements[-1].value, "<u2").astype("<f4" if case % 2 else "<f8")
    values[rng.integers(values.size, size=9)] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
    keyword, vr = ("FloatPixelData", "OF") if case % 2 else ("DoubleFloatPixelData", "OD")
    kept = elements if case % 3 == 0 else elements[:-1]
    return part10(
        changed(kept, element(keyword, values.tobytes(), vr=vr), element("BitsAllocated", 32 if case % 2 else 64))
    )


def windows(rng: Rng, case: int) -> bytes:
    """Window Center, Width and function that are no numbers, infinite, negative, tiny, huge, or of different count."""
    centre, width = (str(rng.choice(NUMBERS)) if rng.random() < 0.8 else "2048" for _ in range(2))
    if case < len(NUMBERS):
        centre, width = ("2048", NUMBERS[case]) if case % 2 else (NUMBERS[case], "4096")
    many = case % 4 == 3
    news = [
        number_text("WindowCenter", *[centre] * (1 + many * int(rng.integers(5)))),
        number_text("WindowWidth", *[width] * (1 + many * int(rng.integers(5)))),
        element("VOILUTFunction", str(rng.choice(["LINEAR", "SIGMOID", "LINEAR_EXACT", "CUBIC", "", NAME]))),
    ]
    return part10(changed(mammogram(rng), *news))


def rescales(rng: Rng, case: int) -> bytes:
    """Rescale Slope and Intercept that are no numbers, infinite, zero, negative or huge."""
    slope, intercept = (str(rng.choice(NUMBERS)) for _ in range(2))
    if case < len(NUMBERS):
        slope, intercept = (NUMBERS[case], "0") if case % 2 else ("1", NUMBERS[case])
    elements = changed(mammogram(rng), number_text("RescaleSlope", slope), number_text("RescaleIntercept", intercept))
    return part10(without(elements, "WindowCenter") if case % 3 == 0 else elements)


def spacings(rng: Rng, case: int) -> bytes:
    """Spacing and magnification that are no numbers, negative, zero, huge, or of another count."""
    keyword = ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio")[case % 4]
    values = [str(rng.choice(NUMBERS)) for _ in range(int(rng.choice([1, 2, 2, 3])))]
    factor = number_text("EstimatedRadiographicMagnificationFactor", str(rng.choice(NUMBERS)))
    return part10(changed(mammogram(rng), number_text(keyword, *values), factor))


def counts(rng: Rng, case: int) -> bytes:
    """Several values where one is due, and one where two are."""
    elements, news = mammogram(rng), []
    singles = ("SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "Rows", "Columns")
    for keyword in rng.choice(singles, 1 + case % 3, replace=False):
        value = number(elements, keyword)
        news.append(element(keyword, *((value, value), (value, 0), (0, value), (value,) * 9)[case % 4]))
    words = ("Modality", "PhotometricInterpretation", "ImageLaterality", "ViewPosition", "PresentationIntentType")
    news.append(element(str(rng.choice(words)), "MG\\MONOCHROME2\\L\\CC"))
    return part10(changed(elements, *news[case % 2 :]))


def tables(rng: Rng, case: int) -> bytes:
    """VOI and Modality tables: data too short, missing or of another kind, descriptors that claim too much."""
    count, first, depth = (
        int(rng.choice(each))
        for each in ((0, 1, 256, 4096, 65535), (0, 2048, 65535), (0, 1, 7, 8, 12, 16, 17, 255, 65535))
    )
    descriptor = (
        element("LUTDescriptor", count, first, depth),
        element("LUTDescriptor", count, first),
        element("LUTDescriptor", CANARY, vr="LO"),
        element("LUTDescriptor", -5, -32768, depth % 100, vr="SS"),
        element("LUTDescriptor", b""),
    )[case % 5]
    size = int(rng.choice([0, 1, 2, 3, 2 * count, 2 * count, count, max(0, 2 * count - 1)]))
    data = element("LUTData", rng.bytes(size), vr=("OW", "US", "OB", "LO", "UN", "DS")[case // 5 % 6])
    keyword = ("VOILUTSequence", "ModalityLUTSequence")[case % 2]
    items = [[descriptor, data][: 1 + (case % 7 > 0)]] * (1 + case % 3)
    return part10(changed(mammogram(rng), sequence(keyword, items)))


def not_numbers(rng: Rng, case: int) -> bytes:
    """Text, a name among it, where numbers are due, and numbers where text is due."""
    elements, news = mammogram(rng), []
    numeric = [each for each in elements if each.vr in {"US", "DS", "IS"}]
    for at in rng.integers(len(numeric), size=1 + case % 3):
        text = (NAME, CANARY_BORN, "L", "\0\0", CANARY)[int(rng.integers(5))].encode()
        vr = ("US", "DS", "IS", "LO", "PN", "UN", "SQ", "FD", "AT")[int(rng.integers(9))]
        news.append(
            replace(numeric[int(at)], vr=vr if case % 2 else numeric[int(at)].vr, value=text + b" " * (len(text) % 2))
        )
    kept = list({each.tag: each for each in news}.values())
    word = element(str(rng.choice(WORDS)), rng.bytes(8), vr=("FD", "US", "OB", "AT")[case % 4])
    return part10(changed(elements, *(kept if case % 3 else [word])))


def strange_text(rng: Rng, case: int) -> bytes:
    """Zeros, escapes, right-to-left marks, emoji, path-like and very long text in every text element."""
    charset = ("ISO_IR 192", "ISO_IR 100", "\\ISO 2022 IR 87", "ISO_IR 999", CANARY, "GB18030", "", "\\\\")[case % 8]
    news = [element("SpecificCharacterSet", charset)]
    for keyword in rng.choice(WORDS[:-1], 1 + case % 5, replace=False):
        text = str(rng.choice(TEXTS[:11] if rng.random() < 0.5 else TEXTS)).encode("utf-8", "surrogatepass")[:65_000]
        news.append(element(keyword, (text + NAME.encode())[: 65_534 if case % 2 else 64]))
    return part10(changed(mammogram(rng), *{each.tag: each for each in news}.values()))


def frames(rng: Rng, case: int) -> bytes:
    """Number of Frames of 0, -1, 1e9, text, NaN; more or fewer frames than said; native and encapsulated."""
    said = (
        "0",
        "-1",
        "1",
        "2",
        "3",
        "1000000000",
        "99999999999999",
        "1e9",
        "nan",
        "",
        CANARY,
        "2\\3",
        "1.5",
        "-2147483648",
    )
    value = element("NumberOfFrames", said[case % 14].encode())
    if case % 3 == 0:
        syntax = (BASELINE, J2K)[case % 2]
        stream, header = compressed(syntax, 0)
        return part10(changed(header, value, fragments(*[stream] * (1 + case % 4))), syntax=syntax)
    elements = mammogram(rng)
    pixels = elements[-1]
    return part10(changed(elements, value, replace(pixels, value=pixels.value * (1 + case // 14 % 4))))


def functional_groups(rng: Rng, case: int) -> bytes:
    """Tomosynthesis whose functional groups are missing, too few, too many, empty, or hold NaN."""
    elements = mammogram(rng)
    many = int(rng.integers(2, 6))
    spacing = number_text("PixelSpacing", str(rng.choice(NUMBERS)), str(rng.choice(NUMBERS)))
    window = [
        number_text("WindowCenter", str(rng.choice(NUMBERS))),
        number_text("WindowWidth", str(rng.choice(NUMBERS))),
    ]
    plane = element("ImagePositionPatient", "nan", "inf", "1e400")
    groups = [
        sequence("PlanePositionSequence", [[plane]]),
        sequence("PixelMeasuresSequence", [[spacing, element("SliceThickness", b"-1")]]),
        sequence("FrameVOILUTSequence", [window]),
        sequence("PixelValueTransformationSequence", [[number_text("RescaleSlope", str(rng.choice(NUMBERS)))]]),
    ]
    groups = sorted(groups[: case % 5], key=lambda each: each.tag)
    lists = [groups] * (many, 0, 1, many - 1, many + 3, 500)[case % 6]
    news = [
        element("SOPClassUID", "1.2.840.10008.5.1.4.1.1.13.1.3"),
        element("NumberOfFrames", str(many if case % 7 else 1)),
        sequence("PerFrameFunctionalGroupsSequence", lists),
        sequence("SharedFunctionalGroupsSequence", [groups] * (case % 3)),
    ]
    if case % 4 == 0:
        news = news[:2]
    pixels = elements[-1]
    whole = replace(pixels, value=pixels.value * many)
    return part10(changed(elements, *news, whole if case % 5 else pixels))


def paddings(rng: Rng, case: int) -> bytes:
    """Pixel Padding Value and Range Limit outside the stored values, reversed, or text; everything padding."""
    values = [int(rng.choice([0, 1, 4095, 65535, 32768])) for _ in range(2)]
    first = (
        element("PixelPaddingValue", values[0], vr="US"),
        element("PixelPaddingValue", values[0] - 40_000 if values[0] > 40_000 else -1, vr="SS"),
        element("PixelPaddingValue", CANARY, vr="LO"),
        element("PixelPaddingValue", 2**31 + case, vr="UL"),
        element("PixelPaddingValue", float("nan"), vr="FD"),
        element("PixelPaddingValue", 1e300, vr="FD"),
    )[case % 6]
    last = element("PixelPaddingRangeLimit", values[1], vr="US")
    sign = element("PixelRepresentation", case % 2)
    return part10(changed(mammogram(rng), first, sign, *[last] * (case % 4 > 0)))


def contradictions(rng: Rng, case: int) -> bytes:
    """Many of these at once."""
    news: list[Element] = []
    for _ in range(4):
        keyword = str(rng.choice(NEEDED[:11] + NEEDED[12:19]))
        news.append(element(keyword, str(rng.choice(NUMBERS)).encode()[:16] if case % 2 else rng.bytes(2)))
    return part10(changed(mammogram(rng), *{each.tag: each for each in news}.values()))


def phantom(rng: Rng, case: int) -> bytes:
    """A complete mammography header, as the phantom writes it, with bytes flipped, lost, added, or cut."""
    whole = _phantom()
    data, size = bytearray(whole), len(whole)
    reach = whole.rindex(b"\xe0\x7f\x10\x00") + 12
    kind = case % 4
    if kind == 0:
        for _ in range(int(rng.choice([1, 2, 5, 30]))):
            data[int(rng.integers(128, reach))] = int(rng.choice([0, 0xFF, rng.integers(256)]))
    elif kind == 1:
        at = int(rng.integers(128, reach))
        del data[at : at + int(rng.integers(1, 50))]
    elif kind == 2:
        at = int(rng.integers(128, reach))
        data[at:at] = data[at : at + int(rng.integers(1, 300))]
    else:
        del data[int(rng.integers(128, reach if case % 8 == 3 else size)) :]
    return bytes(data)


@cache
def _phantom() -> bytes:
    y, x = np.mgrid[:128, :96]
    grey = np.where(np.hypot(y - 64, x) < 55, 12_000 + 200 * x, 0).astype(np.uint16)
    about = Mammography(
        patient_id=f"{CANARY}-2",
        study_uid="2.25.11",
        series_uid="2.25.12",
        instance_uid="2.25.13",
        number=1,
        laterality=Laterality.LEFT,
        view=View.CC,
        age_years=60,
        thickness_cm=5.0,
        spacing_mm=0.1,
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / "whole.dcm"
        write_mammogram(grey, file, machine=STRONG, about=about)
        assert dcmread(file).Rows == 128
        return file.read_bytes()


FAMILIES: dict[str, Callable[[Rng, int], bytes]] = {
    "missing one": missing_one,
    "missing several": missing_several,
    "dimensions": dimensions,
    "bits": bits,
    "samples": samples,
    "palettes": palettes,
    "float pixels": float_pixels,
    "windows": windows,
    "rescales": rescales,
    "spacings": spacings,
    "value counts": counts,
    "tables": tables,
    "not numbers": not_numbers,
    "strange text": strange_text,
    "frames": frames,
    "functional groups": functional_groups,
    "paddings": paddings,
    "contradictions": contradictions,
    "phantom": phantom,
}
