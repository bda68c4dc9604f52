"""What file names say of side and view, against the table."""

from collections.abc import Iterator

import polars as pl

from mammoscope.cohort.findings import Finding, Severity
from mammoscope.vocabulary import Laterality

WORD = r"(?i)(?:^|[^a-z])(left|right|cc|mlo)(?:[^a-z]|$)"
"""Whole words in the name of a file or of its folder."""

LETTER = r"(?:^|[^A-Za-z0-9])([LR])(?:CC|MLO)?(?:[^A-Za-z0-9]|$)"
"""A single capital, or LCC, RMLO and the like, in the name of the file."""

JOINED = r"(?:^|[^A-Za-z0-9])[LR](CC|MLO)(?:[^A-Za-z0-9]|$)"


def name_findings(images: pl.DataFrame) -> Iterator[Finding]:
    """Pictures whose name says another side or view than the table.

    Args:
        images: source, patient_id, image_id, path, laterality, view of each.

    A name that says both sides or both views says nothing. View names other than CC and MLO are not looked for.
    """
    if images.is_empty():
        return
    said = images.select(
        "source",
        "patient_id",
        "image_id",
        "path",
        pl.col("laterality", "view").cast(pl.String),
        *_said(),
    )
    for column in ("laterality", "view"):
        name = pl.col(f"_{column}")
        known = pl.col(column).is_in(["CC", "MLO"]) if column == "view" else pl.col(column).is_not_null()
        for row in said.filter(known & (name != pl.col(column))).iter_rows(named=True):
            yield Finding(
                severity=Severity.WARNING,
                check=f"{column}-in-name",
                source=row["source"],
                image_id=row["image_id"],
                patient_id=row["patient_id"],
                message=f"{row['source']}/{row['image_id']}: its name says {row[f'_{column}']} "
                f"({'/'.join(row['path'].split('/')[-2:])}), the table {row[column]}. Look at the picture, correct one",
            )


def _said() -> list[pl.Expr]:
    """`_laterality` and `_view` as the names say them; empty where they say nothing or two things."""
    end = pl.col("path").str.extract(r"([^/]*/)?([^/]*)$", 0)
    file = pl.col("path").str.extract(r"([^/]*)$", 1)
    words = (
        end.str.replace_all(r"[^A-Za-z]+", "  ")
        .str.extract_all(WORD)
        .list.eval(pl.element().str.to_uppercase().str.extract(r"([A-Z]+)", 1))
    )
    letters = file.str.extract_all(LETTER).list.eval(pl.element().str.extract(r"([LR])", 1))
    joined = file.str.extract_all(JOINED).list.eval(pl.element().str.extract(r"(CC|MLO)", 1))
    sides = pl.concat_list(
        words.list.eval(
            pl.element()
            .filter(pl.element().is_in(["LEFT", "RIGHT"]))
            .replace({"LEFT": Laterality.LEFT.value, "RIGHT": Laterality.RIGHT.value})
        ),
        letters,
    )
    views = pl.concat_list(words.list.eval(pl.element().filter(pl.element().is_in(["CC", "MLO"]))), joined)
    return [_the_one(sides).alias("_laterality"), _the_one(views).alias("_view")]


def _the_one(values: pl.Expr) -> pl.Expr:
    one = values.list.unique()
    return pl.when(one.list.len() == 1).then(one.list.first())
