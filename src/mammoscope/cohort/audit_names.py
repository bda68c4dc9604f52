"""What file names say of side and view, against the table."""

from collections.abc import Iterator

import polars as pl

from mammoscope.cohort.findings import Finding, Severity

WORD = r"(?i:(?:^|[^a-z0-9]){word}\d{{0,2}}(?:[^a-z0-9/][^/]*)?(?:/[^/]*)?$)"
"""A whole word, perhaps numbered, in the name of the file or of its folder; not a piece of a hexadecimal name."""

LETTERS = r"(?:^|[^A-Za-z0-9])(?:{letters})(?:[^A-Za-z0-9/][^/]*)?$"
"""Capitals on their own in the name of the file: L, or LCC, RMLO and the like."""

NAMES = {
    "laterality": {"L": ("left", "L|LCC|LMLO"), "R": ("right", "R|RCC|RMLO")},
    "view": {"CC": ("cc", "LCC|RCC"), "MLO": ("mlo", "LMLO|RMLO")},
}


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
        *(_said(values).alias(f"_{column}") for column, values in NAMES.items()),
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


def _said(values: dict[str, tuple[str, str]]) -> pl.Expr:
    """The one value that a path says; empty where it says none or both."""
    (one, in_one), (other, in_other) = (
        (value, pl.col("path").str.contains(f"{WORD.format(word=word)}|{LETTERS.format(letters=letters)}"))
        for value, (word, letters) in values.items()
    )
    return pl.when(in_one & ~in_other).then(pl.lit(one)).when(in_other & ~in_one).then(pl.lit(other))
