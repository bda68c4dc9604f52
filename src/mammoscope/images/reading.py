"""From a file to the final pixels: one path for training, evaluation, prediction and serving.

Order: decode the stored values; look at a thumbnail for breast and chest wall; crop and area-average
the stored values; Modality LUT, VOI LUT, inversion; clear the background; mirror; pad.
"""

from dataclasses import replace
from math import floor, log2
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from mammoscope.images.breast import bounding_box, grown
from mammoscope.images.dicom import looks_like_dicom, read_dicom
from mammoscope.images.display import Lut, Window, display_values, percentile_window
from mammoscope.images.geometry import Geometry
from mammoscope.images.mammogram import Mammogram, Step, refusal
from mammoscope.images.picture import MAX_FILE_BYTES, MIN_SIDE, Picture
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.raster import read_raster
from mammoscope.images.sight import Sight, look, padding_is_bright, resampled
from mammoscope.storage import whole_file
from mammoscope.vocabulary import Laterality, View

PIXELS_VERSION: str = "1"
"""Part of every cache key and bundle. Raise it when the same file and `Preprocess` give other pixels than before."""

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5  # of the breast on the thumbnail, where no window is given
SKIN_PX = 4  # thumbnail pixels kept around the breast when the background is cleared
SPARE = 4  # reduced decoding leaves at least this many pixels for one final pixel of the whole picture ...
SPARE_IN_CROP = 2  # ... and this many for one of the crop; otherwise the file is decoded in full
MAX_HALVINGS = 2


def read_mammogram(
    path: Path,
    *,
    preprocess: Preprocess | None = None,
    laterality: Laterality | None = None,
    view: View | None = None,
) -> Mammogram:
    """Read one mammogram from DICOM, PNG, PGM, JPEG or TIFF.

    Args:
        path: The file; its content decides the format, not its name.
        preprocess: What the final pixels should be; the defaults if None.
        laterality: What the data set says; wins over the header.
        view: What the data set says; wins over the header.

    Returns:
        The mammogram, with every decision in its trail.

    Raises:
        ImageError: The file is not a readable mammogram; `code` is one of `CODES`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder) / "left.png"
        ...     picture = np.zeros((64, 48), dtype=np.uint8)
        ...     picture[8:56, :32] = 204
        ...     _ = cv2.imwrite(str(file), picture)
        ...     mammogram = read_mammogram(file, preprocess=Preprocess(rows=32, cols=32))
        >>> mammogram.pixels.shape, round(float(mammogram.pixels.max()), 2)
        ((32, 32), 0.8)
    """
    wanted = preprocess or Preprocess()
    picture = _with_hints(_read(path, wanted, whole=False), laterality=laterality, view=view)
    sight = look(picture)
    if _is_reduced(picture) and (padding_is_bright(picture) or _scale(sight, wanted) * SPARE_IN_CROP > 1):
        picture = _with_hints(_read(path, wanted, whole=True), laterality=laterality, view=view)
        sight = look(picture)
    if int(picture.stored.min()) == int(picture.stored.max()):
        raise refusal(path, "blank", f"every pixel is {int(picture.stored.max())}. Leave it out of the index")
    return _finished(picture, sight, wanted)


def write_png(mammogram: Mammogram, path: Path) -> None:
    """Write the final pixels as an 8-bit PNG, for people to look at.

    Raises:
        StorageError: The file system refused.
    """
    grey = np.rint(mammogram.pixels * np.float32(255)).astype(np.uint8)
    with whole_file(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", grey)[1].tobytes())


def _read(path: Path, wanted: Preprocess, *, whole: bool) -> Picture:
    try:
        with path.open("rb") as file:
            start = file.read(132)
            size = path.stat().st_size
    except FileNotFoundError:
        raise refusal(path, "missing", "there is no such file. Check the folder of the data set") from None
    except OSError as error:
        raise refusal(path, "unreadable", f"{error.strerror}. Check the file and its permissions") from error
    if size == 0:
        raise refusal(path, "empty", "has no bytes. Fetch the file again")
    if size > MAX_FILE_BYTES:
        raise refusal(path, "implausible", f"has {size:,} bytes, and at most {MAX_FILE_BYTES:,} are read. Leave it out")
    if looks_like_dicom(start):
        halvings = 0 if whole else MAX_HALVINGS
        return read_dicom(
            path,
            window_index=wanted.window_index,
            reduce=lambda rows, cols: min(halvings, _spare_halvings(rows, cols, wanted)),
        )
    picture = read_raster(path)
    rows, cols = picture.original_shape
    if min(rows, cols) < MIN_SIDE:
        what = f"has {rows} rows and {cols} columns, and at least {MIN_SIDE} a side are needed. Leave it out"
        raise refusal(path, "implausible", what)
    return picture


def _spare_halvings(rows: int, cols: int, wanted: Preprocess) -> int:
    return max(0, floor(log2(max(rows / wanted.rows, cols / wanted.cols) / SPARE)))


def _is_reduced(picture: Picture) -> bool:
    return picture.stored.shape != picture.original_shape


def _with_hints(picture: Picture, *, laterality: Laterality | None, view: View | None) -> Picture:
    """Let what the data set says win over what the header says, and note where they differ."""
    steps = list(picture.trail)
    for name, said, found in (("laterality", laterality, picture.laterality), ("view", view, picture.view)):
        if said is not None and said != found:
            against = "the file does not say" if found is None else f"the header says {found}"
            steps.append(
                Step(name=name if found is None else "oddity", detail=f"{name} {said}: {against}", cause="data set")
            )
    return replace(picture, laterality=laterality or picture.laterality, view=view or picture.view, trail=tuple(steps))


def _crop(sight: Sight, wanted: Preprocess) -> tuple[int, int, int, int]:
    """Columns and rows of the stored values to keep, as (x0, y0, x1, y1)."""
    rows, cols = sight.stored.shape
    if wanted.region == "whole" or sight.mask is None:
        return 0, 0, cols, rows
    x0, y0, x1, y1 = bounding_box(sight.mask)
    air_x, air_y = wanted.margin * (x1 - x0), wanted.margin * (y1 - y0)
    x, y = cols / sight.mask.shape[1], rows / sight.mask.shape[0]
    return (
        max(0, floor((x0 - air_x) * x)),
        max(0, floor((y0 - air_y) * y)),
        min(cols, round((x1 + air_x) * x + 0.5)),
        min(rows, round((y1 + air_y) * y + 0.5)),
    )


def _scale(sight: Sight, wanted: Preprocess) -> float:
    """Final pixels for one stored pixel."""
    x0, y0, x1, y1 = _crop(sight, wanted)
    return min(wanted.rows / (y1 - y0), wanted.cols / (x1 - x0))


def _finished(picture: Picture, sight: Sight, wanted: Preprocess) -> Mammogram:
    box, scale = _crop(sight, wanted), _scale(sight, wanted)
    x0, y0, x1, y1 = box
    size = max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale))
    voi, window_steps = _voi(picture, sight, wanted)
    crop = resampled(sight.stored[y0:y1, x0:x1], shape=size)
    shown = display_values(crop, modality=picture.modality, voi=voi, invert=sight.invert)
    if sight.padding is not None:
        shown[resampled(sight.padding[y0:y1, x0:x1], shape=size) == 255] = 0.0
    flip = wanted.flip == "left" and sight.chest == "right"
    right = sight.chest == "right" and not flip
    geometry = _geometry(picture, box=box, size=size, flip=flip, wanted=wanted, right=right)
    left = wanted.cols - size[1] if right else 0
    pixels = np.zeros((wanted.rows, wanted.cols), dtype=np.float32)
    pixels[: size[0], left : left + size[1]] = shown[:, ::-1] if flip else shown
    steps = [*picture.trail, *sight.trail, *window_steps]
    steps += [
        Step(name="geometry", detail=link, cause=f"flip {wanted.flip}, region {wanted.region}")
        for link in geometry.chain
    ]
    if wanted.clear_background and sight.mask is not None:
        pixels, cleared = _cleared(pixels, sight.mask, geometry)
        steps.append(cleared)
    return Mammogram(
        pixels=pixels,
        spacing_mm=geometry.spacing_mm,
        laterality=picture.laterality,
        view=picture.view,
        geometry=geometry,
        trail=tuple(steps),
        original_shape=picture.original_shape,
    )


def _voi(picture: Picture, sight: Sight, wanted: Preprocess) -> tuple[Window | Lut, list[Step]]:
    """The header's window, or one from percentiles of the breast."""
    if wanted.window == "header" and picture.voi is not None:
        return picture.voi, []
    window = percentile_window(sight.breast_values, low=LOW_PERCENTILE, high=HIGH_PERCENTILE)
    span = f"percentiles {LOW_PERCENTILE:g} to {HIGH_PERCENTILE:g} of the breast"
    detail = f"{span}: centre {window.centre:g}, width {window.width:g}"
    cause = "window = percentile" if wanted.window == "percentile" else "the file gives no window"
    return window, [Step(name="window", detail=detail, cause=cause)]


def _geometry(
    picture: Picture,
    *,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    flip: bool,
    wanted: Preprocess,
    right: bool,
) -> Geometry:
    geometry = Geometry.of(picture.original_shape, spacing_mm=picture.spacing_mm)
    if _is_reduced(picture):
        halvings = round(log2(picture.original_shape[0] / picture.stored.shape[0]))
        geometry = geometry.reduced(halvings, (picture.stored.shape[0], picture.stored.shape[1]))
    geometry = geometry.cropped(box)
    if flip:
        geometry = geometry.mirrored()
    left = wanted.cols - size[1] if right else 0
    return geometry.resized(*size).padded(wanted.rows, wanted.cols, left=left)


def _cleared(
    pixels: Float32[np.ndarray, "rows cols"], mask: Bool[np.ndarray, "thumb_rows thumb_cols"], geometry: Geometry
) -> tuple[Float32[np.ndarray, "rows cols"], Step]:
    """Set everything outside the breast to 0."""
    breast = geometry.placed(grown(mask, pixels=SKIN_PX).astype(np.float32), fine=1) >= 0.5
    outside = pixels[~breast]
    share = float((outside > 0.1).mean()) if outside.size else 0.0
    detail = f"outside the breast set to 0; {share:.1%} of it was brighter than 0.1"
    return np.where(breast, pixels, np.float32(0)), Step(name="background", detail=detail, cause="clear_background")
