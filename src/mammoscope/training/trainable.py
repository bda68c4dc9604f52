"""The network that training begins with, once recipe, samples and machine say that it can be trained."""

import torch

from mammoscope.errors import RecipeError
from mammoscope.models import Classifier
from mammoscope.models.network import check_answer
from mammoscope.training.data import Data
from mammoscope.training.estimating import check_layer
from mammoscope.training.freezing import check_unfreeze
from mammoscope.training.memory import check_memory, check_weights
from mammoscope.training.patching import patch_logits
from mammoscope.training.processes import ALONE, LEAST, Team
from mammoscope.training.reach import check_reach
from mammoscope.training.recipe import Recipe
from mammoscope.training.start import Start, starting_network


def trainable(
    recipe: Recipe, *, data: Data, device: torch.device, start: Start | None = None, team: Team = ALONE
) -> Classifier:
    """Build the network that training begins with, and refuse what cannot be trained; no picture is read.

    Args:
        recipe: What decides the result.
        data: What `training_data` or `expected_data` gave.
        device: Where training will be.
        start: Weights of another run to begin with.
        team: Processes that share each step.

    Returns:
        The network, on the CPU.

    Raises:
        RecipeError: The network or its weights do not exist or do not fit the pictures, the start is of another
            encoder, a stage or the estimator names what the network has not, a step does not fit in memory, or
            there are too few samples in it for so many processes.
    """
    _check_shares(recipe, team)
    check_weights(recipe, device=device)
    network = starting_network(recipe, data=data, start=start)
    check_answer(network)
    check_reach(recipe, network=network, device=device)
    check_layer(recipe, network=network)
    for stage in recipe.stages:
        check_unfreeze(network, stage)
    if any(stage.on == "patches" for stage in recipe.stages):
        _check_patches(recipe, network)
    check_memory(recipe, network=network, data=data, device=device, processes=team.count)
    return network


def _check_shares(recipe: Recipe, team: Team) -> None:
    batch, parts = recipe.training.batch_size, recipe.training.accumulate
    if team.deals(batch // parts) or not recipe.stages:  # an estimator alone takes no steps
        return
    if team.count > 1:
        raise RecipeError(
            f"[training] batch_size = {batch} in {parts} parts: too few samples for {team.count} processes, which need "
            f"{LEAST} each. Start fewer, or enlarge the step in the recipe"
        )
    raise RecipeError(
        f"[training] batch_size = {batch}, accumulate = {parts}: fewer than {LEAST} samples at a time, and batch "
        f"normalisation cannot use one. {'Lower accumulate, or enlarge' if parts > 1 else 'Enlarge'} batch_size"
    )


def _check_patches(recipe: Recipe, network: Classifier) -> None:
    """Show the network an empty patch."""
    side, training = recipe.patches.patch_px, network.training
    try:
        with torch.inference_mode():
            patch_logits(network.eval(), torch.zeros(1, 1, side, side))
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise RecipeError(
            f"[patches] patch_px = {side}: the backbone cannot take patches of this size ({reason}). Change it, or "
            "choose another backbone"
        ) from error
    finally:
        network.train(training)
