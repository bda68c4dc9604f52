"""Class activation maps: a layer's channels, weighted by how much they speak for a class."""

from typing import Literal, assert_never

import torch
from jaxtyping import Float
from torch import Tensor

from mammoscope.explain.layers import channels_last, evaluating, mapped, pictures_of
from mammoscope.explain.question import Question
from mammoscope.models import Classifier, Inputs

Cam = Literal["grad-cam", "grad-cam++", "hires-cam", "layer-cam"]
CALLED = {"grad-cam": "Grad-CAM", "grad-cam++": "Grad-CAM++", "hires-cam": "HiResCAM", "layer-cam": "LayerCAM"}


def activation_maps(
    network: Classifier, inputs: Inputs, *, question: Question, method: Cam = "grad-cam", layer: str | None = None
) -> Float[Tensor, "pictures r c"]:
    """Maps of the evidence for a class, on the grid of a layer.

    Args:
        network: Left in the mode it was in, without gradients. It is its own last layer that is explained.
        inputs: A batch of single pictures or of bags.
        question: Which class.
        method: `grad-cam` weights each channel by its mean gradient. `grad-cam++` lets the strongest places of a
            channel weigh more. `hires-cam` and `layer-cam` weight every place by its own gradient; `layer-cam` counts
            only what speaks for the class.
        layer: One of `layer_names`; the last map if None.

    Returns:
        0 and above, for every picture there is; all 0 where no place speaks for the class.

    Raises:
        BundleError: There is no such layer, or it has no rows and columns.

    Source:
        `grad-cam`: Selvaraju et al., ICCV 2017, equations 1 and 2. `grad-cam++`: Chattopadhyay et al., WACV 2018,
        equations 5 and 19 with Y = exp(S). `hires-cam`: Draelos and Carin, arXiv 2011.08891, equation 4, cut at zero.
        `layer-cam`: Jiang et al., IEEE Trans. Image Process. 30 (2021), equations 6 to 8.

    Example:
        >>> from mammoscope.explain import question_of
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=16), seed=0)
        >>> inputs = Inputs(torch.rand(3, 1, 32, 16))
        >>> activation_maps(network, inputs, question=question_of(network.tasks)).shape
        torch.Size([3, 8, 4])
    """
    with evaluating(network), torch.enable_grad():
        features, logits = mapped(network, inputs, layer=layer, what=CALLED[method])
        said = question.evidence(logits, question.numbers(logits.detach()))
        (gradient,) = torch.autograd.grad(said.sum(), features)
    features, (rows, cols) = features.detach(), pictures_of(inputs).shape[-2:]
    if channels_last(features, network=network, shape=(rows, cols)):
        features, gradient = features.permute(0, 3, 1, 2), gradient.permute(0, 3, 1, 2)
    return _combined(features.float(), gradient.float(), method=method).clamp(min=0)


def _combined(features: Tensor, gradient: Tensor, *, method: Cam) -> Tensor:
    match method:
        case "grad-cam":
            return (gradient.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1)
        case "grad-cam++":
            square, cube = gradient.square(), gradient.pow(3)
            below = 2 * square + features.sum(dim=(2, 3), keepdim=True) * cube
            share = torch.where(below != 0, square / torch.where(below != 0, below, 1.0), 0.0)
            weights = (share * gradient.clamp(min=0)).sum(dim=(2, 3), keepdim=True)
            return (weights * features).sum(dim=1)
        case "hires-cam":
            return (gradient * features).sum(dim=1)
        case "layer-cam":
            return (gradient.clamp(min=0) * features).sum(dim=1)
        case _:
            assert_never(method)
