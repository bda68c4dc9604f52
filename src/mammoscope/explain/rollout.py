"""Attention rollout: through all layers of a vision transformer, what the answer could have been fed by."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mammoscope.errors import BundleError
from mammoscope.explain.layers import evaluating, head_logits, pictures_of
from mammoscope.models import Classifier, Inputs


def attention_rollout(network: Classifier, inputs: Inputs) -> Float[Tensor, "pictures r c"]:
    """How much of what each patch said can have reached the answer, if attention were all that moves.

    It is the same for every class and task, and knows nothing of the sign.

    Args:
        network: With a vision transformer of timm as its backbone; left in the mode it was in.
        inputs: A batch of single pictures or of bags.

    Returns:
        On the grid of patches, for every picture there is; with what the class token keeps to itself they add up to 1.

    Raises:
        BundleError: The backbone is no transformer in which every patch sees every other.

    Source:
        Abnar and Zuidema, Quantifying attention flow in transformers, ACL 2020, equation 1 and section 3; mean over
        the heads; half of each layer is the way past it.
    """
    backbone: Any = getattr(network.network, "backbone", None)
    attentions = [module for module in network.modules() if hasattr(module, "attn_drop") and hasattr(module, "qkv")]
    grid = getattr(getattr(backbone, "patch_embed", None), "grid_size", None)
    prefix = getattr(backbone, "num_prefix_tokens", None)
    if not attentions or grid is None or prefix is None:
        raise BundleError(
            "attention-rollout is not defined for this network: its backbone is no vision transformer in which every "
            "patch sees every other. Use a class activation map, occlusion or rise"
        )
    rows, cols = grid
    with evaluating(network), torch.no_grad(), _kept(attentions) as kept:
        head_logits(network, inputs)
    tokens, pictures = prefix + rows * cols, len(pictures_of(inputs))
    if len(kept) != len(attentions) or any(one.shape[-1] != tokens or len(one) != pictures for one in kept):
        raise BundleError(
            f"attention-rollout is not defined for this network: {len(kept)} of {len(attentions)} layers showed their "
            f"attention among {tokens} patches and tokens. Use occlusion or rise"
        )
    flow = rolled([one.float().mean(dim=1) for one in kept])
    to_token = getattr(backbone, "global_pool", "token") == "token" and prefix
    read = flow[:, 0] if to_token else flow[:, prefix:].mean(dim=1)
    return read[:, prefix:].view(-1, rows, cols)


def rolled(layers: Sequence[Float[Tensor, "batch tokens tokens"]]) -> Float[Tensor, "batch tokens tokens"]:
    """Multiply attention through the layers, half of each being the way past it; rows add up to 1.

    Example:
        >>> rolled([torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])] * 2)
        tensor([[[0.2500, 0.7500],
                 [0.0000, 1.0000]]])
    """
    eye = torch.eye(layers[0].shape[-1], device=layers[0].device)
    flow = eye.expand_as(layers[0])
    for layer in layers:
        mixed = (layer + eye) / 2
        flow = mixed / mixed.sum(dim=-1, keepdim=True) @ flow
    return flow


@contextmanager
def _kept(attentions: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Make the layers compute their attention one step after the other, and keep it."""
    found: list[Tensor] = []
    fused = [getattr(module, "fused_attn", False) for module in attentions]
    handles = []
    try:
        for module in attentions:
            module.fused_attn = False  # type: ignore[assignment]  # a flag of timm's
            drop: Any = module.attn_drop
            handles.append(drop.register_forward_hook(lambda _module, _into, out: found.append(out)))
        yield found
    finally:
        for handle in handles:
            handle.remove()
        for module, flag in zip(attentions, fused, strict=True):
            module.fused_attn = flag  # type: ignore[assignment]
