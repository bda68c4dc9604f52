"""Pictures without tags: PNG, PGM, JPEG, TIFF."""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from mammoscope.errors import ImageError
from mammoscope.images.display import Window
from mammoscope.images.mammogram import Step, refusal
from mammoscope.images.picture import MAX_PIXELS, Picture, Stored

FORMATS = ("PNG", "PPM", "JPEG", "TIFF")
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L")
FULL_RANGE = Window(centre=127.5, width=255.0, function="LINEAR_EXACT")
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


def read_raster(path: Path) -> Picture:
    """Decode a picture that says nothing about itself.

    An 8-bit picture is taken as it would be shown; a deeper one has no window yet.

    Raises:
        ImageError: It cannot be read; see `CODES`.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with Image.open(path, formats=FORMATS) as image:
                _check(image, path=path)
                kind, mode = str(image.format), image.mode
                orientation = image.getexif().get(274, 1) if kind == "JPEG" else 1  # Exif 0x0112
                stored = _grey(image, path=path)
        except ImageError:
            raise
        except UnidentifiedImageError:
            raise refusal(
                path, "not_an_image", "neither DICOM nor PNG, PGM, JPEG or TIFF. Leave it out of the index"
            ) from None
        except Image.DecompressionBombError:
            raise _too_large(path) from None
        except BROKEN as error:
            raise _broken(path, error) from error
    steps = [Step(name="decode", detail=f"{kind}, {stored.dtype.itemsize * 8} bit", cause=f"channels {mode}")]
    steps += [
        Step(name="oddity", detail="the decoder warned", cause=name)
        for name in sorted({warning.category.__name__ for warning in caught})
    ]
    if orientation != 1:
        cause = f"Exif Orientation = {orientation}"
        steps.append(Step(name="oddity", detail="a wish to turn the picture was not followed", cause=cause))
    voi = FULL_RANGE if stored.dtype == np.uint8 else None
    return Picture(stored=stored, original_shape=(stored.shape[0], stored.shape[1]), voi=voi, trail=tuple(steps))


def grey_of(colour: UInt8[np.ndarray, "rows cols channels"], *, path: Path) -> UInt8[np.ndarray, "rows cols"]:
    """The one channel of a grey picture saved as colour.

    Raises:
        ImageError: The channels differ.
    """
    first = colour[..., 0]
    if not all(np.array_equal(first, colour[..., channel]) for channel in (1, 2)):
        what = "its colour channels differ, and a mammogram is grey. Use the picture without annotations"
        raise refusal(path, "colour", what)
    return np.ascontiguousarray(first)


def _check(image: Image.Image, *, path: Path) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(path)
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        what = f"holds {pages} pages, and one picture is read. Save the page that you mean as its own file"
        raise refusal(path, "multi_frame", what)


def _grey(image: Image.Image, *, path: Path) -> Stored:
    if image.mode in DEEP_MODES:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            what = f"values from {values.min()} to {values.max()}, and 0 to 65535 are read. Save it with 16 bits"
            raise refusal(path, "unsupported_pixels", what)
        return values.astype(np.uint16)
    if image.mode in {"L", "1"}:
        return np.array(image.convert("L"))
    if image.mode in {"LA", "P", "PA", "RGB", "RGBA"}:
        return grey_of(np.asarray(image if image.mode == "RGB" else image.convert("RGB")), path=path)
    what = f"pixels of kind {image.mode!r}, and grey of 8 or 16 bits is read. Convert it to PNG"
    raise refusal(path, "unsupported_pixels", what)


def _too_large(path: Path) -> Exception:
    return refusal(path, "implausible", f"claims more than {MAX_PIXELS:,} pixels. Leave it out of the index")


def _broken(path: Path, error: Exception) -> Exception:
    text = str(error).lower()
    if isinstance(error, EOFError) or "truncated" in text or "not enough" in text or "eof" in text:
        return refusal(path, "truncated", "ends before its pixels do. Fetch the file again")
    return refusal(path, "damaged", f"cannot be decoded ({type(error).__name__}). Fetch the file again")
