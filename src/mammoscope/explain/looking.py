"""Where a network says itself that it looked: the views it weighed, the places it chose."""

import torch
from jaxtyping import Float
from torch import Tensor

from mammoscope.errors import BundleError
from mammoscope.explain.layers import evaluating, pictures_of
from mammoscope.models import Classifier, GlobalLocalEncoder, Inputs, Looked


def view_weights(network: Classifier, inputs: Inputs) -> Float[Tensor, "batch views"]:
    """What each picture of a breast or exam counts: weights that add up to 1, and 0 where there is none.

    Args:
        network: One that puts several pictures together; left in the mode it was in.
        inputs: A batch of bags.

    Raises:
        BundleError: The network reads single pictures.

    Source:
        Ilse, Tomczak, Welling, ICML 2018, equation 9; of a network that takes the largest values, the share of values
        that each picture gave.
    """
    if network.together is None or inputs.present is None:
        raise BundleError("view weights are not defined: this network reads one picture a sample")
    with evaluating(network), torch.no_grad():
        seen = network.encoded(pictures_of(inputs))
        every = seen.new_zeros(*inputs.present.shape, seen.shape[1])
        every[inputs.present] = seen
        weights: Tensor = network.together(every, inputs.present, inputs.codes)[1]
    return weights


def looked_at(network: Classifier, inputs: Inputs) -> Looked:
    """The saliency of a global-local network, the patches that it chose, and what each counts.

    Args:
        network: One with `kind = "global-local"`; left in the mode it was in.
        inputs: A batch of single pictures or of bags.

    Returns:
        For every picture there is.

    Raises:
        BundleError: It is another kind of network.
    """
    if not isinstance(network.network, GlobalLocalEncoder):
        raise BundleError(
            "saliency is not defined for this network: only one of kind 'global-local' has its own. Use another method"
        )
    with evaluating(network), torch.no_grad():
        return network.network.look(network.scaled(pictures_of(inputs)))
