"""The test part of a run, its samples with known lesions: do the maps point at them?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from mammoscope.errors import RecipeError, SourceError
from mammoscope.explain.localisation import localisation_table, score_maps
from mammoscope.explain.maps import MapSettings
from mammoscope.explain.reading import Progress, Reader, reader_of
from mammoscope.explain.weighed import weight_on_lesions
from mammoscope.models import Bundle
from mammoscope.records import Index
from mammoscope.vocabulary import Part


def score_predictions(
    predictions: pl.DataFrame,
    *,
    bundle: Bundle,
    index: Index,
    pictures: pl.DataFrame | None = None,
    methods: Sequence[str] = ("grad-cam",),
    layer: str | None = None,
    task: str | None = None,
    of: str | None = None,
    settings: MapSettings | None = None,
    random_seeds: Sequence[int] = (0,),
    most: int | None = None,
    replicates: int = 2000,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score the maps of every test sample with a located lesion.

    Of a breast or exam each picture with a located lesion is scored by its own map. Of a crop the truth is the lesion
    that it was cut around; there it covers a large share and lies in the middle, so that `area` and `centre` are what
    a map is held against.

    Args:
        predictions: A run's predictions table.
        bundle: Of the run.
        index: Of the data set.
        pictures: A run's cohort, which says what pictures a breast or exam has; not needed of other samples.
        methods: Some of `METHODS`.
        layer: For the class activation maps.
        task: Whose class; the main task's if None.
        of: Name of the class; None: the called one, of two classes the positive one.
        settings: Of the methods.
        random_seeds: Of networks with random weights.
        most: Take this many samples, spread evenly over the table; all if None.
        replicates: Of the bootstrap over patients.
        progress: Called with (samples done, samples in all).

    Returns:
        `unit`: what a sample is. `pictures`: one row a picture and map. `table`: what `localisation_table` gives.
        `views`: what `weight_on_lesions` gives. `left_out`: picture and why, for each that could not be read, or whose
        lesion lies outside what the network sees.

    Raises:
        RecipeError: A sample is a crop that the data set itself has cut: where it lies in its picture is not known; or
            a sample is several pictures, and it is not told which.
        SourceError: No test sample has a located lesion, or none of them can be used.
        BundleError: A method is not defined for this network.
    """
    reader = reader_of(bundle, index=index, pictures=pictures)
    _refuse_own_crops(reader)
    rows = reader.with_lesion(predictions.filter(pl.col("part").cast(pl.String) == Part.TEST.value))
    if rows.is_empty():
        raise SourceError("no test picture has a located lesion (mask, outline or box): maps cannot be scored here")
    left_out: list[dict[str, str]] = []
    scored = score_maps(
        bundle.network,
        reader.read(spread(rows, most), left_out=left_out, progress=progress),
        methods=methods,
        layer=layer,
        task=task,
        of=of,
        settings=settings,
        random_seeds=random_seeds,
    )
    return {
        "unit": reader.sample.unit,
        "pictures": scored.to_dicts(),
        "table": localisation_table(scored, replicates=replicates),
        "views": weight_on_lesions(scored, replicates=replicates),
        "left_out": left_out,
    }


def _refuse_own_crops(reader: Reader) -> None:
    if reader.sample.unit == "lesion" and reader.sample.crop == "file":
        raise RecipeError(
            f"{reader.bundle.manifest.name}: a sample is a crop that the data set has cut itself (crop = 'file'), and "
            "where it lies in its picture is not known, so neither is the lesion in it. Train with crop = 'box' to "
            "score maps"
        )


def spread(rows: pl.DataFrame, most: int | None) -> pl.DataFrame:
    """So many rows, evenly over the table.

    Example:
        >>> spread(pl.DataFrame({"n": [0, 1, 2, 3, 4]}), 3)["n"].to_list()
        [0, 2, 4]
    """
    if most is None or rows.height <= most:
        return rows
    kept: pl.DataFrame = rows[np.linspace(0, rows.height - 1, most).round().astype(np.int64).tolist()]
    return kept
