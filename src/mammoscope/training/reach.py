"""Convolutions that reach over the whole of a map: in bfloat16 on a processor their gradient is not to be trusted."""

from typing import Any

import torch
from torch import nn

from mammoscope.errors import RecipeError
from mammoscope.models import Classifier
from mammoscope.models.network import empty_inputs
from mammoscope.training.recipe import Recipe


def check_reach(recipe: Recipe, *, network: Classifier, device: torch.device) -> None:
    """Refuse what would train on memory that nobody has written.

    Where a kernel reaches beyond both edges of a map, some of its weights meet no pixel. Their gradient is 0; oneDNN,
    which computes in bfloat16 on processors, leaves what was in memory before. Such weights become anything, NaN
    among it, while the loss shows nothing; and where gradients are clipped, they take all of the step.

    Args:
        recipe: What decides the result.
        network: In evaluation mode or not; left as it was.
        device: Where training will be.

    Raises:
        RecipeError: It has such a convolution, and trains it in bfloat16 on a processor.

    Source:
        Seen with torch 2.15.0 and MALLOC_PERTURB_=165: 3 x 3 kernels with stride 2 on maps of one column, 5 x 5 and
        7 x 7 ones on maps of up to three. A kernel is refused here where half of it is as long as a side of its map.
    """
    settings = recipe.training
    if settings.precision != "bfloat16" or device.type != "cpu" or all(stage.features_stay for stage in recipe.stages):
        return
    found = _reaching(network)
    if found:
        name, kernel, sides = found[0]
        raise RecipeError(
            f"[training] precision = 'bfloat16': a kernel of {kernel[0]} x {kernel[1]} ({name}) reads a map of "
            f"{sides[0]} x {sides[1]}, and torch leaves a part of its gradient unset on a processor. Use float32, or "
            "larger rows and cols"
        )


def _reaching(network: Classifier) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Name, kernel and map of each convolution of which half a kernel is as long as a side."""
    found: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []

    def look(name: str, layer: nn.Conv2d, given: Any) -> None:
        sides = tuple(int(side) for side in given[0].shape[-2:])
        if any(size // 2 >= side for size, side in zip(layer.kernel_size, sides, strict=True) if size > 1):
            found.append((name, layer.kernel_size, sides))

    hooks = [
        layer.register_forward_pre_hook(lambda one, given, name=name: look(name, one, given))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d)
    ]
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(*empty_inputs(network.design))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return found
