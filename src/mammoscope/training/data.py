"""The prepared parts that training may see, as samples."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from mammoscope.batches import Samples
from mammoscope.cohort import bags, label_codes
from mammoscope.errors import RecipeError
from mammoscope.models import UNKNOWN, ClinicalEncoding, encode, fit_clinical
from mammoscope.training.patch_data import PatchParts, patch_parts
from mammoscope.training.permuting import permuted
from mammoscope.training.recipe import Recipe
from mammoscope.vocabulary import Laterality, Part, View, view_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Samples to train and tune on. There is no test part here.

    Attributes:
        train: Weights are fitted on them.
        tune: The best epoch is chosen on them.
        fingerprint: SHA-256 of who they are and what they are labelled.
        clinical: How clinical columns are encoded, fitted on train.
        patches: What stages on patches are trained and measured on.
    """

    train: Samples
    tune: Samples
    fingerprint: str
    clinical: ClinicalEncoding | None = None
    patches: PatchParts | None = None


def training_data(cohort: pl.DataFrame, *, recipe: Recipe, cache: Path, lesions: pl.DataFrame | None = None) -> Data:
    """The train and tune samples of a cohort.

    Args:
        cohort: With `part`, `file` and the label columns of the recipe's tasks; only rows that have a file.
        recipe: Says what a sample is, what is asked of it, and which clinical columns it has.
        cache: Folder that the files are in.
        lesions: What `patch_table` gave; for recipes with a stage on patches.

    Raises:
        RecipeError: A part has no samples, or lacks a class; there are clinical columns that the cohort has not; or
            there are no lesions to cut patches around.
    """
    found, clinical = _learned_from(cohort, recipe=recipe, cache=cache)
    seen = cohort.filter(pl.col("part") != Part.TEST.value)
    columns = [name for name in ("part", "file", "sample_id", *recipe.task_names) if name in seen.columns]
    told = seen.select(columns).sort("file", "part").write_csv()
    told += "" if recipe.permute_labels is None else f"labels permuted, seed {recipe.permute_labels}\n"
    patches = None
    if any(stage.on == "patches" for stage in recipe.stages):
        if lesions is None:
            raise RecipeError("[[stages]] on = 'patches': it is not known where the lesions are. Prepare the run again")
        patches = patch_parts(lesions, cohort=seen, recipe=recipe, cache=cache)
        told += lesions.sort("file", "lesion_id").write_csv()
    return Data(
        train=found[Part.TRAIN],
        tune=found[Part.TUNE],
        fingerprint=hashlib.sha256(told.encode()).hexdigest(),
        clinical=clinical,
        patches=patches,
    )


def expected_data(cohort: pl.DataFrame, *, recipe: Recipe) -> Data:
    """What `training_data` would give if every picture of a cohort could be read, before one is.

    Args:
        cohort: With `part` and the columns that the recipe asks for.
        recipe: Says what a sample is, what is asked of it, and which clinical columns it has.

    Returns:
        Samples without files, and without patches.

    Raises:
        RecipeError: A part has no samples, or lacks a class; or there are clinical columns that the cohort has not.
    """
    found, clinical = _learned_from(cohort.with_columns(file=pl.col("path")), recipe=recipe, cache=Path())
    return Data(train=found[Part.TRAIN], tune=found[Part.TUNE], fingerprint="", clinical=clinical)


def _learned_from(
    cohort: pl.DataFrame, *, recipe: Recipe, cache: Path
) -> tuple[dict[Part, Samples], ClinicalEncoding | None]:
    """The samples of train and tune, and how their clinical columns are encoded."""
    of_part = {part: cohort.filter(pl.col("part") == part.value) for part in (Part.TRAIN, Part.TUNE)}
    clinical = None
    if recipe.clinical is not None:
        clinical = fit_clinical(bags(of_part[Part.TRAIN], recipe.input.unit)[0], recipe.clinical)
    found = {part: samples_of(rows, recipe=recipe, cache=cache, clinical=clinical)[0] for part, rows in of_part.items()}
    if recipe.permute_labels is not None:
        found = {part: permuted(samples, seed=recipe.permute_labels) for part, samples in found.items()}
    _check(recipe, found)
    return found, clinical


def samples_of(
    rows: pl.DataFrame, *, recipe: Recipe, cache: Path, clinical: ClinicalEncoding | None = None
) -> tuple[Samples, pl.DataFrame]:
    """Rows of a cohort as samples, and the table that has one row for each of them."""
    table, numbers = bags(rows, recipe.input.unit)
    codes = [label_codes(table, name) for name in recipe.task_names]
    main = _among(codes[0], recipe)
    patients = table.select(pl.struct("source", "patient_id").rank("dense").alias("n"))["n"].to_numpy()
    together = recipe.input.bags
    samples = Samples(
        files=[cache / name for name in rows["file"]],
        labels=np.stack([main, *codes[1:]], axis=1).astype(np.int64) if len(table) else np.empty((0, len(codes)), int),
        bags=list(numbers) if together else None,
        codes=_shown(rows) if together else None,
        clinical=None if clinical is None else encode(clinical, table),
        patients=patients.astype(np.int64),
    )
    return samples, table


def _among(codes: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Numbers among the classes that the recipe asks for, which may be fewer than the task has."""
    every = recipe.every_class
    place = np.full(len(every) + 1, UNKNOWN)
    for at, name in enumerate(recipe.tasks[0].classes):
        place[every.index(name)] = at
    among: np.ndarray = place[codes]
    return among


def _shown(rows: pl.DataFrame) -> np.ndarray:
    pairs = rows.select(pl.col("laterality", "view").cast(pl.String)).iter_rows()
    return np.array(
        [view_number(Laterality(side) if side else None, View(view) if view else None) for side, view in pairs],
        dtype=np.int64,
    )


def _check(recipe: Recipe, found: dict[Part, Samples]) -> None:
    task = recipe.tasks[0]
    for part, samples in found.items():
        counts = np.bincount(samples.main[samples.main != UNKNOWN], minlength=len(task.classes))
        lacking = [name for name, count in zip(task.classes, counts, strict=True) if not count]
        if task.kind == "binary" and lacking:
            raise RecipeError(
                f"{part.value}: {len(samples)} samples, {counts[1]} of them positive for {task.name}. Training needs "
                "both classes in train and tune: change [split], or use more patients"
            )
        if lacking and (part is Part.TRAIN or (counts > 0).sum() < 2):
            raise RecipeError(
                f"{part.value}: no sample of {task.name} {', '.join(lacking)}. Name the classes that the data have: "
                f"classes = {[name for name in task.classes if name not in lacking]}, or use more patients"
            )
