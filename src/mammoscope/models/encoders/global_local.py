"""A network that looks twice: at the whole picture made small, then closely at the places that it found there."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn
from torch.nn import functional

from mammoscope.errors import RecipeError
from mammoscope.models.encoders.base import Encoder, EncoderConfig
from mammoscope.models.encoders.light_cnn import LightCnn
from mammoscope.models.encoders.plain import Inner, PlainModel, plain_encoder, read_for_its_map
from mammoscope.models.encoders.timm_encoder import TimmModel
from mammoscope.models.encoders.views import GatedAttention

EDGE = 1e-6  # a saliency is never nearer to 0 or 1 than this where its logit is taken


class GlobalLocal(EncoderConfig):
    """A coarse network whose saliency chooses patches, and a fine network that reads them at full resolution."""

    kind: Literal["global-local"] = "global-local"
    coarse: Inner = Field(
        default=LightCnn(channels=(16, 32, 64, 128)),
        validate_default=True,
        description="reads the reduced picture; the saliency is made of its map",
    )
    fine: Inner = Field(default=TimmModel(backbone="resnet18"), description="reads the patches")
    factor: PositiveInt = Field(default=4, description="by which the picture is reduced for the coarse network")
    patches: PositiveInt = Field(default=6, description="places looked at closely, where the picture has room for them")
    patch_px: PositiveInt = Field(default=256, description="their height and width in the prepared picture")
    top_share: float = Field(
        default=0.05, gt=0, le=1, description="of the saliency map, its highest places that make up the coarse vector"
    )

    @field_validator("coarse")
    @classmethod
    def _pools_nothing(cls, coarse: PlainModel) -> PlainModel:
        return read_for_its_map(coarse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Where a network looked.

    Attributes:
        saliency: Of the reduced picture, in [0, 1].
        boxes_px: Of the patches in the picture as it was given: x0, y0, x1, y1, half open; the most salient first.
        present: Which of them there are: a small picture has no room for all.
        weights: What each patch counts; they add up to 1.
    """

    saliency: Float[Tensor, "batch r c"]
    boxes_px: Int[Tensor, "batch patches 4"]
    present: Bool[Tensor, "batch patches"]
    weights: Float[Tensor, "batch patches"]


class GlobalLocalEncoder(nn.Module):
    """Saliency of the whole picture, gated attention over its most salient patches, and both vectors side by side.

    The choice of patches is not differentiated. The saliency learns through the coarse vector (the features of the
    most salient places, weighted by it), and much sooner where a loss is taken on `side_logits`, too.

    Source:
        Shen et al., Med. Image Anal. 68, 101908 (2021): the modules of its section 2, with one saliency map for all
        tasks, no two patches that overlap, and no loss of the patches alone.
    """

    def __init__(self, config: GlobalLocal, *, fetch: bool, shape: tuple[int, int] | None) -> None:
        super().__init__()
        self.factor, self.patches, self.patch_px = config.factor, config.patches, config.patch_px
        self.top_share = config.top_share
        reduced = None if shape is None else (-(-shape[0] // config.factor), -(-shape[1] // config.factor))
        if shape is not None:
            _check_room(*shape, patch_px=config.patch_px)
        side = config.patch_px
        self.coarse_network = plain_encoder(
            config.coarse,
            fetch=fetch,
            shape=reduced,
            table="model.coarse",
            sized_by=f"[model] factor = {config.factor}",
        )
        self.fine_network = plain_encoder(
            config.fine, fetch=fetch, shape=(side, side), table="model.fine", sized_by=f"[model] patch_px = {side}"
        )
        self.salient = nn.Conv2d(self.coarse.width, 1, kernel_size=1)
        self.attention = GatedAttention(self.fine.width)
        self.width = self.coarse.width + self.fine.width

    @property
    def coarse(self) -> Encoder:
        """The network of the reduced picture."""
        return cast("Encoder", self.coarse_network)

    @property
    def fine(self) -> Encoder:
        """The network of the patches."""
        return cast("Encoder", self.fine_network)

    def forward_features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Float[Tensor, "batch channels r c"]:
        """The map of the coarse network."""
        small = functional.avg_pool2d(pixels, self.factor, ceil_mode=True) if self.factor > 1 else pixels
        features = self.coarse.forward_features(small)
        if features.ndim != 4 or features.shape[1] != self.coarse.width:
            raise RecipeError(
                f"[model.coarse]: its map has the axes {tuple(features.shape)}, and batch, channels, rows, columns "
                "are needed. Choose a convolutional network"
            )
        return features

    def pooled(self, features: Tensor, pixels: Tensor) -> Float[Tensor, "batch width"]:
        """The most salient places as the coarse network saw them, beside the patches as the fine one did."""
        saliency = self._saliency(features)
        boxes, present = proposed_boxes(
            saliency, rows=pixels.shape[2], cols=pixels.shape[3], patches=self.patches, patch_px=self.patch_px
        )
        closely, _ = self.attention(self._patch_vectors(pixels, boxes, present), present)
        return torch.cat([self._most_salient(features, saliency), closely], dim=1)

    def saliency(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Float[Tensor, "batch r c"]:
        """How much each place of the reduced picture draws the eye, in [0, 1].

        Args:
            pixels: Scaled, as `forward_features` takes them.
        """
        return self._saliency(self.forward_features(pixels))

    def side_logits(self, features: Float[Tensor, "batch channels r c"]) -> Float[Tensor, "batch 1"]:
        """What the most salient places alone say of the positive class, for a loss of its own.

        Args:
            features: What `forward_features` gave.

        Source:
            The top t % pooling of Shen et al. 2021: their mean saliency is a probability.
        """
        values, _ = self._highest(self._saliency(features))
        return torch.logit(values.float().mean(dim=1, keepdim=True), eps=EDGE)

    def look(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Looked:
        """Where the network looks, for explanations.

        Args:
            pixels: Scaled, as `forward_features` takes them.
        """
        saliency = self.saliency(pixels)
        boxes, present = proposed_boxes(
            saliency, rows=pixels.shape[2], cols=pixels.shape[3], patches=self.patches, patch_px=self.patch_px
        )
        _, weights = self.attention(self._patch_vectors(pixels, boxes, present), present)
        return Looked(saliency=saliency, boxes_px=boxes, present=present, weights=weights)

    def blocks(self) -> list[nn.Module]:
        """Those of both networks side by side, first with first; then what puts them together."""
        both = zip_longest(self.coarse.blocks(), self.fine.blocks())
        pairs = [nn.ModuleList(block for block in pair if block is not None) for pair in both]
        return [*pairs, nn.ModuleList([self.salient, self.attention])]

    def _saliency(self, features: Tensor) -> Float[Tensor, "batch r c"]:
        return torch.sigmoid(self.salient(features)).squeeze(1)

    def _highest(self, saliency: Tensor) -> tuple[Float[Tensor, "batch top"], Int[Tensor, "batch top"]]:
        """The most salient places, and their numbers."""
        places = saliency.flatten(1)
        values, where = places.topk(max(1, round(self.top_share * places.shape[1])), dim=1)
        return values, where

    def _most_salient(self, features: Tensor, saliency: Tensor) -> Float[Tensor, "batch channels"]:
        """Mean over the most salient places of their features, weighted by the saliency."""
        values, where = self._highest(saliency)
        picked = features.flatten(2).gather(2, where.unsqueeze(1).expand(-1, features.shape[1], -1))
        return (picked * values.unsqueeze(1)).mean(dim=2)

    def _patch_vectors(self, pixels: Tensor, boxes: Tensor, present: Tensor) -> Float[Tensor, "batch patches width"]:
        """One vector a patch; 0 where there is none, which the fine network does not see."""
        crops = cut_patches(pixels, boxes, patch_px=self.patch_px)[present].unsqueeze(1)
        vectors = self.fine.pooled(self.fine.forward_features(crops), crops)
        placed = vectors.new_zeros(*present.shape, vectors.shape[1])
        return placed.masked_scatter(present.unsqueeze(2), vectors)


def proposed_boxes(
    saliency: Float[Tensor, "batch r c"], *, rows: int, cols: int, patches: int, patch_px: int
) -> tuple[Int[Tensor, "batch patches 4"], Bool[Tensor, "batch patches"]]:
    """Choose the most salient square of each picture, then the next that does not touch it, and so on.

    Args:
        saliency: Of a reduced picture, whatever its size.
        rows: Height of the picture itself.
        cols: Its width.
        patches: How many squares.
        patch_px: Their sides in the picture.

    Returns:
        Boxes in the picture (x0, y0, x1, y1, half open), none of which overlap; and which of them there are. One that
        there is not has the place of the first.

    Raises:
        RecipeError: The picture is smaller than a patch.

    Source:
        Algorithm 1 of Shen et al. 2021, in which what was chosen counts nothing afterwards.

    Example:
        >>> saliency = torch.zeros(1, 4, 4)
        >>> saliency[0, 3, 0], saliency[0, 0, 2] = 0.9, 0.4
        >>> proposed_boxes(saliency, rows=64, cols=64, patches=2, patch_px=16)[0]
        tensor([[[ 0, 48, 16, 64],
                 [32,  0, 48, 16]]])
    """
    _check_room(rows, cols, patch_px=patch_px)
    with torch.no_grad():
        sums, y0, x0 = _candidates(saliency.float(), rows=rows, cols=cols, patch_px=patch_px)
        chosen, present = [], []
        for _ in range(patches):
            best, at = sums.max(dim=1)
            y, x = y0[at].unsqueeze(1), x0[at].unsqueeze(1)
            taken = ((y0 - y).abs() < patch_px) & ((x0 - x).abs() < patch_px)
            sums = sums.masked_fill(taken, -torch.inf)
            chosen.append(torch.cat([x, y, x + patch_px, y + patch_px], dim=1))
            present.append(best > -torch.inf)
        there = torch.stack(present, dim=1)
        boxes = torch.stack(chosen, dim=1)
        return torch.where(there.unsqueeze(2), boxes, boxes[:, :1]), there


def cut_patches(
    pixels: Float[Tensor, "batch 1 rows cols"], boxes: Int[Tensor, "batch patches 4"], *, patch_px: int
) -> Float[Tensor, "batch patches patch_px patch_px"]:
    """Cut squares out of each picture, all at once.

    Args:
        pixels: Pictures.
        boxes: x0, y0, x1, y1 of each square, within the picture.
        patch_px: Their sides.
    """
    steps = torch.arange(patch_px, device=pixels.device)
    cols, rows = (boxes[..., axis].unsqueeze(2) + steps for axis in (0, 1))
    pictures = torch.arange(len(pixels), device=pixels.device).view(-1, 1, 1, 1)
    return pixels[:, 0][pictures, rows.unsqueeze(3), cols.unsqueeze(2)]


def _candidates(
    saliency: Tensor, *, rows: int, cols: int, patch_px: int
) -> tuple[Float[Tensor, "batch places"], Int[Tensor, " places"], Int[Tensor, " places"]]:
    """The saliency of each square that covers whole cells of the map as nearly as can be, and its upper left corner."""
    cells, sizes = saliency.shape[1:], (rows, cols)
    window = [min(cell, max(1, round(patch_px * cell / size))) for cell, size in zip(cells, sizes, strict=True)]
    sums = functional.avg_pool2d(saliency.unsqueeze(1), window, stride=1).flatten(1)
    corners = []
    for cell, size, across in zip(cells, sizes, window, strict=True):
        centres = (torch.arange(cell - across + 1, device=saliency.device) + across / 2) * (size / cell)
        corners.append((centres - patch_px / 2).round().long().clamp(0, size - patch_px))
    y0, x0 = torch.meshgrid(*corners, indexing="ij")
    return sums, y0.flatten(), x0.flatten()


def _check_room(rows: int, cols: int, *, patch_px: int) -> None:
    if min(rows, cols) < patch_px:
        raise RecipeError(
            f"[preprocess] rows = {rows}, cols = {cols}: a patch of [model] patch_px = {patch_px} has no room in it. "
            "Make the pictures larger, or the patches smaller"
        )
