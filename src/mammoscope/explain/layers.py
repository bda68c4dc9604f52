"""What a network computes on the way: the map of any layer, by name, and the logits that follow from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import log

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mammoscope.errors import BundleError, nearest
from mammoscope.models import Classifier, Inputs

SHOWN = 12  # names in a refusal
LAST = "last feature map"


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while, then the mode it was in."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def pictures_of(inputs: Inputs) -> Float[Tensor, "pictures 1 rows cols"]:
    """Every picture there is, those of bags one after the other."""
    return inputs.pixels if inputs.present is None else inputs.pixels[inputs.present]


def head_logits(network: Classifier, inputs: Inputs) -> Float[Tensor, "batch outputs"]:
    """What the network's own last layer says, where an estimator stands in its place, too."""
    return network.answer(network.vectors(*inputs[:3]), inputs.clinical)


def layer_names(network: Classifier) -> list[str]:
    """Every layer that a map can be asked of by name, from input to output; not all of them have rows and columns.

    Example:
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> layer_names(build(Design(model=SimpleCnn(channels=(4,), norm="none")), seed=0))[:3]
        ['stack', 'stack.0', 'stack.0.0']
    """
    return [name for name, _ in network.network.named_modules() if name]


def mapped(
    network: Classifier, inputs: Inputs, *, layer: str | None, what: str
) -> tuple[Float[Tensor, "pictures channels r c"], Float[Tensor, "batch outputs"]]:
    """A layer's map of every picture, and the logits as a function of it.

    Args:
        network: In evaluation mode, with gradients enabled.
        inputs: A batch.
        layer: One of `layer_names`; the encoder's last map if None.
        what: Which map is made of it, for messages.

    Raises:
        BundleError: There is no such layer, it does not run once a picture, or it has no rows and columns.
    """
    shown = pictures_of(inputs)
    if layer is None:
        features = network.features(shown).detach().requires_grad_(True)  # noqa: FBT003  # it is torch's own positional argument
        _refuse_flat(features, layer=LAST, what=what)
        return features, _logits_of(network, features, inputs)
    modules = {name: module for name, module in network.network.named_modules() if name}
    if layer not in modules:
        raise no_such_layer(layer, known=list(modules))
    found: list[Tensor] = []

    def keep(_module: nn.Module, _into: object, out: object) -> Tensor:
        if not isinstance(out, Tensor):
            raise BundleError(f"layer {layer!r}: gives a {type(out).__name__}, not one map. Choose another layer")
        found.append(out.detach().requires_grad_(True))  # noqa: FBT003
        return found[-1].clone()  # what follows may write into it

    handle = modules[layer].register_forward_hook(keep)
    try:
        logits = head_logits(network, inputs)
    finally:
        handle.remove()
    if len(found) != 1 or len(found[0]) != len(shown):
        raise BundleError(
            f"layer {layer!r}: does not run once for each picture (ran {len(found)} times). Choose another layer"
        )
    _refuse_flat(found[0], layer=layer, what=what)
    return found[0], logits


def _logits_of(network: Classifier, features: Tensor, inputs: Inputs) -> Tensor:
    encoded = network.encoder.pooled(features, network.scaled(pictures_of(inputs)))
    if inputs.present is not None:
        every = encoded.new_zeros(*inputs.present.shape, encoded.shape[1])
        every[inputs.present] = encoded
        encoded = network.combined(every, inputs.present, inputs.codes)
    return network.answer(encoded, inputs.clinical)


def _refuse_flat(features: Tensor, *, layer: str, what: str) -> None:
    if features.ndim != 4:
        where = "its last features have" if layer == LAST else f"its layer {layer!r} has"
        raise BundleError(
            f"{what} is not defined for this network: {where} {features.ndim} axes, and rows and columns are needed. "
            "Use a convolutional backbone or layer; for a vision transformer attention-rollout"
        )


def channels_last(features: Tensor, *, network: Classifier, shape: tuple[int, int]) -> bool:
    """Whether channels are the last axis of a map: of the two orders the one with the picture's proportions.

    Where both have them it is as the backbone says of itself (timm's Swin: NHWC).
    """
    _, one, two, three = features.shape
    wanted = log(shape[0] / shape[1])
    first, last = abs(log(two / three) - wanted), abs(log(one / two) - wanted)
    if abs(first - last) < 1e-6:
        return str(getattr(getattr(network.network, "backbone", None), "output_fmt", "NCHW")).endswith("NHWC")
    return last < first


def no_gradients(network: Classifier, inputs: Inputs) -> Float[Tensor, "batch outputs"]:
    """What the network answers, by its estimator where it has one."""
    with torch.no_grad():
        logits: Tensor = network(*inputs)
    return logits


def no_such_layer(layer: str, *, known: list[str]) -> BundleError:
    """The refusal of a name, with the nearest one and the first that there are."""
    hint = nearest(layer, known) or "."
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return BundleError(f"layer {layer!r}: the network has no such layer{hint} It has {', '.join(known[:SHOWN])}{more}")
