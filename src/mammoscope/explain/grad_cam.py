"""Grad-CAM: which places of the last feature map spoke for a class."""

import cv2
import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from mammoscope.errors import BundleError
from mammoscope.models import Classifier, Task, probabilities

TINY = 1e-9  # of a chance whose logarithm is taken


def grad_cam(
    network: Classifier,
    pixels: Float32[Tensor, "1 1 rows cols"],
    *,
    of: int | None = None,
    clinical: Float32[Tensor, "1 columns"] | None = None,
) -> Float32[np.ndarray, "rows cols"] | None:
    """Map of the evidence for a class of the main task over one picture.

    Args:
        network: Left in the mode it was in, without gradients.
        pixels: One input as `to_input` makes it.
        of: Number of the class; None, and of two classes in any case: the positive one.
        clinical: Encoded clinical columns, where the network reads some.

    Returns:
        Values in [0, 1], 1 where the evidence is strongest; None where no place speaks for the positive
        class, so that the map is not defined.

    Raises:
        BundleError: The network has no spatial feature map, as a vision transformer has none.

    Source:
        Selvaraju et al., ICCV 2017, equations 1 and 2: each channel of the last feature map is weighted
        by the mean gradient of the logit (of classes in steps: of the logarithm of the chance), summed, and cut at
        zero.

    Example:
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=16), seed=0)
        >>> heat = grad_cam(network, torch.rand(1, 1, 32, 16))
        >>> heat is None or heat.shape
        (32, 16)
    """
    training = network.training
    network.eval()
    try:
        with torch.enable_grad():
            features = network.features(pixels).detach().requires_grad_(True)  # noqa: FBT003  # it is torch's own positional argument
            if features.ndim != 4:
                raise BundleError(
                    f"Grad-CAM is not defined for this network: its last features have {features.ndim} axes, and rows "
                    "and columns are needed. Use a convolutional backbone"
                )
            said = _evidence(network.logits_of(features, pixels, clinical), task=network.design.tasks[0], of=of)
            (gradient,) = torch.autograd.grad(said.sum(), features)
            if str(getattr(getattr(network.network, "backbone", None), "output_fmt", "NCHW")).endswith(
                "NHWC"
            ):  # as timm's Swin has it
                features, gradient = features.permute(0, 3, 1, 2), gradient.permute(0, 3, 1, 2)
    finally:
        network.train(training)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    evidence = (weights * features.detach()).sum(dim=1)[0].clamp(min=0).float().cpu().numpy()
    if not evidence.max() > 0:
        return None
    rows, cols = pixels.shape[-2:]
    larger = cv2.resize(evidence / evidence.max(), (cols, rows), interpolation=cv2.INTER_LINEAR)
    heat: np.ndarray = np.clip(larger, 0, 1).astype(np.float32)
    return heat


def _evidence(logits: Tensor, *, task: Task, of: int | None) -> Tensor:
    """What speaks for a class of the main task, whose logits come first."""
    match task.kind:
        case "nominal" if of is not None:
            return logits[:, of]
        case "ordinal" if of is not None:
            return probabilities(logits[:, : task.outputs], task)[:, of].clamp_min(TINY).log()
        case _:
            return logits[:, 0]
