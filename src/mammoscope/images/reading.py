"""From a file to the final pixels: one path for training, evaluation, prediction and serving.

Order: look at a thumbnail for breast and chest wall; decode what the crop needs and no more; area-average;
Modality LUT, VOI LUT, inversion; mirror; pad; clear the background. Then, where a recipe asks for it, clear the
pectoral muscle and equalise the contrast of what is left: last, so that nothing cleared is counted.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil, floor
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from mammoscope.dicom.display import (
    IDENTITY,
    Lut,
    Window,
    display_values,
    maximum_window,
    modality_values,
    percentile_window,
)
from mammoscope.dicom.parsing import looks_like_dicom, quiet
from mammoscope.images.breast import THUMB_SIDE, Side, bounding_box, grown, stretched
from mammoscope.images.contrast import equalised
from mammoscope.images.cut import WHOLE, Cut
from mammoscope.images.dicom import count_slices, read_dicom
from mammoscope.images.geometry import Box, Crop, Geometry
from mammoscope.images.lesions import inside
from mammoscope.images.levels import ArrayLevels, Levels, Reduced, SlabLevels, combined
from mammoscope.images.mammogram import Mammogram
from mammoscope.images.pectoral import look_for_muscle
from mammoscope.images.picture import MAX_FILE_BYTES, MIN_SIDE, Picture
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.raster import read_raster
from mammoscope.images.sight import Sight, is_padding, look, padding_is_bright, resampled, unmatched, without_padding
from mammoscope.storage import whole_file
from mammoscope.trail import Step, refusal
from mammoscope.vocabulary import Laterality, View

PIXELS_VERSION: str = "4"
"""Part of every cache key and bundle. Raise it when the same file and `Preprocess` give other pixels than before."""

SIDES: dict[Laterality, Side] = {Laterality.LEFT: "left", Laterality.RIGHT: "right"}  # where the chest wall mostly is
USUAL_CROP = 1.6  # a breast is mostly shown at least this much larger than the whole picture would be
LEAST_CONTRAST = 1 / 255  # a picture whose brightest and darkest pixel are nearer than this shows nothing
SKIN_PX = 4  # thumbnail pixels kept around the breast when the background is cleared


def read_mammogram(
    path: Path,
    *,
    preprocess: Preprocess | None = None,
    laterality: Laterality | None = None,
    view: View | None = None,
    box: Box | None = None,
    is_crop: bool = False,
) -> Mammogram:
    """Read one mammogram from DICOM, PNG, PGM, JPEG or TIFF.

    Args:
        path: The file; its content decides the format, not its name.
        preprocess: What the final pixels should be; the defaults if None.
        laterality: What the data set says; wins over the header.
        view: What the data set says; wins over the header.
        box: Keep these surroundings of a lesion and not the breast: x0, y0, x1, y1 in pixels of the file. A box that
            leaves the picture is moved into it.
        is_crop: The file shows the surroundings of a lesion only. It is kept whole, and mirrored by the side of the
            body alone: no breast and no chest wall can be seen in it.

    Returns:
        The mammogram, with every decision in its trail.

    Raises:
        ImageError: The file is not a readable mammogram, or the box lies outside it; `code` is one of `CODES`.

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
    how = Cut(box=box, is_crop=is_crop)
    return read_with_sight(path, preprocess=preprocess, laterality=laterality, view=view, cut=how)[0]


def read_slices(path: Path, *, preprocess: Preprocess | None = None) -> Iterator[Mammogram]:
    """Read the slices of a tomosynthesis volume one after the other; of any other file, its one picture.

    Args:
        path: The file.
        preprocess: As for `read_mammogram`; its slab is replaced by each slice in turn.

    Yields:
        One mammogram a slice. One slice is in memory at a time.

    Raises:
        ImageError: As `read_mammogram`.
    """
    wanted = preprocess or Preprocess()
    for number in range(1, count_slices(path) + 1):
        yield read_mammogram(path, preprocess=wanted.model_copy(update={"slab": (number, number)}))


def read_with_sight(
    path: Path,
    *,
    preprocess: Preprocess | None = None,
    laterality: Laterality | None = None,
    view: View | None = None,
    cut: Cut = WHOLE,
) -> tuple[Mammogram, Sight]:
    """`read_mammogram`, and what was seen on the thumbnail on the way."""
    wanted = _settings(preprocess or Preprocess(), cut)
    with quiet() as caught:
        picture = _with_hints(picture_of(path, wanted), laterality=laterality, view=view)
        cut = _placed(path, picture, cut)
        picture, sight, padding = seen(path, picture, wanted=wanted, box=cut.box)
        sight = _without_breast(sight, picture) if cut.is_crop else sight
        mammogram = _finished(path, picture, sight, wanted=wanted, padding=padding, box=cut.box)
    kinds = sorted({warning.category.__name__ for warning in caught})  # their text may hold patient data
    oddities = (Step(name="oddity", detail="the reader warned", cause=kind) for kind in kinds)
    return replace(mammogram, trail=(*mammogram.trail, *oddities)), sight


def picture_of(path: Path, wanted: Preprocess) -> Picture:
    """What a file says about its picture; the pixels of large files are not read yet.

    Raises:
        ImageError: It is not a readable mammogram.
    """
    try:
        with path.open("rb") as file:
            start = file.read(132)
            size = path.stat().st_size
    except FileNotFoundError:
        raise refusal(path, "missing", "there is no such file. Check the folder of the data set") from None
    except ValueError:
        plain = path.with_name(path.name.replace("\0", "?"))
        raise refusal(plain, "missing", "no file can have such a name. Correct it in the data set") from None
    except OSError as error:
        raise refusal(path, "unreadable", f"{error.strerror}. Check the file and its permissions") from error
    if size == 0:
        raise refusal(path, "empty", "has no bytes. Fetch the file again")
    if size > MAX_FILE_BYTES:
        raise refusal(path, "implausible", f"has {size:,} bytes, and at most {MAX_FILE_BYTES:,} are read. Leave it out")
    if looks_like_dicom(start):
        return read_dicom(path, wanted=wanted)
    picture = read_raster(path)
    rows, cols = picture.levels.shape
    if min(rows, cols) < MIN_SIDE:
        what = f"has {rows} rows and {cols} columns, and at least {MIN_SIDE} a side are needed. Leave it out"
        raise refusal(path, "implausible", what)
    return picture


def seen(
    path: Path, picture: Picture, *, wanted: Preprocess, box: Box | None = None
) -> tuple[Picture, Sight, Levels | None]:
    """Look at a picture, of which a box is wanted, or the breast.

    Returns:
        The picture to read on from, what was seen, and the share of padding in its pixels (0 to 255) where the
        picture no longer says.

    Raises:
        ImageError: Its pixels cannot be decoded, or are all the same.
    """
    rows, cols = picture.levels.shape
    needed = max(1.0, max(rows, cols) / THUMB_SIDE)
    sure = wanted.region == "whole" and box is None
    if box is None:
        whole = max(rows / wanted.rows, cols / wanted.cols)
        final = whole if sure else whole / USUAL_CROP
    else:
        final = max((box[3] - box[1]) / wanted.rows, (box[2] - box[0]) / wanted.cols)
    glance, factor = picture.levels.glance(needed=needed, final=final, sure=sure)
    padding = None
    if isinstance(picture.modality, Lut) or padding_is_bright(picture, glance):
        picture, padding = _settled(path, picture)
        glance, factor = picture.levels.glance(needed=needed, final=final, sure=sure)
    if int(glance.min()) == int(glance.max()):
        every = picture.levels.read(1)
        if int(every.min()) == int(every.max()):
            raise refusal(path, "blank", f"every pixel is {int(every.max())}. Leave it out of the index")
    return picture, look(picture, glance, factor=factor), padding


def _settled(path: Path, picture: Picture) -> tuple[Picture, Levels | None]:
    """Do on every pixel what averaging must not come before: a table, and padding brighter than the picture."""
    if isinstance(picture.levels, SlabLevels) and picture.padding is not None:
        values, padding, told = _settled_slab(path, picture, picture.levels, ends=picture.padding)
        picture = replace(picture, trail=(*picture.trail, told))
    else:
        values, padding = without_padding(picture.levels.read(1), picture, mixed=False)
        if picture.padding is not None and padding is None:
            picture = replace(picture, trail=(*picture.trail, unmatched(values, picture.padding)))
    share = None if padding is None else ArrayLevels(values=padding)
    if isinstance(picture.modality, Lut):
        values = modality_values(values, picture.modality).astype(np.uint16)
        return replace(picture, levels=ArrayLevels(values=values), modality=IDENTITY, padding=None), share
    return replace(picture, levels=ArrayLevels(values=values), padding=None), share


def _settled_slab(
    path: Path, picture: Picture, slab: SlabLevels, *, ends: tuple[int, int]
) -> tuple[Reduced, UInt8[np.ndarray, "rows cols"] | None, Step]:
    """Replace padding in each slice, then combine them; 255 where all of them were padding; what was done."""
    padding = np.full(slab.shape, 255, dtype=np.uint8)
    found = []

    def cleaned() -> Iterator[Reduced]:
        for at, one in enumerate(slab.slices, start=1):
            values, bare = without_padding(one.read(1), picture, mixed=False)
            if bare is None and is_padding(values, ends):
                what = f"slice {at} of the {len(slab.slices)} of its slab is padding throughout. Name other slices"
                raise refusal(path, "blank", what)
            found.append(bare is not None)
            np.minimum(padding, 0 if bare is None else bare, out=padding)
            yield values

    values = combined(cleaned(), by=slab.by)
    if not any(found):
        return values, None, unmatched(values, ends)
    detail = f"replaced in {sum(found)} of {len(found)} slices before they were combined"
    return values, padding, Step(name="padding", detail=detail, cause="it is brighter than the picture")


def write_png(mammogram: Mammogram, path: Path) -> None:
    """Write the final pixels as an 8-bit PNG, for people to look at.

    Raises:
        StorageError: The file system refused.
    """
    grey = np.rint(mammogram.pixels * np.float32(255)).astype(np.uint8)
    with whole_file(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", grey)[1].tobytes())


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


def _settings(wanted: Preprocess, cut: Cut) -> Preprocess:
    """What is looked for in a whole breast is not to be found around a lesion."""
    if not cut.of_a_lesion:
        return wanted
    changes: dict[str, object] = {"clear_background": False}
    if cut.is_crop:
        changes |= {"region": "whole", "pectoral": "keep"}
    return wanted.model_copy(update=changes)


def _placed(path: Path, picture: Picture, cut: Cut) -> Cut:
    """Move the box into the picture, or refuse it."""
    if cut.box is None:
        return cut
    box = inside(cut.box, shape=picture.levels.shape)
    if box is None:
        x0, y0, x1, y1 = cut.box
        rows, cols = picture.levels.shape
        what = f"has {rows} rows and {cols} columns, and its lesion is said to lie at columns {x0:.0f} to {x1:.0f}, "
        raise refusal(path, "implausible", f"{what}rows {y0:.0f} to {y1:.0f}. Correct its place, or leave it out")
    return replace(cut, box=box)


def _without_breast(sight: Sight, picture: Picture) -> Sight:
    """What may be said of a lesion's crop: neither breast nor background nor chest wall can be seen in it."""
    usual: Side | None = None if picture.laterality is None else SIDES[picture.laterality]
    where = "cannot be told" if usual is None else f"is taken to be on the {usual}"
    step = Step(name="breast", detail=f"not looked for; the chest wall {where}", cause="the file is a lesion's crop")
    return replace(sight, mask=None, chest=usual, invert=bool(picture.invert), trail=(step,))


def _box(picture: Picture, sight: Sight, wanted: Preprocess) -> tuple[float, float, float, float]:
    """What to keep, as x0, y0, x1, y1 in pixels of the file."""
    rows, cols = picture.levels.shape
    if wanted.region == "whole" or sight.mask is None:
        return 0.0, 0.0, float(cols), float(rows)
    left, top, right, bottom = (float(edge) for edge in bounding_box(sight.mask))
    x0, y0, x1, y1 = sight.geometry.box_to_original((left, top, right, bottom))
    air_x, air_y = wanted.margin * (x1 - x0), wanted.margin * (y1 - y0)
    return max(0.0, x0 - air_x), max(0.0, y0 - air_y), min(float(cols), x1 + air_x), min(float(rows), y1 + air_y)


def _finished(
    path: Path, picture: Picture, sight: Sight, *, wanted: Preprocess, padding: Levels | None, box: Box | None = None
) -> Mammogram:
    kept, bare, geometry = _kept(picture, sight, wanted, padding=padding, box=box)
    scale = min(wanted.rows / geometry.shape[0], wanted.cols / geometry.shape[1])
    size = max(1, round(geometry.shape[0] * scale)), max(1, round(geometry.shape[1] * scale))
    stored = resampled(kept, shape=size)
    voi, window_steps = _voi(picture, sight, wanted, stored=stored)
    shown = display_values(stored, modality=picture.modality, voi=voi, invert=sight.invert)
    del kept  # the largest array here: where it is held, glibc gives memory back to the system and asks for it again
    if float(np.ptp(shown)) < LEAST_CONTRAST:
        what = f"its window shows every pixel as {float(shown.mean()):.2f}. Try window = percentile, or leave it out"
        raise refusal(path, "blank", what)
    if bare is not None:
        shown[resampled(bare, shape=size) >= 254.5] = 0.0
    flip = wanted.flip == "left" and sight.chest == "right"
    geometry = (geometry.mirrored() if flip else geometry).resized(*size)
    shown = np.asarray(cv2.flip(shown, 1)) if flip else shown
    cleared = []
    left = wanted.cols - size[1] if sight.chest == "right" and not flip else 0
    pixels = np.zeros((wanted.rows, wanted.cols), dtype=np.float32)
    there = pixels[: size[0], left : left + size[1]]
    if wanted.clear_background and sight.mask is not None:
        breast, told = _breast(shown, sight.mask, geometry, sight.geometry)
        np.multiply(shown, breast, out=there)
        cleared.append(told)
    else:
        there[...] = shown
    geometry = geometry.padded(wanted.rows, wanted.cols, left=left)
    pixels, retouched = _retouched(pixels, picture, sight, wanted, geometry)
    links = [Step(name="geometry", detail=link, cause=_cause(link, wanted, box=box)) for link in geometry.chain]
    return Mammogram(
        pixels=pixels,
        spacing_mm=geometry.spacing_mm,
        laterality=picture.laterality,
        view=picture.view,
        geometry=geometry,
        trail=(*picture.trail, *sight.trail, *window_steps, *links, *cleared, *retouched),
        original_shape=picture.levels.shape,
        person=picture.person,
        traits=picture.traits,
    )


def _kept(
    picture: Picture, sight: Sight, wanted: Preprocess, *, padding: Levels | None, box: Box | None
) -> tuple[Reduced, Reduced | None, Geometry]:
    """Stored values of the crop at the resolution that it needs, the share of padding in each, and where they lie."""
    x0, y0, x1, y1 = box = _box(picture, sight, wanted) if box is None else box
    factor = picture.levels.factor_for(max((y1 - y0) / wanted.rows, (x1 - x0) / wanted.cols))
    again = isinstance(picture.levels, ArrayLevels) or sight.factor > factor  # or what was looked at is fine enough
    factor = factor if again else sight.factor
    geometry = Geometry.of(picture.levels.shape, spacing_mm=picture.spacing_mm)
    geometry = geometry.reduced(factor, grid=picture.levels.grid)
    crop = _whole_pixels(geometry.box_to_final(box), geometry.shape)
    values = picture.levels.read(factor, crop) if again else _cut(sight.glance, crop)
    clean, bare = without_padding(values, picture, mixed=factor > 1)
    if padding is not None:
        bare = padding.read(factor, crop)
    return clean, bare, geometry.cropped(crop)


def _voi(
    picture: Picture, sight: Sight, wanted: Preprocess, *, stored: Float32[np.ndarray, "_ _"]
) -> tuple[Window | Lut, list[Step]]:
    """The header's window, or one from percentiles of the breast, or from 0 to the largest value of what is kept."""
    if wanted.window == "maximum":
        window = maximum_window(modality_values(stored, picture.modality))
        detail = f"0 to the maximum of what is kept: centre {window.centre:g}, width {window.width:g}"
        return window, [Step(name="window", detail=detail, cause="window = maximum")]
    if wanted.window == "header" and picture.voi is not None:
        return picture.voi, []
    low, high = wanted.percentiles
    window = percentile_window(sight.breast_values, low=low, high=high)
    span = f"percentiles {low:g} to {high:g} of the breast"
    detail = f"{span}: centre {window.centre:g}, width {window.width:g}"
    cause = "window = percentile" if wanted.window == "percentile" else "the file gives no usable window"
    return window, [Step(name="window", detail=detail, cause=cause)]


def _cause(link: str, wanted: Preprocess, *, box: Box | None) -> str:
    """The setting behind one step of the geometry."""
    match link.split(maxsplit=1)[0]:
        case "crop" if box is not None:
            x0, y0, x1, y1 = box
            return f"the surroundings of a lesion, columns {x0:.1f}-{x1:.1f}, rows {y0:.1f}-{y1:.1f} of the file"
        case "crop":
            return f"region = {wanted.region}, margin = {wanted.margin:g}"
        case "mirror":
            return f"flip = {wanted.flip}, chest wall on the right"
        case "read":
            return f"fine enough for rows = {wanted.rows}, cols = {wanted.cols}"
        case _:
            return f"rows = {wanted.rows}, cols = {wanted.cols}"


def _whole_pixels(box: tuple[float, float, float, float], shape: tuple[int, int]) -> Crop:
    """Columns and rows that hold a box."""
    x0, y0, x1, y1 = box
    left, top = max(0, floor(x0 + 1e-6)), max(0, floor(y0 + 1e-6))
    return left, top, max(left + 1, min(shape[1], ceil(x1 - 1e-6))), max(top + 1, min(shape[0], ceil(y1 - 1e-6)))


def _cut(level: Reduced, crop: Crop) -> Reduced:
    x0, y0, x1, y1 = crop
    return level[y0:y1, x0:x1]


def _breast(
    pixels: Float32[np.ndarray, "rows cols"],
    mask: Bool[np.ndarray, "thumb_rows thumb_cols"],
    geometry: Geometry,
    thumb: Geometry,
) -> tuple[Bool[np.ndarray, "rows cols"], Step]:
    """Which pixels show the breast and its skin; everything else is to be 0.

    The outline is no finer than the thumbnail: it is placed on about as many pixels first, then enlarged.
    """
    near = grown(mask, pixels=SKIN_PX).astype(np.uint8) * np.uint8(255)
    finer = max(1, floor(geometry.y_scale / thumb.y_scale))
    placed = geometry.resized(*(ceil(side / finer) for side in pixels.shape)).seen_from(thumb, near)
    inside = cv2.resize(placed, pixels.shape[::-1], interpolation=cv2.INTER_LINEAR) >= 128
    outside = inside.size - int(np.count_nonzero(inside))
    bright = pixels > 0.1
    bright = np.greater(bright, inside, out=bright)
    share = int(np.count_nonzero(bright)) / max(1, outside)
    detail = f"outside the breast set to 0; {share:.1%} of it was brighter than 0.1"
    return inside, Step(name="background", detail=detail, cause="clear_background")


def _retouched(
    pixels: Float32[np.ndarray, "rows cols"], picture: Picture, sight: Sight, wanted: Preprocess, geometry: Geometry
) -> tuple[Float32[np.ndarray, "rows cols"], list[Step]]:
    """What is off by default: the pectoral muscle cleared, then the contrast of what is left equalised."""
    steps = []
    if wanted.pectoral == "clear":
        shown = stretched(sight.values, invert=sight.invert)
        muscle, told = look_for_muscle(picture.view, shown=shown, breast=sight.mask, chest=sight.chest)
        steps.append(told)
        if muscle is not None:
            there = geometry.seen_from(sight.geometry, muscle.astype(np.float32)) >= 0.5
            pixels = np.where(there, np.float32(0), pixels)
    if wanted.clahe > 0:
        pixels = equalised(pixels, limit=wanted.clahe, tiles=wanted.clahe_tiles)
        detail = f"equalised in {wanted.clahe_tiles} x {wanted.clahe_tiles} tiles, limit {wanted.clahe:g}; 0 stays 0"
        steps.append(Step(name="contrast", detail=detail, cause=f"clahe = {wanted.clahe:g}"))
    return pixels, steps
