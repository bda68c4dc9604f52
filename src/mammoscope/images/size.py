"""How large a picture is, from the first bytes of its file."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from mammoscope.dicom.parsing import looks_like_dicom
from mammoscope.images.dicom import read_size
from mammoscope.images.raster import BROKEN, FORMATS, lay_as_stored
from mammoscope.trail import refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a header says of a picture.

    Attributes:
        rows: Height in pixels.
        cols: Width in pixels.
        spacing_mm: Height and width of a pixel; None if the file does not say.
    """

    rows: int
    cols: int
    spacing_mm: tuple[float, float] | None = None


def size_of(path: Path) -> Size:
    """Read the size of a picture, and no pixel of it.

    Args:
        path: DICOM, PNG, PGM, JPEG or TIFF; its content decides, not its name.

    Returns:
        Rows, columns and spacing.

    Raises:
        ImageError: The file is missing, empty or no picture; `code` is one of `CODES`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (30, 40)).save(Path(folder) / "a.png")
        ...     size_of(Path(folder) / "a.png")
        Size(rows=40, cols=30, spacing_mm=None)
    """
    try:
        with path.open("rb") as file:
            start = file.read(132)
    except FileNotFoundError:
        raise refusal(path, "missing", "there is no such file. Check the folder of the data set") from None
    except ValueError:
        plain = path.with_name(path.name.replace("\0", "?"))
        raise refusal(plain, "missing", "no file can have such a name. Correct it in the data set") from None
    except OSError as error:
        raise refusal(path, "unreadable", f"{error.strerror}. Check the file and its permissions") from error
    if not start:
        raise refusal(path, "empty", "has no bytes. Fetch the file again")
    if looks_like_dicom(start):
        (rows, cols), spacing_mm = read_size(path)
        return Size(rows=rows, cols=cols, spacing_mm=spacing_mm)
    return _raster(path)


def _raster(path: Path) -> Size:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a large picture; none of it is decoded here
        try:
            with Image.open(path, formats=FORMATS) as image:
                lay_as_stored(image)
                return Size(rows=image.height, cols=image.width)
        except (UnidentifiedImageError, Image.DecompressionBombError) as error:
            what = f"no picture of a known format ({type(error).__name__}). Leave it out of the index"
            raise refusal(path, "not_an_image", what) from None
        except BROKEN as error:
            what = f"its header cannot be parsed ({type(error).__name__}). Fetch the file again"
            raise refusal(path, "damaged", what) from error
