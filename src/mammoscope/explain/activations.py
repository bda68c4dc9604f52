"""What excites a channel most: the pictures of a data set in which its map is highest, and the place in each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from mammoscope.errors import BundleError, SourceError
from mammoscope.explain.feature_maps import Watched, watched_layer, watched_maps
from mammoscope.explain.layers import evaluating
from mammoscope.models import Classifier

EFFECTIVE = 1.0 - 0.9545  # of the largest gradient: what is below does not count as seen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peaks:
    """The strongest activations of every channel of a layer.

    Attributes:
        watched: The layer.
        pictures: Number of pictures that were looked at.
        picture: Number of the picture, the strongest first; -1 where there are fewer pictures.
        value: Of the map at its highest place in that picture.
        row: Row of that place in the map.
        col: Column.
        mean: Mean over all pictures of the highest value.
        sd: Its standard deviation: 0 of a channel that says the same of every picture.
    """

    watched: Watched
    pictures: int
    picture: Int64[np.ndarray, "channels each"]
    value: Float64[np.ndarray, "channels each"]
    row: Int64[np.ndarray, "channels each"]
    col: Int64[np.ndarray, "channels each"]
    mean: Float64[np.ndarray, " channels"]
    sd: Float64[np.ndarray, " channels"]

    def most_variable(self, count: int) -> list[int]:
        """Numbers of the channels whose highest value differs most between pictures, the most variable first."""
        order = np.argsort(-self.sd, kind="stable")
        return [int(one) for one in order[:count] if self.sd[one] > 0]


def strongest_activations(
    network: Classifier,
    batches: Iterable[Tensor],
    *,
    layer: str | None = None,
    each: int = 6,
    progress: Callable[[int], None] | None = None,
) -> Peaks:
    """Find the pictures that excite each channel of a layer most; holds one batch and `each` places a channel.

    Args:
        network: Left in the mode it was in; looked at in evaluation mode.
        batches: Of pictures, `batch 1 rows cols` each; pictures are numbered from 0.
        layer: One of `layer_names`; the last convolution if None.
        each: Pictures that are kept for each channel.
        progress: Called with the number of pictures done.

    Returns:
        For every channel, its strongest pictures.

    Raises:
        BundleError: There is no such layer, or it has no rows and columns.
        SourceError: There is no picture.

    Source:
        Zeiler and Fergus, ECCV 2014, section 4: the pictures of the data set that activate a feature map most.

    Example:
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> network = build(Design(model=SimpleCnn(channels=(4,)), rows=16, cols=16), seed=0)
        >>> strongest_activations(network, [torch.rand(3, 1, 16, 16)], each=2).picture.shape
        (4, 2)
    """
    kept: tuple[Tensor, ...] | None = None
    watched, done = None, 0
    total = squares = torch.zeros(0)
    with evaluating(network), torch.inference_mode():
        for pixels in batches:
            watched = watched or watched_layer(network, pixels[:1], layer=layer)
            found = _highest(watched_maps(network, pixels, watched=watched).float(), first=done)
            total, squares = (
                (one if not len(before) else before + one)
                for before, one in ((total, found[0].double().sum(1)), (squares, found[0].double().square().sum(1)))
            )
            kept = _best(found if kept is None else tuple(map(_joined, kept, found)), each=each)
            done += len(pixels)
            if progress is not None:
                progress(done)
    if kept is None or watched is None:
        raise SourceError("strongest activations: there is no picture. Choose another part of the run")
    mean = total / done
    value, picture, row, col = (one.cpu().numpy() for one in kept)
    return Peaks(
        watched=watched,
        pictures=done,
        picture=picture,
        value=value.astype(np.float64),
        row=row,
        col=col,
        mean=mean.cpu().numpy(),
        sd=(squares / done - mean.square()).clamp_min(0.0).sqrt().cpu().numpy(),
    )


def _highest(maps: Float[Tensor, "batch channels r c"], *, first: int) -> tuple[Tensor, ...]:
    """Value, number of the picture, row and column of the highest place, `channels batch` each."""
    value, place = maps.flatten(2).max(dim=2)
    cols = maps.shape[3]
    numbers = torch.arange(first, first + len(maps), device=maps.device).unsqueeze(1).expand_as(place)
    return tuple(one.T.contiguous() for one in (value, numbers, place // cols, place % cols))


def _joined(before: Tensor, now: Tensor) -> Tensor:
    return torch.cat([before, now], dim=1)


def _best(found: tuple[Tensor, ...], *, each: int) -> tuple[Tensor, ...]:
    """The strongest few of each channel; of equal ones the first."""
    order = found[0].argsort(dim=1, descending=True, stable=True)[:, :each]
    return tuple(one.gather(1, order) for one in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What a place of a map sees of a picture, in pixels of the picture as the network gets it.

    Attributes:
        x0: First column.
        y0: First row.
        x1: Behind the last column.
        y1: Behind the last row.
        x: Column of the middle of the place.
        y: Row of it.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    x: float
    y: float


def field_of(
    network: Classifier,
    pixels: Float[Tensor, "1 1 rows cols"],
    *,
    watched: Watched,
    channel: int,
    row: int,
    col: int,
) -> Field:
    """The part of a picture that a value of a map hangs on: its effective receptive field.

    Args:
        network: In evaluation mode.
        pixels: One picture.
        watched: The layer.
        channel: Of the map.
        row: Of the map.
        col: Of the map.

    Returns:
        The box of all pixels whose gradient is at least 4.55 % of the largest. Where there is none (the unit does not
        fire) the place alone.

    Source:
        Luo et al., Understanding the effective receptive field, NeurIPS 2016, section 3, for the limit.
    """
    with torch.enable_grad():
        shown = pixels.detach().clone().requires_grad_(True)  # noqa: FBT003  # it is torch's own positional argument
        maps = watched_maps(network, shown, watched=watched)
        (slope,) = torch.autograd.grad(maps[0, channel, row, col], shown)
    strength = slope[0, 0].abs()
    rows, cols = maps.shape[2:]
    across, down = pixels.shape[3] / cols, pixels.shape[2] / rows
    seen = torch.nonzero(strength >= EFFECTIVE * strength.max()) if strength.max() > 0 else torch.empty(0, 2)
    if not len(seen):
        box = (int(col * across), int(row * down), max(1, round((col + 1) * across)), max(1, round((row + 1) * down)))
    else:
        (top, left), (bottom, right) = seen.amin(dim=0).tolist(), seen.amax(dim=0).tolist()
        box = (int(left), int(top), int(right) + 1, int(bottom) + 1)
    x0, y0, x1, y1 = box
    return Field(x0=x0, y0=y0, x1=x1, y1=y1, x=(col + 0.5) * across, y=(row + 0.5) * down)


def chosen_channels(peaks: Peaks, channels: Sequence[int] | None, *, most: int = 8) -> list[int]:
    """Channels by number, or the most variable ones.

    Raises:
        BundleError: The layer has no such channel; or no channel says different things of different pictures.
    """
    count = len(peaks.value)
    strange = [one for one in channels or () if not 0 <= one < count]
    if strange:
        raise BundleError(
            f"channel {strange[0]}: layer {peaks.watched.layer!r} has {count}, 0 to {count - 1}. Choose one of them"
        )
    found = list(channels) if channels else peaks.most_variable(most)
    if not found:
        raise BundleError(
            f"layer {peaks.watched.layer!r}: every channel says the same of all {peaks.pictures} pictures: none is "
            "excited. Choose another layer"
        )
    return found


def cut_out(
    picture: Float32[np.ndarray, "rows cols"], field: Field, *, least_px: int = 24
) -> tuple[Float32[np.ndarray, "_ _"], tuple[int, int, int, int]]:
    """The seen part of a picture with a margin, and where it lies: x0, y0, x1, y1.

    Args:
        picture: As the network gets it.
        field: From `field_of`.
        least_px: Smallest side of what is cut out, if the picture has as much.

    Example:
        >>> field = Field(x0=4, y0=4, x1=6, y1=6, x=5.0, y=5.0)
        >>> cut_out(np.zeros((40, 30), dtype=np.float32), field)[1]
        (0, 0, 24, 24)
    """
    rows, cols = picture.shape
    side = max(field.x1 - field.x0, field.y1 - field.y0)
    side = max(least_px, round(1.25 * side))
    width, height = min(side, cols), min(side, rows)
    x0 = min(max(0, round((field.x0 + field.x1 - width) / 2)), cols - width)
    y0 = min(max(0, round((field.y0 + field.y1 - height) / 2)), rows - height)
    return picture[y0 : y0 + height, x0 : x0 + width], (x0, y0, x0 + width, y0 + height)
