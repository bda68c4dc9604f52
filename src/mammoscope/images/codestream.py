"""What a compressed stream claims about itself, read before any decoder sees it."""

from typing import NamedTuple

RASTER_START = (b"\xff\x4f\xff\x51", b"\xff\xd8")  # JPEG 2000 SOC + SIZ; JPEG and JPEG-LS SOI
JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}  # SOF markers; not DHT, JPG, DAC
JPEG_LS = 0xF7  # SOF55
LOSSLESS = (0xC3, 0xC7)  # SOF3, SOF7
TILE_PART = b"\xff\x90"  # SOT of JPEG 2000
PADDING_BYTES = 1 << 16  # after the end; more is not looked through
STREAM_END = b"\xff\xd9"  # EOC of JPEG 2000, EOI of JPEG and JPEG-LS


def claimed_shape(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns by the header of a JPEG 2000, JPEG or JPEG-LS stream; None if it has none.

    Source:
        ISO/IEC 15444-1 A.5.1 (SIZ); ISO/IEC 10918-1 B.2.2 (SOF); ISO/IEC 14495-1 C.2.2 (SOF55).

    Example:
        >>> claimed_shape(bytes.fromhex("ffd8 ffc3 000b 0c 0040 0080 01 011100"))
        (64, 128)
    """
    siz = stream.find(RASTER_START[0], 0, 4096)
    if siz >= 0:
        fields = [int.from_bytes(stream[at : at + 4], "big") for at in range(siz + 8, siz + 24, 4)]
        width, height, left, top = fields
        return height - top, width - left
    frame = _jpeg_frame(stream)
    return None if frame is None else (frame.rows, frame.cols)


class _Frame(NamedTuple):
    """The frame header of a JPEG or JPEG-LS stream."""

    marker: int
    bits: int
    rows: int
    cols: int


def _jpeg_frame(stream: bytes) -> _Frame | None:
    at = 2
    if not stream.startswith(RASTER_START[1]):
        return None
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker in JPEG_FRAMES:
            rows, cols = (int.from_bytes(stream[here : here + 2], "big") for here in (at + 5, at + 7))
            return _Frame(marker=marker, bits=stream[at + 4], rows=rows, cols=cols)
        if marker in {0x01, 0xFF} or 0xD0 <= marker <= 0xD7:  # TEM, fill, RST: no length
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None


def jpeg_bits(stream: bytes) -> int | None:
    """Bits of a sample by the header of a JPEG or JPEG-LS stream; None if it has none.

    Source:
        ISO/IEC 10918-1 B.2.2.

    Example:
        >>> jpeg_bits(bytes.fromhex("ffd8 ffc3 000b 0c 0040 0080 01 011100"))
        12
    """
    frame = _jpeg_frame(stream)
    return None if frame is None else frame.bits


def wavelet_bits(stream: bytes) -> int | None:
    """Bits of a sample of the deepest component of a JPEG 2000 stream, signed or not; None if it has none.

    Source:
        ISO/IEC 15444-1 A.5.1: Csiz, then Ssiz of each component, whose top bit means signed.

    Example:
        >>> wavelet_bits(bytes.fromhex("ff4f ff51 0029") + bytes(34) + bytes.fromhex("0001 8b 01 01"))
        12
    """
    at = stream.find(RASTER_START[0], 0, 4096)
    if at < 0:
        return None
    components = int.from_bytes(stream[at + 40 : at + 42], "big")
    return max((1 + (size & 0x7F) for size in stream[at + 42 : at + 42 + 3 * components : 3]), default=None)


def can_hold(stream: bytes) -> bool:
    """Whether a stream is long enough for the picture that it claims.

    A Huffman code spends at least a bit on each sample (lossless) or on each block of 64 (cosine transform); in JPEG
    2000 each tile has at least one tile-part, and these follow each other up to the end marker.

    Source:
        ISO/IEC 10918-1 F.1.2 and H.1.2; ISO/IEC 15444-1 A.4.2 (SOT) and A.5.1 (SIZ).
    """
    siz = stream.find(RASTER_START[0], 0, 4096)
    if siz >= 0:
        return _tiles_are_there(stream, siz=siz)
    frame = _jpeg_frame(stream)
    if frame is None or frame.marker == JPEG_LS:
        return True  # runs of JPEG-LS have no such bound
    samples = frame.rows * frame.cols
    return 8 * len(stream) >= (samples if frame.marker in LOSSLESS else samples // 64)


def _tiles_are_there(stream: bytes, *, siz: int) -> bool:
    fields = [int.from_bytes(stream[at : at + 4], "big") for at in range(siz + 8, siz + 40, 4)]
    right, bottom, _, _, width, height, left, top = fields
    if not width or not height:
        return False
    tiles = -(-(right - left) // width) * -(-(bottom - top) // height)
    at, seen = siz + 2, set()
    while at + 12 <= len(stream) and stream[at] == 0xFF and stream[at : at + 2] != TILE_PART:
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    while stream[at : at + 2] == TILE_PART:
        seen.add(stream[at + 4 : at + 6])
        length = int.from_bytes(stream[at + 6 : at + 10], "big")
        if length == 0:  # the last part goes on to the end
            return len(seen) == tiles
        at += max(length, 12)
    return len(seen) == tiles and stream[at : at + 2] == STREAM_END


def wavelet_levels(stream: bytes) -> int:
    """How often the resolution of a JPEG 2000 stream can be halved; 0 if it does not say.

    Source:
        ISO/IEC 15444-1 A.6.1 (COD): marker, length, style, progression, layers, transform, then the levels.

    Example:
        >>> wavelet_levels(bytes.fromhex("ff4f ff51 0004 0000 ff52 000c 00 00 0001 00 05 0404 00 01"))
        5
    """
    at = stream.find(RASTER_START[0], 0, 4096)
    at += 2
    while at >= 2 and at + 10 <= len(stream) and stream[at] == 0xFF and stream[at + 1] not in {0x90, 0x93, 0xD9}:
        if stream[at + 1] == 0x52:
            return min(stream[at + 9], 32)
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return 0


def precision(stream: bytes) -> int | None:
    """Bits of a sample of a JPEG 2000 stream of one unsigned component; None if it has others.

    Source:
        ISO/IEC 15444-1 A.5.1: Csiz, then Ssiz of the first component, whose top bit means signed.
    """
    at = stream.find(RASTER_START[0], 0, 4096)
    if at < 0 or len(stream) < at + 43:
        return None
    components, size = int.from_bytes(stream[at + 40 : at + 42], "big"), stream[at + 42]
    return size + 1 if components == 1 and size < 16 else None


def is_whole(stream: bytes) -> bool:
    """Whether a JPEG 2000, JPEG or JPEG-LS stream has its end marker (padding after it is legal)."""
    return STREAM_END in stream[-PADDING_BYTES:].rstrip(b"\x00")[-4:]
