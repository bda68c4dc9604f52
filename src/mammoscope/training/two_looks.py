"""What training asks of a network: its logits, and of one that looks twice what its first look alone says."""

from typing import cast

from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from mammoscope.models import Classifier, GlobalLocalEncoder


class TwoLooks(nn.Module):
    """A network that looks twice, and says what its first look alone makes of a sample, for a loss of its own.

    Of a breast or exam the first look says what it says of the picture that it finds most: a sample is positive where
    one of its pictures is.

    Source:
        The loss of the global module of Shen et al., Med. Image Anal. 68, 101908 (2021).
    """

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        pixels: Float[Tensor, "*batch 1 rows cols"],
        present: Bool[Tensor, "batch views"] | None = None,
        codes: Int[Tensor, "batch views"] | None = None,
        clinical: Float[Tensor, "batch columns"] | None = None,
    ) -> tuple[Float[Tensor, "batch outputs"], Float[Tensor, "batch 1"]]:
        """Logits of all tasks, side by side; and the logit of the first look."""
        network, encoder = self.network, cast("GlobalLocalEncoder", self.network.network)
        shown = pixels if present is None else pixels[present]
        features = network.features(shown)
        encoded, side = encoder.pooled(features, network.scaled(shown)), encoder.side_logits(features)
        if present is not None:
            encoded = _placed(encoded, present, empty=0.0)
            side = _placed(side, present, empty=-float("inf")).amax(dim=1)
        return network.answer(network.combined(encoded, present, codes), clinical), side


def asked(network: Classifier) -> nn.Module:
    """What training calls: the network; or `TwoLooks` of it, where it looks twice and the main task is yes or no."""
    looks_twice = isinstance(network.network, GlobalLocalEncoder) and network.tasks[0].kind == "binary"
    return TwoLooks(network) if looks_twice else network


def _placed(
    values: Shaped[Tensor, "pictures _"], present: Bool[Tensor, "batch views"], *, empty: float
) -> Shaped[Tensor, "batch views _"]:
    """The rows of pictures at their places in the samples."""
    every = values.new_full((*present.shape, values.shape[1]), empty)
    every[present] = values
    return every
