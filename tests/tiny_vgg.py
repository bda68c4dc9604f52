"""timm's VGG, with 64 values between its two large layers, which have 4,096 there and nine tenths of all weights."""

from typing import Any

from timm.models import is_model, register_model
from timm.models.vgg import VGG, _create_vgg

NAME = "tiny_vgg"


def tiny_vgg(pretrained: bool = False, **settings: Any) -> VGG:  # noqa: FBT001, FBT002  # as timm calls it
    """As `test_resnet` of timm is to ResNet."""
    network: VGG = _create_vgg("vgg11", pretrained=pretrained, **{"mlp_ratio": 1 / 64, **settings})
    return network


if not is_model(NAME):  # the collection of doctests imports this file once more, under another name
    register_model(tiny_vgg)
