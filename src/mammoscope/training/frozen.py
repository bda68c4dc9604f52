"""What a frozen encoder says of pictures, computed once: every later epoch of the stage is nearly free."""

from functools import partial

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor

from mammoscope.batches import Pictures, Samples, read_pictures, steps_of
from mammoscope.models import Classifier, Inputs, autocast
from mammoscope.training.changing import augmented
from mammoscope.training.data import Data
from mammoscope.training.recipe import Recipe


class Frozen:
    """The vectors of one stage; those of a view are computed when an epoch first asks for it.

    With augmentation an epoch sees view `epoch % frozen_views` of each picture, the same each time it comes round.
    """

    def __init__(self, recipe: Recipe, *, network: Classifier, data: Data) -> None:
        self._recipe = recipe
        self._network = network
        self._data = data
        self._views: dict[int, Tensor] = {}
        self._tune: Tensor | None = None

    def train(self, epoch: int) -> Pictures:
        """What stands for the train pictures in an epoch."""
        view = epoch % self._recipe.training.frozen_views
        if view not in self._views:
            self._views[view] = encoded(self._network, self._data.train, recipe=self._recipe, view=view)
        return partial(_taken, self._views[view])

    def tune(self, numbers: Int[np.ndarray, " pictures"]) -> Float32[Tensor, "pictures width"]:
        """What stands for tune pictures, which are never changed."""
        if self._tune is None:
            self._tune = encoded(self._network, self._data.tune, recipe=self._recipe)
        return _taken(self._tune, numbers)


def _taken(vectors: Tensor, numbers: np.ndarray) -> Tensor:
    return vectors[torch.from_numpy(numbers)]


def encoded(
    network: Classifier, samples: Samples, *, recipe: Recipe, view: int | None = None
) -> Float32[Tensor, "pictures width"]:
    """The encoder's vector of every picture.

    Args:
        network: Left in the mode it was in.
        samples: Prepared pictures.
        recipe: Its augmentation, precision and batch size.
        view: Which augmented view; None for the pictures as they are.
    """
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    rows: list[Tensor] = []
    try:
        with torch.inference_mode(), autocast(device, recipe.training.precision):
            for numbers in steps_of(np.arange(len(samples.files)), batch_size=recipe.training.batch_size):
                pixels = read_pictures(samples, numbers)
                if view is not None:
                    pixels = augmented(pixels, recipe=recipe, epoch=view, numbers=numbers)
                rows.append(network.encoded(Inputs(pixels).placed(device).pixels).float())
    finally:
        network.train(training)
    return torch.cat(rows).clone()
