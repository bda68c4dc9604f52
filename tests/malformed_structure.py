"""Spoiled files: cut, with lengths, orders and syntaxes that lie, nested or inflated without end, or no DICOM."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from malformed_base import (
    BIG,
    CANARY,
    CODECS,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RLE,
    UNDEFINED,
    Element,
    breast,
    changed,
    compressed,
    element,
    encoded,
    fragments,
    mammogram,
    meta,
    part10,
    sequence,
    without,
    wrapped,
)

Rng = np.random.Generator
PREFIX = bytes(128) + b"DICM"
LENGTHS = (0, 1, 3, 7, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, UNDEFINED, 0xFFFF0000, 1 << 24)
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def cut(rng: Rng, case: int) -> bytes:
    """The end is missing: from inside the preamble, the meta, the header, the sequence, the pixels."""
    data = part10(mammogram(rng))
    if case % 8 == 7:
        syntax = list(CODECS.values())[case // 8 % len(CODECS)]
        stream, header = compressed(syntax, 1)
        data = wrapped(stream, header, syntax)
    pixels, views = data.rindex(b"\xe0\x7f\x10\x00"), data.index(b"\x54\x00\x20\x02")
    spans = [(1, 128), (128, 132), (132, 330), (330, views), (views, views + 60), (pixels, pixels + 12)]
    low, high = (*spans, (pixels + 12, len(data)), (pixels, len(data)))[case % 8]
    return data[: int(rng.integers(low, high))]


def last_bytes(rng: Rng, case: int) -> bytes:
    """Only the last bytes of the pixels are missing, with or without a header that knows it, or there are more."""
    elements = mammogram(rng)
    pixels = elements[-1]
    gone = int(rng.choice([1, 2, 3, 100, len(pixels.value) // 2, len(pixels.value) - 2]))
    if case % 4 == 3:
        return part10([*elements[:-1], replace(pixels, value=pixels.value + rng.bytes(gone))])
    body = replace(pixels, value=pixels.value[:-gone])
    return part10([*elements[:-1], body if case % 2 else replace(body, claimed=len(pixels.value))])


def shifted(rng: Rng, case: int) -> bytes:
    """Bytes lost or added inside the header: all that follows is out of step."""
    data = part10(mammogram(rng))
    at, width = int(rng.integers(128, 900)), int(rng.choice([1, 2, 3, 4, 8, 100]))
    return data[:at] + (rng.bytes(width) if case % 2 else b"") + data[at + width * (1 - case % 2) :]


def flipped(rng: Rng, case: int) -> bytes:
    """Single bytes of the header changed."""
    data = bytearray(part10(mammogram(rng), syntax=(EXPLICIT, IMPLICIT, BIG)[case % 3] if case % 5 else EXPLICIT))
    for _ in range(int(rng.choice([1, 1, 3, 10]))):
        data[int(rng.integers(128, 1000))] = int(rng.integers(256))
    return bytes(data)


def lengths(rng: Rng, case: int) -> bytes:
    """One element claims another length: odd, too long, 4 GB, undefined."""
    elements = mammogram(rng)
    at = int(rng.integers(len(elements) - 1))
    true = len(elements[at].value)
    lie = int(rng.choice([*LENGTHS, true + 1, max(0, true - 1), true + 2, true + 100]))
    vr = "UN" if case % 3 == 0 else elements[at].vr
    elements[at] = replace(elements[at], vr=vr, claimed=lie)
    return part10(elements, syntax=IMPLICIT if case % 4 == 0 else EXPLICIT)


def pixel_lengths(rng: Rng, case: int) -> bytes:
    """Pixel Data claims another length, or that it is encapsulated."""
    elements = mammogram(rng)
    pixels = elements[-1]
    claimed = (*LENGTHS, len(pixels.value) - 1, len(pixels.value) + 1, 2 * len(pixels.value))[case % 15]
    vr = ("OW", "OB", "UN", "SQ")[case // 15 % 4]
    return part10(
        [*elements[:-1], replace(pixels, claimed=claimed, vr=vr)], syntax=IMPLICIT if case % 7 == 6 else EXPLICIT
    )


def wrong_vr(rng: Rng, case: int) -> bytes:
    """Elements under another VR, or one that does not exist."""
    elements = mammogram(rng)
    names = ["OB", "OW", "SQ", "UN", "UT", "US", "SS", "FL", "FD", "DS", "IS", "AT", "PN", "UI", "DA", "OF", "SV", "??"]
    for _ in range(1 + case % 4):
        at = int(rng.integers(len(elements)))
        elements[at] = replace(elements[at], vr=str(rng.choice([*names, "\0\0", "us", "Z9", "\xff\xff"])))
    return part10(elements)


def wrong_encoding(rng: Rng, case: int) -> bytes:
    """The data set is encoded otherwise than the File Meta Information says, wholly or from some element on."""
    elements = without(mammogram(rng), "ViewCodeSequence")
    ways = (EXPLICIT, IMPLICIT, BIG, DEFLATED)
    said, true = ways[case % 4], ways[(case + 1 + case // 4 % 3) % 4]
    if case % 3:
        return part10(elements, syntax=said, how=true)
    at = int(rng.integers(1, len(elements)))
    start = part10(elements[:at], syntax=EXPLICIT if said == DEFLATED else said)
    return start + encoded(elements[at:], IMPLICIT if true == DEFLATED else true)


def wrong_syntax(rng: Rng, case: int) -> bytes:
    """Native pixels said to be compressed, compressed pixels said to be native, and syntaxes that nobody knows."""
    if case % 3 == 0:
        return part10(mammogram(rng), syntax=list(CODECS.values())[case // 3 % len(CODECS)])
    stream, header = compressed(list(CODECS.values())[case % len(CODECS)], 1)
    odd = (
        "",
        "1.2.3",
        "9" * 64,
        "not a uid",
        "1.2.840.10008.1.2.4.100",
        "1.2.840.10008.1.2.4.94",
        "\0",
        EXPLICIT + " ",
    )
    said = (EXPLICIT, IMPLICIT, DEFLATED)[case // 3 % 3] if case % 3 == 1 else odd[case // 3 % 8]
    pixels = (
        fragments(stream) if case % 2 else Element(tag=0x7FE00010, vr="OB", value=stream + b"\0" * (len(stream) % 2))
    )
    return part10(changed(header, pixels), syntax=said, how=EXPLICIT)


def nested(rng: Rng, case: int) -> bytes:
    """Sequences in sequences, 100 to 200,000 deep, of defined and undefined length, closed and left open."""
    depth = (100, 300, 900, 5_000, 50_000, 200_000)[case % 6]
    tag = (b"\x08\x00\x40\x11", b"\x54\x00\x20\x02", b"\x29\x00\x10\x10")[case // 6 % 3]
    if case // 6 % 2:
        body = (tag + b"SQ\0\0\xff\xff\xff\xff" + ITEM + b"\xff\xff\xff\xff") * depth
        body += (ITEM_END + SEQUENCE_END) * depth if case % 4 else b""
    else:
        levels = [
            tag + b"SQ\0\0" + struct.pack("<I", 20 * n + 8) + ITEM + struct.pack("<I", 20 * n) for n in range(depth)
        ]
        body = b"".join(reversed(levels))
    elements = mammogram(rng)
    before = [each for each in elements if each.tag < int.from_bytes(tag[1::-1] + tag[3:1:-1], "big")]
    after = elements[len(before) :]
    if case % 5 == 4:
        body = body.replace(b"SQ", b"UN")
    return part10(before) + body + encoded([each for each in after if each.vr != "SQ"])


def inflating(rng: Rng, case: int) -> bytes:
    """Deflated data sets, cut, spoiled, or inflating a thousandfold; the group length is right, a lie or absent."""
    start = part10([], syntax=DEFLATED, how=EXPLICIT)
    lengths = (start[132:144], b"", start[132:140] + struct.pack("<I", 4), start[132:140] + struct.pack("<I", 1 << 20))
    start = start[:132] + lengths[case // 4 % 4] + start[144:]
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    elements = mammogram(rng)
    if case % 4 == 0:  # one comment of up to 1 GiB of blanks in about 1 MB
        times = (8, 33, 64)[case // 4 % 3]
        head = packer.compress(encoded([Element(tag=0x00204000, vr="UT", value=b"", claimed=times << 24)]))
        head += packer.flush(zlib.Z_FULL_FLUSH)
        return start + head + _blank() * times + (packer.flush() if case % 8 else b"")
    data = bytearray(packer.compress(encoded(elements)) + packer.flush())
    if case % 4 == 1:
        return start + bytes(data[: int(rng.integers(len(data)))])
    if case % 4 == 2:
        data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
        return start + bytes(data)
    return start + (zlib.compress(encoded(elements)) if case % 8 == 3 else bytes(data) + rng.bytes(1 + case))


def _blank() -> bytes:
    """16 MiB of blanks as deflate blocks that need nothing before them."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(b" " * (1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)


def floods(rng: Rng, case: int) -> bytes:  # noqa: PLR0911 one for each kind
    """200,000 elements or items, many values in one element, a very long comment."""
    elements = mammogram(rng)
    many = (1_000, 50_000, 200_000)[case // 7 % 3] + int(rng.integers(100))
    kind = case % 7
    if kind == 0:
        private = np.zeros((many, 12), np.uint8)
        private[:, :8] = np.frombuffer(b"\x29\x00\x00\x10UN\0\0", np.uint8)
        private[:, 2:4] = (np.arange(many, dtype="<u2") | 0x1000).view(np.uint8).reshape(-1, 2)
        return part10(elements[:-1]) + private.tobytes() + encoded(elements[-1:])
    if kind == 1:
        view = element("ViewCodeSequence", b"", vr="SQ")
        return part10(changed(elements, replace(view, value=(ITEM + bytes(4)) * many)))
    if kind == 2:
        return part10(changed(elements, element("WindowCenter", b"2000\\" * min(many, 13_000))))
    if kind == 3:
        return part10(
            changed(
                elements, element("SmallestPixelValueInSeries", b"\1\0" * 30_000), element("Rows", b"\7\0" * 30_000)
            )
        )
    if kind == 4:
        return part10(changed(elements, Element(tag=0x00204000, vr="UT", value=b"x" * (many * 50))))
    if kind == 5:
        return part10(
            changed(elements, sequence("VOILUTSequence", [[element("LUTExplanation", "x")]] * min(many, 20_000)))
        )
    return part10(elements[:2]) + encoded([element("PatientName", CANARY)]) * min(many, 50_000) + encoded(elements[2:])


def orders(rng: Rng, case: int) -> bytes:
    """Elements twice with other values, in any order, after the pixels, and group lengths that lie."""
    elements = mammogram(rng)
    kind = case % 5
    if kind == 0:
        at = int(rng.integers(len(elements)))
        return part10([*elements[:at], replace(elements[at], value=rng.bytes(len(elements[at].value))), *elements[at:]])
    if kind == 1:
        return part10([elements[int(at)] for at in rng.permutation(len(elements))])
    if kind == 2:
        return part10([elements[-1], *elements[:-1]])
    if kind == 3:
        group = int(rng.choice([0x0008, 0x0010, 0x0028, 0x7FE0]))
        size = struct.pack("<I", int(rng.choice([0, 1, 10, 10_000, 0x7FFFFFFF, 0xFFFFFFFF])))
        return part10(changed(elements, Element(tag=group << 16, vr="UL", value=size)))
    return part10([*elements, *elements])


def metas(rng: Rng, case: int) -> bytes:  # noqa: PLR0911 one for each kind
    """File Meta Information missing, partly missing, twice, with a wrong group length, elsewhere, or nonsense."""
    elements, whole = mammogram(rng), meta()
    kind = case % 8
    if kind == 0:
        return part10(elements, metas=[])
    if kind == 1:
        return part10(elements, metas=[each for each in whole if rng.random() < 0.5])
    if kind == 2:
        return part10([*whole, *elements])
    if kind == 3:
        size = int(rng.choice([0, 1, 50, 100, 200, 5_000, 0x7FFFFFFF, 0xFFFFFFFF]))
        return part10(elements, metas=[element("FileMetaInformationGroupLength", size), *whole])
    if kind == 4:
        return part10(elements, metas=[whole[3], *whole, element("TransferSyntaxUID", IMPLICIT)])
    if kind == 5:
        return PREFIX + encoded(whole, IMPLICIT) + encoded(elements)
    if kind == 6:
        return part10([*elements, *meta()])
    at = int(rng.integers(len(whole)))
    return part10(elements, metas=[*whole[:at], replace(whole[at], value=rng.bytes(6)), *whole[at + 1 :]])


def starts(rng: Rng, case: int) -> bytes:
    """No preamble, no prefix, another prefix, a prefix elsewhere; other kinds of file in the preamble."""
    elements = mammogram(rng)
    kind = case % 6
    if kind < 4:
        start = (b"", bytes(128), b"DICM", bytes(int(rng.integers(1, 256))) + b"DICM")[kind]
        return part10(elements, start=start) if case % 12 < 6 else part10(elements, start=start, metas=[])
    others = (
        b"MZ\x90\0",
        b"\x7fELF\2\1\1",
        b'{"a": 1}',
        b"PK\3\4",
        b"%PDF-1.7",
        b"II*\0\x10\0\0\0",
        b"#!/bin/sh\n",
        b"<html>",
        b"\x89PNG\r\n\x1a\n",
    )
    other = others[case // 6 % 9]
    return part10(elements, start=other.ljust(128, b"\0") + (b"DICM" if kind == 4 else b"DICN"))


def not_dicom(rng: Rng, case: int) -> bytes:
    """Pictures called .dcm, sound and spoiled; nothing; a few bytes; random bytes, after a true prefix too."""
    kind = case % 8
    if kind < 5:
        file = io.BytesIO()
        Image.fromarray(breast(64 + case, 48, bits=8, rng=rng).astype(np.uint8)).save(
            file, ("PNG", "JPEG", "TIFF", "PPM", "BMP")[kind]
        )
        data = bytearray(file.getvalue())
        if case % 3 == 1:
            del data[int(rng.integers(1, len(data))) :]
        elif case % 3 == 2:
            for _ in range(int(rng.choice([1, 4, 40]))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        return bytes(data)
    if kind == 5:
        return (b"", b"\0", b"D", b"DICM", bytes(128), PREFIX, PREFIX + b"\2\0\0\0UL\4\0", bytes(4096))[case // 8 % 8]
    noise = rng.bytes(int(rng.integers(1, 20_000)))
    if kind == 6:
        return noise if case % 3 else (b"\x08\x00\x05\x00CS" + noise)
    return PREFIX + noise if case % 2 else part10([]) + noise


def sequences(rng: Rng, case: int) -> bytes:
    """Items without end, wrong item tags, a sequence delimiter missing, items that claim more than the sequence."""
    code = encoded([element("CodeValue", "399162004"), element("CodeMeaning", CANARY)])
    odd = int(rng.choice([0, 1, len(code) - 1, len(code) + 9, 0x7FFFFFFF, 0xFFFFFFFE]))
    bodies = (
        (ITEM + b"\xff\xff\xff\xff" + code, UNDEFINED),
        (ITEM + struct.pack("<I", len(code)) + code, UNDEFINED),
        (ITEM + struct.pack("<I", odd) + code + SEQUENCE_END, UNDEFINED),
        (ITEM + struct.pack("<I", odd) + code, None),
        (rng.bytes(4) + struct.pack("<I", len(code)) + code, None),
        (ITEM + b"\xff\xff\xff\xff" + code + SEQUENCE_END + ITEM_END, UNDEFINED),
        (code, None),
        (SEQUENCE_END * 3, UNDEFINED),
        (ITEM_END + ITEM + bytes(4), None),
        (rng.bytes(40), None),
    )
    body, claimed = bodies[case % 10]
    keyword = ("ViewCodeSequence", "VOILUTSequence", "ModalityLUTSequence", "ReferencedImageSequence")[case // 10 % 4]
    spoiled = replace(element(keyword, b"", vr="SQ"), value=body, claimed=claimed)
    return part10(changed(mammogram(rng), spoiled))


def other_objects(rng: Rng, case: int) -> bytes:
    """DICOM without a picture, or with other things: DICOMDIR, reports, waveforms, PDF, a header alone."""
    classes = (
        "1.2.840.10008.1.3.10",
        "1.2.840.10008.5.1.4.1.1.88.50",
        "1.2.840.10008.5.1.4.1.1.9.1.1",
        "1.2.840.10008.5.1.4.1.1.104.1",
    )
    bare = [each for each in mammogram(rng) if each.tag >> 16 < 0x28]
    if case % 5 != 4:
        bare = changed(bare, element("SOPClassUID", classes[case // 5 % 4]))
    if case % 5 == 0:
        record = [element("DirectoryRecordType", "PATIENT"), element("PatientName", CANARY)]
        bare = changed(bare, sequence("DirectoryRecordSequence", [record] * 50))
    if case % 5 == 1:
        bare = changed(bare, element("EncapsulatedDocument", b"%PDF-1.4" + rng.bytes(100)))
    if case % 5 == 2:
        bare = changed(bare, element("Modality", str(rng.choice(["CT", "SR", "US", "XX", "M\\G", "mg "]))))
    if case % 5 == 3:
        bare = changed(mammogram(rng), element("PixelData", b"", vr="OW"))
    return part10(bare)


def rle_runs(rng: Rng, case: int) -> bytes:
    """RLE of the right size whose runs are too few or too many for the rows."""
    rows, cols = 64, 64 + int(rng.integers(8))
    run = struct.pack("<bB", -127, int(rng.integers(256))) * (rows * cols // (128, 256, 64, 32)[case % 4] + case % 3)
    stream = struct.pack("<16I", 2, 64, 64 + len(run), *[0] * 13) + run * 2
    elements = mammogram(rng, bits=16)
    news = [element("Rows", rows), element("Columns", cols), fragments(stream)]
    return part10(changed(elements, *news), syntax=RLE)


FAMILIES: dict[str, Callable[[Rng, int], bytes]] = {
    "cut": cut,
    "last bytes": last_bytes,
    "shifted": shifted,
    "flipped": flipped,
    "lengths": lengths,
    "pixel lengths": pixel_lengths,
    "wrong VR": wrong_vr,
    "wrong encoding": wrong_encoding,
    "wrong transfer syntax": wrong_syntax,
    "nested": nested,
    "inflating": inflating,
    "floods": floods,
    "orders": orders,
    "file meta": metas,
    "starts": starts,
    "not DICOM": not_dicom,
    "sequences": sequences,
    "other objects": other_objects,
    "rle runs": rle_runs,
}
