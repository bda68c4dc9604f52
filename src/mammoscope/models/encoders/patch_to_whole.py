"""A network that learns what lesions look like from patches, and then reads whole pictures."""

from typing import Literal, cast

import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn

from mammoscope.errors import RecipeError
from mammoscope.models.encoders.base import Encoder, EncoderConfig
from mammoscope.models.encoders.plain import Inner, PlainModel, plain_encoder, read_for_its_map
from mammoscope.models.encoders.timm_encoder import TimmModel

PATCH_CLASSES = ("background", "benign", "malignant")
PATCH_CLASSES_BY_KIND = (
    "background",
    "benign mass",
    "malignant mass",
    "benign calcification",
    "malignant calcification",
)


class PatchToWhole(EncoderConfig):
    """A backbone that a patch classifier trains first, with residual blocks on top of its map.

    Both see the same millimetres per pixel: patches are cut from the prepared whole pictures.
    """

    kind: Literal["patch-to-whole"] = "patch-to-whole"
    backbone: Inner = Field(
        default=TimmModel(backbone="resnet50"), validate_default=True, description="what patches and pictures share"
    )
    by_kind: bool = Field(
        default=False, description="masses and calcifications are patch classes of their own: five instead of three"
    )
    top: tuple[PositiveInt, ...] = Field(
        default=(512, 512), min_length=1, description="channels of each block above the map; each halves it"
    )
    pool: Literal["mean", "max"] = Field(default="mean", description="how the last map becomes one vector")

    @field_validator("backbone")
    @classmethod
    def _pools_nothing(cls, backbone: PlainModel) -> PlainModel:
        return read_for_its_map(backbone)

    @property
    def patch_classes(self) -> tuple[str, ...]:
        """What a patch may show, in the order of its logits."""
        return PATCH_CLASSES_BY_KIND if self.by_kind else PATCH_CLASSES


class PatchToWholeEncoder(nn.Module):
    """The map of a backbone; over it a patch classifier, and a top that reads the whole picture.

    Source:
        Shen et al., Sci. Rep. 9, 12495 (2019), "Converting a classifier from recognizing patches to whole images":
        a fully convolutional patch network, its last layers replaced by residual blocks of stride 2.
    """

    def __init__(self, config: PatchToWhole, *, fetch: bool, shape: tuple[int, int] | None) -> None:
        super().__init__()
        self.pool = config.pool
        self.network = plain_encoder(config.backbone, fetch=fetch, shape=shape, table="model.backbone")
        channels = self.backbone.width
        self.patch_head = nn.Linear(channels, len(config.patch_classes))
        pairs = zip((channels, *config.top), config.top, strict=False)
        self.top = nn.Sequential(*(_Residual(into, out) for into, out in pairs))
        self.width = config.top[-1]

    @property
    def backbone(self) -> Encoder:
        """What patches and whole pictures share."""
        return cast("Encoder", self.network)

    def forward_features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Float[Tensor, "batch channels r c"]:
        """The map of the backbone, in which each place still is about as large as a lesion."""
        features = self.backbone.forward_features(pixels)
        if features.ndim != 4 or features.shape[1] != self.backbone.width:
            raise RecipeError(
                f"[model.backbone]: its map has the axes {tuple(features.shape)}, and batch, channels, rows, columns "
                "are needed. Choose a convolutional backbone"
            )
        return features

    def pooled(self, features: Tensor, pixels: Tensor) -> Float[Tensor, "batch width"]:
        """Whole pictures: through the top, then one value a channel."""
        del pixels
        read: Tensor = self.top(features)
        return read.mean(dim=(2, 3)) if self.pool == "mean" else read.amax(dim=(2, 3))

    def patch_logits(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Float[Tensor, "batch classes"]:
        """Patches: one logit for each of `patch_classes`.

        Args:
            pixels: Scaled as whole pictures are; patches of any size.
        """
        logits: Tensor = self.patch_head(self.backbone.pooled(self.forward_features(pixels), pixels))
        return logits

    def patch_blocks(self) -> list[nn.Module]:
        """What patches train, from input to output."""
        return [*self.backbone.blocks(), self.patch_head]

    def blocks(self) -> list[nn.Module]:
        """Those of the backbone, then the top; the patch head, which whole pictures do not use, with the last."""
        *most, last = self.top
        return [*self.backbone.blocks(), *most, nn.ModuleList([last, self.patch_head])]


class _Residual(nn.Module):
    """Three convolutions beside a short way, at half the size.

    Source:
        He et al., CVPR 2016, figure 5, right; the inner width is half the outer one, as in the 512-512-1024 of Shen.
    """

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        inner = max(1, out // 2)
        self.long = nn.Sequential(
            *_convolution(into, inner, kernel_size=1),
            nn.ReLU(),
            *_convolution(inner, inner, kernel_size=3, stride=2),
            nn.ReLU(),
            *_convolution(inner, out, kernel_size=1),
        )
        self.short = nn.Sequential(*_convolution(into, out, kernel_size=1, stride=2))

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.long(features) + self.short(features))


def _convolution(into: int, out: int, *, kernel_size: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    padding = kernel_size // 2
    return nn.Conv2d(into, out, kernel_size, stride=stride, padding=padding, bias=False), nn.BatchNorm2d(out)
