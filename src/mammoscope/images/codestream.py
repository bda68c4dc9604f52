"""What a compressed stream claims about itself, read before any decoder sees it."""

RASTER_START = (b"\xff\x4f\xff\x51", b"\xff\xd8")  # JPEG 2000 SOC + SIZ; JPEG and JPEG-LS SOI
JPEG_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}  # SOF markers; not DHT, JPG, DAC
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


def is_whole(stream: bytes) -> bool:
    """Whether a JPEG 2000, JPEG or JPEG-LS stream has its end marker (padding after it is legal)."""
    return STREAM_END in stream.rstrip(b"\x00")[-4:]
