"""A classical estimator on what the trained network says of the train samples."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from mammoscope.batches import Samples, batches, steps_of
from mammoscope.models import Classifier, Inputs, Precision, autocast, fit_estimator
from mammoscope.models.network import empty_inputs
from mammoscope.training.data import Data
from mammoscope.training.recipe import Recipe


def embeddings_of(
    network: Classifier, samples: Samples, *, layer: str, batch_size: int, precision: Precision = "float32"
) -> Float[np.ndarray, "samples values"]:
    """What a layer says of every sample, as the pictures are.

    Args:
        network: Left in the mode it was in.
        samples: Prepared pictures.
        layer: As `Classifier.embedding` takes it.
        batch_size: Samples at a time.
        precision: Of the arithmetic.
    """
    device = next(iter(network.parameters())).device
    training = network.training
    network.eval()
    rows: list[torch.Tensor] = []
    try:
        with torch.inference_mode(), autocast(device, precision):
            for batch in batches(samples, _steps(samples, batch_size)):
                inputs = Inputs(batch.pixels, batch.present, batch.codes, batch.clinical).placed(device)
                rows.append(network.embedding(inputs, layer=layer).float().cpu())
    finally:
        network.train(training)
    return torch.cat(rows).numpy()


def check_layer(recipe: Recipe, *, network: Classifier) -> None:
    """Ask the estimator's layer about one empty sample, before anything is spent on training.

    Raises:
        RecipeError: There is no such layer, or it does not run once for each sample.
    """
    if recipe.estimator is None:
        return
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            network.embedding(empty_inputs(network.design), layer=recipe.estimator.layer)
    finally:
        network.train(training)


def fitted(recipe: Recipe, *, network: Classifier, data: Data) -> nn.Module | None:
    """The recipe's estimator, fitted on the train part; None where it asks for none."""
    if recipe.estimator is None:
        return None
    settings, task = recipe.training, recipe.tasks[0]
    vectors = embeddings_of(
        network,
        data.train,
        layer=recipe.estimator.layer,
        batch_size=settings.batch_size,
        precision=settings.precision,
    )
    return fit_estimator(
        recipe.estimator,
        vectors,
        labels=data.train.main,
        classes=len(task.classes),
        seed=recipe.seed,
        patients=data.train.patients,
        ordinal=task.kind == "ordinal",
    )


def _steps(samples: Samples, batch_size: int) -> Sequence[np.ndarray]:
    return steps_of(np.arange(len(samples)), batch_size=batch_size)
