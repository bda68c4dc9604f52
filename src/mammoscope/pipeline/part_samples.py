"""The samples of one part of a finished run, from its cache, with what was answered; looks at test are counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mammoscope.errors import SourceError
from mammoscope.pipeline.folder import read_json, read_table
from mammoscope.pipeline.sealing import Looking, counted_look
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.batches import Samples
    from mammoscope.models import ClinicalEncoding
    from mammoscope.training import Recipe


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartSamples:
    """One part of a run.

    Attributes:
        recipe: Of the run.
        samples: Prepared pictures, and which of them make up each sample.
        table: One row a sample.
        pictures: One row a picture, with `_sample`, the number of its sample.
        answers: The run's predictions of the main task, with the keys of `table`.
    """

    recipe: "Recipe"
    samples: "Samples"
    table: pl.DataFrame
    pictures: pl.DataFrame
    answers: pl.DataFrame

    def about(self, number: int) -> dict[str, Any]:
        """Who a picture shows, and the known and given answer to its sample."""
        row = self.pictures.row(number, named=True)
        at = int(row["_sample"])
        sample = self.table.row(at, named=True)
        task, code = self.recipe.tasks[0], int(self.samples.main[at])
        given = self.answers.filter((pl.col("source") == sample["source"]) & (pl.col("image_id") == sample["image_id"]))
        said = given.row(0, named=True) if given.height else {}
        about = {name: row.get(name) for name in ("source", "patient_id", "image_id", "laterality", "view")}
        return about | {
            "label": task.classes[code] if code >= 0 else None,
            "score": said.get("score"),
            "call": said.get("prediction"),
        }


@contextmanager
def counted_part(run: Path, *, part: Part, what: str, break_seal: bool) -> Iterator[Looking]:
    """Look at a part of a run; a look at test pictures is counted where they are sealed.

    Raises:
        SealError: The test set is sealed and may not be looked at.
    """
    if part is not Part.TEST:
        yield Looking()
        return
    predictions = read_table(run, "predictions.parquet", made_by="mammoscope train")
    name = str(read_json(run, "recipe.json", made_by="mammoscope split")["name"])
    with counted_look(run, what=what, predictions=predictions, model=name, break_seal=break_seal) as looking:
        yield looking


def part_samples(run: Path, *, part: Part, cache: Path, clinical: "ClinicalEncoding | None") -> PartSamples:
    """Open one part of a run.

    Args:
        run: A trained run folder.
        part: Which.
        cache: Folder of its prepared pictures.
        clinical: How the bundle encodes clinical columns.

    Raises:
        SourceError: The run is not complete, the part is empty, or its pictures are not in the cache.
    """
    from mammoscope.cohort import bags
    from mammoscope.training import read_recipe, samples_of

    recipe = read_recipe(run / "recipe.json")
    cohort = read_table(run, "cohort.parquet", made_by="mammoscope train")
    in_part = pl.col("part").cast(pl.String) == part.value
    rows = cohort.filter(in_part & pl.col("file").is_not_null())
    if not rows.height:
        raise SourceError(f"{run.name}: no prepared picture is in its {part.value} part. Choose another --part")
    lacking = sum(not (cache / name).is_file() for name in rows["file"])
    if lacking:
        raise SourceError(
            f"{run.name}: {lacking} of {rows.height} pictures of the {part.value} part are not in the cache "
            f"{cache.name!r}. Name the right one with --cache, or prepare again: mammoscope prepare"
        )
    samples, table = samples_of(rows, recipe=recipe, cache=cache, clinical=clinical)
    of_sample = np.empty(rows.height, dtype=np.int64)
    for at, numbers in enumerate(bags(rows, recipe.input.unit)[1]):
        of_sample[numbers] = at
    answers = read_table(run, "predictions.parquet", made_by="mammoscope train")
    return PartSamples(
        recipe=recipe,
        samples=samples,
        table=table,
        pictures=rows.with_columns(pl.Series("_sample", of_sample)),
        answers=answers.with_columns(pl.col("source", "image_id").cast(pl.String)),
    )
