"""The test part of a run, its pictures with known lesions: do the maps point at them?"""

from collections.abc import Callable, Iterator, Sequence
from math import pi, sqrt
from typing import Any

import numpy as np
import polars as pl

from mammoscope.cohort import Input
from mammoscope.errors import ImageError, RecipeError, SourceError
from mammoscope.explain.again import read_again
from mammoscope.explain.localisation import Picture, localisation_table, score_maps
from mammoscope.explain.maps import MapSettings
from mammoscope.explain.truth import lesions_of
from mammoscope.images import Mammogram
from mammoscope.images.grey import to_grey
from mammoscope.models import Bundle, encode
from mammoscope.records import Index
from mammoscope.vocabulary import Part

LOCATED = pl.any_horizontal(pl.col("mask_path", "lesion_polygon", "lesion_x0").is_not_null())


def score_predictions(
    predictions: pl.DataFrame,
    *,
    bundle: Bundle,
    index: Index,
    methods: Sequence[str] = ("grad-cam",),
    layer: str | None = None,
    task: str | None = None,
    of: str | None = None,
    settings: MapSettings | None = None,
    random_seeds: Sequence[int] = (0,),
    most: int | None = None,
    replicates: int = 2000,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score the maps of every test picture with a located lesion.

    Args:
        predictions: A run's predictions table.
        bundle: Of the run.
        index: Of the data set.
        methods: Some of `METHODS`.
        layer: For the class activation maps.
        task: Whose class; the main task's if None.
        of: Name of the class; None: the called one, of two classes the positive one.
        settings: Of the methods.
        random_seeds: Of networks with random weights.
        most: Take this many pictures, spread evenly over the table; all if None.
        replicates: Of the bootstrap over patients.
        progress: Called with (pictures done, pictures in all).

    Returns:
        `pictures`: one row a picture and map. `table`: what `localisation_table` gives. `left_out`: picture and why,
        for each that could not be read, or whose lesion lies outside what the network sees.

    Raises:
        RecipeError: A sample is not one whole picture.
        SourceError: No test picture has a located lesion, or none of them can be used.
        BundleError: A method is not defined for this network.
    """
    sample = Input.model_validate(bundle.manifest.recipe.get("input", {}))
    if sample.unit != "image":
        raise RecipeError(
            f"{bundle.manifest.name}: a sample is a {sample.unit}; maps are scored on whole pictures, unit = 'image'. "
            "Of a crop the lesion is nearly all there is; of several pictures only the map itself is made"
        )
    located = index.table.filter(LOCATED).select("source", "image_id").unique()
    rows = predictions.filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    rows = rows.join(located, on=["source", "image_id"], how="semi", maintain_order="left")
    if rows.is_empty():
        raise SourceError("no test picture has a located lesion (mask, outline or box): maps cannot be scored here")
    if most is not None and rows.height > most:
        rows = rows[np.linspace(0, rows.height - 1, most).round().astype(np.int64).tolist()]
    left_out: list[dict[str, str]] = []
    told = (progress or (lambda _done, _all: None), left_out)
    scored = score_maps(
        bundle.network,
        _pictures(rows, bundle=bundle, index=index, sample=sample, told=told),
        methods=methods,
        layer=layer,
        task=task,
        of=of,
        settings=settings,
        random_seeds=random_seeds,
    )
    table = localisation_table(scored, replicates=replicates)
    return {"pictures": scored.to_dicts(), "table": table, "left_out": left_out}


def _pictures(
    rows: pl.DataFrame,
    *,
    bundle: Bundle,
    index: Index,
    sample: Input,
    told: tuple[Callable[[int, int], None], list[dict[str, str]]],
) -> Iterator[Picture]:
    progress, left_out = told
    for done, row in enumerate(rows.iter_rows(named=True), start=1):
        try:
            yield _picture(row, bundle=bundle, index=index, sample=sample)
        except (ImageError, SourceError) as error:
            left_out.append({"image_id": row["image_id"], "why": str(error)})
        progress(done, rows.height)


def _picture(row: dict[str, Any], *, bundle: Bundle, index: Index, sample: Input) -> Picture:
    manifest = bundle.manifest
    mammogram, _ = read_again(row, index=index, preprocess=manifest.preprocess, sample=sample)
    same = (pl.col("source") == row["source"]) & (pl.col("image_id") == row["image_id"])
    records = index.table.filter(same & LOCATED).to_dicts()
    truth = lesions_of(records, index=index, mammogram=mammogram, name=row["image_id"])
    kinds = {str(record["lesion_kind"]) for record in records if record["lesion_kind"] is not None}
    clinical = None
    if manifest.clinical is not None:
        cells = {one.column: [row[one.column]] for one in manifest.clinical.columns}
        clinical = encode(manifest.clinical, pl.DataFrame(cells))
    classes, label = manifest.tasks[0].classes, row["label"]
    return Picture(
        image_id=row["image_id"],
        patient_id=row["patient_id"],
        source=row["source"],
        grey=to_grey(mammogram.pixels, bits=manifest.preprocess.bits),
        truth=truth,
        label=classes[label] if isinstance(label, int) else str(label),
        kind=None if not kinds else kinds.pop() if len(kinds) == 1 else "several kinds",
        diameter_mm=_diameter(truth, mammogram),
        clinical=clinical,
    )


def _diameter(truth: np.ndarray, mammogram: Mammogram) -> float | None:
    """Of a circle with the area of all lesions."""
    if mammogram.spacing_mm is None:
        return None
    height, width = mammogram.spacing_mm
    return 2 * sqrt(float(truth.sum()) * height * width / pi)
