"""Maps of a run's clearest hits and errors, as pictures in a folder."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import torch
from jaxtyping import Float32
from torch import Tensor

from mammoscope.cohort import Input
from mammoscope.errors import BundleError, ImageError, RecipeError, SourceError, StorageError
from mammoscope.explain.again import read_again
from mammoscope.explain.classes import clearest_classes
from mammoscope.explain.grad_cam import grad_cam
from mammoscope.explain.picture import side_by_side
from mammoscope.images import Mammogram
from mammoscope.images.grey import to_grey
from mammoscope.models import Bundle, encode, to_input
from mammoscope.records import Index
from mammoscope.storage import whole_file, write_text
from mammoscope.vocabulary import Part

GROUPS = ("true positive", "false positive", "false negative", "true negative")


def explain_predictions(
    predictions: pl.DataFrame, *, bundle: Bundle, index: Index, folder: Path, each: int = 4
) -> list[dict[str, Any]]:
    """Draw maps for the test pictures that the model is surest of, right and wrong.

    Args:
        predictions: A run's predictions table.
        bundle: With an operating threshold.
        index: Of the data set; its lesions are outlined where they are located.
        folder: Where the pictures go; `explanations.json` is written beside it.
        each: Pictures in each group of `GROUPS`; of several classes pictures of each class, half of them errors.

    Returns:
        One row a picture: image_id, label, score, group, file, method, layer, note, code.

    Raises:
        RecipeError: The bundle of a task of yes or no has no threshold.
        SourceError: Not one of the pictures is there.
        StorageError: A picture cannot be written.
    """
    chosen = _chosen(predictions, bundle=bundle, each=each)
    rows = [
        _explained(row, number, bundle=bundle, index=index, folder=folder)
        for number, row in enumerate(chosen.iter_rows(named=True), start=1)
    ]
    if all(row["code"] == "missing" for row in rows):
        raise SourceError(f"none of {len(rows)} pictures is there. If the data set has moved, name it with --root")
    write_text(folder.parent / "explanations.json", json.dumps(rows, indent=2))
    return rows


def _chosen(predictions: pl.DataFrame, *, bundle: Bundle, each: int) -> pl.DataFrame:
    task = bundle.manifest.tasks[0]
    if task.kind != "binary":
        return clearest_classes(predictions, classes=task.classes, each=each)
    threshold = bundle.manifest.threshold
    if threshold is None:
        raise RecipeError(f"{bundle.manifest.name}: no operating threshold yet. Run mammoscope evaluate first")
    return clearest(predictions, threshold=threshold, each=each)


def clearest(predictions: pl.DataFrame, *, threshold: float, each: int) -> pl.DataFrame:
    """The test rows farthest from the threshold in each group, with a `group` column.

    Example:
        >>> table = pl.DataFrame({"part": ["test"] * 2, "label": [1, 0], "score": [0.9, 0.2], "image_id": ["a", "b"]})
        >>> clearest(table, threshold=0.5, each=1)["group"].to_list()
        ['true positive', 'true negative']
    """
    positive, called = pl.col("label") == 1, pl.col("score") >= threshold
    group = (
        pl.when(positive & called)
        .then(pl.lit(GROUPS[0]))
        .when(called)
        .then(pl.lit(GROUPS[1]))
        .when(positive)
        .then(pl.lit(GROUPS[2]))
        .otherwise(pl.lit(GROUPS[3]))
    )
    test = predictions.filter(pl.col("part") == Part.TEST.value).with_columns(group.alias("group"))
    ranked = test.with_columns((pl.col("score") - threshold).abs().alias("_far")).sort(
        "_far", "image_id", descending=[True, False]
    )
    return pl.concat([ranked.filter(pl.col("group") == name).head(each) for name in GROUPS]).drop("_far")


def _explained(row: dict[str, Any], number: int, *, bundle: Bundle, index: Index, folder: Path) -> dict[str, Any]:
    about = {key: row[key] for key in ("image_id", "label", "score", "group")}
    about |= {"method": "Grad-CAM", "layer": "last feature map", "file": None, "note": "", "code": None}
    sample = Input.model_validate(bundle.manifest.recipe.get("input", {}))
    if sample.bags:
        return about | {"note": f"one {sample.unit} is several pictures: no map is drawn"}
    try:
        mammogram, located = read_again(row, index=index, preprocess=bundle.manifest.preprocess, sample=sample)
    except ImageError as error:
        return about | {"note": f"could not be read again: {error}", "code": error.code}
    call = row.get("call")
    heat, notes = _heat(mammogram, row, bundle=bundle)
    notes += [] if call is None else [f"called {call}; the map is of {call}"]
    drawn = side_by_side(mammogram.pixels, heat, outlines=located)
    name = f"{number:02d}.png"
    done, encoded = cv2.imencode(".png", drawn[:, :, ::-1])
    if not done:
        raise StorageError(f"{name}: OpenCV could not write it as PNG. Install opencv-python-headless again")
    with whole_file(folder / name) as temporary:
        temporary.write_bytes(encoded.tobytes())
    notes += ["known lesion outlined"] if located else []
    return about | {"file": f"{folder.name}/{name}", "note": "; ".join(notes)}


def _heat(mammogram: Mammogram, row: dict[str, Any], *, bundle: Bundle) -> tuple[np.ndarray | None, list[str]]:
    """The map of a picture, or None and why there is none; and what must be known to read it."""
    manifest, call = bundle.manifest, row.get("call")
    if manifest.estimator is not None and not manifest.recipe.get("stages"):
        return None, [f"only a {manifest.estimator.kind} learned, on vectors that say nothing of places: no map"]
    try:
        grey = to_grey(mammogram.pixels, bits=manifest.preprocess.bits)
        of = None if call is None else manifest.tasks[0].classes.index(call)
        heat = grad_cam(bundle.network, to_input([grey]), of=of, clinical=_clinical(row, bundle=bundle))
    except BundleError as error:
        return None, [str(error)]
    notes = [] if heat is not None else ["no place speaks for the class: the map is not defined"]
    if manifest.estimator is not None:
        notes.append(f"the map is of the network's own last layer, the score of the {manifest.estimator.kind}")
    return heat, notes


def _clinical(row: dict[str, Any], *, bundle: Bundle) -> Float32[Tensor, "1 columns"] | None:
    """The columns that the network reads beside the picture, as it was given them."""
    encoding = bundle.manifest.clinical
    if encoding is None:
        return None
    return torch.from_numpy(encode(encoding, pl.DataFrame({one.column: [row[one.column]] for one in encoding.columns})))
