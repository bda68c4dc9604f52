"""What stands beside a run's main answer: other tasks, other answers to the same one, and what a row of it is."""

from pathlib import Path
from typing import Any

import polars as pl

from mammoscope.errors import SourceError
from mammoscope.evaluation.seal import SealError
from mammoscope.pipeline.folder import read_table
from mammoscope.pipeline.sealing import counted_look

MADE_BY = "mammoscope train"
POSITIVE = {"yes": True, "no": False, "1": True, "0": False, "true": True, "false": False}
"""How yes or no may stand in a label column."""


def row_of(recipe: dict[str, Any]) -> Any:
    """What one row of a run's predictions stands for; a lesion's crop counts as an image."""
    unit = (recipe.get("input") or {}).get("unit", "image")
    return "image" if unit == "lesion" else unit


def unit_cohort(cohort: pl.DataFrame, *, row: str, task: str) -> pl.DataFrame:
    """The cohort with one row a sample, and `malignant` saying what a task of yes or no asks.

    Args:
        cohort: One row a picture.
        row: `image`; or `breast` or `exam`, whose pictures become one row with what they agree on.
        task: Name of the label column.

    Returns:
        The table that baselines and subgroups look things up in. Where the task has no column of yes or no, there is
        none called `malignant` either: nothing is guessed from another label.

    Example:
        >>> table = pl.DataFrame({"source": "own", "patient_id": ["1", "1"], "image_id": ["a", "b"],
        ...     "laterality": ["L", "L"], "view": ["CC", "MLO"], "malignant": [False, True], "part": "test"})
        >>> unit_cohort(table, row="breast", task="malignant").select("image_id", "view", "malignant").rows()
        [('1_L', None, True)]
    """
    asked = cohort if task == "malignant" else cohort.drop("malignant", strict=False)
    if task != "malignant" and task in cohort.columns:
        text = cohort[task].cast(pl.String).str.to_lowercase()
        if set(text.drop_nulls().unique()) <= set(POSITIVE):
            yes = text.replace_strict(POSITIVE, default=None, return_dtype=pl.Boolean)
            asked = asked.with_columns(yes.alias("malignant"))
    return asked if row == "image" else _together(asked, row)


def _together(cohort: pl.DataFrame, row: str) -> pl.DataFrame:
    text = {name: pl.col(name).cast(pl.String) for name in ("patient_id", "laterality", "exam_id")}
    key = pl.concat_str(text["patient_id"], text["laterality"], separator="_")
    if row == "exam":
        key = pl.coalesce(text["exam_id"], text["patient_id"]) if "exam_id" in cohort.columns else text["patient_id"]
    keys = [name for name in ("source", "patient_id") if name in cohort.columns]
    others = [name for name in cohort.columns if name not in {*keys, "image_id", "malignant", "mean_intensity"}]
    agreed = [
        pl.when(pl.col(name).drop_nulls().n_unique() == 1).then(pl.col(name).drop_nulls().first()).alias(name)
        for name in others
    ]
    summed = [pl.col("malignant").max()] if "malignant" in cohort.columns else []
    summed += [pl.col("mean_intensity").mean()] if "mean_intensity" in cohort.columns else []
    return (
        cohort.with_columns(key.alias("image_id"))
        .drop_nulls("image_id")
        .group_by(*keys, "image_id", maintain_order=True)
        .agg(*agreed, *summed)
    )


def measured_tasks(
    run: Path, *, cohort: pl.DataFrame, row: Any, main: str, settings: dict[str, Any], how: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """The other tasks of a run: name to what `metrics.json` would hold of it, were it the main one.

    Args:
        run: With `tasks/<name>.parquet`.
        cohort: Of the run.
        row: What a row stands for.
        main: The main task, which is left out.
        settings: Of the recipe's [measure].
        how: Settings of `evaluate`.

    Returns:
        In the order of the names; a task that cannot be measured has a `reason` only.
    """
    from mammoscope.evaluation import classes_of, evaluate, evaluate_task

    of_classes = class_options(settings)
    found: dict[str, dict[str, Any]] = {}
    for file in sorted((run / "tasks").glob("*.parquet")):
        if file.stem == main:
            continue
        table = read_table(run, f"tasks/{file.name}", made_by=MADE_BY)
        about = unit_cohort(cohort, row=row, task=file.stem)
        try:
            if classes_of(table):
                found[file.stem] = evaluate_task(table, task=file.stem, cohort=about, row=row, **of_classes).to_json()
            else:
                found[file.stem] = {"kind": "binary", **evaluate(table, cohort=about, **how).to_json()}
        except SourceError as error:
            found[file.stem] = {"kind": "none", "reason": str(error)}
    return found


def class_options(settings: dict[str, Any]) -> dict[str, Any]:
    """What `evaluate_task` is told, from the table [measure] of a recipe.

    A calibrator of yes or no is none of several classes: their scores are measured as they are.

    Example:
        >>> class_options({"replicates": 50, "confidence": 0.9, "calibration": "platt", "coverage": None})
        {'replicates': 50, 'confidence': 0.9, 'coverage': None, 'calibration': 'none'}
    """
    names = ("replicates", "confidence", "calibration_bins", "coverage")
    method = settings.get("calibration", "none")
    told = {name: settings[name] for name in names if name in settings}
    return told | {"calibration": "temperature" if method == "temperature" else "none"}


def measured_members(
    run: Path,
    predictions: pl.DataFrame,
    *,
    recipe: dict[str, Any],
    how: dict[str, Any],
    row: Any,
    break_seal: bool,
) -> tuple[dict[str, Any] | None, list[str]]:
    """Other answers on the same rows, held against the run's own; each is a look of its own at a sealed test set.

    Args:
        run: With `members/<name>.parquet`.
        predictions: The run's own.
        recipe: Of the run.
        how: Settings of `compare_members`.
        row: What a row stands for.
        break_seal: Go beyond a budget.

    Returns:
        The block `members` of `metrics.json`, None without members; and what to know before quoting from it.

    Raises:
        SourceError: A member is not of the run's own rows.
    """
    from mammoscope.evaluation import classes_of, compare_class_members, compare_members

    allowed: dict[str, pl.DataFrame] = {}
    notes: list[str] = []
    for file in sorted((run / "members").glob("*.parquet")):
        table = read_table(run, f"members/{file.name}", made_by=MADE_BY)
        model = f"{recipe['name']}/{file.stem}"
        try:
            with counted_look(run, what="evaluate", predictions=table, model=model, break_seal=break_seal):
                allowed[file.stem] = table
        except SealError as error:
            notes.append(f"member {file.stem} is not measured: {error}")
    if not allowed:
        return None, notes
    if classes_of(predictions):
        drawn = {key: how[key] for key in ("replicates", "confidence")}
        task = str(recipe.get("target", "malignant"))
        return compare_class_members(predictions, members=allowed, task=task, row=row, **drawn).to_json(), notes
    return compare_members(predictions, members=allowed, unit=row, **how).to_json(), notes
