"""What a compressed stream claims about itself, read before any decoder sees it."""

RASTER_START = (b"\xff\x4f\xff\x51", b"\xff\xd8")  # JPEG 2000 SOC + SIZ; JPEG and JPEG-LS SOI
JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}  # SOF markers; not DHT, JPG, DAC
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
    if stream.startswith(RASTER_START[1]):
        return _jpeg_shape(stream)
    return None


def _jpeg_shape(stream: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker in JPEG_FRAMES:
            return int.from_bytes(stream[at + 5 : at + 7], "big"), int.from_bytes(stream[at + 7 : at + 9], "big")
        if marker in {0x01, 0xFF} or 0xD0 <= marker <= 0xD7:  # TEM, fill, RST: no length
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None


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
