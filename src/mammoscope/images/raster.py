"""Pictures without tags: PNG, PGM, JPEG, TIFF."""

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image, UnidentifiedImageError
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

from mammoscope.dicom.display import Window
from mammoscope.errors import ImageError
from mammoscope.images.codecs import DctLevels
from mammoscope.images.levels import ArrayLevels, Levels, Stored
from mammoscope.images.picture import MAX_PIXELS, Picture
from mammoscope.trail import Step, refusal

FORMATS = ("PNG", "PPM", "JPEG", "TIFF")
ORIENTATION = 274  # 0x0112, of TIFF, Exif and XMP
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L")
FULL_RANGE = Window(centre=127.5, width=255.0, function="LINEAR_EXACT")
_Colour = UInt8[np.ndarray, "rows cols channels"] | UInt16[np.ndarray, "rows cols channels"]
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


def read_raster(path: Path) -> Picture:
    """Decode a picture that says nothing about itself.

    An 8-bit picture is taken as it would be shown; a deeper one has no window yet. Pixels are taken as they lie in
    the file, whatever its Orientation: boxes of findings are drawn there.

    Raises:
        ImageError: It cannot be read; see `CODES`.
    """
    with _failures(path), Image.open(path, formats=FORMATS) as image:
        _check(image, path=path)
        wish = lay_as_stored(image)
        levels, depth = _levels(image, path=path)
        steps = [Step(name="decode", detail=f"{image.format}, {depth} bit", cause=f"channels {image.mode}")]
        wish = wish or _wish(image)  # that of a PNG may stand behind its pixels
    if wish:
        steps.append(Step(name="oddity", detail="a wish to turn the picture was not followed", cause=wish))
    return Picture(levels=levels, voi=FULL_RANGE if depth == 8 else None, trail=tuple(steps))


def lay_as_stored(image: Image.Image) -> str | None:
    """Keep Pillow from turning a TIFF while it decodes it; its size is that of the stored pixels from here on.

    Returns:
        The Orientation that a TIFF has, in words; None if there is nothing to turn.

    Source:
        TIFF 6.0, section 8, Orientation.
    """
    if not isinstance(image, TiffImageFile):
        return None
    wish = _wish(image)
    image.getexif()[ORIENTATION] = 1
    image._size = image.tag_v2[IMAGEWIDTH], image.tag_v2[IMAGELENGTH]  # noqa: SLF001
    return wish


def _wish(image: Image.Image) -> str | None:
    """An Orientation other than upright; one that cannot be parsed is none to follow, and noted, too."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except BROKEN:
        found = None
    if found == 1:
        return None
    return f"Orientation = {found if isinstance(found, int) else 'no number'}"


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """Whatever a decoder raises becomes one code."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError:
        what = "neither DICOM nor PNG, PGM, JPEG or TIFF. Leave it out of the index"
        raise refusal(path, "not_an_image", what) from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except BROKEN as error:
        raise _broken(path, error) from error


def _levels(image: Image.Image, *, path: Path) -> tuple[Levels, int]:
    """The picture, to be decoded at the resolution that is needed, and the depth of its pixels in bits."""
    if image.format == "JPEG" and image.mode in {"L", "RGB"}:
        with path.open("rb") as file:
            stream = mmap(file.fileno(), 0, access=ACCESS_READ)
        return DctLevels(stream=stream, shape=image.size[::-1], grey=partial(_guarded_grey, path=path)), 8
    stored = _deep_colour(image, path=path) if _is_deep_colour(image) else _grey(image, path=path)
    return ArrayLevels(values=stored), stored.dtype.itemsize * 8


def _guarded_grey(image: Image.Image, *, path: Path) -> Stored:
    with _failures(path):
        return _grey(image, path=path)


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether a colour picture has more than 8 bits a channel, which Pillow would cut to 8 without a word."""
    tiles = getattr(image, "tile", [])
    kinds = [tile.args if isinstance(tile.args, tuple) else (tile.args,) for tile in tiles]
    deep = any(
        ";16" in str(kind[0]) or (image.format == "PPM" and isinstance(kind[-1], int) and kind[-1] > 255)
        for kind in kinds
    )
    return deep and image.mode in {"LA", "RGB", "RGBA"}


def _deep_colour(image: Image.Image, *, path: Path) -> Stored:
    """The one channel of a grey picture saved as colour of 16 bits."""
    if isinstance(image, TiffImageFile) and image.tag_v2.get(ORIENTATION, 1) != 1:
        what = (
            "is colour of 16 bits that is to be turned, which OpenCV does as it decodes. Save it as grey, or unturned"
        )
        raise refusal(path, "unsupported_pixels", what)
    image.load()  # Pillow finds what is truncated or damaged; OpenCV would fill it up
    values = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 3 or values.dtype != np.uint16:
        what = f"pixels of kind {image.mode!r} with 16 bits, and grey of 8 or 16 bits is read. Convert it to PNG"
        raise refusal(path, "unsupported_pixels", what)
    return grey_of(values, path=path)


def grey_of(colour: _Colour, *, path: Path) -> Stored:
    """The one channel of a grey picture saved as colour.

    Raises:
        ImageError: The channels differ.
    """
    first = colour[..., 0]
    if not all(np.array_equal(first, colour[..., channel]) for channel in (1, 2)):
        what = "its colour channels differ, and a mammogram is grey. Use the picture without annotations"
        raise refusal(path, "colour", what)
    grey: Stored = np.ascontiguousarray(first)
    return grey


def _check(image: Image.Image, *, path: Path) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(path)
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        what = f"holds {pages} pages, and one picture is read. Save the page that you mean as its own file"
        raise refusal(path, "multi_frame", what)
    if isinstance(image, PpmImageFile) and _another_follows(image, path=path):
        what = "holds several pictures, one behind the other, and one is read. Save the one you mean as its own file"
        raise refusal(path, "multi_frame", what)


def _another_follows(image: PpmImageFile, *, path: Path) -> bool:
    """Whether a second picture begins where the pixels of the first end; Pillow does not look there.

    Source:
        Netpbm, pgm(5): an image is followed by the next without any byte between; blanks are tolerated here.
    """
    coder, _, start, kind = image.tile[0]
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        if coder == "ppm_plain":  # numbers in words: only the head of a picture begins with a letter
            return re.compile(rb"\sP[1-6]\s").search(content, start) is not None
        row = -(-image.width // 8) if image.mode == "1" else image.width * len(image.getbands()) * _bytes_of(kind)
        return re.compile(rb"\s*P[1-6]\s").match(content, start + row * image.height) is not None


def _bytes_of(kind: object) -> int:
    """Of one value of a PPM, by what its decoder is told."""
    deep = kind[-1] > 255 if isinstance(kind, tuple) else kind == "I;16B"
    return 2 if deep else 1


def _grey(image: Image.Image, *, path: Path) -> Stored:
    if image.mode in DEEP_MODES:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            what = f"values from {values.min()} to {values.max()}, and 0 to 65535 are read. Save it with 16 bits"
            raise refusal(path, "unsupported_pixels", what)
        return values.astype(np.uint16)
    if image.mode in {"L", "1"}:
        return np.asarray(image if image.mode == "L" else image.convert("L"))
    if image.mode in {"LA", "P", "PA", "RGB", "RGBA"}:
        return grey_of(np.asarray(image if image.mode == "RGB" else image.convert("RGB")), path=path)
    what = f"pixels of kind {image.mode!r}, and grey of 8 or 16 bits is read. Convert it to PNG"
    raise refusal(path, "unsupported_pixels", what)


def _too_large(path: Path) -> Exception:
    return refusal(path, "implausible", f"claims more than {MAX_PIXELS:,} pixels. Leave it out of the index")


def _broken(path: Path, error: Exception) -> Exception:
    text = str(error).lower()
    if isinstance(error, EOFError) or "truncated" in text or "enough" in text or "eof" in text:
        return refusal(path, "truncated", "ends before its pixels do. Fetch the file again")
    return refusal(path, "damaged", f"cannot be decoded ({type(error).__name__}). Fetch the file again")
