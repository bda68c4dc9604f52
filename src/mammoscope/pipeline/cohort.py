"""Who takes part, and their pictures."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mammoscope.cohort import (
    Findings,
    Split,
    apply_split,
    audit,
    classes_of,
    label_codes,
    read_pixels,
    read_split,
    split,
    unit_rows,
    write_split,
)
from mammoscope.errors import RecipeError, SourceError
from mammoscope.pipeline.folder import claim, read_json, write_table
from mammoscope.pipeline.lesions import refuse_unplaced, write_lesions
from mammoscope.pipeline.particulars import PARTICULARS, with_particulars
from mammoscope.pipeline.unanswered import refuse_unanswered
from mammoscope.records import Index, image_table, write_index
from mammoscope.storage import write_text

if TYPE_CHECKING:
    from mammoscope.training import Recipe

Progress = Callable[[int, int], None]
"""Called with (done, all)."""


def candidates(recipe: "Recipe", index: Index) -> tuple[pl.DataFrame, list[tuple[str, int]]]:
    """The samples that a recipe asks for and that have a label, and how many each condition left.

    Where kinds of lesion are selected, an image takes part if it has one of them, and its labels are those of these
    lesions alone.

    Returns:
        Image table with the labels of all tasks, of unit lesion one row a lesion; and a list of (what, number of
        images, of lesions once the lesions on them are counted).
    """
    records, images = index.table, image_table(index)
    flow = [("records", records.height), ("images", images.height)]
    if recipe.select.lesion_kinds is not None:
        records = records.filter(pl.col("lesion_kind").cast(pl.String).is_in(list(recipe.select.lesion_kinds)))
        images = image_table(Index(table=records, roots=index.roots))
        flow.append(("with a lesion of the kinds asked for", images.height))
    if recipe.select.views is not None:
        images = images.filter(pl.col("view").cast(pl.String).is_in([view.value for view in recipe.select.views]))
        flow.append(("of the views asked for", images.height))
    if not recipe.select.implants:
        images = images.filter(~pl.col("implant").fill_null(value=False))
        flow.append(("without implants", images.height))
    rows, steps = unit_rows(images, records=records, settings=recipe.input)
    labelled = rows.filter(pl.Series(label_codes(rows, recipe.target) >= 0))
    flow += [*steps, ("with a label", labelled.height)]
    if recipe.classes is not None:
        labelled = labelled.filter(_class_names(labelled, recipe.target).is_in(list(recipe.classes)))
        flow.append(("of the classes asked for", labelled.height))
    return labelled, flow


def _class_names(rows: pl.DataFrame, task: str) -> pl.Series:
    """The class of each row, by name."""
    names = classes_of(task)
    return pl.Series([names[code] for code in label_codes(rows, task).tolist()], dtype=pl.String)


def to_prepare(recipe: "Recipe", index: Index) -> pl.DataFrame:
    """Everything that `prepare` can read for a recipe: all images of an index, or all lesions that it can cut out."""
    images = image_table(index)
    if recipe.input.unit != "lesion":
        return images
    return unit_rows(images, records=index.table, settings=recipe.input)[0]


def checked(
    index: Index,
    *,
    run: Path | None = None,
    pixels: bool = False,
    width: float = 0.1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Audit an index and its files, and the split of a run; leaves `audit.json` in the run.

    Args:
        index: What is checked.
        run: A run folder; the pictures that its recipe leaves out are still checked.
        pixels: Read every picture once, too.
        width: Widest 95 % interval of the AUC that will do.
        workers: Processes that read pictures; one per processor when not given.
        progress: Told after each picture.

    Raises:
        SourceError: The run was split for other images than the index holds.
    """
    made = None
    if run is not None:
        from mammoscope.training import read_recipe

        if not (run / "split.json").is_file():
            raise SourceError(f"{run.name}: is not a run folder with a split. Make it with: mammoscope split")
        images, _ = candidates(read_recipe(run / "recipe.json"), index)
        made = read_split(run / "split.json", images=images)
    seen = read_pixels(index, workers=workers, progress=progress) if pixels else None
    found = audit(index, split=made, duplicates=True, pixels=seen, width=width)
    if run is not None:
        write_text(run / "audit.json", json.dumps(found.as_json(), indent=2))
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Division:
    """Who takes part in a run, and in which part.

    Attributes:
        split: Of all samples with a label.
        cohort: Those in a part, with it.
        flow: How many each condition left.
    """

    split: Split
    cohort: pl.DataFrame
    flow: list[tuple[str, int]]


def divided(recipe: "Recipe", index: Index) -> Division:
    """Choose the samples that take part, and split them by patient; nothing is written.

    Raises:
        SourceError: The split leaks, or cannot be made from these patients.
        RecipeError: The recipe selects no image, or asks what the index does not answer.
    """
    refuse_unplaced(recipe, index)
    labelled, flow = candidates(recipe, index)
    refuse_unanswered(recipe, labelled, index=index, flow=flow)
    seed = recipe.seed if recipe.split_seed is None else recipe.split_seed
    made = split(labelled, recipe.split, seed=seed, label=recipe.target)
    cohort = apply_split(labelled, made)
    return Division(split=made, cohort=cohort, flow=[*flow, ("in the split", cohort.height)])


def divide(recipe: "Recipe", index: Index, *, run: Path) -> pl.DataFrame:
    """Choose the samples that take part, and split them by patient.

    Leaves `recipe.json`, `index.parquet`, `split.json`, `flow.json`, `cohort.parquet`.

    Returns:
        The cohort table.

    Raises:
        SourceError: The split leaks, or cannot be made from these patients.
        RecipeError: The folder holds the run of another recipe, or one that was trained on another split; the recipe
            selects no image, or asks what the index does not answer.
    """
    made = divided(recipe, index)
    keep_division(made, recipe=recipe, index=index, run=run)
    return made.cohort


def keep_division(made: Division, *, recipe: "Recipe", index: Index, run: Path) -> None:
    """Write what `divide` leaves.

    Raises:
        RecipeError: The folder holds the run of another recipe, or one that was trained on another split.
    """
    claim(run, recipe)
    if (run / "checkpoints" / "last.safetensors").is_file() and (run / "split.json").is_file():
        known = read_json(run, "split.json", made_by="mammoscope split")["fingerprint"]
        if known != made.split.fingerprint:
            raise RecipeError(
                f"{run.name}: holds a checkpoint of another recipe, split or data. Choose another --out, or delete "
                "this folder"
            )
    write_index(index, run / "index.parquet")
    write_split(made.split, run / "split.json")
    write_text(run / "flow.json", json.dumps(made.flow))
    write_table(made.cohort, run / "cohort.parquet")


def make_ready(
    recipe: "Recipe",
    index: Index,
    *,
    run: Path,
    cache: Path,
    workers: int | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Prepare the pictures of the cohort; leaves `prepare.json` and completes `cohort.parquet`.

    Returns:
        The cohort table with `file` and `mean_intensity`, both empty where an image could not be read, and the columns
        that only the subgroup analysis looks at (`PARTICULARS`).

    Raises:
        SourceError: No image could be read.
        StorageError: The cache cannot be written.
    """
    from mammoscope.batches import prepare

    started = time.perf_counter()
    cohort = pl.read_parquet(run / "cohort.parquet").drop("file", "mean_intensity", *PARTICULARS, strict=False)
    table = prepare(
        cohort,
        roots=index.roots,
        preprocess=recipe.preprocess,
        folder=cache,
        workers=workers,
        progress=progress,
        sample=recipe.input,
    )
    failed = table.filter(pl.col("code").is_not_null()).select("source", "image_id", "code", "message")
    facts = {
        "prepared": table.height - failed.height,
        "failed": failed.to_dicts(),
        "seconds": round(time.perf_counter() - started, 2),
        "preprocess": recipe.preprocess.model_dump(mode="json"),
    }
    write_text(run / "prepare.json", json.dumps(facts, indent=2))
    if failed.height == table.height:
        first = failed["message"][0] if failed.height else "the cohort is empty"
        raise SourceError(f"none of {table.height} images could be read; the first: {first}")
    files = table.filter(pl.col("code").is_null()).select("source", "image_id", "file", "mean_intensity")
    ready = cohort.join(files, on=["source", "image_id"], how="left", maintain_order="left")
    ready = with_particulars(ready, index=index, cache=cache)
    write_lesions(recipe, ready, index=index, run=run, cache=cache, workers=workers)
    write_table(ready, run / "cohort.parquet")
    return ready
