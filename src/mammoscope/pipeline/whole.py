"""The chain from a folder of data to a report."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mammoscope.pipeline.beginning import begin
from mammoscope.pipeline.cohort import Progress, checked, make_ready
from mammoscope.pipeline.fitting import fit
from mammoscope.pipeline.results import explain, measure
from mammoscope.pipeline.tracking import Tracker, track_results, trackers_named
from mammoscope.sources import build_index, source_named

if TYPE_CHECKING:
    from mammoscope.training import Recipe, Team, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a whole run leaves."""

    report: Path
    findings: int  # errors of the audit and images that could not be read
    lines: list[str]  # the answer in a few lines


def run_recipe(
    recipe: "Recipe",
    *,
    data: Path,
    run: Path,
    cache: Path,
    workers: int | None = None,
    device: str = "auto",
    start: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    counted: Callable[[str], AbstractContextManager[Progress]] | None = None,
    epochs: Callable[[], AbstractContextManager["Watch"]] | None = None,
    track: Sequence[Tracker] = (),
    team: "Team | None" = None,
) -> Done:
    """Index, audit, split, prepare, train, evaluate, explain, report.

    Args:
        recipe: What decides the result.
        data: Folder of the recipe's data set.
        run: Run folder to make, or to go on with.
        cache: Folder of prepared pictures; several runs may share one.
        workers: Processes that read images; one per processor when not given.
        device: Where to train: cpu, cuda, mps, auto.
        start: Run or bundle to begin with, where the recipe has a `start`; the run of that name beside this one when
            not given.
        say: Told a line before each step.
        counted: Gives a progress bar for work on files.
        epochs: Gives a progress bar for training.
        track: Where the curves and the results go, besides the run folder.
        team: Processes that train together. The first one calls this function; the others wait until pictures are
            prepared, with `mammoscope.training.wait`, and call `fit`.

    Returns:
        The report's path, the number of findings, and the answer in a few lines.
    """
    from mammoscope.report import summary_lines, write_cards, write_report
    from mammoscope.training import ALONE, wait

    trackers_named(track)
    say(f"index     {recipe.source}")
    index = build_index(source_named(recipe.source), data)
    say(f"split     {recipe.split.kind}, by patient")
    begin(recipe, index, run=run, device=device, start=start, team=team)
    say(f"audit     {index.table.height} records, their files, and the split")
    found = checked(index, run=run)
    with (counted or _silent_count)("prepare  ") as progress:
        ready = make_ready(recipe, index, run=run, cache=cache, workers=workers, progress=progress)
    wait(team or ALONE)  # until here the others had nothing to do
    with (epochs or _silent_epochs)() as watch:
        fit(recipe, run=run, cache=cache, device=device, start=start, watch=watch, track=track, team=team)
    say("evaluate  on the test part")
    facts = measure(run)
    track_results(track, run=run, name=recipe.name)
    say("explain   Grad-CAM")
    explain(run)
    say("report")
    failed = ready["file"].null_count()
    errors = found.counts.get("error", 0)
    lines = summary_lines(facts)
    if failed or errors:
        lines = [*lines, f"findings: {errors} audit errors, {failed} images could not be read; the report lists them"]
    write_cards(run)
    return Done(report=write_report(run), findings=failed + errors, lines=lines)


def _silent_count(_: str) -> AbstractContextManager[Progress]:
    from contextlib import nullcontext

    return nullcontext(lambda _done, _all: None)


def _silent_epochs() -> AbstractContextManager["Watch"]:
    from contextlib import nullcontext

    return nullcontext(lambda _: None)
