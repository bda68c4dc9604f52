"""The chain of several recipes that answer together: each run in turn, then one run folder more."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mammoscope.errors import RecipeError
from mammoscope.pipeline.ensemble_bundles import bundle_ensemble
from mammoscope.pipeline.ensembles import ensemble
from mammoscope.pipeline.results import measure
from mammoscope.pipeline.whole import Done, run_recipe

if TYPE_CHECKING:
    from mammoscope.training import EnsembleRecipe, Recipe


def run_ensemble(
    group: "EnsembleRecipe",
    members: Sequence["Recipe"],
    *,
    data: Path,
    run: Path,
    say: Callable[[str], None] = lambda _: None,
    **chain: Any,
) -> Done:
    """Run each member beside the ensemble, or go on with it, then put them together, measure and report.

    Args:
        group: What decides how.
        members: Its recipes.
        data: Folder of the members' data set.
        run: Run folder of the ensemble to make; each member's is beside it, under the member's name.
        say: Told a line before each step.
        chain: Of `run_recipe`: cache, workers, device, counted, epochs, track.

    Returns:
        The report's path, the findings of the member that has most, and the answer in a few lines.

    Raises:
        RecipeError: A folder beside `run` is the run of another recipe, or the work was started in several processes.
        SourceError: The members have other rows, labels or questions.
    """
    from mammoscope.report import summary_lines, write_report
    from mammoscope.training import launched

    if launched().count > 1:
        raise RecipeError(
            f"{group.name}: {launched().count} processes were started, and an ensemble runs one member after the "
            "other. Run each member with torchrun, then `mammoscope ensemble`"
        )
    folders, findings = [run.absolute().parent / one.name for one in members], 0
    for recipe, folder in zip(members, folders, strict=True):
        say(f"member    {recipe.name}")
        findings = max(findings, run_recipe(recipe, data=data, run=folder, say=say, **chain).findings)
    say(f"ensemble  {group.by} of {', '.join(one.name for one in members)}")
    ensemble(folders, out=run, by=group.by)
    lines = summary_lines(measure(run))
    missing = bundle_ensemble(run, members=folders)
    if missing is not None:
        lines = [*lines, f"no bundle: {missing}"]
    return Done(report=write_report(run), findings=findings, lines=lines)
