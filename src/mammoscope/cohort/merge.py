"""Several indexes as one: two halves of a data set, or several data sets."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import polars as pl

from mammoscope.errors import SourceError
from mammoscope.records import IMAGE_COLUMNS, Index, validated
from mammoscope.vocabulary import Part

KEY = ["source", "image_id"]
PATHS = ("path", "mask_path", "crop_path")
IDENTIFIERS = ("patient_id", "image_id", "exam_id", "site_id", "machine_id")
"""Columns whose values mean something within one data set only."""

SAME_WOMEN = (("cbis_ddsm", "cbis_ddsm_jpeg"), ("cdd_cesm", "cdd_cesm_subtracted"))
"""Sources that show the same women twice: a split of both would put one woman on both sides."""

OWN = ("table", "folders", "dicom")
"""Sources whose name does not say which data set it is."""


def merge(indexes: Sequence[Index], *, names: Sequence[str] | None = None) -> Index:
    """Merge indexes into one.

    Indexes of one source, such as the mass and the calcification half of CBIS-DDSM, become what reading both at once
    gives: rows of one breast view are one image, with all its findings; the first index's picture is its picture, and
    test wins over train. With several sources, patients, images, examinations, sites and machines are named after their
    source, `cbis_ddsm:P_00001`. Labels keep their origin.

    Args:
        indexes: At least one. Where facts are missing in one and there in another, they are filled.
        names: New source names, one an index of a single source: so that patient 1 of one table of your own is
            not patient 1 of another.

    Returns:
        The validated index, in the order of the indexes. Roots are kept; two roots of one source become the
        folder above both.

    Raises:
        SourceError: There is nothing to merge; two sources show the same women; one image has contradicting facts, or
            one lesion contradicting rows; two tables of one's own have no names.

    Example:
        >>> from mammoscope.records import Record, index_of
        >>> one, two = (
        ...     index_of([Record(source=name, patient_id="1", image_id="a", path="a.png")], roots={name: Path(".")})
        ...     for name in ("rsna", "vindr")
        ... )
        >>> merge([one, two]).table["patient_id"].to_list()
        ['rsna:1', 'vindr:1']
    """
    named = [*indexes] if names is None else _renamed(indexes, names)
    if not named:
        raise SourceError("merge: no index is given. Give two or more")
    roots, prefixes = _roots(named)
    sources = set(roots)
    for pair in SAME_WOMEN:
        if sources >= set(pair):
            raise SourceError(f"merge: {' and '.join(pair)} show the same women. Keep one of them")
    tables = [_prefixed(index.table, prefix) for index, prefix in zip(named, prefixes, strict=True)]
    table = pl.concat(tables) if len(tables) > 1 else tables[0]
    if len(tables) > 1:
        table = _one_lesion_each(_one_fact_each(table))
    if len(sources) > 1:
        table = _namespaced(table)
    return validated(Index(table=table, roots=roots))


def _renamed(indexes: Sequence[Index], names: Sequence[str]) -> list[Index]:
    if len(names) != len(indexes):
        raise SourceError(f"merge: {len(names)} names for {len(indexes)} indexes. Give one name an index")
    renamed = []
    for index, name in zip(indexes, names, strict=True):
        if len(index.roots) != 1:
            raise SourceError(f"merge: {name!r} would name {len(index.roots)} sources at once. Leave names out")
        if not name or ":" in name:
            raise SourceError(f"merge: {name!r} is no source name. Use a word without a colon")
        root = next(iter(index.roots.values()))
        renamed.append(Index(table=index.table.with_columns(source=pl.lit(name)), roots={name: root}))
    return renamed


def _roots(indexes: list[Index]) -> tuple[dict[str, Path], list[dict[str, str]]]:
    """Root of each source, and what each index has to put before its paths."""
    found: dict[str, list[Path]] = {}
    for index in indexes:
        for source, root in index.roots.items():
            found.setdefault(source, []).append(root)
    roots: dict[str, Path] = {}
    for source, several in found.items():
        places = {root.resolve() for root in several}
        if len(places) > 1 and source in OWN:
            raise SourceError(f"merge: {len(places)} folders of source {source!r}. Give names, one an index")
        roots[source] = several[0] if len(places) == 1 else _above(source, places)
    prefixes = [
        {
            source: str(PurePosixPath(*root.resolve().relative_to(roots[source].resolve()).parts))
            for source, root in index.roots.items()
        }
        for index in indexes
    ]
    return roots, prefixes


def _above(source: str, places: set[Path]) -> Path:
    try:
        return Path(os.path.commonpath(sorted(places)))
    except ValueError:
        raise SourceError(f"merge: the folders of {source} lie on several drives. Move them below one folder") from None


def _prefixed(table: pl.DataFrame, prefixes: dict[str, str]) -> pl.DataFrame:
    """Paths of one index, relative to the merged roots."""
    for source, prefix in prefixes.items():
        if prefix != ".":
            mine = pl.col("source") == source
            table = table.with_columns(
                pl.when(mine).then(pl.lit(f"{prefix}/") + pl.col(name)).otherwise(pl.col(name)).alias(name)
                for name in PATHS
            )
    return table


def _one_fact_each(table: pl.DataFrame) -> pl.DataFrame:
    """Make the rows of one image agree: first picture, test before train, known before unknown."""
    facts = [name for name in IMAGE_COLUMNS if name not in {*KEY, "path", "official_part"}]
    merged = table.group_by(KEY, maintain_order=True).agg(
        pl.col("path").first(),
        pl.when((pl.col("official_part") == Part.TEST.value).any())
        .then(pl.lit(Part.TEST.value))
        .otherwise(pl.col("official_part").drop_nulls().first().cast(pl.String))
        .cast(table.schema["official_part"])
        .alias("official_part"),
        *(pl.col(name).drop_nulls().first() for name in facts),
        *(pl.col(name).drop_nulls().n_unique().alias(f"_{name}") for name in facts),
    )
    for name in facts:
        _refuse(merged.filter(pl.col(f"_{name}") > 1), f"one image, several values of {name}. Correct one index")
    columns = [name for name in IMAGE_COLUMNS if name not in KEY]
    return table.drop(columns).join(merged.select(*KEY, *columns), on=KEY, how="left").select(table.columns)


def _one_lesion_each(table: pl.DataFrame) -> pl.DataFrame:
    """Drop rows that stand in two indexes word for word."""
    once = table.unique(maintain_order=True)
    twice = once.filter(pl.struct(*KEY, "lesion_id").is_duplicated())
    _refuse(twice, "one lesion, two rows that differ. Correct one index")
    return once


def _namespaced(table: pl.DataFrame) -> pl.DataFrame:
    """Identifiers after their source; those that already are stay."""
    prefix = pl.col("source") + ":"
    return table.with_columns(
        pl.when(pl.col(name).str.starts_with(prefix)).then(pl.col(name)).otherwise(prefix + pl.col(name)).alias(name)
        for name in IDENTIFIERS
    )


def _refuse(rows: pl.DataFrame, what: str) -> None:
    if not rows.is_empty():
        source, image = rows.select(KEY).row(0)
        more = f" and {rows.height - 1} more" if rows.height > 1 else ""
        raise SourceError(f"merge: {source}/{image}{more}: {what}")
