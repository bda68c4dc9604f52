"""The first step of every run: all that index, recipe and machine can tell is refused before a picture is prepared."""

from pathlib import Path
from typing import TYPE_CHECKING

from mammoscope.pipeline.cohort import Division, divided, keep_division
from mammoscope.pipeline.gating import refuse_few
from mammoscope.pipeline.machine import device_named
from mammoscope.pipeline.starting import starting
from mammoscope.records import Index

if TYPE_CHECKING:
    from mammoscope.training import Recipe, Team


def begin(
    recipe: "Recipe",
    index: Index,
    *,
    run: Path,
    device: str = "auto",
    start: Path | None = None,
    team: "Team | None" = None,
) -> None:
    """Divide an index for a recipe that can be trained on it; of one that cannot no folder is left.

    Leaves what `divide` does.

    Args:
        recipe: What decides the result.
        index: The data.
        run: The run folder.
        device: Where training will be: cpu, cuda, mps, auto.
        start: Run folder or bundle to begin with; that of the recipe's `start` beside this run when not given.
        team: Processes that will train together.

    Raises:
        SourceError: The split leaks, or cannot be made from these patients.
        RecipeError: It cannot be trained; the text names the key.
    """
    made = divided(recipe, index)
    refuse_untrainable(recipe, made, run=run, device=device, start=start, team=team)
    keep_division(made, recipe=recipe, index=index, run=run)


def refuse_untrainable(
    recipe: "Recipe",
    made: Division,
    *,
    run: Path,
    device: str = "auto",
    start: Path | None = None,
    team: "Team | None" = None,
) -> None:
    """Build the network of a recipe, and hold it against the cohort, the start and the memory.

    Args:
        recipe: What decides the result.
        made: Who takes part.
        run: The run folder; it need not be there.
        device: Where training will be.
        start: Run folder or bundle to begin with.
        team: Processes that will train together.

    Raises:
        RecipeError: It cannot be trained; the text names the key.
    """
    from mammoscope.training import ALONE, own_device
    from mammoscope.training.data import expected_data
    from mammoscope.training.trainable import trainable

    team = team or ALONE
    where = device_named(own_device(device, team=team))
    sources = made.cohort["source"].unique().to_list()
    begun = starting(recipe, run=run, start=start, split=made.split.fingerprint, sources=sources)
    data = expected_data(made.cohort, recipe=recipe)
    refuse_few(recipe, data=data)
    trainable(recipe, data=data, device=where, start=begun, team=team)
