"""Raw DICOM, element by element, so that any byte of it can lie; and sound compressed pixels to spoil."""

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import gdcm
import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
RLE, HTJ2K = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.201"
BASELINE, EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
LOSSLESS, LOSSLESS_FIRST = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
LS, LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K, J2K_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
CODECS = {
    "jpeg-baseline": BASELINE,
    "jpeg-extended": EXTENDED,
    "jpeg-lossless": LOSSLESS,
    "jpeg-lossless-first": LOSSLESS_FIRST,
    "jpeg-ls": LS,
    "jpeg-ls-near": LS_NEAR,
    "jpeg-2000": J2K,
    "jpeg-2000-lossy": J2K_LOSSY,
    "htj2k": HTJ2K,
    "rle": RLE,
}
GDCM = {
    EXTENDED: "JPEGExtendedProcess2_4",
    LOSSLESS: "JPEGLosslessProcess14",
    LOSSLESS_FIRST: "JPEGLosslessProcess14_1",
}
LONG = frozenset("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
UNDEFINED = 0xFFFFFFFF
CANARY, CANARY_BORN = "CANARY", "18930417"  # planted as a name and as a birth date: no message may hold them
NAME = f"{CANARY}^BIRD"  # with the caret, as names are written
MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element; `claimed` is the length that it says it has."""

    tag: int
    vr: str
    value: bytes
    claimed: int | None = None


def element(keyword: str, *values: object, vr: str | None = None) -> Element:
    """A sound element (values as DICOM would write them) of the dictionary's VR, or of another one."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    vr = vr or dictionary_VR(tag).split(" ")[0]
    if len(values) == 1 and isinstance(values[0], bytes):
        return Element(tag=tag, vr=vr, value=values[0])
    kind = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "FL": "<f", "FD": "<d"}.get(vr)
    if kind:
        return Element(tag=tag, vr=vr, value=b"".join(struct.pack(kind, value) for value in values))
    text = "\\".join(str(value) for value in values).encode("latin-1")
    return Element(tag=tag, vr=vr, value=text + (b"\0" if vr == "UI" else b" ") * (len(text) % 2))


def encoded(elements: Sequence[Element], how: str = EXPLICIT) -> bytes:
    """Elements in the order given, as one of the native transfer syntaxes writes them."""
    return b"".join(_encoded(each, how) for each in elements)


def _encoded(each: Element, how: str) -> bytes:
    end = ">" if how == BIG else "<"
    length = len(each.value) if each.claimed is None else each.claimed
    head = struct.pack(end + "HH", each.tag >> 16, each.tag & 0xFFFF)
    value = each.value
    if how == BIG:
        width = {"US": 2, "SS": 2, "OW": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "FD": 8}.get(each.vr, 1)
        if len(value) % width == 0:
            value = np.frombuffer(value, np.dtype(f"V{width}")).view(f"<u{width}").byteswap().tobytes()
    if how == IMPLICIT:
        return head + struct.pack("<I", length & UNDEFINED) + value
    vr = each.vr.encode("latin-1").ljust(2)[:2]
    if each.vr in LONG:
        return head + vr + b"\0\0" + struct.pack(end + "I", length & UNDEFINED) + value
    return head + vr + struct.pack(end + "H", length & 0xFFFF) + value


def sequence(keyword: str, items: Sequence[Sequence[Element]], how: str = EXPLICIT) -> Element:
    """A sequence of defined length."""
    bodies = [encoded(item, how) for item in items]
    value = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(body)) + body for body in bodies)
    return replace(element(keyword, b""), vr="SQ", value=value)


def meta(syntax: str = EXPLICIT) -> list[Element]:
    """The File Meta Information without its group length."""
    return [
        Element(tag=0x00020001, vr="OB", value=b"\0\1"),
        element("MediaStorageSOPClassUID", MAMMOGRAM),
        element("MediaStorageSOPInstanceUID", "2.25.7"),
        element("TransferSyntaxUID", syntax),
        element("ImplementationClassUID", "2.25.8"),
    ]


def part10(
    elements: Sequence[Element],
    *,
    syntax: str = EXPLICIT,
    how: str | None = None,
    metas: Sequence[Element] | None = None,
    start: bytes = bytes(128) + b"DICM",
) -> bytes:
    """A file: preamble and prefix, File Meta Information, data set."""
    head = encoded(meta(syntax) if metas is None else metas)
    if head and (metas is None or metas[0].tag != 0x00020000):
        head = encoded([element("FileMetaInformationGroupLength", len(head))]) + head
    body = encoded(elements, how or (syntax if syntax in {IMPLICIT, BIG} else EXPLICIT))
    if (how or syntax) == DEFLATED:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
    return start + head + body


def breast(rows: int, cols: int, *, bits: int, rng: np.random.Generator) -> np.ndarray:
    """A half disc at the left edge, brighter towards the chest wall, with noise."""
    y, x = np.mgrid[:rows, :cols]
    away = np.hypot((y - rows / 2) * cols / rows * 1.6, x) / (0.8 * cols)
    shown = np.where(away < 1, 0.3 + 0.6 * (1 - away) + rng.normal(0, 0.01, away.shape), 0)
    return (shown.clip(0, 1) * (2**bits - 1)).astype(np.uint16)


def mammogram(rng: np.random.Generator, *, bits: int | None = None) -> list[Element]:
    """A sound native mammogram of random size and depth, with names to be kept secret."""
    rows, cols = int(rng.integers(48, 160)), int(rng.integers(40, 120))
    bits = bits or int(rng.choice([10, 12, 14, 16]))
    return described(breast(rows, cols, bits=bits, rng=rng).astype("<u2").tobytes(), rows, cols, bits=bits)


def described(data: bytes, rows: int, cols: int, *, bits: int, allocated: int = 16) -> list[Element]:
    """The header of a mammogram around these pixels."""
    code = [element("CodeValue", "399162004"), element("CodingSchemeDesignator", "SCT")]
    return [
        element("SpecificCharacterSet", "ISO_IR 100"),
        element("ImageType", "DERIVED", "PRIMARY"),
        element("SOPClassUID", MAMMOGRAM),
        element("SOPInstanceUID", "2.25.7"),
        element("StudyDate", "20000101"),
        element("AccessionNumber", f"{CANARY}5"),
        element("Modality", "MG"),
        element("PresentationIntentType", "FOR PRESENTATION"),
        element("InstitutionName", f"{CANARY} HOUSE"),
        element("PatientName", NAME),
        element("PatientID", f"{CANARY}-1"),
        element("PatientBirthDate", CANARY_BORN),
        element("BodyPartExamined", "BREAST"),
        element("EstimatedRadiographicMagnificationFactor", "1.05"),
        element("ImagerPixelSpacing", "0.07", "0.07"),
        element("ViewPosition", "CC"),
        element("PatientOrientation", "A", "R"),
        element("ImageLaterality", "L"),
        element("SamplesPerPixel", 1),
        element("PhotometricInterpretation", "MONOCHROME2"),
        element("Rows", rows),
        element("Columns", cols),
        element("BitsAllocated", allocated),
        element("BitsStored", bits),
        element("HighBit", bits - 1),
        element("PixelRepresentation", 0),
        element("WindowCenter", str(2 ** (bits - 1))),
        element("WindowWidth", str(2**bits)),
        element("RescaleIntercept", "0"),
        element("RescaleSlope", "1"),
        sequence("ViewCodeSequence", [code]),
        Element(tag=0x7FE00010, vr="OW" if allocated == 16 else "OB", value=data),
    ]


def changed(elements: Sequence[Element], *news: Element) -> list[Element]:
    """With elements replaced or, in the order of tags, added."""
    tags = {new.tag for new in news}
    return sorted([*(each for each in elements if each.tag not in tags), *news], key=lambda each: each.tag)


def without(elements: Sequence[Element], *keywords: str) -> list[Element]:
    tags = {tag_for_keyword(keyword) for keyword in keywords}
    return [each for each in elements if each.tag not in tags]


def number(elements: Sequence[Element], keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    return next(int.from_bytes(each.value[:2], "little") for each in elements if each.tag == tag)


def fragments(*frames: bytes, table: bytes = b"", end: bytes = b"\xfe\xff\xdd\xe0\0\0\0\0") -> Element:
    """Encapsulated Pixel Data: the Basic Offset Table, one item a frame, the delimiter."""
    items = b"".join(
        b"\xfe\xff\x00\xe0" + struct.pack("<I", len(each) + len(each) % 2) + each + b"\0" * (len(each) % 2)
        for each in (table, *frames)
    )
    return Element(tag=0x7FE00010, vr="OB", value=items + end, claimed=UNDEFINED)


@cache
def compressed(syntax: str, variant: int = 0) -> tuple[bytes, tuple[Element, ...]]:
    """One sound frame of a codec, and the header it belongs to (its pixels are native)."""
    rng = np.random.default_rng([7, variant])
    rows, cols = 64 + 32 * variant, 48 + 16 * variant
    shallow = syntax == BASELINE or (syntax == EXTENDED and variant % 2 == 1)  # 8 bits may be called extended too
    bits, allocated = (8, 8) if shallow else (12, 16)
    pixels = breast(rows, cols, bits=bits, rng=rng)
    header = described(
        pixels.astype("u1" if allocated == 8 else "<u2").tobytes(), rows, cols, bits=bits, allocated=allocated
    )
    return _stream(pixels, header, BASELINE if shallow else syntax), tuple(header)


def wrapped(stream: bytes, header: Sequence[Element], syntax: str, **options: bytes) -> bytes:
    """A file with this compressed frame."""
    return part10(changed(header, fragments(stream, **options)), syntax=syntax)


def _stream(pixels: np.ndarray, header: Sequence[Element], syntax: str) -> bytes:
    if syntax == BASELINE:
        file = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=85)
        return file.getvalue()
    if syntax in GDCM:
        return _by_gdcm(part10(header), GDCM[syntax])
    dataset = Dataset()
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.file_meta = FileMetaDataset()
    options = {LS_NEAR: {"jls_error": 2}, J2K_LOSSY: {"j2k_cr": [4]}}.get(syntax, {})
    dataset.compress(J2K if syntax == HTJ2K else syntax, pixels, generate_instance_uid=False, **options)
    frame = _only_frame(dataset.PixelData)
    return high_throughput(frame) if syntax == HTJ2K and pixels.shape[0] % 64 == 0 else frame


def _only_frame(data: bytes) -> bytes:
    table = int.from_bytes(data[4:8], "little")
    length = int.from_bytes(data[12 + table : 16 + table], "little")
    return data[16 + table : 16 + table + length]


def _by_gdcm(data: bytes, syntax: str) -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "native.dcm"
        file.write_bytes(data)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(file))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(file))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        written = file.read_bytes()
    return _only_frame(written[written.index(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff") + 12 :])


def high_throughput(stream: bytes) -> bytes:
    """A JPEG 2000 stream that says its code blocks are High-Throughput: the right marks, the wrong blocks.

    Source:
        ISO/IEC 15444-15 A.2 (CAP), A.3 (Rsiz), A.4 (code block style).
    """
    size, style = stream.index(b"\xff\x51"), stream.index(b"\xff\x52")
    after = size + 2 + int.from_bytes(stream[size + 2 : size + 4], "big")
    marked = bytearray(stream)
    marked[size + 4] |= 0x40
    marked[style + 12] |= 0x40
    return bytes(marked[:after]) + bytes.fromhex("ff50 0008 00020000 0000") + bytes(marked[after:])
