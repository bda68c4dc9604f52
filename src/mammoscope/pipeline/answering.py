"""A trained network's answers on tune and test, as tables."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from jaxtyping import Float

from mammoscope.pipeline.folder import write_table
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.models import Classifier, ClinicalEncoding, Task
    from mammoscope.training import Recipe

ONE_PICTURE = "one-picture"
"""Member of a run with test-time augmentation: the answer to the pictures as they are."""

HEAD = "network-head"
"""Member of a run with an estimator: the answer of the network's own last layer."""


def write_answers(
    recipe: "Recipe",
    network: "Classifier",
    ready: pl.DataFrame,
    *,
    run: Path,
    cache: Path,
    clinical: "ClinicalEncoding | None" = None,
) -> None:
    """Score tune and test; leaves `predictions.parquet`, of further tasks `tasks/`, of other answers `members/`."""
    from mammoscope.training import samples_of, scores_of

    rows = ready.filter(pl.col("part").cast(pl.String) != Part.TRAIN.value)
    samples, table = samples_of(rows, recipe=recipe, cache=cache, clinical=clinical)
    scored = partial(
        scores_of, network, samples, batch_size=recipe.training.batch_size, precision=recipe.training.precision
    )
    found = scored(turns=recipe.measure.turns)
    for at, (task, chances) in enumerate(zip(recipe.tasks, found, strict=True)):
        name = f"tasks/{task.name}.parquet" if at else "predictions.parquet"
        write_table(answer_table(table, chances, task=task, codes=samples.labels[:, at]), run / name)
    members = {ONE_PICTURE: scored()[0]} if recipe.measure.turns else {}
    if network.estimator is not None and recipe.stages:
        estimator, network.estimator = network.estimator, None
        members[HEAD] = scored(turns=recipe.measure.turns)[0]
        network.estimator = estimator
    for name, chances in members.items():
        member = answer_table(table, chances, task=recipe.tasks[0], codes=samples.main)
        write_table(member, run / "members" / f"{name}.parquet")


def answer_table(
    table: pl.DataFrame, chances: Float[np.ndarray, "samples classes"], *, task: "Task", codes: np.ndarray
) -> pl.DataFrame:
    """One row a sample whose label is known.

    Of two classes it has `label` 0 or 1 and `score`; of more `label` and `prediction` by name, and `score_<class>`.

    Args:
        table: One row a sample.
        chances: Probability of each class.
        task: Whose classes they are.
        codes: Number of each sample's class; -1 where it is unknown.
    """
    bare = table.drop("file", "path", *_LABELS, strict=False).with_columns(
        pl.concat_str("patient_id", pl.col("laterality").cast(pl.String), separator="_").alias("breast_id")
    )
    if task.kind == "binary":
        told = [pl.Series("label", codes, dtype=pl.Int8), pl.Series("score", chances[:, 1], dtype=pl.Float64)]
    else:
        names = np.array(task.classes)
        scores = [pl.Series(f"score_{name}", chances[:, at], dtype=pl.Float64) for at, name in enumerate(task.classes)]
        told = [
            pl.Series("label", names[codes]),
            pl.Series("prediction", names[chances.argmax(axis=1)]),
            *scores,
        ]
    return bare.with_columns(told).filter(pl.Series(codes >= 0))


_LABELS = ("malignant",)


CONTROL = "nothing: a control, trained on labels that were exchanged between patients"


def meaning(task: str, unit: str) -> str:
    """What a score near 1 says."""
    what = {
        "image": "the breast in this picture",
        "lesion": "this lesion",
        "breast": "this breast",
        "exam": "this exam",
    }
    if task == "malignant":
        found = "is malignant" if unit == "lesion" else "has a malignant finding"
        return f"{what[unit]} {found}, as the data set's own labels define it"
    return f"{task} of {what[unit]}, as the data set's own labels define it"
