"""Maps from the gradient of the evidence by every pixel: along a path, and under noise."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mammoscope.explain.layers import evaluating, head_logits, pictures_of
from mammoscope.explain.question import Question
from mammoscope.models import Classifier, Inputs


def integrated_gradients(
    network: Classifier, inputs: Inputs, *, question: Question, steps: int = 50
) -> tuple[Float[Tensor, "pictures rows cols"], Float[Tensor, " batch"]]:
    """How much each pixel adds to the evidence, from a black picture to this one.

    Args:
        network: Left in the mode it was in, without gradients. It is its own last layer that is explained.
        inputs: A batch of single pictures or of bags, whose pictures brighten together.
        question: Which class.
        steps: Points of the path at which gradients are taken.

    Returns:
        Signed values in units of the evidence, for every picture there is; and for each sample by how much their sum
        differs from the evidence of the sample less that of black pictures, which is 0 for a fine enough path.

    Source:
        Sundararajan, Taly, Yan, Axiomatic attribution for deep networks, ICML 2017, equation 1 and proposition 1, the
        integral by the Gauss-Legendre rule.

    Example:
        >>> from mammoscope.explain import question_of
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=16), seed=0)
        >>> question = question_of(network.tasks)
        >>> values, gap = integrated_gradients(network, Inputs(torch.rand(2, 1, 32, 16)), question=question, steps=8)
        >>> values.shape, gap.shape
        (torch.Size([2, 32, 16]), torch.Size([2]))
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    with evaluating(network):
        with torch.no_grad():
            logits = head_logits(network, inputs)
            numbers = question.numbers(logits)
            black = head_logits(network, inputs._replace(pixels=torch.zeros_like(inputs.pixels)))
            risen = question.evidence(logits, numbers) - question.evidence(black, numbers)
        total = torch.zeros_like(inputs.pixels)
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            at = inputs._replace(pixels=inputs.pixels * float(node))
            total += float(weight) * _gradient(network, at, question=question, numbers=numbers)
    values = total * inputs.pixels
    return _of_pictures(values, inputs), values.flatten(1).sum(dim=1) - risen


def smooth_gradients(
    network: Classifier, inputs: Inputs, *, question: Question, samples: int = 16, noise: float = 0.15, seed: int = 0
) -> Float[Tensor, "pictures rows cols"]:
    """How strongly the evidence hangs on each pixel, up or down, averaged over noisy copies of the picture.

    Args:
        network: Left in the mode it was in, without gradients. It is its own last layer that is explained.
        inputs: A batch of single pictures or of bags.
        question: Which class.
        samples: Noisy copies.
        noise: Standard deviation, as a share of each picture's range of values.
        seed: Of the noise, which is the same for every picture: what a map is does not hang on its batch.

    Returns:
        Absolute values of the mean gradient, for every picture there is.

    Source:
        Smilkov et al., SmoothGrad, arXiv 1706.03825, the first equation of its section 3.
    """
    generator = torch.Generator().manual_seed(seed)
    pixels, shape = inputs.pixels, inputs.pixels.shape[-2:]
    by = noise * (pixels.amax(dim=(-2, -1), keepdim=True) - pixels.amin(dim=(-2, -1), keepdim=True))
    with evaluating(network):
        with torch.no_grad():
            numbers = question.numbers(head_logits(network, inputs))
        total = torch.zeros_like(pixels)
        for _ in range(samples):
            drawn = torch.randn(shape, generator=generator).to(pixels.device)
            total += _gradient(network, inputs._replace(pixels=pixels + by * drawn), question=question, numbers=numbers)
    return _of_pictures(total / samples, inputs).abs()


def _gradient(network: Classifier, inputs: Inputs, *, question: Question, numbers: Tensor) -> Tensor:
    with torch.enable_grad():
        pixels = inputs.pixels.detach().clone().requires_grad_(True)  # noqa: FBT003  # it is torch's own positional argument
        said = question.evidence(head_logits(network, inputs._replace(pixels=pixels)), numbers)
        (gradient,) = torch.autograd.grad(said.sum(), pixels)
    return gradient


def _of_pictures(values: Tensor, inputs: Inputs) -> Tensor:
    return pictures_of(inputs._replace(pixels=values)).squeeze(1)
