"""The one place where stored values are decoded: native, JPEG 2000, JPEG-LS, JPEG, RLE."""

import io
import struct
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer
from openjpeg.utils import decode as decode_jpeg2000
from PIL import Image
from pydicom.encaps import get_frame
from pydicom.errors import BytesLengthException
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from mammoscope.errors import ImageError
from mammoscope.images.codestream import claimed_shape, is_whole
from mammoscope.images.header import Header, tagged
from mammoscope.images.mammogram import refusal
from mammoscope.images.picture import MAX_PIXELS, MIN_SIDE, Stored
from mammoscope.images.raster import grey_of

NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG2000 = {"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"}
HTJ2K = {"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"}
RLE = "1.2.840.10008.1.2.5"
PLUGINS = {  # the decoder of each other compressed syntax; those that abort on damaged input only where no other exists
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.51": "gdcm",
    "1.2.840.10008.1.2.4.57": "gdcm",
    "1.2.840.10008.1.2.4.70": "gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    RLE: "pydicom",
}
FAILURES = (
    *(
        AttributeError,
        BytesLengthException,
        EOFError,
        IndexError,
        KeyError,
        MemoryError,
        NotImplementedError,
        OSError,
        OverflowError,
    ),
    *(RuntimeError, SyntaxError, TypeError, ValueError, struct.error),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the pixels of one file are laid out, checked for plausibility."""

    rows: int
    cols: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    syntax: UID


def layout_of(header: Header) -> Layout:
    """Read the Image Pixel module and refuse what no mammogram has.

    Raises:
        ImageError: An element is missing, implausible or of no use here.
    """
    path, meta = header.path, getattr(header.dataset, "file_meta", None)
    syntax = UID(str(getattr(meta, "TransferSyntaxUID", "") or NATIVE[0]))
    allocated = header.required("BitsAllocated")
    stored = header.whole("BitsStored") or allocated
    high = header.whole("HighBit")
    layout = Layout(
        rows=header.required("Rows"),
        cols=header.required("Columns"),
        samples=header.whole("SamplesPerPixel") or 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high is None else high,
        signed=header.whole("PixelRepresentation") == 1,
        syntax=syntax,
    )
    if allocated not in {8, 16} or not 1 <= stored <= allocated or not stored - 1 <= layout.high_bit < allocated:
        what = f"{tagged('BitsAllocated')} {allocated}, Bits Stored {stored}, and 8 or 16 bits are read. Leave it out"
        raise refusal(path, "unsupported_pixels", what)
    if min(layout.rows, layout.cols) < MIN_SIDE or layout.rows * layout.cols > MAX_PIXELS:
        what = f"claims {layout.rows} rows and {layout.cols} columns, against at least {MIN_SIDE} a side and at most "
        raise refusal(path, "implausible", f"{what}{MAX_PIXELS:,} pixels. Leave it out of the index")
    return layout


def decode(header: Header, layout: Layout, *, reduce: int) -> Stored:
    """Decode the stored values, if the syntax allows at 1 / 2**reduce of the resolution.

    Args:
        header: The data set, pixels included; the decoder used is added to its trail.
        layout: From `layout_of`.
        reduce: Halvings that the caller can do with; only JPEG 2000 follows the wish.

    Returns:
        Stored values as uint8, uint16 or int16; smaller than the layout says where it was reduced.

    Raises:
        ImageError: There are no pixels, too few, or they cannot be decoded.
    """
    data = header.value("PixelData")
    if not isinstance(data, bytes) or not data:
        what = f"has no {tagged('PixelData')}. Leave it out of the index"
        raise refusal(header.path, "no_pixels", what)
    try:
        if layout.syntax in NATIVE and layout.samples == 1:
            values = _native(header, layout, data)
        elif layout.samples == 1:
            values = _compressed(header, layout, _stream(header, layout, data), reduce=reduce)
        else:
            values = _colour(header, layout)
    except ImageError:
        raise
    except FAILURES as error:
        what = f"its pixels cannot be decoded ({layout.syntax.name}: {type(error).__name__}). Fetch the file again"
        raise refusal(header.path, "damaged", what) from error
    return values


def _native(header: Header, layout: Layout, data: bytes) -> Stored:
    width = layout.bits_allocated // 8
    needed = layout.rows * layout.cols * width
    if len(data) < needed:
        what = f"holds {len(data):,} bytes of pixels, and its header claims {needed:,}. Fetch the file again"
        raise refusal(header.path, "truncated", what)
    if len(data) > needed + needed % 2:
        header.note("oddity", f"{len(data) - needed} bytes after the pixels were ignored", tagged("PixelData"))
    header.note("decode", layout.syntax.name, f"Transfer Syntax UID (0002,0010) = {layout.syntax}")
    if layout.syntax == BIG_ENDIAN:
        values = get_decoder(layout.syntax).as_array(header.dataset, raw=True)[0]
    else:
        values = np.frombuffer(data, dtype=f"<u{width}", count=layout.rows * layout.cols)
    return _signed(values.reshape(layout.rows, layout.cols), layout)


def _stream(header: Header, layout: Layout, data: bytes) -> bytes:
    """The one compressed frame, after its own claims were held against the header's."""
    path, shape = header.path, (layout.rows, layout.cols)
    if layout.syntax not in {*JPEG2000, *HTJ2K, *PLUGINS}:
        what = f"no decoder for {layout.syntax.name}. Convert it, for example with: gdcmconv --raw"
        raise refusal(path, "unsupported_syntax", what)
    stream = get_frame(data, 0, number_of_frames=1)
    if layout.syntax == RLE:
        if len(stream) * 64 < layout.rows * layout.cols * layout.bits_allocated // 8:
            what = f"{len(stream):,} bytes of RLE cannot hold {shape[0]} x {shape[1]} pixels. Leave it out of the index"
            raise refusal(path, "implausible", what)
        return stream
    claimed = claimed_shape(stream)
    if claimed != shape:
        what = f"its compressed pixels claim {claimed}, its header {shape} rows and columns. Leave it out of the index"
        raise refusal(path, "damaged" if claimed is None else "implausible", what)
    if not is_whole(stream):
        raise refusal(path, "truncated", "its compressed pixels end too early. Fetch the file again")
    return stream


def _compressed(header: Header, layout: Layout, stream: bytes, *, reduce: int) -> Stored:
    cause = f"Transfer Syntax UID (0002,0010) = {layout.syntax}"
    if reduce and layout.syntax in JPEG2000 and not layout.signed:
        values = _reduced(stream, reduce=reduce)
        if values is not None:
            header.note("decode", f"{layout.syntax.name}, at 1/{2**reduce} of the resolution", cause)
            return values
    header.note("decode", layout.syntax.name, cause)
    if layout.syntax in PLUGINS:
        decoder = get_decoder(layout.syntax)
        values = decoder.as_array(header.dataset, raw=True, decoding_plugin=PLUGINS[layout.syntax])[0]
    else:
        values = decode_jpeg2000(stream)
    return _signed(values.reshape(layout.rows, layout.cols), layout)


def _reduced(stream: bytes, *, reduce: int) -> Stored | None:
    """Decode fewer wavelet levels; None where that is not possible, and the whole stream must be decoded."""
    siz = stream.find(b"\xff\x4f\xff\x51", 0, 4096)
    precision = stream[siz + 42]  # Ssiz of the first component, ISO/IEC 15444-1 A.5.1; its top bit means signed
    if precision & 0x80:
        return None
    try:
        with Image.open(io.BytesIO(stream), formats=("JPEG2000",)) as image:
            if image.mode not in {"L", "I;16"}:
                return None
            image.reduce = reduce  # type: ignore[method-assign, assignment]
            values = np.array(image)
    except OSError:
        return None
    # Pillow stretches to 8 or 16 bits
    whole: Stored = np.right_shift(values, values.dtype.itemsize * 8 - precision - 1)
    return whole


def _signed(values: Integer[np.ndarray, "rows cols"], layout: Layout) -> Stored:
    """Keep Bits Stored below High Bit, and read them as signed if the header says so."""
    width, spare = layout.bits_allocated, layout.bits_allocated - layout.bits_stored
    dtype, signed = (np.uint8, np.int8) if width == 8 else (np.uint16, np.int16)
    whole = values.astype(dtype, copy=False)
    above = layout.high_bit + 1 - layout.bits_stored
    if above:
        whole = np.right_shift(whole, above)
    if layout.signed:
        whole = np.right_shift(np.left_shift(whole, spare).view(signed), spare).astype(np.int16)
    elif spare and int(whole.max()) >> layout.bits_stored:
        whole = np.bitwise_and(whole, (1 << layout.bits_stored) - 1)
    kept: Stored = whole
    return kept


def _colour(header: Header, layout: Layout) -> Stored:
    photometric = header.word("PhotometricInterpretation")
    if layout.samples != 3 or layout.bits_allocated != 8 or photometric == "PALETTE COLOR":
        what = f"{layout.samples} samples a pixel, {photometric}: a mammogram is grey. Leave it out of the index"
        raise refusal(header.path, "colour", what)
    if layout.syntax not in {*NATIVE, *PLUGINS}:
        raise refusal(header.path, "unsupported_syntax", f"no decoder for colour {layout.syntax.name}. Convert it")
    plugin = PLUGINS.get(layout.syntax, "")
    values = get_decoder(layout.syntax).as_array(header.dataset, decoding_plugin=plugin)[0]
    header.note("decode", f"{layout.syntax.name}, three equal channels", f"{tagged('SamplesPerPixel')} = 3")
    return grey_of(values, path=header.path)
