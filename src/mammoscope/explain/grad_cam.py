"""Grad-CAM of one picture: which places of the last feature map spoke for a class."""

import numpy as np
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

from mammoscope.explain.cam import activation_maps
from mammoscope.explain.question import question_of
from mammoscope.models import Classifier, Inputs


def grad_cam(
    network: Classifier,
    pixels: Float32[Tensor, "1 1 rows cols"],
    *,
    of: int | None = None,
    clinical: Float32[Tensor, "1 columns"] | None = None,
) -> Float32[np.ndarray, "rows cols"] | None:
    """Map of the evidence for a class of the main task over one picture; `explain_inputs` has more methods.

    Args:
        network: Left in the mode it was in, without gradients.
        pixels: One input as `to_input` makes it.
        of: Number of the class; None: the called one, of two classes the positive one.
        clinical: Encoded clinical columns, where the network reads some.

    Returns:
        Values in [0, 1], 1 where the evidence is strongest; None where no place speaks for the class, so that the map
        is not defined.

    Raises:
        BundleError: The network has no spatial feature map, as a vision transformer has none.

    Source:
        Selvaraju et al., ICCV 2017, equations 1 and 2: each channel of the last feature map is weighted
        by the mean gradient of the logit (of classes in steps: of the logarithm of the chance), summed, and cut at
        zero.

    Example:
        >>> import torch
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=16), seed=0)
        >>> heat = grad_cam(network, torch.rand(1, 1, 32, 16))
        >>> heat is None or heat.shape
        (32, 16)
    """
    (evidence,) = activation_maps(
        network, Inputs(pixels, clinical=clinical), question=question_of(network.tasks, of=of)
    )
    if not evidence.max() > 0:
        return None
    scaled = (evidence / evidence.max()).cpu()[None, None]
    rows, cols = pixels.shape[-2:]
    heat: np.ndarray = functional.interpolate(scaled, size=(rows, cols), mode="bilinear")[0, 0].clamp(0, 1).numpy()
    return heat
