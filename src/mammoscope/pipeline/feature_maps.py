"""Contact sheets of what a network's layers make of files: pictures in a folder, and one page with all of them."""

import base64
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from mammoscope.errors import BundleError, ImageError
from mammoscope.images import Mammogram, read_mammogram
from mammoscope.images.folder import find_pictures
from mammoscope.images.grey import to_grey
from mammoscope.images.panels import encode_png
from mammoscope.storage import whole_file

if TYPE_CHECKING:
    from mammoscope.explain import LayerMaps, Tile
    from mammoscope.models import Bundle

ON_PAGE = 12  # files that the page shows; of all there are pictures
SHOWN_PX = 144  # longer side of a tile on the page
SMALL_PX = 48  # up to this a tile is kept exactly
QUALITY = 82

Row = dict[str, Any]


def draw_feature_maps(
    bundle: Path,
    files: Iterable[Path],
    *,
    out: Path,
    layers: Sequence[str] | None = None,
    every: bool = False,
    most: int = 64,
    scale: Literal["tile", "layer"] = "tile",
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Draw the maps of a network's layers for files; leaves a PNG a file and layer, `kernels.png`, `feature-maps.html`.

    Args:
        bundle: Folder of a bundle.
        files: Mammograms, or folders of them. Each is looked at by itself, also where a sample is several.
        out: Folder for the pictures.
        layers: Some of `layer_names`; if None every convolution, of more than 12 the first and the last at each size.
        every: Every convolution, however many.
        most: Channels of a layer that are drawn: those that vary most over the picture.
        scale: Colours run to the largest value of each tile, or of the layer.
        progress: Called with (files done, files in all).

    Returns:
        One row a file: `file`, `layers` (of each `layer`, `shown`, `channels`, `rows`, `cols`, `drawn`, `constant`,
        `picture`), and of one that could not be read `code` and `note`.

    Raises:
        BundleError: The network has no convolution, or no such layer.
        SourceError: A folder holds no mammogram.
        StorageError: They cannot be written.
    """
    from mammoscope.explain import feature_maps
    from mammoscope.models import Bundle, to_input
    from mammoscope.report import write_feature_maps

    loaded, found = Bundle.from_pretrained(bundle), find_pictures(files)
    preprocess = loaded.manifest.preprocess
    rows: list[Row] = []
    shown: list[Row] = []
    kernels = _kernels(loaded, out=out)
    for number, one in enumerate(found, start=1):
        try:
            mammogram = read_mammogram(one.path, preprocess=preprocess)
        except ImageError as error:
            rows.append({"file": one.name, "layers": [], "code": error.code, "note": str(error)})
        else:
            pixels = to_input([to_grey(mammogram.pixels, bits=preprocess.bits)])
            maps = feature_maps(loaded.network, pixels, layers=layers, every=every)
            name = f"{number:03d}.{one.name.replace('/', '_')}"
            drawn = [
                _drawn(layer, mammogram, title=one.name, name=name, out=out, most=most, scale=scale) for layer in maps
            ]
            rows.append({"file": one.name, "layers": [row for row, _ in drawn], "code": None, "note": ""})
            if len(shown) < ON_PAGE:
                shown.append({"file": one.name, "input": _input(mammogram), "layers": [page for _, page in drawn]})
        if progress is not None:
            progress(number, len(found))
    write_feature_maps(
        {"title": loaded.manifest.name, "kernels": kernels, "files": shown, "rows": rows, "scale": scale}, folder=out
    )
    return rows


def _drawn(
    maps: "LayerMaps", mammogram: Mammogram, *, title: str, name: str, out: Path, most: int, scale: Any
) -> tuple[Row, Row]:
    """Write the sheet of one layer; what is told of it, and what the page shows of it."""
    from mammoscope.explain import contact_sheet, sheet_words, tiles_of

    tiles = tiles_of(maps.maps, most=most, scale=scale)
    grey = np.rint(np.clip(mammogram.pixels, 0, 1) * 255).astype(np.uint8)
    sheet = contact_sheet(maps, tiles=tiles, beside=np.repeat(grey[:, :, None], 3, axis=2), name=title, scale=scale)
    picture = f"{name}.{maps.layer}.png"
    _write(sheet, out / picture)
    channels, rows, cols = maps.maps.shape
    told = {
        "layer": maps.layer,
        "shown": maps.shown,
        "channels": channels,
        "rows": rows,
        "cols": cols,
        "drawn": [tile.channel for tile in tiles],
        "constant": [int(at) for at in np.flatnonzero(np.ptp(maps.maps.reshape(channels, -1), axis=1) == 0)],
        "picture": picture,
    }
    words = sheet_words(tiles, maps=maps, scale=scale)
    return told, {"title": maps.title, "words": words, "shape": [rows, cols], "tiles": [_tile(tile) for tile in tiles]}


def _kernels(loaded: "Bundle", *, out: Path) -> Row:
    """Write `kernels.png`; what the page shows of it."""
    from mammoscope.explain import LayerMaps, contact_sheet, first_kernels, sheet_words, tiles_of

    name, kernels = first_kernels(loaded.network)
    maps = LayerMaps(layer=name, shown="kernels", maps=kernels)
    tiles = tiles_of(kernels, most=None, signed=True)
    sheet = contact_sheet(maps, tiles=tiles, beside=None, name=f"First kernels of {loaded.manifest.name}", scale="tile")
    _write(sheet, out / "kernels.png")
    words = sheet_words(tiles, maps=maps, scale="tile")
    return {
        "title": maps.title,
        "words": words,
        "shape": list(kernels.shape[1:]),
        "tiles": [_tile(tile) for tile in tiles],
    }


def _write(picture: np.ndarray, path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(encode_png(picture))


def _tile(tile: "Tile") -> Row:
    uri = None if tile.picture is None else data_uri(tile.picture, most_px=SHOWN_PX)
    return {"channel": tile.channel, "words": tile.words, "dead": tile.dead, "uri": uri}


def _input(mammogram: Mammogram) -> Row:
    grey = np.rint(np.clip(mammogram.pixels, 0, 1) * 255).astype(np.uint8)
    rows, cols = grey.shape
    return {"uri": data_uri(np.repeat(grey[:, :, None], 3, axis=2), most_px=480), "rows": rows, "cols": cols}


def data_uri(picture: np.ndarray, *, most_px: int) -> str:
    """A picture as text for a page: exact where it is small, else JPEG, its longer side at most so many pixels."""
    from mammoscope.explain.tiles import resized

    rows, cols = picture.shape[:2]
    if max(rows, cols) > most_px:
        zoom = most_px / max(rows, cols)
        picture = resized(picture, (max(1, round(cols * zoom)), max(1, round(rows * zoom))))
    if max(rows, cols) <= SMALL_PX:
        return f"data:image/png;base64,{base64.b64encode(encode_png(picture)).decode('ascii')}"
    done, encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise BundleError("a picture could not be written as JPEG. Install opencv-python-headless again")
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode('ascii')}"
