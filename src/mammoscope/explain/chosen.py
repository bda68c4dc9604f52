"""Which test samples of a run are explained: those that the model is surest of, right and wrong."""

import polars as pl

from mammoscope.errors import RecipeError
from mammoscope.explain.classes import clearest_classes
from mammoscope.models import Bundle
from mammoscope.vocabulary import Part

GROUPS = ("true positive", "false positive", "false negative", "true negative")


def chosen_rows(predictions: pl.DataFrame, *, bundle: Bundle, each: int) -> pl.DataFrame:
    """The test rows that are explained, each with its `group`.

    Args:
        predictions: A run's predictions table.
        bundle: With an operating threshold.
        each: Rows of each group; of several classes of each class, half of them errors.

    Returns:
        Their rows; of several classes with `call`.

    Raises:
        RecipeError: The bundle of a task of yes or no has no threshold.
    """
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
