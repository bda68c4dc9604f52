"""Pictures of a data set for its description: a sample of it, and one lesion at several resolutions."""

import base64
from collections.abc import Iterator
from itertools import islice
from typing import Any

import cv2
import numpy as np
import polars as pl
from jaxtyping import Float32, UInt8

from mammoscope.errors import ImageError
from mammoscope.images import Mammogram, Preprocess, lesion_box, read_mammogram
from mammoscope.images.geometry import Box
from mammoscope.records import Index
from mammoscope.vocabulary import Laterality, LesionKind, View

THUMB = Preprocess(rows=320, cols=320, region="whole", flip="none", clear_background=False)
SIDES = (50, 150, 224, 512, 1152)
"""Sides of the pictures of the resolution strip: very small, small, the usual input of a network, and larger."""

CROP_PX = 240  # of a lesion as it is drawn
CROP_SHARE = 1.6  # side of what is drawn of a lesion's surroundings, in sides of its box
LOSSLESS = 256  # pictures up to this side are PNG, larger ones JPEG
QUALITY = 85
TRIED = 12  # lesions whose mask is opened before a kind is given up
NEXT_TO = 3  # candidates on either side of the median that are tried before


def contact_sheet(index: Index, images: pl.DataFrame, *, count: int = 24, seed: int = 0) -> list[dict[str, Any]]:
    """A random choice of the pictures that are there, the same number of each class, of as many patients as there are.

    Args:
        index: Says where the files lie.
        images: Image table with `class`.
        count: Pictures, at most.
        seed: Of the choice.

    Returns:
        One row a picture: what is known of it, and `uri`; or `code` and `message` where it cannot be read.
    """
    return [_thumb(row, index) for row in chosen_images(images, index=index, count=count, seed=seed)]


def chosen_images(images: pl.DataFrame, *, index: Index, count: int, seed: int) -> list[dict[str, Any]]:
    """Rows whose files are there: as many of each value of `malignant`, another patient each time while there is one.

    Args:
        images: Image table.
        index: Says where the files lie.
        count: Rows, at most.
        seed: Of the choice.

    Returns:
        The rows, malignant images first.
    """
    drawn = images.sort("source", "image_id").sample(fraction=1.0, shuffle=True, seed=seed)
    values = [value for value in (True, False, None) if drawn["malignant"].eq_missing(value).any()]
    share, rest = divmod(count, max(1, len(values)))
    return [
        row
        for place, value in enumerate(values)
        for row in islice(_there(_turn(drawn, value=value), index), share + (place < rest))
    ]


def _there(rows: pl.DataFrame, index: Index) -> Iterator[dict[str, Any]]:
    return (row for row in rows.iter_rows(named=True) if index.file(row["source"], row["path"]).is_file())


def _turn(drawn: pl.DataFrame, *, value: bool | None) -> pl.DataFrame:
    """Rows of one class: first one of each patient, then a second of each."""
    again = pl.int_range(pl.len()).over("source", "patient_id").alias("_again")
    rows = drawn.filter(pl.col("malignant").eq_missing(value)).with_columns(again)
    return rows.sort("_again", maintain_order=True).drop("_again")


def _thumb(row: dict[str, Any], index: Index) -> dict[str, Any]:
    about = {name: row.get(name) for name in ("source", "image_id", "patient_id", "class", "laterality", "view")}
    about |= {"density": row.get("density"), "machine_id": row.get("machine_id"), "uri": None}
    try:
        mammogram = _read(row, index, THUMB)
    except ImageError as error:
        return {**about, "code": error.code, "message": str(error)}
    return {**about, "uri": data_uri(_shown(mammogram)), "inverted": _was_inverted(mammogram), "code": None}


def _was_inverted(mammogram: Mammogram) -> bool:
    """Whether the file shows the breast dark on white: by its header, or by its background."""
    found = {step.name: step.detail for step in mammogram.trail}
    return found.get("inversion", "none") != "none" or found.get("polarity", "").endswith("inverted")


def resolution_strips(index: Index, images: pl.DataFrame, *, seed: int = 0) -> list[dict[str, Any]]:
    """A picture at several sizes, as a network would be given it, and its lesion at each.

    The lesion of median size among the malignant ones, once for masses and once for calcifications where both are
    located; any picture where no lesion is.

    Args:
        index: Says where the files lie.
        images: Image table.
        seed: Of the choice where no lesion is located.

    Returns:
        A row a picture: what is known of it, and for each size its `uri`, that of the lesion, where it is (in shares
        of the picture), its extent in pixels, and the millimetres of a pixel. Empty if no file can be read.
    """
    strips = []
    for kind in (LesionKind.MASS, LesionKind.CALCIFICATION):
        for record, box in _located(index, kind):
            strip = _strip(record, index, box=box, kind=kind.value)
            if strip is not None:
                strips.append(strip)
                break
    if strips:
        return strips
    tried = (
        _strip(row, index, box=None, kind=None) for row in chosen_images(images, index=index, count=TRIED, seed=seed)
    )
    first = next((strip for strip in tried if strip is not None), None)
    return [] if first is None else [first]


def _located(index: Index, kind: LesionKind) -> list[tuple[dict[str, Any], Box]]:
    """Located lesions of a kind whose files are there, the one of median size first; a mask is opened for a few."""
    there = (
        pl.col("lesion_x0").is_not_null() | pl.col("lesion_polygon").is_not_null() | pl.col("mask_path").is_not_null()
    )
    rows = index.table.filter(there & (pl.col("lesion_kind").cast(pl.String) == kind.value))
    rows = rows.sort(~pl.col("malignant").fill_null(value=False), "source", "image_id")
    found: list[tuple[dict[str, Any], Box]] = []
    for record in rows.iter_rows(named=True):
        if len(found) == TRIED:
            break
        if not index.file(record["source"], record["path"]).is_file():
            continue
        box = lesion_box(record, root=index.roots[record["source"]])
        if box is not None:
            found.append((record, box))
    found.sort(key=lambda one: max(one[1][2] - one[1][0], one[1][3] - one[1][1]))
    middle = (len(found) - 1) / 2
    return [found[at] for at in sorted(range(len(found)), key=lambda at: abs(at - middle))][: 2 * NEXT_TO]


def _strip(row: dict[str, Any], index: Index, *, box: Box | None, kind: str | None) -> dict[str, Any] | None:
    panels = []
    for side in SIDES:
        try:
            mammogram = _read(row, index, Preprocess(rows=side, cols=side))
        except ImageError:
            return None
        panels.append(_panel(mammogram, box=box, side=side))
    about = {name: row.get(name) for name in ("source", "image_id", "patient_id", "laterality", "view", "malignant")}
    return {**about, "kind": kind, "panels": panels, "original": max(mammogram.original_shape)}


def _panel(mammogram: Mammogram, *, box: Box | None, side: int) -> dict[str, Any]:
    shown, (left, top) = _shown(mammogram), _corner(mammogram)
    panel: dict[str, Any] = {
        "side": side,
        "uri": data_uri(shown),
        "enlarged": mammogram.geometry.y_scale > 1,
        "mm": None if mammogram.spacing_mm is None else mammogram.spacing_mm[0],
        "crop": None,
    }
    if box is None:
        return panel
    x0, y0, x1, y1 = mammogram.geometry.box_to_final(box)
    half = CROP_SHARE * max(x1 - x0, y1 - y0) / 2
    centre = (x0 + x1) / 2, (y0 + y1) / 2
    rows, cols = shown.shape
    frame = [(x0 - left) / cols, (y0 - top) / rows, (x1 - x0) / cols, (y1 - y0) / rows]
    return panel | {
        "crop": data_uri(_magnified(mammogram.pixels, centre=centre, half=half)),
        "frame": [round(100 * edge, 2) for edge in frame],
        "lesion_px": (x1 - x0, y1 - y0),
    }


def _magnified(
    pixels: Float32[np.ndarray, "rows cols"], *, centre: tuple[float, float], half: float
) -> UInt8[np.ndarray, "height width"]:
    """A square around a point, each pixel as a block, cut through where the edge of the square cuts it."""
    steps = (np.arange(CROP_PX) + 0.5) / CROP_PX * 2 * half - half
    columns, lines = (np.floor(middle + steps).astype(int) for middle in centre)
    rows, cols = pixels.shape
    inside = ((lines >= 0) & (lines < rows))[:, None] & ((columns >= 0) & (columns < cols))[None, :]
    taken = pixels[np.clip(lines, 0, rows - 1)][:, np.clip(columns, 0, cols - 1)]
    return _grey8(np.where(inside, taken, np.float32(0)))


def _read(row: dict[str, Any], index: Index, preprocess: Preprocess) -> Mammogram:
    return read_mammogram(
        index.file(row["source"], row["path"]),
        preprocess=preprocess,
        laterality=Laterality(row["laterality"]) if row["laterality"] else None,
        view=View(row["view"]) if row["view"] else None,
    )


def _corner(mammogram: Mammogram) -> tuple[int, int]:
    """Column and row at which the picture begins within its padding."""
    x0, y0, _, _ = mammogram.geometry.box_to_final(mammogram.geometry.kept)
    return max(0, round(x0)), max(0, round(y0))


def _shown(mammogram: Mammogram) -> UInt8[np.ndarray, "rows cols"]:
    """Without the padding."""
    left, top = _corner(mammogram)
    _, _, x1, y1 = mammogram.geometry.box_to_final(mammogram.geometry.kept)
    return _grey8(mammogram.pixels[top : max(top + 1, round(y1)), left : max(left + 1, round(x1))])


def _grey8(pixels: Float32[np.ndarray, "rows cols"]) -> UInt8[np.ndarray, "rows cols"]:
    grey: UInt8[np.ndarray, "rows cols"] = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return grey


def data_uri(pixels: UInt8[np.ndarray, "rows cols"]) -> str:
    """A picture as part of a page: PNG where each pixel is to be seen, JPEG where there are many."""
    small = max(pixels.shape) <= LOSSLESS
    kind, options = (
        (".png", [cv2.IMWRITE_PNG_COMPRESSION, 9]) if small else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    )
    encoded = cv2.imencode(kind, pixels, options)[1].tobytes()
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(encoded).decode('ascii')}"
