"""What a compressed stream says about itself, and what its decoder says about it."""

import os
from pathlib import Path

import numpy as np
import pytest

from malformed_base import (
    BASELINE,
    CODECS,
    EXTENDED,
    HTJ2K,
    J2K,
    LOSSLESS,
    LOSSLESS_FIRST,
    RLE,
    compressed,
    number,
    wrapped,
)
from mammoscope.errors import ImageError
from mammoscope.images import Preprocess, read_mammogram
from mammoscope.images.codestream import can_hold, claimed_shape, is_whole, jpeg_bits

STREAMS = sorted(set(CODECS.values()) - {RLE})


@pytest.mark.parametrize("syntax", STREAMS)
@pytest.mark.parametrize("variant", [0, 1])
def test_a_sound_stream_says_its_size_and_is_long_enough(syntax: str, variant: int) -> None:
    stream, header = compressed(syntax, variant)

    assert claimed_shape(stream) == (number(header, "Rows"), number(header, "Columns"))
    assert is_whole(stream)
    assert can_hold(stream)
    assert jpeg_bits(stream) in ({8, 12, 16} if stream[:3] == b"\xff\xd8\xff" else {None})


def enlarged(stream: bytes) -> bytes:
    """The same stream, claiming 9,000 x 9,000 pixels."""
    if stream[:2] == b"\xff\xd8":
        at = next(i for i in range(2, len(stream)) if stream[i : i + 2] in {b"\xff\xc0", b"\xff\xc1", b"\xff\xc3"}) + 5
        return stream[:at] + (9000).to_bytes(2, "big") * 2 + stream[at + 4 :]
    at = stream.index(b"\xff\x51") + 6
    return stream[:at] + (9000).to_bytes(4, "big") * 2 + stream[at + 8 :]


@pytest.mark.parametrize("syntax", [BASELINE, EXTENDED, LOSSLESS, LOSSLESS_FIRST, J2K, HTJ2K])
def test_a_stream_too_short_for_its_claim_is_seen(syntax: str) -> None:
    assert not can_hold(enlarged(compressed(syntax)[0]))


def test_what_a_lossless_decoder_makes_up_is_not_shown(tmp_path: Path) -> None:
    stream, header = compressed(LOSSLESS_FIRST, 2)
    file = tmp_path / "one.dcm"
    file.write_bytes(wrapped(stream, header, LOSSLESS_FIRST))
    whole = read_mammogram(file, preprocess=Preprocess(region="whole"))
    half = len(stream) // 2
    file.write_bytes(wrapped(stream[:half] + b"\xff\xd9", header, LOSSLESS_FIRST))

    with pytest.raises(ImageError, match="its decoder says that the pixels are corrupt") as caught:
        read_mammogram(file)

    assert whole.pixels.max() > 0.5
    assert caught.value.code == "damaged"


def test_extended_jpeg_of_more_than_8_bits_says_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(wrapped(*compressed(EXTENDED, 0), EXTENDED))

    with pytest.raises(ImageError, match="JPEG Extended of 16 bits. Install pylibjpeg-libjpeg") as caught:
        read_mammogram(file)

    assert caught.value.code == "unsupported_syntax"


def test_a_depth_that_contradicts_the_header_never_reaches_a_decoder(tmp_path: Path) -> None:
    stream, header = compressed(LOSSLESS_FIRST)
    at = stream.index(b"\xff\xc3") + 4
    file = tmp_path / "one.dcm"
    file.write_bytes(wrapped(stream[:at] + b"\x11" + stream[at + 1 :], header, LOSSLESS_FIRST))

    with pytest.raises(ImageError, match="samples of 17 bits, its header 16 allocated"):
        read_mammogram(file)


def test_standard_error_is_given_back(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "one.dcm"
    file.write_bytes(wrapped(*compressed(LOSSLESS, 1), LOSSLESS))
    read_mammogram(file)
    os.write(2, b"still heard\n")

    assert capfd.readouterr().err == "still heard\n"
    assert np.isfinite(read_mammogram(file).pixels).all()
