"""Several runs that answer together: one run folder more, with its members beside it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from mammoscope.combiners import Combiner
from mammoscope.errors import RecipeError, SourceError
from mammoscope.pipeline.folder import read_json, read_table, write_table
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.evaluation.combining import Rule

KEYS = ("source", "patient_id", "image_id")
SCORE = "score"
SHARED = ("split.json", "flow.json", "prepare.json")
"""Files of a run folder that tell of the rows and not of the model; taken over where all members are of one split."""

TABLE = {"predictions.parquet": "mammoscope train", "cohort.parquet": "mammoscope train"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRun:
    """One run that takes part.

    Attributes:
        name: Of its folder; it must be the only one of that name.
        folder: The run folder.
        recipe: What its `recipe.json` holds.
        rows: Its tune and test predictions, in the order of part, source, patient and image.
        split: Fingerprint of its split; None where it has none.
    """

    name: str
    folder: Path
    recipe: dict[str, Any]
    rows: pl.DataFrame
    split: str | None


def ensemble(runs: Sequence[Path], *, out: Path, by: "Rule" = "mean") -> Combiner:
    """Put the answers of several runs together; leaves a run folder that can be measured like any other.

    Leaves `recipe.json` (what all members have in common), `ensemble.json`, `predictions.parquet`, `cohort.parquet`,
    `members/<name>.parquet`, and `split.json` where it is the same of all.

    Args:
        runs: Two or more trained run folders with the same tune and test rows.
        out: Run folder to make, or to make again.
        by: The rule; see `mammoscope.evaluation.fit_combiner`. Whatever it chooses, it chooses on the tune rows.

    Returns:
        The rule as fitted.

    Raises:
        SourceError: A run has no predictions; rows, labels, tasks or classes differ. The text says between whom.
        RecipeError: `out` is a run of another kind.
        StorageError: The folder cannot be written.
    """
    from mammoscope.evaluation.combining import fit_combiner

    _refuse_other_run(out)
    members = [_opened(run) for run in runs]
    _refuse_names(members)
    for other in members[1:]:
        _refuse_differences(members[0], other)
    first = members[0]
    classes = classes_in(first.rows)
    answers = np.stack([answers_in(member.rows, classes=classes) for member in members])
    labels = _labels(first.rows, classes)
    tune = (first.rows["part"] == Part.TUNE.value).to_numpy()
    combiner = fit_combiner(by, answers[:, tune], labels=labels[tune])
    _write(out, members, combiner, answer=combiner.apply(answers), classes=classes)
    return combiner


def classes_in(rows: pl.DataFrame) -> tuple[str, ...]:
    """The classes that a table of predictions has scores of; none where it answers yes or no.

    Example:
        >>> classes_in(pl.DataFrame({"score_A": [0.7], "score_B": [0.3]}))
        ('A', 'B')
    """
    if SCORE in rows.columns:
        return ()
    return tuple(name.removeprefix("score_") for name in rows.columns if name.startswith("score_"))


def answers_in(rows: pl.DataFrame, *, classes: Sequence[str]) -> Float[np.ndarray, "rows classes"]:
    """The probability of each class; of an answer of yes or no, first that of no.

    Example:
        >>> answers_in(pl.DataFrame({"score": [0.75]}), classes=())
        array([[0.25, 0.75]])
    """
    if not classes:
        yes = rows[SCORE].cast(pl.Float64).to_numpy()
        return np.stack([1.0 - yes, yes], axis=1)
    return rows.select(f"score_{name}" for name in classes).cast(pl.Float64).to_numpy()


def _labels(rows: pl.DataFrame, classes: Sequence[str]) -> Int[np.ndarray, " rows"]:
    if not classes:
        return rows["label"].cast(pl.Int64).to_numpy()
    codes = {name: code for code, name in enumerate(classes)}
    return rows["label"].cast(pl.String).replace_strict(codes, return_dtype=pl.Int64).to_numpy()


def _opened(run: Path) -> MemberRun:
    recipe = read_json(run, "recipe.json", made_by="mammoscope train")
    table = read_table(run, "predictions.parquet", made_by=TABLE["predictions.parquet"])
    missing = [name for name in ("part", "label", "patient_id", "image_id") if name not in table.columns]
    if missing or not (SCORE in table.columns or classes_in(table)):
        said = missing or ["score, or score_<class>"]
        raise SourceError(f"{run.name}/predictions.parquet: has no column {', '.join(said)}. Train the run again")
    keys = [name for name in KEYS if name in table.columns]
    parts = pl.col("part").cast(pl.String)
    rows = table.with_columns(parts).filter(parts != Part.TRAIN.value).sort("part", *keys)
    split = run / "split.json"
    fingerprint = read_json(run, "split.json", made_by="mammoscope split")["fingerprint"] if split.is_file() else None
    return MemberRun(name=run.resolve().name, folder=run, recipe=recipe, rows=rows, split=fingerprint)


def _refuse_other_run(out: Path) -> None:
    if (out / "recipe.json").is_file() and not (out / "ensemble.json").is_file():
        raise RecipeError(f"{out.name}: is the run of a recipe, not an ensemble. Choose another --out")


def _refuse_names(members: Sequence[MemberRun]) -> None:
    names = [member.name for member in members]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"ensemble: two runs are called {', '.join(twice)}. Name their folders differently")


def _refuse_differences(first: MemberRun, other: MemberRun) -> None:
    both = f"ensemble: {first.name} and {other.name}"
    for what, asked in (("target", _target), ("unit", _unit)):
        if asked(first.recipe) != asked(other.recipe):
            raise SourceError(
                f"{both} answer other questions ({what} {asked(first.recipe)!r} and {asked(other.recipe)!r}). "
                "Put only those together that were asked the same"
            )
    classes = (classes_in(first.rows), classes_in(other.rows))
    if set(classes[0]) != set(classes[1]):
        said = " and ".join(", ".join(names) or "yes or no" for names in classes)
        raise SourceError(f"{both} know other classes ({said}). Train both for the same")
    keys = [name for name in KEYS if name in first.rows.columns and name in other.rows.columns]
    for part in (Part.TUNE.value, Part.TEST.value):
        _refuse_other_rows(first, other, keys=keys, part=part, both=both)


def _refuse_other_rows(first: MemberRun, other: MemberRun, *, keys: list[str], part: str, both: str) -> None:
    ours, theirs = (
        one.rows.filter(pl.col("part") == part).with_columns(pl.col(keys).cast(pl.String)) for one in (first, other)
    )
    only = [a.join(b, on=keys, how="anti") for a, b in ((ours, theirs), (theirs, ours))]
    if only[0].height or only[1].height:
        which = next(rows for rows in only if rows.height)["image_id"][0]
        raise SourceError(
            f"{both} have other {part} rows: {only[0].height} only in the first, {only[1].height} only in the second, "
            f"such as {which}. Give all recipes the same [input], [select], [split] and seed"
        )
    joined = ours.join(theirs, on=keys, suffix="_other")
    wrong = joined.filter(pl.col("label").cast(pl.String) != pl.col("label_other").cast(pl.String))
    if wrong.height:
        raise SourceError(
            f"{both} have other labels for {wrong.height} {part} rows, such as {wrong['image_id'][0]}. "
            "Train all on the same index"
        )


def _target(recipe: dict[str, Any]) -> Any:
    return recipe.get("target", "malignant")


def _unit(recipe: dict[str, Any]) -> Any:
    return (recipe.get("input") or {}).get("unit", "image")


def _write(
    out: Path,
    members: Sequence[MemberRun],
    combiner: Combiner,
    *,
    answer: Float[np.ndarray, "rows classes"],
    classes: Sequence[str],
) -> None:
    first = members[0]
    about = [name for name in first.rows.columns if name != "prediction" and not name.startswith(SCORE)]
    table = first.rows.select(about)
    if classes:
        calls = [classes[at] for at in answer.argmax(axis=1)]
        columns = [pl.Series(f"score_{name}", answer[:, at]) for at, name in enumerate(classes)]
        table = table.with_columns(*columns, pl.Series("prediction", calls, dtype=pl.String))
    else:
        table = table.with_columns(pl.Series(SCORE, answer[:, 1].clip(0.0, 1.0)))
    rmtree(out / "members", ignore_errors=True)  # of an ensemble that was made here before
    write_text(out / "ensemble.json", json.dumps(_facts(members, combiner), indent=2))
    write_text(out / "recipe.json", json.dumps(_common(members, name=out.resolve().name, by=combiner.kind), indent=2))
    for member in members:
        write_table(member.rows, out / "members" / f"{member.name}.parquet")
    cohort = read_table(first.folder, "cohort.parquet", made_by=TABLE["cohort.parquet"])
    write_table(cohort, out / "cohort.parquet")
    for name in SHARED:
        if (
            first.split is not None
            and len({member.split for member in members}) == 1
            and (first.folder / name).is_file()
        ):
            write_text(out / name, (first.folder / name).read_text(encoding="utf-8"))
    write_table(table, out / "predictions.parquet")


def _facts(members: Sequence[MemberRun], combiner: Combiner) -> dict[str, Any]:
    tune = members[0].rows.filter(pl.col("part") == Part.TUNE.value)
    fitted = combiner.kind != "mean"
    return {
        "by": combiner.kind,
        "members": [{"name": member.name, "recipe": member.recipe.get("name")} for member in members],
        "fitted_on": {"part": "tune", "rows": tune.height, "patients": tune["patient_id"].n_unique()}
        if fitted
        else None,
        "combiner": combiner.model_dump(mode="json"),
    }


def _common(members: Sequence[MemberRun], *, name: str, by: str) -> dict[str, Any]:
    """What the recipes agree on. How the ensemble is measured is how its first member was."""
    first = members[0].recipe
    same = {key: value for key, value in first.items() if all(m.recipe.get(key) == value for m in members)}
    own = {"name": name, "target": _target(first), "measure": first["measure"]}
    return same | own | {"ensemble": {"by": by, "members": [member.name for member in members]}}
