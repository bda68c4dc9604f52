"""What a data set says of its images, without pixels; and the index: its typed table.

One `Record` is one finding on one image. An image without a finding has one record
without a lesion; an image with two findings has two records that agree in all but
the lesion. `None` means that the data set does not say. It is never a negative.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import islice
from operator import attrgetter
from pathlib import Path, PurePosixPath
from types import UnionType
from typing import Any, get_args

import polars as pl

from mammoscope.errors import SourceError
from mammoscope.storage import whole_file
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, LesionKind, Part, Pathology, Tissue, View

SCHEMA_VERSION = "1"
BLOCK = 50_000  # records made into a table at a time, so that a million need not be held twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One finding on one mammogram, as the data set states it.

    Fields tagged `reader` in `COLUMNS` were filled in by a radiologist who looked at
    this very picture: a model that is given one of them is scoring the radiologist.
    """

    source: str  # name of the data set
    patient_id: str  # the unit of every split
    image_id: str
    path: str  # of the image, relative to the root of its source, with forward slashes
    exam_id: str | None = None
    laterality: Laterality | None = None
    view: View | None = None
    age_years: float | None = None
    implant: bool | None = None
    site_id: str | None = None
    machine_id: str | None = None
    difficult_negative: bool | None = None
    official_part: Part | None = None  # the data set's own split
    malignant: bool | None = None  # of this finding; see label_origin
    pathology: Pathology | None = None
    label_origin: LabelOrigin | None = None
    density: Density | None = field(default=None, metadata={"reader": True})
    tissue: Tissue | None = field(default=None, metadata={"reader": True})
    assessment: int | None = field(default=None, metadata={"reader": True})  # BI-RADS category 0 to 6
    lesion_id: str | None = None
    lesion_kind: LesionKind | None = field(default=None, metadata={"reader": True})
    lesion_shape: str | None = field(default=None, metadata={"reader": True})
    lesion_margins: str | None = field(default=None, metadata={"reader": True})
    calc_type: str | None = field(default=None, metadata={"reader": True})
    calc_distribution: str | None = field(default=None, metadata={"reader": True})
    subtlety: int | None = field(default=None, metadata={"reader": True})  # 1 subtle to 5 obvious
    lesion_x0: float | None = None  # box in original pixels: column of its left edge, half open
    lesion_y0: float | None = None  # row of its top edge, counted from the top
    lesion_x1: float | None = None
    lesion_y1: float | None = None
    lesion_polygon: tuple[float, ...] | None = None  # x, y, x, y ... in original pixels
    lesion_round: bool | None = None  # the box is the bounding box of a circle
    mask_path: str | None = None  # lesion mask, same grid as the image, relative to the root
    crop_path: str | None = None  # lesion crop, relative to the root


def _dtype(annotation: Any) -> Any:  # pl.DataType, which the checker of the tests cannot read
    options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    kind = next(option for option in options if option is not type(None))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return pl.Enum([member.value for member in kind])
    if kind == tuple[float, ...]:
        return pl.List(pl.Float64)
    return {str: pl.String(), float: pl.Float64(), bool: pl.Boolean(), int: pl.Int64()}[kind]


COLUMNS: dict[str, pl.DataType] = {f.name: _dtype(f.type) for f in fields(Record)}
"""Name and type of each column of the index, in order."""

READER_COLUMNS = tuple(f.name for f in fields(Record) if f.metadata.get("reader"))
"""Columns that a radiologist filled in while looking at the picture."""

REQUIRED_COLUMNS = ("source", "patient_id", "image_id", "path")

IMAGE_COLUMNS = (
    *("source", "patient_id", "image_id", "path", "exam_id", "laterality", "view", "age_years", "implant"),
    *("site_id", "machine_id"),
)
"""Columns in which all records of one image must agree."""

FINDING_COLUMNS = (
    *("malignant", "label_origin", "density", "tissue", "difficult_negative", "official_part", "official_parts"),
    "findings",
)
"""Columns of `image_table` that sum up the records of an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The records of one data set, or of several merged, as one table.

    Attributes:
        table: One row per record, with exactly `COLUMNS`. `table.to_pandas()` is one call away.
        roots: Folder of each source named in the table; paths in the table are relative to it.
    """

    table: pl.DataFrame
    roots: dict[str, Path]

    def file(self, source: str, path: str) -> Path:
        """Where a file named in the table lies on this machine."""
        return self.roots[source] / path


def index_of(records: Iterable[Record], *, roots: dict[str, Path]) -> Index:
    """Collect records into a validated index.

    Args:
        records: What a source's reader yields.
        roots: Folder of each source that occurs.

    Returns:
        The index, rows in the order of the records.

    Raises:
        SourceError: Two records contradict each other or one is not sound; see `validated`.

    Example:
        >>> one = Record(source="own", patient_id="1", image_id="a", path="a.png", malignant=False)
        >>> index_of([one], roots={"own": Path(".")}).table["malignant"].to_list()
        [False]
    """
    waiting = iter(records)
    tables = [_table([])]
    while block := list(islice(waiting, BLOCK)):
        tables.append(_table(block))
    table = pl.concat(tables, rechunk=True)
    return validated(Index(table=table, roots=roots))


def _table(records: list[Record]) -> pl.DataFrame:
    values = zip(*map(attrgetter(*COLUMNS), records), strict=True) if records else ((),) * len(COLUMNS)
    return pl.DataFrame(
        {
            name: pl.Series(name, _plain(column, name), dtype=COLUMNS[name])
            for name, column in zip(COLUMNS, values, strict=True)
        }
    )


def _plain(column: tuple[Any, ...], name: str) -> list[Any] | tuple[Any, ...]:
    """Lists where the table holds lists: polars takes no tuples there."""
    if not isinstance(COLUMNS[name], pl.List):
        return column
    return [list(value) if isinstance(value, tuple) else value for value in column]


def write_index(index: Index, path: Path) -> None:
    """Write an index as one Parquet file, after validating it.

    Raises:
        SourceError: The index is not sound.
        StorageError: The file system refused.
    """
    validated(index)
    metadata = {"mammoscope_schema": SCHEMA_VERSION}
    metadata |= {f"mammoscope_root:{name}": str(root.resolve()) for name, root in index.roots.items()}
    buffer = io.BytesIO()  # written by us, so that a full disk is an error we know
    index.table.write_parquet(buffer, metadata=metadata)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def read_index(path: Path, *, roots: dict[str, Path] | None = None) -> Index:
    """Read an index written by `write_index`, and validate it.

    Args:
        path: The Parquet file.
        roots: Folders that replace the recorded ones, for a data set that has moved.

    Raises:
        SourceError: There is no such file, it is not an index, or it is not sound.
    """
    if not path.is_file():
        raise SourceError(
            f"{path.name}: no such index. Make one with: mammoscope index SOURCE FOLDER --out {path.name}"
        )
    try:
        table = pl.read_parquet(path)
        metadata = pl.read_parquet_metadata(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{path.name}: not a readable Parquet file ({reason}). Make the index again") from error
    version = metadata.get("mammoscope_schema")
    if version != SCHEMA_VERSION:
        found = "none" if version is None else repr(version)
        raise SourceError(f"{path.name}: index schema is {found}, not {SCHEMA_VERSION!r}. Make the index again")
    prefix = "mammoscope_root:"
    recorded = {key.removeprefix(prefix): Path(root) for key, root in metadata.items() if key.startswith(prefix)}
    return validated(Index(table=table, roots=recorded | (roots or {})))


def validated(index: Index) -> Index:
    """Return the index unchanged if it is sound.

    Raises:
        SourceError: Columns or types differ from `COLUMNS`; a required cell is empty; a path leaves
            its root; an image id stands for two files, two patients or two sets of facts; a lesion
            is listed twice; a box is empty; a source has no root. The text names the rows.
    """
    table = index.table
    if dict(table.schema) != COLUMNS:
        wrong = [name for name in {*COLUMNS, *table.columns} if table.schema.get(name) != COLUMNS.get(name)]
        raise SourceError(f"index: columns {sorted(wrong)} do not match the schema. Make the index again")
    for name in REQUIRED_COLUMNS:
        _refuse(table.filter(pl.col(name).is_null() | (pl.col(name) == "")), f"{name} is empty. Fill the cell")
    _refuse_paths(table)
    _refuse_contradictions(table)
    lesion = pl.struct("source", "image_id", "lesion_id")
    _refuse(table.filter(lesion.is_duplicated()), "a lesion of one image is listed twice. Keep one, or number them")
    x_empty = pl.col("lesion_x1") <= pl.col("lesion_x0")
    y_empty = pl.col("lesion_y1") <= pl.col("lesion_y0")
    _refuse(table.filter(x_empty | y_empty), "the lesion's box is empty or turned round. Correct its corners")
    _refuse(
        table.filter(~pl.col("assessment").is_between(0, 6)),
        "assessment is not a BI-RADS category 0 to 6. Correct the cell",
    )
    missing = set(table["source"].unique()) - set(index.roots)
    if missing:
        raise SourceError(f"index: no folder is known for source {sorted(missing)}. Name it with --root")
    return index


def image_table(index: Index) -> pl.DataFrame:
    """One row per image: malignant if any finding is, unknown if none is and one is unknown.

    Returns:
        A table with `IMAGE_COLUMNS` and `FINDING_COLUMNS`, in order of first appearance. `label_origin` is that
        of the finding that decides, `findings` the number of lesions, `official_parts` the parts in which the data
        set lists the image, and `official_part` the one that counts: test before tune before train.

    Source:
        CBIS-DDSM has 33 views that mix malignant and benign findings; a rule that keeps the first
        row mislabels 18 to 25 of them. Lee et al., Scientific Data 4:170177 (2017), describes the tables.
    """
    positive_first = pl.col("malignant").cast(pl.Int8).fill_null(0)
    return (
        index.table.with_row_index("_order")
        .sort(positive_first, pl.col("_order"), descending=[True, False])
        .group_by("source", "image_id", maintain_order=True)
        .agg(
            pl.col("_order").min(),
            *(pl.col(name).first() for name in IMAGE_COLUMNS if name not in {"source", "image_id"}),
            pl.when(pl.col("malignant").any(ignore_nulls=True))
            .then(statement=True)
            .when(pl.col("malignant").is_null().any())
            .then(None)
            .otherwise(statement=False)
            .alias("malignant"),
            pl.col("label_origin").first(),
            pl.col("official_part").drop_nulls().unique().sort(descending=True).alias("official_parts"),
            pl.col("density").drop_nulls().first(),
            pl.col("tissue").drop_nulls().first(),
            pl.col("difficult_negative").drop_nulls().first(),
            pl.col("lesion_id").count().alias("findings"),
        )
        .sort("_order")
        .with_columns(_first_choice("official_parts").alias("official_part"))
        .select(*IMAGE_COLUMNS, *FINDING_COLUMNS)
    )


def _first_choice(column: str) -> pl.Expr:
    """Test before tune before train; empty where the data set has no split."""
    dtype = COLUMNS["official_part"]
    held = {part: pl.col(column).list.contains(pl.lit(part.value, dtype=dtype)) for part in Part}
    return pl.coalesce(
        pl.when(held[part]).then(pl.lit(part.value)) for part in (Part.TEST, Part.TUNE, Part.TRAIN)
    ).cast(dtype)


def _refuse(rows: pl.DataFrame, what: str) -> None:
    if rows.is_empty():
        return
    named = ", ".join(f"{row['source']}/{row['image_id']}" for row in rows.head(3).iter_rows(named=True))
    more = f" and {rows.height - 3} more" if rows.height > 3 else ""
    raise SourceError(f"index: {named}{more}: {what}")


def _refuse_paths(table: pl.DataFrame) -> None:
    for name in ("path", "mask_path", "crop_path"):
        column = pl.col(name)
        unsafe = column.str.starts_with("/") | column.str.contains(r"(^|/)\.\.(/|$)|\\|^[A-Za-z]:")
        _refuse(table.filter(unsafe), f"{name} is not a relative path with forward slashes inside the root")


def _refuse_contradictions(table: pl.DataFrame) -> None:
    key = ["source", "image_id"]
    facts = table.select(IMAGE_COLUMNS).unique()
    doubted = IMAGE_COLUMNS if facts.height > facts.select(key).n_unique() else ()  # one pass tells that all agree
    for name in doubted:
        if name in key:
            continue
        odd = table.group_by(key, maintain_order=True).agg(pl.col(name).n_unique().alias("n")).filter(pl.col("n") > 1)
        _refuse(odd, f"one image id, several values of {name}. Image ids must be unique; correct the table")
    odd = table.group_by("source", "path", maintain_order=True).agg(
        pl.col("image_id").first(), pl.col("image_id").n_unique().alias("n")
    )
    _refuse(odd.filter(pl.col("n") > 1), "one file stands under several image ids. Image ids must be unique")


def relative_path(path: Path, root: Path) -> str:
    """The form in which the index keeps a path: relative to the root, with forward slashes.

    Raises:
        SourceError: The path is outside the root.
    """
    try:
        return str(PurePosixPath(*path.relative_to(root).parts))
    except ValueError:
        raise SourceError(
            f"{path.name}: lies outside the data set's folder. Move it inside, or index that folder"
        ) from None
