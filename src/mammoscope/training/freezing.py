"""Which parameters of a stage learn, at which rate, and in which mode their layers run."""

from collections.abc import Sequence

import torch
from torch import nn

from mammoscope.errors import RecipeError
from mammoscope.models import Classifier, PatchToWholeEncoder, depth_blocks
from mammoscope.training.stages import Stage


def freeze(network: Classifier, stage: Stage) -> None:
    """Let a stage's parameters learn, and only those.

    Raises:
        RecipeError: More blocks are to be unfrozen than the encoder has.
    """
    check_unfreeze(network, stage)
    blocks = learning_blocks(network, stage)
    for parameter in network.parameters():
        parameter.requires_grad_(stage.on == "samples")
    for parameter in network.network.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003  # it is torch's own positional argument
    learning = stage.unfreeze if stage.freeze == "backbone" else len(blocks)
    for block in blocks[len(blocks) - learning :]:
        for parameter in block.parameters():
            parameter.requires_grad_(True)  # noqa: FBT003


def check_unfreeze(network: Classifier, stage: Stage) -> None:
    """Look for the blocks that a stage unfreezes.

    Raises:
        RecipeError: The encoder has fewer.
    """
    blocks = len(learning_blocks(network, stage))
    if stage.unfreeze > blocks:
        raise RecipeError(
            f"[[stages]] unfreeze = {stage.unfreeze}: the backbone has {blocks} blocks. Take fewer, or leave freeze "
            "out to train all"
        )


def learning_blocks(network: Classifier, stage: Stage) -> Sequence[nn.Module]:
    """What a stage can train of the encoder, from input to output; on patches without what reads whole pictures."""
    if stage.on == "patches" and isinstance(network.network, PatchToWholeEncoder):
        return network.network.patch_blocks()
    return depth_blocks(network)


def training_mode(network: Classifier) -> None:
    """Training mode, but layers of the encoder that do not learn keep their statistics and drop nothing."""
    network.train()
    for module in network.network.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()
    if not any(parameter.requires_grad for parameter in network.network.parameters()):
        network.network.eval()


def optimizer_of(network: Classifier, stage: Stage) -> torch.optim.Optimizer:
    """The optimiser of a stage, over the parameters that learn; `scale` of a group is the factor on its rate."""
    groups = _groups(network, stage)
    match stage.optimizer:
        case "adamw":
            return torch.optim.AdamW(groups, lr=stage.lr, weight_decay=stage.weight_decay)
        case "adam":
            return torch.optim.Adam(groups, lr=stage.lr, weight_decay=stage.weight_decay)
        case "sgd":
            return torch.optim.SGD(groups, lr=stage.lr, weight_decay=stage.weight_decay, momentum=0.9)


def _groups(network: Classifier, stage: Stage) -> list[dict[str, object]]:
    """One group a rate; parameters in the order of the network, so that checkpoints number them alike."""
    scales: dict[nn.Parameter, float] = {}
    if stage.lr_decay < 1:
        blocks = learning_blocks(network, stage)
        for depth, block in enumerate(reversed(blocks), start=1):
            scales |= dict.fromkeys(block.parameters(), stage.lr_decay**depth)
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            groups.setdefault(scales.get(parameter, 1.0), []).append(parameter)
    return [{"params": parameters, "scale": scale} for scale, parameters in groups.items()]
