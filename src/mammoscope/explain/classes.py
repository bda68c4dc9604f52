"""Which test pictures of a run of several classes are explained: the surest right calls and the worst errors."""

from collections.abc import Sequence

import polars as pl

from mammoscope.vocabulary import Part


def clearest_classes(predictions: pl.DataFrame, *, classes: Sequence[str], each: int) -> pl.DataFrame:
    """For each class the rightly called test rows with the highest score, and the errors with the lowest.

    Args:
        predictions: Columns `part`, `image_id`, `label`, and `score_<class>` for each class; `prediction` where the
            call is not the highest score.
        classes: In their order.
        each: Rows of each class, half of them errors.

    Returns:
        Their rows with `call`, its `score` and `group`; for every class the right ones first.

    Example:
        >>> rows = pl.DataFrame({"part": "test", "image_id": ["a", "b", "c"], "label": ["A", "A", "B"],
        ...     "score_A": [0.6, 0.9, 0.8], "score_B": [0.4, 0.1, 0.2]})
        >>> clearest_classes(rows, classes="AB", each=2).select("image_id", "call", "group").rows()
        [('b', 'A', 'A, called A'), ('c', 'A', 'B, called otherwise')]
    """
    scores = [f"score_{name}" for name in classes]
    test = predictions.filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    call = pl.concat_list(scores).list.arg_max().replace_strict(dict(enumerate(classes)), return_dtype=pl.String)
    if "prediction" in test.columns:
        call = pl.col("prediction").cast(pl.String)
    labelled = test.with_columns(call.alias("call"), pl.col("label").cast(pl.String))
    found = []
    for name in classes:
        of = labelled.filter(pl.col("label") == name)
        right = of.filter(pl.col("call") == name).sort(f"score_{name}", "image_id", descending=[True, False])
        wrong = of.filter(pl.col("call") != name).sort(f"score_{name}", "image_id")
        found.append(right.head(-(-each // 2)).with_columns(pl.lit(f"{name}, called {name}").alias("group")))
        found.append(wrong.head(each // 2).with_columns(pl.lit(f"{name}, called otherwise").alias("group")))
    called = {name: pl.col(column) for name, column in zip(classes, scores, strict=True)}
    score = pl.coalesce(pl.when(pl.col("call") == name).then(column) for name, column in called.items())
    return pl.concat(found).with_columns(score.alias("score"))
