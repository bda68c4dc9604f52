"""Every patient tested once: one recipe on k folds of the patients."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mammoscope.cohort import KFoldSplit, RatioSplit, SplitSettings, split
from mammoscope.errors import RecipeError, SourceError
from mammoscope.pipeline.folder import write_table
from mammoscope.pipeline.siblings import Work, all_readied, how_measured, trained, trial_of
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.evaluation.spread import Spreads, Trial
    from mammoscope.training import Recipe

DEFAULT_TUNE = 0.15


def fold_recipe(recipe: "Recipe", *, fold: int, folds: int) -> "Recipe":
    """The recipe of one fold: the same but for its split, and the same seed in all.

    Args:
        recipe: Its own split says only how large the tune part is.
        fold: From 0.
        folds: How many.

    Example:
        >>> from mammoscope.training import find_recipe
        >>> own = fold_recipe(find_recipe("mias-resnet18"), fold=1, folds=4).split
        >>> own.fold, own.folds, round(own.tune, 3)
        (1, 4, 0.286)
    """
    own = KFoldSplit(folds=folds, fold=fold, tune=_tune(recipe.split))
    return recipe.model_copy(update={"split": own})


def cross_validate(recipe: "Recipe", *, out: Path, work: Work, folds: int = 5, start: Path | None = None) -> "Spreads":
    """Train and measure one recipe on each of k folds, and sum up; goes on where it was stopped.

    Leaves the run folders `fold-0` ..., `cross-validation.json`, and `out-of-fold.parquet`: the test predictions of all
    folds with the fold and its threshold. Every fold is split and prepared before the first is trained.

    Args:
        recipe: What is trained. Its split is replaced by folds; its seed is that of every fold.
        out: Folder to make, or to go on with.
        work: Data, cache and devices.
        folds: Number of folds, 2 or more.
        start: Where the recipe has a `start`: folder of a cross-validation of that recipe on the same folds.

    Returns:
        Mean, spread and pooled value of every metric.

    Raises:
        SourceError: A fold would lack a class; the text says which, and how many folds there may be.
        RecipeError: The recipe starts from another that was not cross-validated.
        SealError: A test set is sealed and its budget is spent.

    Source:
        Stone, J. R. Stat. Soc. B 36 (1974) 111.
    """
    from mammoscope.evaluation.spread import spread_over

    if folds < 2:
        raise RecipeError(f"--folds {folds}: at least 2 are needed")
    recipes = {out / f"fold-{fold}": fold_recipe(recipe, fold=fold, folds=folds) for fold in range(folds)}
    _refuse_others(out, folds)
    starts = {run: _start(recipe, run=run, out=out, start=start) for run in recipes}
    work.say(f"split     {folds} folds of the patients")
    _refuse_folds(recipe, work, folds)
    data = all_readied(recipes, work=work, starts=starts)
    measured = {
        run: trained(own, run=run, data=data[run], work=work, start=starts[run]) for run, own in recipes.items()
    }
    trials = [trial_of(run, facts) for run, facts in measured.items()]
    found = spread_over(trials, kind="folds", target=recipe.target, **how_measured(next(iter(measured.values()))))
    write_table(_out_of_fold(trials), out / "out-of-fold.parquet")
    facts = {"recipe": recipe.name, "source": recipe.source, "target": recipe.target, **found.to_json()}
    write_text(out / "cross-validation.json", json.dumps(facts, indent=1))
    return found


def _tune(own: SplitSettings) -> float:
    """The tune share of the patients who are not tested."""
    if isinstance(own, RatioSplit):
        return own.tune / (own.train + own.tune)
    share: float = getattr(own, "tune", DEFAULT_TUNE)
    return share


def _start(recipe: "Recipe", *, run: Path, out: Path, start: Path | None) -> Path | None:
    if recipe.start is None:
        return start
    beside = start or out.absolute().parent / recipe.start
    if not (beside / run.name).is_dir():
        raise RecipeError(
            f"start = {recipe.start!r}: {beside.name} has no {run.name}. Cross-validate {recipe.start} first, with as "
            "many folds, and name its folder with --start: a network that was trained on another split has seen "
            "patients who are tested here"
        )
    return beside / run.name


def _refuse_others(out: Path, folds: int) -> None:
    """A folder with more folds would be summed up without them."""
    if (out / f"fold-{folds}").is_dir():
        count = sum(1 for _ in out.glob("fold-*"))
        raise RecipeError(f"{out.name}: holds {count} folds, and {folds} are asked for. Choose another --out")


def _refuse_folds(recipe: "Recipe", work: Work, folds: int) -> None:
    """Refuse folds of which one would lack a class, before anything is read or trained; say how many there may be."""
    from mammoscope.pipeline.cohort import candidates

    rows, _ = candidates(recipe, work.index)
    wrong = _lacking(recipe, rows, folds)
    if wrong is None:
        return
    possible = next((count for count in range(folds - 1, 1, -1) if _lacking(recipe, rows, count) is None), None)
    raise SourceError(
        f"{wrong}. Of these patients "
        + (f"--folds {possible} can be made" if possible else "no folds can be made, with this share for tune")
    )


def _lacking(recipe: "Recipe", rows: pl.DataFrame, folds: int) -> str | None:
    """Why one of so many folds cannot be made; None where all can."""
    seed = recipe.seed if recipe.split_seed is None else recipe.split_seed
    for fold in range(folds):
        settings = fold_recipe(recipe, fold=fold, folds=folds).split
        try:
            split(rows, settings, seed=seed, label=recipe.target)
        except SourceError as error:
            return f"fold {fold} of {folds}: {error}"
    return None


def _out_of_fold(trials: "list[Trial]") -> pl.DataFrame:
    tables = [
        trial.rows.filter(pl.col("part").cast(pl.String) == Part.TEST.value).with_columns(
            pl.lit(trial.name).alias("fold"), pl.lit(trial.threshold, dtype=pl.Float64).alias("fold_threshold")
        )
        for trial in trials
    ]
    return pl.concat(tables, how="diagonal_relaxed")
