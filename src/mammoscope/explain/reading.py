"""Samples of a run read again from their files, with the lesions that are known of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import pi, sqrt
from typing import Any

import numpy as np
import polars as pl

from mammoscope.cohort import Input, bags
from mammoscope.errors import ImageError, RecipeError, SourceError
from mammoscope.explain.again import read_again
from mammoscope.explain.located import Located, Picture
from mammoscope.explain.truth import lesions_of
from mammoscope.images import Mammogram
from mammoscope.images.grey import to_grey
from mammoscope.models import Bundle, encode
from mammoscope.records import Index
from mammoscope.vocabulary import Laterality, View, view_number

LOCATED = pl.any_horizontal(pl.col("mask_path", "lesion_polygon", "lesion_x0").is_not_null())
SAMPLE = ["source", "sample_id"]

Progress = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reader:
    """Reads the samples of a predictions table again, with their lesions.

    Attributes:
        bundle: How a picture is read.
        index: Where the files and the lesions are.
        sample: What a sample is.
        pictures: Of breasts and exams, a row for each of their pictures.
        lesions: Whether they are read with their lesions; a picture without any is then left out.
    """

    bundle: Bundle
    index: Index
    sample: Input
    pictures: pl.DataFrame | None = None
    lesions: bool = True

    def with_lesion(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those samples that have a located lesion."""
        located = self.index.table.filter(LOCATED)
        if self.pictures is not None:
            there = self.pictures.join(located, on=["source", "image_id"], how="semi")
            return rows.join(there, on=SAMPLE, how="semi", maintain_order="left")
        if self.sample.unit == "lesion":
            on = ["source", "picture_id", "lesion_id"]
            there = located.with_columns(pl.col("image_id").alias("picture_id"))
            return rows.join(there, on=on, how="semi", maintain_order="left")
        return rows.join(located, on=["source", "image_id"], how="semi", maintain_order="left")

    def read(
        self, rows: pl.DataFrame, *, left_out: list[dict[str, str]], progress: Progress | None = None
    ) -> Iterator[Located]:
        """One sample after the other; of those that cannot be used `left_out` is told picture and why."""
        for done, row in enumerate(rows.iter_rows(named=True), start=1):
            try:
                yield self._bag(row, left_out) if self.sample.bags else self._picture(row, row, truth=self.lesions)
            except (ImageError, SourceError) as error:
                left_out.append({"image_id": row["image_id"], "why": str(error)})
            if progress is not None:
                progress(done, rows.height)

    def _bag(self, row: dict[str, Any], left_out: list[dict[str, str]]) -> list[Picture]:
        """All pictures of a breast or exam, as the network is given them."""
        if self.pictures is None:
            raise RecipeError("the pictures of a breast or exam are not told. Give the cohort of the run")
        same = (pl.col("source") == row["source"]) & (pl.col("sample_id") == row["sample_id"])
        own = self.pictures.filter(same)
        found: list[Picture] = []
        for one in own[bags(own, self.sample.unit)[1][0].tolist()].iter_rows(named=True):
            try:
                found.append(self._picture(one, row, truth=self.lesions))
            except SourceError as error:  # the picture is there, the lesion is not in what the network sees
                left_out.append({"image_id": one["image_id"], "why": str(error)})
                found.append(self._picture(one, row, truth=False))
        return found

    def _picture(self, row: dict[str, Any], of_sample: dict[str, Any], *, truth: bool) -> Picture:
        manifest = self.bundle.manifest
        mammogram, _ = read_again(row, index=self.index, preprocess=manifest.preprocess, sample=self.sample)
        records = self._records(row) if truth else []
        inside = None
        if records or (truth and not self.sample.bags):
            inside = lesions_of(records, index=self.index, mammogram=mammogram, name=row["image_id"])
        kinds = {str(record["lesion_kind"]) for record in records if record["lesion_kind"] is not None}
        clinical = None
        if manifest.clinical is not None:
            cells = {one.column: [of_sample[one.column]] for one in manifest.clinical.columns}
            clinical = encode(manifest.clinical, pl.DataFrame(cells))
        classes, label = manifest.tasks[0].classes, of_sample["label"]
        side, view = row["laterality"], row["view"]
        return Picture(
            image_id=row["image_id"],
            patient_id=row["patient_id"],
            source=row["source"],
            grey=to_grey(mammogram.pixels, bits=manifest.preprocess.bits),
            truth=inside,
            label=classes[label] if isinstance(label, int) else str(label),
            kind=None if not kinds else kinds.pop() if len(kinds) == 1 else "several kinds",
            diameter_mm=None if inside is None else _diameter(inside, mammogram),
            clinical=clinical,
            sample_id=of_sample["sample_id"] if self.sample.bags else None,
            shows=view_number(Laterality(side) if side else None, View(view) if view else None),
            is_crop=self.sample.unit == "lesion",
        )

    def _records(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """What the index says of the lesions that a picture is scored by: of a crop, the one it is of."""
        of_lesion = self.sample.unit == "lesion"
        same = (pl.col("source") == row["source"]) & (
            pl.col("image_id") == row["picture_id" if of_lesion else "image_id"]
        )
        same = same & (pl.col("lesion_id") == row["lesion_id"]) if of_lesion else same
        return self.index.table.filter(same & LOCATED).to_dicts()


def reader_of(bundle: Bundle, *, index: Index, pictures: pl.DataFrame | None = None, lesions: bool = True) -> Reader:
    """What reads the samples of a run again.

    Args:
        bundle: Of the run.
        index: Of the data set.
        pictures: The run's cohort; needed where a sample is several pictures.
        lesions: Whether lesions are read, too.

    Raises:
        RecipeError: A sample is several pictures, and it is not told which.
    """
    sample = Input.model_validate(bundle.manifest.recipe.get("input", {}))
    if not sample.bags:
        return Reader(bundle=bundle, index=index, sample=sample, lesions=lesions)
    if pictures is None:
        raise RecipeError(
            f"{bundle.manifest.name}: a sample is a whole {sample.unit}, and it is not told which pictures each has. "
            "Give the cohort of the run as pictures"
        )
    there = pictures.filter(pl.col("file").is_not_null()) if "file" in pictures.columns else pictures
    return Reader(bundle=bundle, index=index, sample=sample, pictures=there, lesions=lesions)


def _diameter(truth: np.ndarray, mammogram: Mammogram) -> float | None:
    """Of a circle with the area of all lesions."""
    if mammogram.spacing_mm is None:
        return None
    height, width = mammogram.spacing_mm
    return 2 * sqrt(float(truth.sum()) * height * width / pi)
