"""What can be asked of a sample, and what the records answer: one column a task, for any grouping of records.

Where records are summed up, a sample is what is known of all of them:

- malignant: any finding is; unknown if none is and one is unknown.
- pathology: the gravest (malignant, benign, benign without callback, normal); unknown if one is and none is malignant.
- density, tissue: where all that state it agree; dense follows from density.
- lesion_kind: the kinds of all lesions, joined by " + ". Only a single kind is a class.
- subtype: the single kind with malignant or benign.
- assessment: the highest of 1 to 5. 0 (incomplete) and 6 (already proven) only where all agree.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Int64

from mammoscope.errors import RecipeError, nearest
from mammoscope.records import COLUMNS
from mammoscope.vocabulary import Density, LesionKind, Pathology, Tissue

NO_YES = ("no", "yes")

TASK_CLASSES: dict[str, tuple[str, ...]] = {
    "assessment": tuple(str(category) for category in range(7)),
    "dense": NO_YES,
    "density": tuple(Density),
    "lesion_kind": tuple(LesionKind),
    "malignant": NO_YES,
    "pathology": tuple(Pathology),
    "subtype": tuple(f"{kind} {what}" for kind in LesionKind for what in ("benign", "malignant")),
    "tissue": tuple(Tissue),
}
"""The classes of each task; of two, the second is the positive one. A data set need not have them all."""

LABEL_TYPES: dict[str, pl.DataType] = dict.fromkeys(TASK_CLASSES, pl.String()) | {
    name: COLUMNS[name] for name in ("malignant", "density", "tissue", "pathology")
}
UNKNOWN = "unknown"  # beside a known kind of another lesion
GRAVEST_FIRST = (Pathology.MALIGNANT, Pathology.BENIGN, Pathology.BENIGN_WITHOUT_CALLBACK, Pathology.NORMAL)


def label_table(records: pl.DataFrame, *, by: Sequence[str]) -> pl.DataFrame:
    """The answer to every task for each group of records.

    Args:
        records: Rows of an index.
        by: Columns that make up a group: of an image, a lesion, a breast, an exam.

    Returns:
        The columns of `by` and those of `TASK_CLASSES`, one row a group, in order of first appearance. Null where
        nothing is known, or where it is contradictory.

    Example:
        >>> records = pl.DataFrame({
        ...     "image_id": ["a", "a"], "malignant": [False, True], "density": ["C", None], "tissue": [None, None],
        ...     "lesion_id": ["1", "2"], "lesion_kind": ["mass", "mass"], "pathology": ["benign", "malignant"],
        ...     "assessment": [2, 5]})
        >>> label_table(records, by=["image_id"]).select("dense", "subtype", "assessment").row(0)
        ('yes', 'mass malignant', '5')
    """
    text = records.with_columns(pl.col("density", "tissue", "lesion_kind", "pathology").cast(pl.String))
    summed = text.group_by(*by, maintain_order=True).agg(
        _assessment(), _agreed("density"), _kinds(), _malignant(), _pathology(), _agreed("tissue")
    )
    single = pl.col("lesion_kind").is_in(TASK_CLASSES["lesion_kind"])
    what = pl.when("malignant").then(pl.lit("malignant")).when(~pl.col("malignant")).then(pl.lit("benign"))
    dense = pl.col("density").is_in([Density.C.value, Density.D.value])
    return summed.with_columns(
        pl.when(dense).then(pl.lit("yes")).when(~dense).then(pl.lit("no")).alias("dense"),
        pl.when(single).then(pl.concat_str("lesion_kind", what, separator=" ")).alias("subtype"),
    ).select(*by, *(pl.col(task).cast(LABEL_TYPES[task]) for task in TASK_CLASSES))


def label_codes(table: pl.DataFrame, task: str) -> Int64[np.ndarray, " samples"]:
    """The number of each row's class.

    Args:
        table: With the task's column.
        task: One of `TASK_CLASSES`.

    Returns:
        Numbers from 0 in the order of the classes; -1 where the label is unknown or no single class.

    Raises:
        RecipeError: There is no such task, or the table has no such column.

    Example:
        >>> label_codes(pl.DataFrame({"density": ["D", None, "A"]}), "density").tolist()
        [3, -1, 0]
        >>> label_codes(pl.DataFrame({"malignant": [True, None]}), "malignant").tolist()
        [1, -1]
    """
    names = classes_of(task)
    if task not in table.columns:
        raise RecipeError(f"{task}: the table has no such column. Make it with: mammoscope prepare")
    column = table[task]
    if column.dtype == pl.Boolean:
        return column.cast(pl.Int64).fill_null(-1).to_numpy()
    codes = {name: code for code, name in enumerate(names)}
    return column.cast(pl.String).replace_strict(codes, default=-1, return_dtype=pl.Int64).to_numpy()


def classes_of(task: str) -> tuple[str, ...]:
    """The classes of a task.

    Raises:
        RecipeError: There is no such task.
    """
    if task not in TASK_CLASSES:
        raise RecipeError(
            f"{task}: is not one of the tasks {', '.join(TASK_CLASSES)}{nearest(task, tuple(TASK_CLASSES))}"
        )
    return TASK_CLASSES[task]


def _malignant() -> pl.Expr:
    malignant = pl.col("malignant")
    return (
        pl.when(malignant.any(ignore_nulls=True))
        .then(statement=True)
        .when(malignant.is_null().any())
        .then(None)
        .otherwise(statement=False)
        .alias("malignant")
    )


def _agreed(column: str) -> pl.Expr:
    stated = pl.col(column).drop_nulls()
    return pl.when(stated.n_unique() == 1).then(stated.first()).alias(column)


def _kinds() -> pl.Expr:
    kinds = pl.col("lesion_kind").filter(pl.col("lesion_id").is_not_null())
    told = kinds.fill_null(UNKNOWN).unique().sort().str.join(" + ")
    return pl.when(kinds.is_not_null().any()).then(told).alias("lesion_kind")


def _pathology() -> pl.Expr:
    found = {name: (pl.col("pathology") == name.value).any(ignore_nulls=True) for name in GRAVEST_FIRST}
    gravest = pl.coalesce(pl.when(found[name]).then(pl.lit(name.value)) for name in GRAVEST_FIRST)
    sure = found[Pathology.MALIGNANT] | pl.col("pathology").is_not_null().all()
    return pl.when(sure).then(gravest).alias("pathology")


def _assessment() -> pl.Expr:
    stated = pl.col("assessment").drop_nulls()
    plain = stated.is_between(1, 5).all()
    agreed = (stated.n_unique() == 1) | plain
    return pl.when(agreed).then(stated.max()).cast(pl.String).alias("assessment")
