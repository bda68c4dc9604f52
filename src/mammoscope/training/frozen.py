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
from mammoscope.training.processes import ALONE, Team, completed
from mammoscope.training.recipe import Recipe


class Frozen:
    """The vectors of one stage; those of a view are computed when an epoch first asks for it.

    With augmentation an epoch sees view `epoch % frozen_views` of each picture, the same each time it comes round.
    """

    def __init__(self, recipe: Recipe, *, network: Classifier, data: Data, team: Team = ALONE) -> None:
        self._recipe = recipe
        self._network = network
        self._data = data
        self._team = team
        self._views: dict[int, Tensor] = {}
        self._tune: Tensor | None = None

    def train(self, epoch: int) -> Pictures:
        """What stands for the train pictures in an epoch."""
        view = epoch % self._recipe.training.frozen_views
        if view not in self._views:
            self._views[view] = self._encoded(self._data.train, view=view)
        return partial(_taken, self._views[view])

    def tune(self, numbers: Int[np.ndarray, " pictures"]) -> Float32[Tensor, "pictures width"]:
        """What stands for tune pictures, which are never changed."""
        if self._tune is None:
            self._tune = self._encoded(self._data.tune)
        return _taken(self._tune, numbers)

    def _encoded(self, samples: Samples, *, view: int | None = None) -> Tensor:
        return encoded(self._network, samples, recipe=self._recipe, view=view, team=self._team)


def take_encoder(network: Classifier, *, of: Classifier) -> None:
    """Give a network the encoder of its moving average, in place, so that both say the same of a picture.

    While the encoder is frozen the average then stays where it is: what the averaged head is measured with is what is
    kept. Counters, which no answer depends on, are left alone: their average is rounded.

    Args:
        network: That learns.
        of: Its average.
    """
    averaged = of.network.state_dict()
    for name, tensor in network.network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(averaged[name])


def _taken(vectors: Tensor, numbers: np.ndarray) -> Tensor:
    return vectors[torch.from_numpy(numbers)]


def encoded(
    network: Classifier, samples: Samples, *, recipe: Recipe, view: int | None = None, team: Team = ALONE
) -> Float32[Tensor, "pictures width"]:
    """The encoder's vector of every picture.

    Args:
        network: Left in the mode it was in.
        samples: Prepared pictures.
        recipe: Its augmentation, precision and batch size.
        view: Which augmented view; None for the pictures as they are.
        team: Processes that share the work; each has all vectors in the end.
    """
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    steps = steps_of(np.arange(len(samples.files)), batch_size=recipe.training.batch_size)[team.rank :: team.count]
    rows: list[Tensor] = [torch.empty(0, network.encoder.width, device=device)]
    try:
        with torch.inference_mode():
            for numbers in steps:
                pixels = read_pictures(samples, numbers)
                if view is not None:
                    pixels = augmented(pixels, recipe=recipe, epoch=view, numbers=numbers)
                with autocast(device, recipe.training.precision):
                    rows.append(network.encoded(Inputs(pixels).placed(device).pixels).float())
    finally:
        network.train(training)
    at = np.concatenate([np.empty(0, dtype=np.int64), *steps])
    return completed(torch.cat(rows).clone(), at=at, count=len(samples.files), team=team)
