"""One recipe from several seeds on one split: how much of a result is chance in training."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mammoscope.errors import RecipeError
from mammoscope.pipeline.siblings import Work, all_readied, how_measured, trained, trial_of
from mammoscope.storage import write_text

if TYPE_CHECKING:
    from mammoscope.evaluation.spread import Spreads
    from mammoscope.training import Recipe


def repeat(
    recipe: "Recipe", *, out: Path, work: Work, seeds: Sequence[int] = (0, 1, 2), start: Path | None = None
) -> "Spreads":
    """Train and measure one recipe from several seeds, and sum up; goes on where it was stopped.

    The split stays that of the recipe: its `split_seed`, or its `seed` where it has none. Weights, order and
    augmentation follow from each seed. Leaves the run folders `seed-<n>` and `repeats.json`.

    Args:
        recipe: What is trained.
        out: Folder to make, or to go on with.
        work: Data, cache and devices.
        seeds: Two or more, different, 0 or more.
        start: Run or bundle to begin with, where the recipe has a `start`: the same for all seeds.

    Returns:
        Mean and spread of every metric.

    Raises:
        RecipeError: The seeds are not different numbers from 0 on.
        SourceError: The split cannot be made.
        SealError: The test set is sealed and its budget is spent.
    """
    from mammoscope.evaluation.spread import spread_over

    if len(seeds) < 2 or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        said = ", ".join(map(str, seeds)) or "none"
        raise RecipeError(f"--seeds {said}: two or more different numbers from 0 on are needed, such as 0,1,2")
    fixed = recipe.seed if recipe.split_seed is None else recipe.split_seed
    recipes = {out / f"seed-{seed}": recipe.model_copy(update={"seed": seed, "split_seed": fixed}) for seed in seeds}
    begin = start if recipe.start is None or start else out.absolute().parent / recipe.start
    data = all_readied(recipes, work=work, starts=dict.fromkeys(recipes, begin))
    measured = {run: trained(own, run=run, data=data[run], work=work, start=begin) for run, own in recipes.items()}
    trials = [trial_of(run, facts) for run, facts in measured.items()]
    found = spread_over(trials, kind="seeds", target=recipe.target, **how_measured(next(iter(measured.values()))))
    facts = {"recipe": recipe.name, "source": recipe.source, "target": recipe.target, **found.to_json()}
    write_text(out / "repeats.json", json.dumps(facts, indent=1))
    return found
