"""Contact sheets: the maps or kernels of a layer as labelled tiles, and the picture they were made of beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from mammoscope.explain.feature_maps import LayerMaps
from mammoscope.explain.picture import colours
from mammoscope.images.plate import FRAME, INK, MUTED, PAPER, Panel, lay_out

Rgb = UInt8[np.ndarray, "_ _ 3"]
Scale = Literal["tile", "layer"]
"""Whether colours run to the largest value of each tile, or of the whole layer."""

NEGATIVE, NONE, POSITIVE = (31, 95, 153), (247, 247, 245), (180, 71, 46)
TILE_PX = 112  # longer side of a tile
LABEL_PX, GAP_PX = 15, 10
INPUT_PX = 480  # height of the picture beside


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """One channel, drawn.

    Attributes:
        channel: Its number.
        low: Smallest value.
        high: Largest value.
        picture: Coloured, at the size of the map; None where every value is the same.
    """

    channel: int
    low: float
    high: float
    picture: Rgb | None

    @property
    def dead(self) -> str:
        """What stands in place of a picture: the one value that the map has everywhere."""
        return f"{self.low:.3g}" if self.picture is None else ""

    @property
    def words(self) -> str:
        """The range of its values."""
        if self.picture is None:
            return "constant"
        return f"to {self.high:.3g}" if self.low >= 0 else f"{self.low:.2g} to {self.high:.2g}"


def tiles_of(
    maps: Float32[np.ndarray, "channels rows cols"],
    *,
    most: int | None = 64,
    scale: Scale = "tile",
    signed: bool | None = None,
) -> list[Tile]:
    """Colour the channels of a map.

    Args:
        maps: One a channel.
        most: Of more channels those that vary most over the picture, in the order of their numbers; None for all.
        scale: Colours run to the largest value of each tile, or of the layer.
        signed: From blue over white at 0 to red; else from black at 0 to yellow. By the values if None: signed where
            one of the layer is below 0.

    Returns:
        One tile a channel.

    Example:
        >>> maps = np.zeros((2, 2, 2), dtype=np.float32)
        >>> maps[1, 0, 0] = 3.0
        >>> [(tile.channel, tile.dead, tile.words) for tile in tiles_of(maps)]
        [(0, '0', 'constant'), (1, '', 'to 3')]
    """
    flat = maps.reshape(len(maps), -1)
    chosen = np.arange(len(maps))
    if most is not None and len(maps) > most:
        chosen = np.sort(np.argsort(-flat.std(axis=1), kind="stable")[:most])
    signed, largest = bool(flat.min() < 0) if signed is None else signed, float(np.abs(flat).max())
    tiles = []
    for channel in chosen.tolist():
        low, high = float(flat[channel].min()), float(flat[channel].max())
        end = largest if scale == "layer" else max(abs(low), abs(high))
        drawn = None if low == high else _coloured(maps[channel], end=end, signed=signed)
        tiles.append(Tile(channel=channel, low=low, high=high, picture=drawn))
    return tiles


def _coloured(values: Float32[np.ndarray, "rows cols"], *, end: float, signed: bool) -> Rgb:
    shares = values.astype(np.float64) / end
    rgb = diverging(shares) if signed else colours(np.clip(shares, 0.0, 1.0))
    drawn: np.ndarray = np.rint(rgb * 255).astype(np.uint8)
    return drawn


def diverging(shares: Float[np.ndarray, "rows cols"]) -> Float[np.ndarray, "rows cols 3"]:
    """Blue at -1, near white at 0, red at 1: apart for the common colour blindnesses.

    Example:
        >>> [round(float(one), 2) for one in diverging(np.array([[0.0]]))[0, 0]]
        [0.97, 0.97, 0.96]
    """
    ends = np.array([NEGATIVE, NONE, POSITIVE], dtype=np.float64) / 255
    return np.stack([np.interp(shares, (-1.0, 0.0, 1.0), ends[:, at]) for at in range(3)], axis=2)


def contact_sheet(maps: LayerMaps, *, tiles: Sequence[Tile], beside: Rgb | None, name: str, scale: Scale) -> Rgb:
    """Lay tiles out on a plate.

    Args:
        maps: The layer that they are of.
        tiles: From `tiles_of`.
        beside: What they were made of; None for kernels.
        name: Heads the plate.
        scale: As the tiles were made.

    Returns:
        Red, green and blue.
    """
    grid = _grid(tiles, shape=maps.maps.shape[1:])
    panels = [Panel(picture=grid, title=maps.title, lines=((sheet_words(tiles, maps=maps, scale=scale), None),))]
    if beside is not None:
        rows, cols = beside.shape[:2]
        size = max(1, round(cols * INPUT_PX / rows)), INPUT_PX
        way = cv2.INTER_NEAREST if rows < INPUT_PX else cv2.INTER_AREA
        shown = np.asarray(cv2.resize(beside, size, interpolation=way), dtype=np.uint8)
        panels.insert(0, Panel(picture=shown, title="Input", lines=((f"{rows} x {cols} px", None),)))
    return lay_out(tuple(panels), name=name, head="", notes=[])


def sheet_words(tiles: Sequence[Tile], *, maps: LayerMaps, scale: Scale) -> str:
    """Which channels are shown, and what the colours mean.

    Example:
        >>> maps = LayerMaps(layer="conv", shown="", maps=np.arange(8, dtype=np.float32).reshape(2, 2, 2))
        >>> sheet_words(tiles_of(maps.maps), maps=maps, scale="tile")
        'All 2 channels. Colours: black is 0, to the largest value of each tile.'
    """
    count, dead = len(maps.maps), sum(tile.picture is None for tile in tiles)
    which = f"All {count} channels" if len(tiles) == count else f"{len(tiles)} of {count} channels, the most varied"
    same = f"; {dead} {'is' if dead == 1 else 'are'} constant (the value is written)" if dead else ""
    to = "of each tile" if scale == "tile" else "of the layer"
    zero = "blue is below 0, red above, to the largest" if maps.maps.min() < 0 else "black is 0, to the largest value"
    return f"{which}{same}. Colours: {zero} {to}."


def _grid(tiles: Sequence[Tile], *, shape: tuple[int, ...]) -> Rgb:
    rows, cols = shape
    zoom = TILE_PX / max(rows, cols)
    height, width = max(8, round(rows * zoom)), max(8, round(cols * zoom))
    cell = max(width, 66) + GAP_PX
    tall = height + 2 * LABEL_PX + GAP_PX
    down = max(1, round(sqrt(len(tiles) * cell / (1.5 * tall))))
    across = ceil(len(tiles) / down)
    down = ceil(len(tiles) / across)
    image = Image.new("RGB", (across * cell + GAP_PX, down * tall + GAP_PX), PAPER)
    for number, tile in enumerate(tiles):
        at = GAP_PX + number % across * cell, GAP_PX + number // across * tall
        _paste(image, tile, at=at, size=(width, height))
    return np.array(image, dtype=np.uint8)


def _paste(image: Image.Image, tile: Tile, *, at: tuple[int, int], size: tuple[int, int]) -> None:
    draw, (x, y), (width, height) = ImageDraw.Draw(image), at, size
    if tile.picture is None:
        draw.rectangle((x, y, x + width - 1, y + height - 1), outline=FRAME)
        draw.text((x + width / 2, y + height / 2), tile.dead, fill=MUTED, font=_font(15), anchor="mm")
    else:
        image.paste(Image.fromarray(resized(tile.picture, size)), at)
    draw.text((x, y + height + 1), str(tile.channel), fill=INK, font=_font(12))
    draw.text((x, y + height + LABEL_PX), tile.words, fill=MUTED, font=_font(11))


def resized(picture: Rgb, size: tuple[int, int]) -> Rgb:
    """Larger in squares, smaller by the mean; `size` is width and height."""
    way = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=way), dtype=np.uint8)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
