"""Spoiled compressed pixels of every codec: flipped bytes, moved blocks, lengths and markers that lie, false claims."""

import struct
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from malformed_base import (
    BASELINE,
    CODECS,
    HTJ2K,
    J2K,
    J2K_LOSSY,
    RLE,
    Element,
    changed,
    compressed,
    element,
    fragments,
    part10,
    wrapped,
)

Rng = np.random.Generator
END = b"\xff\xd9"
SIZED = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xF8), 0xFE, *range(0x50, 0x65)}) - {0xC8, 0xD8, 0xD9}


def codec_families() -> dict[str, Callable[[Rng, int], bytes]]:
    """Two families a codec."""
    found: dict[str, Callable[[Rng, int], bytes]] = {}
    for name, syntax in CODECS.items():
        found[f"{name} bytes"] = partial(spoiled_bytes, syntax=syntax)
        found[f"{name} structure"] = partial(spoiled_structure, syntax=syntax)
    return found


def spoiled_bytes(rng: Rng, case: int, *, syntax: str) -> bytes:
    """Bytes flipped, blocks swapped, repeated, removed or cleared, or an early end (with or without its marker)."""
    stream, header = compressed(syntax, case % 4)
    spoil = (_flipped, _flipped, _swapped, _cut, _cleared, _repeated, _removed)[case % 7]
    return wrapped(_ended(spoil(stream, rng), syntax, case), header, syntax)


def spoiled_structure(rng: Rng, case: int, *, syntax: str) -> bytes:
    """Segments that lie about their length, come twice, in other order or with strange content; false sizes."""
    stream, header = compressed(syntax, case % 4)
    if syntax == RLE:
        return wrapped(_rle_lie(stream, rng, case), header, syntax)
    spoil = (_length_lie, _injected, _twice, _moved, _content, _size_lie, _both_lie)[case % 7]
    if spoil is _both_lie:
        return _both_lie(stream, header, rng, syntax)
    return wrapped(_ended(spoil(stream, rng), syntax, case), header, syntax)


def _ended(stream: bytes, syntax: str, case: int) -> bytes:
    """Most with an end marker, so that the decoder itself is reached."""
    return stream if syntax == RLE or case % 3 == 0 or stream.endswith(END) else stream + END


def _flipped(stream: bytes, rng: Rng) -> bytes:
    data = bytearray(stream)
    for _ in range(int(rng.choice([1, 1, 2, 8, 64]))):
        reach = len(data) if rng.random() < 0.5 else min(len(data), 200)  # the head matters more
        data[int(rng.integers(2, reach))] ^= int(rng.choice([1, 0x80, 0xFF, rng.integers(1, 256)]))
    return bytes(data)


def _span(stream: bytes, rng: Rng) -> tuple[int, int]:
    low, high = sorted(int(place) for place in rng.integers(2, len(stream), 2))
    return low, high


def _swapped(stream: bytes, rng: Rng) -> bytes:
    width = int(rng.integers(1, max(2, len(stream) // 4)))
    low, high = sorted(int(place) for place in rng.integers(2, len(stream) - width, 2))
    low = min(low, max(2, high - width))
    return (
        stream[:low]
        + stream[high : high + width]
        + stream[low + width : high]
        + stream[low : low + width]
        + stream[high + width :]
    )


def _cut(stream: bytes, rng: Rng) -> bytes:
    return stream[: int(rng.integers(1, len(stream)))]


def _cleared(stream: bytes, rng: Rng) -> bytes:
    low, high = _span(stream, rng)
    return stream[:low] + bytes([int(rng.choice([0, 0xFF, 0x80]))]) * (high - low) + stream[high:]


def _repeated(stream: bytes, rng: Rng) -> bytes:
    low, high = _span(stream, rng)
    return stream[:high] + stream[low:high] * int(rng.integers(1, 6)) + stream[high:]


def _removed(stream: bytes, rng: Rng) -> bytes:
    low, high = _span(stream, rng)
    return stream[:low] + stream[min(high, low + int(rng.integers(1, 64))) :]


def segments(stream: bytes) -> list[tuple[int, int]]:
    """Start and end of each marker segment of a JPEG, JPEG-LS or JPEG 2000 stream, up to the coded pixels."""
    found, at = [], 2
    while at + 4 <= len(stream) and stream[at] == 0xFF and stream[at + 1] in SIZED:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        found.append((at, min(end, len(stream))))
        at = end
    return found


def _one(stream: bytes, rng: Rng) -> tuple[int, int]:
    found = segments(stream)
    return found[int(rng.integers(len(found)))]


def _length_lie(stream: bytes, rng: Rng) -> bytes:
    at, _ = _one(stream, rng)
    true = int.from_bytes(stream[at + 2 : at + 4], "big")
    lie = int(rng.choice([0, 1, 2, 3, max(0, true - 1), true + 1, true + 200, 0x7FFF, 0xFFFF, rng.integers(65536)]))
    return stream[: at + 2] + struct.pack(">H", lie & 0xFFFF) + stream[at + 4 :]


def _injected(stream: bytes, rng: Rng) -> bytes:
    at = int(rng.integers(2, len(stream)))
    if rng.random() < 0.5:
        at = _one(stream, rng)[0]
    marker = int(rng.choice([*SIZED, 0xD8, 0xD9, 0xD0, 0x01, 0x4F, 0x93]))
    body = rng.bytes(int(rng.choice([0, 1, 2, 8, 60])))
    return stream[:at] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + stream[at:]


def _twice(stream: bytes, rng: Rng) -> bytes:
    low, high = _one(stream, rng)
    return stream[:high] + stream[low:high] * int(rng.choice([1, 2, 500])) + stream[high:]


def _moved(stream: bytes, rng: Rng) -> bytes:
    (low, high), (to, _) = _one(stream, rng), _one(stream, rng)
    piece = stream[low:high]
    return (
        stream[:to] + piece + stream[to:low] + stream[high:]
        if to < low
        else stream[:low] + stream[high:to] + piece + stream[to:]
    )


def _content(stream: bytes, rng: Rng) -> bytes:
    low, high = _one(stream, rng)
    data = bytearray(stream)
    for at in rng.integers(low + 4, max(low + 5, high), int(rng.choice([1, 2, 4]))):
        data[min(int(at), len(data) - 1)] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.integers(256)]))
    return bytes(data)


def sized(stream: bytes, rows: int, cols: int) -> bytes:
    """The stream with another claim about its size."""
    at = stream.find(b"\xff\x4f\xff\x51")
    if at >= 0:
        return stream[: at + 8] + struct.pack(">II", cols, rows) + stream[at + 16 :]
    for low, _ in segments(stream):
        if stream[low + 1] in {*range(0xC0, 0xC4), *range(0xC5, 0xC8), 0xF7}:
            return stream[: low + 5] + struct.pack(">HH", rows & 0xFFFF, cols & 0xFFFF) + stream[low + 9 :]
    return stream


def _size_lie(stream: bytes, rng: Rng) -> bytes:
    rows, cols = (int(rng.choice([0, 1, 15, 63, 96, 4096, 65535, 60000])) for _ in range(2))
    return sized(stream, rows, cols)


def _both_lie(stream: bytes, header: Sequence[Element], rng: Rng, syntax: str) -> bytes:
    """Stream and header agree on a size that the bytes do not hold, up to just what is allowed."""
    rows, cols = (int(rng.choice([17, 100, 1000, 3000, 9999])) for _ in range(2))
    false = changed(header, element("Rows", rows), element("Columns", cols))
    return wrapped(sized(stream, rows, cols), false, syntax)


def _rle_lie(stream: bytes, rng: Rng, case: int) -> bytes:
    """The RLE header: number of segments, offsets; runs longer or shorter than the rows."""
    fields = list(struct.unpack("<16I", stream[:64]))
    lies = [0, 1, 63, 64, 65, len(stream), len(stream) - 1, 2**31, 2**32 - 1, int(rng.integers(2**32))]
    kind = case % 5
    if kind == 0:
        fields[0] = int(rng.choice([0, 1, 3, 4, 15, 16, 2**31, 2**32 - 1]))
    elif kind in {1, 2}:
        fields[int(rng.integers(1, 3 if kind == 1 else 16))] = int(rng.choice(lies))
    elif kind == 3:
        fields[1], fields[2] = fields[2], fields[1]
    body = stream[64:]
    if kind == 4:
        run = bytes([int(rng.choice([0x80, 0x81, 0x7F, 0xFF, 0x00]))])
        body = (run + rng.bytes(1)) * (len(body) // 2)
    return struct.pack("<16I", *fields) + body


def claims(rng: Rng, case: int) -> bytes:
    """Bombs: a few bytes of any codec that claim enormous pictures, in the stream, the header or both."""
    syntax = list(CODECS.values())[case % len(CODECS)]
    stream, header = compressed(syntax, 1 if syntax == HTJ2K else 0)
    rows, cols = ((60000, 60000), (65535, 65535), (65535, 1500), (10000, 10000), (9990, 9990))[case // 10 % 5]
    rows, cols = rows - int(rng.integers(8)), cols - int(rng.integers(8))
    said = changed(header, element("Rows", rows), element("Columns", cols)) if case % 3 else header
    stream = stream if case % 7 == 6 else sized(stream, rows, cols)
    return wrapped(stream, said, syntax)


def tiles(rng: Rng, case: int) -> bytes:
    """JPEG 2000 SIZ and COD fields: tile sizes, offsets, components, precision, levels, layers, code block sizes."""
    syntax = (J2K, J2K_LOSSY, HTJ2K)[case % 3]
    stream, header = compressed(syntax, 1)
    data = bytearray(stream)
    size, style = data.index(b"\xff\x51"), data.index(b"\xff\x52")
    wide = [0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF, int(rng.integers(2**32))]
    for _ in range(1 + case % 3):
        if rng.random() < 0.6:
            at = size + 6 + 4 * int(rng.integers(2, 8))
            data[at : at + 4] = struct.pack(">I", int(rng.choice(wide)))
        elif rng.random() < 0.5:
            at = int(rng.choice([size + 38, size + 39, size + 40, size + 41, size + 42]))
            data[at] = int(rng.choice([0, 1, 7, 37, 38, 0x7F, 0x80, 0xFF]))
        else:
            data[style + int(rng.integers(4, 14))] = int(rng.choice([0, 1, 5, 10, 32, 33, 0x7F, 0xFF]))
    return wrapped(bytes(data), header, syntax)


def wrong_codec(rng: Rng, case: int) -> bytes:
    """The stream of one codec under the transfer syntax of another."""
    syntaxes = list(CODECS.values())
    true = syntaxes[case % len(syntaxes)]
    said = syntaxes[(case + 1 + int(rng.integers(len(syntaxes) - 1))) % len(syntaxes)]
    stream, header = compressed(true, case % 4)
    return wrapped(stream, header, said)


def wrong_depth(rng: Rng, case: int) -> bytes:
    """A sound stream whose header says another depth, sign, or number of samples."""
    syntax = list(CODECS.values())[case % len(CODECS)]
    stream, header = compressed(syntax, 1)
    allocated = int(rng.choice([8, 16]))
    stored = int(rng.integers(1, allocated + 1))
    news = [element("BitsAllocated", allocated), element("BitsStored", stored), element("HighBit", stored - 1)]
    news += [element("PixelRepresentation", int(rng.integers(2)))] * (case % 2)
    if case % 5 == 4:
        news = [element("SamplesPerPixel", 3), element("PhotometricInterpretation", "RGB"), *news]
    return wrapped(stream, changed(header, *news), syntax)


def offset_tables(rng: Rng, case: int) -> bytes:
    """Basic and Extended Offset Tables that are huge, senseless, too short or contradict each other."""
    stream, header = compressed((BASELINE, J2K, RLE)[case % 3], 0)
    syntax = (BASELINE, J2K, RLE)[case % 3]
    kind = case // 3 % 4
    table = (rng.bytes(4 * int(rng.integers(1, 9))), bytes(4_000_000), struct.pack("<I", 0xFFFFFFFE), rng.bytes(3))[
        kind
    ]
    if case % 2:
        return wrapped(stream, header, syntax, table=table)
    body = [Element(tag=0x7FE00001, vr="OV", value=table), Element(tag=0x7FE00002, vr="OV", value=rng.bytes(8))]
    return part10(changed(header, *body, fragments(stream)), syntax=syntax)


def loose_fragments(rng: Rng, case: int) -> bytes:
    """Items with wrong tags, odd, negative or too long lengths; no table, no items, no delimiter; many fragments."""
    syntax = list(CODECS.values())[case % len(CODECS)]
    stream, header = compressed(syntax, 1)
    item, end = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
    half = len(stream) // 2
    length = int(rng.choice([0, 1, len(stream) - 1, len(stream) + 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]))
    bodies = (
        item + bytes(4) + item + struct.pack("<I", length) + stream + end,
        item + bytes(4) + rng.bytes(4) + struct.pack("<I", len(stream)) + stream + end,
        item + bytes(4) + item + struct.pack("<I", len(stream)) + stream,
        item + struct.pack("<I", len(stream)) + stream + end,
        item + bytes(4) + end,
        item + bytes(4) + b"".join(item + b"\2\0\0\0" + stream[at : at + 2] for at in range(0, len(stream), 2)) + end,
        end + item + bytes(4) + item + struct.pack("<I", len(stream)) + stream,
        item
        + bytes(4)
        + b"".join(item + struct.pack("<I", len(part)) + part for part in (stream[half:], stream[:half]))
        + end,
        stream,
        item + bytes(4) + item + struct.pack("<I", len(stream)) + stream + end[:4] + rng.bytes(4),
        item + bytes(4) + item * 20_000 + end,
    )
    claimed = 0xFFFFFFFF if rng.random() < 0.7 else None
    body = bodies[case // 10 * 2 % 11 if case % 2 else case % 11]
    return part10(changed(header, Element(tag=0x7FE00010, vr="OB", value=body, claimed=claimed)), syntax=syntax)


FAMILIES: dict[str, Callable[[Rng, int], bytes]] = {
    **codec_families(),
    "codec claims": claims,
    "jpeg-2000 fields": tiles,
    "codec of another": wrong_codec,
    "codec other depth": wrong_depth,
    "offset tables": offset_tables,
    "loose fragments": loose_fragments,
}
