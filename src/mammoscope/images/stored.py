"""The one place where stored values are decoded: native, JPEG 2000, JPEG-LS, JPEG, RLE; one frame at a time."""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Integer
from openjpeg.utils import decode as decode_jpeg2000
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.errors import BytesLengthException
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from mammoscope.dicom.header import Header, tagged, told
from mammoscope.errors import ImageError
from mammoscope.images.codecs import EIGHTH, DctLevels, WaveletLevels
from mammoscope.images.codestream import can_hold, claimed_shape, is_whole, jpeg_bits, precision, wavelet_bits
from mammoscope.images.complaints import complaints
from mammoscope.images.levels import ArrayLevels, Levels, Stored
from mammoscope.images.picture import MAX_FRAMES, MAX_PIXELS, MIN_SIDE
from mammoscope.images.raster import grey_of
from mammoscope.trail import refusal

NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG2000 = {"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"}
HTJ2K = {"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"}
LOSSY_WAVELETS = {"1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"}  # of what these hold, some is lossless
JPEG_8_BIT = "1.2.840.10008.1.2.4.50"
EXTENDED = "1.2.840.10008.1.2.4.51"
FOR_12_BIT = "pylibjpeg"  # GDCM reads JPEG Extended of 8 bits only; the free one that reads 12 is under the GPL
FOR_WAVELETS = "pylibjpeg"  # by OpenJPEG; colour only, since of grey the stream alone says what it is
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
    frames: int
    syntax: UID

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a frame."""
        return self.rows, self.cols

    @property
    def frame_bytes(self) -> int:
        """Length of one native frame."""
        return self.rows * self.cols * self.samples * self.bits_allocated // 8


def layout_of(header: Header) -> Layout:
    """Read the Image Pixel module and refuse what no mammogram has.

    Raises:
        ImageError: An element is missing, implausible or of no use here.
    """
    path, meta = header.path, getattr(header.dataset, "file_meta", None)
    syntax = UID(str(getattr(meta, "TransferSyntaxUID", "") or NATIVE[0]))
    if not set(syntax) <= set("0123456789."):  # it may be another element's value, so it is not told
        what = f"{tagged('TransferSyntaxUID')} is no UID. Convert it, for example with: gdcmconv --raw"
        raise refusal(path, "unsupported_syntax", what)
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
        frames=max(1, header.whole("NumberOfFrames") or 1),
        syntax=syntax,
    )
    numbers = (layout.rows, layout.cols, layout.samples, allocated, stored, layout.high_bit)
    if not all(0 <= number <= 0xFFFF for number in numbers):  # the value may be another element's, so it is not told
        what = f"an element from {tagged('SamplesPerPixel')} on is not from 0 to 65535. Leave it out of the index"
        raise refusal(path, "damaged", what)
    if allocated not in {8, 16} or not 1 <= stored <= allocated or not stored - 1 <= layout.high_bit < allocated:
        what = f"{tagged('BitsAllocated')} {allocated}, Bits Stored {stored}, and 8 or 16 bits are read. Leave it out"
        raise refusal(path, "unsupported_pixels", what)
    if min(layout.rows, layout.cols) < MIN_SIDE or layout.rows * layout.cols > MAX_PIXELS:
        what = f"claims {layout.rows} rows and {layout.cols} columns, against at least {MIN_SIDE} a side and at most "
        raise refusal(path, "implausible", f"{what}{MAX_PIXELS:,} pixels. Leave it out of the index")
    if layout.frames > MAX_FRAMES:
        what = f"claims {layout.frames:,} slices, and at most {MAX_FRAMES:,} are read. Leave it out of the index"
        raise refusal(path, "implausible", what)
    return layout


def levels_of(header: Header, layout: Layout, *, frame: int) -> Levels:
    """One frame, to be decoded at the resolution that is needed.

    Args:
        header: The data set, pixels included; what is decoded how is added to its trail.
        layout: From `layout_of`.
        frame: Which, from 0.

    Returns:
        Levels whose reading raises `ImageError` as this function does.

    Raises:
        ImageError: There are no pixels, too few, or they cannot be decoded.
    """
    if header.dataset.get_item("PixelData", keep_deferred=True) is None:
        raise refusal(header.path, "no_pixels", f"has no {tagged('PixelData')}. Leave it out of the index")
    with _failures(header, layout):
        if layout.samples != 1 or header.word("PhotometricInterpretation") == "PALETTE COLOR":
            return _colour(header, layout)
        if layout.syntax in NATIVE:
            return _native(header, layout, frame=frame)
        return _compressed(header, layout, _stream(header, layout, frame=frame))


@contextmanager
def _failures(header: Header, layout: Layout) -> Iterator[None]:
    """Whatever a decoder raises becomes one code."""
    try:
        yield
    except ImageError:
        raise
    except FAILURES as error:
        what = f"its pixels cannot be decoded ({layout.syntax.name}: {type(error).__name__}). Fetch the file again"
        raise refusal(header.path, "damaged", what) from error


class _Place(NamedTuple):
    """Where the bytes of an element lie in the file."""

    offset: int
    length: int


def _left_in_file(header: Header) -> _Place | None:
    """Where the pixels lie, if they were long enough to be left in the file; the length is what is really there."""
    element: Any = header.dataset.get_item("PixelData", keep_deferred=True)
    if not isinstance(element, RawDataElement) or element.value is not None:
        return None
    left = header.path.stat().st_size - element.value_tell
    return _Place(offset=element.value_tell, length=max(0, min(element.length, left)))


def _decoded(header: Header, layout: Layout) -> None:
    header.note("decode", layout.syntax.name, f"Transfer Syntax UID (0002,0010) = {layout.syntax}")


def _native(header: Header, layout: Layout, *, frame: int) -> Levels:
    """Pixels straight from the file: mapped, not read."""
    place = _left_in_file(header)
    start = frame * layout.frame_bytes
    _check_length(header, place, needed=layout.frames * layout.frame_bytes)
    _decoded(header, layout)
    dtype = np.dtype(f"<u{layout.bits_allocated // 8}")
    if layout.syntax == BIG_ENDIAN:
        values = get_decoder(layout.syntax).as_array(header.dataset, raw=True, index=frame)[0]
    elif place is not None:
        values = np.memmap(header.path, dtype=dtype, mode="r", offset=place.offset + start, shape=layout.shape)
    else:
        count = layout.rows * layout.cols
        values = np.frombuffer(header.value("PixelData"), dtype=dtype, count=count, offset=start)
    return ArrayLevels(values=values.reshape(layout.shape), stored=partial(_signed, layout=layout))


def _check_length(header: Header, place: _Place | None, *, needed: int) -> None:
    """Hold the bytes of native pixels, in the file or in memory, against what the header claims."""
    held = len(header.value("PixelData") or b"") if place is None else place.length
    if held < needed:
        what = f"holds {held:,} bytes of pixels, and its header claims {needed:,}. Fetch the file again"
        raise refusal(header.path, "truncated" if held else "no_pixels", what)
    if held > needed + needed % 2:
        header.note("oddity", f"{held - needed} bytes after the pixels were ignored", tagged("PixelData"))


def _stream(header: Header, layout: Layout, *, frame: int) -> bytes:
    """One compressed frame, after its own claims were held against the header's."""
    path = header.path
    if layout.syntax not in {*JPEG2000, *HTJ2K, *PLUGINS}:
        what = f"no decoder for {layout.syntax.name}. Convert it, for example with: gdcmconv --raw"
        raise refusal(path, "unsupported_syntax", what)
    stream = _frame(header, layout, frame=frame)
    if layout.syntax == RLE:
        if len(stream) * 64 < layout.frame_bytes:
            what = f"{len(stream):,} bytes of RLE cannot hold {layout.rows} x {layout.cols} pixels. Leave it out"
            raise refusal(path, "implausible", what)
        return stream
    claimed = claimed_shape(stream)
    if claimed != layout.shape:
        what = f"its compressed pixels claim {claimed}, its header {layout.shape} rows and columns. Leave it out"
        raise refusal(path, "damaged" if claimed is None else "implausible", what)
    if not is_whole(stream):
        raise refusal(path, "truncated", "its compressed pixels end too early. Fetch the file again")
    if not can_hold(stream):
        what = f"{len(stream):,} bytes of compressed pixels cannot hold the picture they claim. Fetch the file again"
        raise refusal(path, "implausible", what)
    _check_depth(header, layout, jpeg_bits(stream) or wavelet_bits(stream))
    return stream


def _check_depth(header: Header, layout: Layout, bits: int | None) -> None:
    """Hold the depth of a stream against the header: some decoders abort where it is larger, and the rest lose bits."""
    if bits is None:
        return
    if bits > layout.bits_allocated or (bits <= 8 < layout.bits_allocated and layout.syntax == EXTENDED):
        what = f"its stream has samples of {bits} bits, its header {layout.bits_allocated} allocated. Leave it out"
        raise refusal(header.path, "implausible", what)
    if layout.syntax == EXTENDED and bits > 8 and not _available(layout.syntax, FOR_12_BIT):
        what = f"is JPEG Extended of {bits} bits. Install pylibjpeg-libjpeg (GPL), or convert it, with dcmdjpeg"
        raise refusal(header.path, "unsupported_syntax", what)


def _available(syntax: UID, plugin: str) -> bool:
    return plugin in get_decoder(syntax).available_plugins


def _frame(header: Header, layout: Layout, *, frame: int) -> bytes:
    """The bytes of one frame; of a volume, only those are read from the file.

    Source:
        DICOM PS3.5 A.4: fragments, and the tables that say where each frame begins.
    """
    place = _left_in_file(header)
    if place is None:
        data = header.value("PixelData")
        if not isinstance(data, bytes) or not data:
            raise refusal(header.path, "no_pixels", f"has no {tagged('PixelData')}. Leave it out of the index")
        return get_frame(data, frame, number_of_frames=layout.frames)
    offsets = header.value("ExtendedOffsetTable"), header.value("ExtendedOffsetTableLengths")
    with header.path.open("rb") as file:
        file.seek(place.offset)
        whole = (offsets[0], offsets[1]) if offsets[0] and offsets[1] else None
        return get_frame(file, frame, number_of_frames=layout.frames, extended_offsets=whole)


def _compressed(header: Header, layout: Layout, stream: bytes) -> Levels:
    _decoded(header, layout)
    whole = partial(_whole, header, layout, stream)
    plain = not layout.signed and layout.high_bit == layout.bits_stored - 1
    if layout.syntax in {*JPEG2000, *HTJ2K} and plain:
        bits = precision(stream)
        if bits is not None:
            return _wavelets(header, layout, stream, bits=bits)
    if layout.syntax == JPEG_8_BIT and plain and layout.bits_stored == 8:
        Image.open(io.BytesIO(stream), formats=("JPEG",)).close()  # fails here, where failures become a code
        return DctLevels(stream=stream, shape=layout.shape, grey=partial(_luminance, header, layout))
    return ArrayLevels(values=whole())


def _wavelets(header: Header, layout: Layout, stream: bytes, *, bits: int) -> Levels:
    """An unsigned JPEG 2000 stream, which may be deeper than Bits Stored: its smaller levels mix all of its bits.

    What a lossless one has above High Bit is masked, as in any other syntax, where a small level has larger values than
    Bits Stored holds: many archives write 12 bits as 16, and to decode each whole would take four times as long. A
    lossy one may overshoot the largest value that was meant, which a mask would turn from white to black: its own
    depth holds.

    Source:
        DICOM PS3.5 8.2.4: the header shall agree with the stream, which is decoded by its own characteristics.
    """
    depth = max(bits, layout.bits_stored)
    deep = replace(layout, bits_stored=depth, high_bit=depth - 1)
    whole: Callable[[], Stored] = partial(_whole, header, deep, stream)
    cause = f"{tagged('BitsStored')} = {layout.bits_stored}, its stream has {bits}"
    if bits > layout.bits_stored and layout.syntax in LOSSY_WAVELETS:
        header.note("oddity", "bits above High Bit were kept, since the stream is lossy", cause)
    levels = WaveletLevels(stream=stream, shape=layout.shape, bits=bits, whole=whole)
    if bits > layout.bits_stored and layout.syntax not in LOSSY_WAVELETS and _is_deep(levels, layout):
        values = whole()
        above = np.count_nonzero(values >> layout.bits_stored)
        if above:
            header.note("oddity", f"bits above High Bit, in {above:,} pixels, were masked", cause)
            return ArrayLevels(values=_signed(values, layout=layout))
    return levels if layout.syntax in JPEG2000 else ArrayLevels(values=whole())


def _is_deep(levels: WaveletLevels, layout: Layout) -> bool:
    """Whether a small level, or the whole where there is none, has a value that Bits Stored cannot hold."""
    return bool(int(levels.read(levels.factor_for(EIGHTH)).max()) >> layout.bits_stored)


def _whole(header: Header, layout: Layout, stream: bytes) -> Stored:
    """Decode a stream at full resolution."""
    with _failures(header, layout):
        values = _by_plugin(header, layout, stream) if layout.syntax in PLUGINS else decode_jpeg2000(stream)
        return _signed(values.reshape(layout.shape), layout=layout)


def _by_plugin(header: Header, layout: Layout, stream: bytes, *, raw: bool = True) -> Integer[np.ndarray, "..."]:
    """Decode a stream by the decoder that was chosen for its syntax; to RGB unless `raw`."""
    one = _one_frame(header.dataset, layout, stream)
    deep = layout.syntax == EXTENDED and (jpeg_bits(stream) or 0) > 8
    plugin = FOR_12_BIT if deep else PLUGINS.get(layout.syntax, FOR_WAVELETS)
    with complaints() as said:
        values = get_decoder(layout.syntax).as_array(one, raw=raw, decoding_plugin=plugin)[0]
    if said and plugin == "gdcm":
        raise refusal(header.path, "damaged", "its decoder says that the pixels are corrupt. Fetch the file again")
    return values


def _one_frame(dataset: Dataset, layout: Layout, stream: bytes) -> Dataset:
    """A data set of one frame, with what pydicom needs to decode it."""
    one = Dataset()
    for keyword in ("SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation", "PlanarConfiguration"):
        if keyword in dataset:
            one[keyword] = dataset[keyword]
    one.Rows, one.Columns = layout.shape
    one.BitsAllocated, one.BitsStored, one.HighBit = layout.bits_allocated, layout.bits_stored, layout.high_bit
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = layout.syntax
    one.PixelData = encapsulate([stream])
    one["PixelData"].VR = "OB"
    one["PixelData"].is_undefined_length = True
    return one


def _luminance(header: Header, layout: Layout, image: Image.Image) -> Stored:
    with _failures(header, layout):
        if image.mode != "L":
            what = f"its JPEG has channels {image.mode}, its header one. Leave it out of the index"
            raise refusal(header.path, "implausible", what)
        return np.array(image)


def _signed(values: Integer[np.ndarray, "rows cols"], *, layout: Layout) -> Stored:
    """Keep Bits Stored below High Bit, and read them as signed if the header says so."""
    width, spare = layout.bits_allocated, layout.bits_allocated - layout.bits_stored
    dtype, signed = (np.uint8, np.int8) if width == 8 else (np.uint16, np.int16)
    whole = values.astype(dtype, copy=False)
    above = layout.high_bit + 1 - layout.bits_stored
    if above:
        whole = np.right_shift(whole, above)
    if layout.signed:
        whole = np.right_shift(np.left_shift(whole, spare).view(signed), spare).astype(np.int16)
    elif spare and whole.size and int(whole.max()) >> layout.bits_stored:
        whole = np.bitwise_and(whole, (1 << layout.bits_stored) - 1)
    kept: Stored = whole
    return kept


def _colour(header: Header, layout: Layout) -> Levels:
    """Grey that was saved as colour.

    Source:
        DICOM PS3.3 C.7.6.3.1.2: in YBR_FULL_422, two pixels side by side share their chroma.
    """
    photometric = header.word("PhotometricInterpretation")
    unfit = layout.samples != 3 or layout.bits_allocated != 8 or layout.frames > 1
    if unfit or photometric == "PALETTE COLOR":
        what = f"{layout.samples} samples a pixel, {told(photometric)}: a mammogram is grey. Leave it out of the index"
        raise refusal(header.path, "colour", what)
    if layout.syntax in NATIVE:
        needed = layout.frame_bytes * 2 // 3 if photometric == "YBR_FULL_422" else layout.frame_bytes
        _check_length(header, _left_in_file(header), needed=needed)
        values = get_decoder(layout.syntax).as_array(header.dataset)[0]
    else:
        values = _by_plugin(header, layout, _stream(header, layout, frame=0), raw=False)
    header.note("decode", f"{layout.syntax.name}, three equal channels", f"{tagged('SamplesPerPixel')} = 3")
    return ArrayLevels(values=grey_of(values, path=header.path))
