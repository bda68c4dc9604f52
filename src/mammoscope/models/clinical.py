"""Columns of the index as numbers beside a picture; how they are made is fitted on the training part and kept."""

from typing import Annotated, Any, Literal, assert_never

import numpy as np
import polars as pl
from jaxtyping import Float32, Float64
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from mammoscope.errors import RecipeError, SourceError, nearest
from mammoscope.records import COLUMNS, READER_COLUMNS

CLINICAL_COLUMNS = ("age_years", "implant", "laterality", "machine_id", "site_id", "view", *READER_COLUMNS)
"""Columns that can be given to a network: none that holds an answer, a name or a path."""

UNORDERED = ("assessment",)  # BI-RADS 0 is "incomplete", not less than 1


class ClinicalSettings(BaseModel):
    """Columns of the index that a network reads beside its pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...] = Field(min_length=1, description=f"of {', '.join(CLINICAL_COLUMNS)}")
    missing: Literal["unknown", "mode"] = Field(
        default="unknown",
        description="what an empty cell is: a value of its own (a number: the mean, and a flag that it was empty), or "
        "the commonest of the training part",
    )
    rare: PositiveInt = Field(default=5, description="values of fewer training rows become one, called other")
    reader: bool = Field(default=False, description="allow columns that a radiologist filled in")

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        for name in columns:
            if name not in CLINICAL_COLUMNS:
                hint = nearest(name, CLINICAL_COLUMNS)
                raise ValueError(f"{name!r} is not one of {', '.join(CLINICAL_COLUMNS)}{hint}")
        if len(set(columns)) < len(columns):
            raise ValueError(f"one is named twice in {list(columns)}. Name each once")
        return columns

    @model_validator(mode="after")
    def _said_so(self) -> "ClinicalSettings":
        named = [name for name in self.columns if name in READER_COLUMNS]
        if named and not self.reader:
            raise ValueError(
                f"columns {named} were filled in by a radiologist who looked at the picture: a model that is given one "
                "of them is scoring the radiologist. Leave them out, or set reader = true"
            )
        return self


class _Fitted(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    column: str
    unknown: bool = Field(description="there is a column for empty cells")


class NumberColumn(_Fitted):
    """A number: standardised; empty cells are filled."""

    kind: Literal["number"] = "number"
    mean: float
    sd: float = Field(gt=0)
    fill: float

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns it becomes."""
        return (self.column, *_unknown(self))

    def values(self, cells: pl.Series) -> list[np.ndarray]:
        """Its columns."""
        known = _numbers(cells)
        filled = known.fill_null(self.fill).to_numpy()
        return [(filled - self.mean) / self.sd, *([known.is_null().to_numpy()] if self.unknown else [])]


class FlagColumn(_Fitted):
    """Yes or no: 1 or 0; an empty cell is neither, but what `fill` says."""

    kind: Literal["flag"] = "flag"
    fill: float = Field(ge=0, le=1, description="share of yes, or the commonest")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns it becomes."""
        return (self.column, *_unknown(self))

    def values(self, cells: pl.Series) -> list[np.ndarray]:
        """Its columns."""
        share = cells.cast(pl.Float64).fill_null(self.fill)
        return [share.to_numpy(), *([cells.is_null().to_numpy()] if self.unknown else [])]


class CategoryColumn(_Fitted):
    """One of several values: a column each."""

    kind: Literal["category"] = "category"
    categories: tuple[str, ...] = Field(description="that have a column of their own")
    other: bool = Field(description="there is a column for all other values")
    fill: str | None = Field(description="what an empty cell is; None: empty")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns it becomes."""
        named = (f"{self.column}={value}" for value in self.categories)
        return (*named, *((f"{self.column} (other)",) if self.other else ()), *_unknown(self))

    def values(self, cells: pl.Series) -> list[np.ndarray]:
        """Its columns; a value never met is another one if there is a column for them, else as an empty cell."""
        text = _texts(cells)
        if self.fill is not None:
            text = text.fill_null(self.fill)
        met = text.is_in(list(self.categories)).fill_null(value=False)
        strange = text.is_not_null() & ~met
        empty = text.is_null()
        if not self.other:
            text = pl.select(pl.when(strange).then(pl.lit(self.fill)).otherwise(text)).to_series()
            empty = text.is_null()
        own = [(text == value).fill_null(value=False).to_numpy() for value in self.categories]
        rest = [strange.to_numpy()] if self.other else []
        return [*own, *rest, *([empty.to_numpy()] if self.unknown else [])]


class ClinicalEncoding(BaseModel):
    """How columns become numbers, as fitted on the training part; part of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[Annotated[NumberColumn | FlagColumn | CategoryColumn, Field(discriminator="kind")], ...] = Field(
        min_length=1
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the encoded columns, in order."""
        return tuple(name for column in self.columns for name in column.names)


def _unknown(column: _Fitted) -> tuple[str, ...]:
    return (f"{column.column} (unknown)",) if column.unknown else ()


def fit_clinical(train: pl.DataFrame, settings: ClinicalSettings) -> ClinicalEncoding:
    """Learn the values that columns take, and what fills the empty cells.

    Args:
        train: Rows of the training part, and no other.
        settings: Which columns, and how.

    Returns:
        The encoding. A column for empty cells is there only if the training part has some: the weights of a column
        that is always 0 would be left as they were drawn.

    Raises:
        RecipeError: The table lacks a column, or it is empty in every row.
        SourceError: A cell is not of its column's type.

    Example:
        >>> table = pl.DataFrame({"view": ["CC", "MLO", "CC", None], "age_years": [40.0, 60.0, 50.0, 50.0]})
        >>> fit_clinical(table, ClinicalSettings(columns=("age_years", "view"), rare=1)).names
        ('age_years', 'view=CC', 'view=MLO', 'view (unknown)')
    """
    fitted = []
    for name in settings.columns:
        if name not in train.columns:
            raise RecipeError(f"[clinical] columns: the table has no column {name!r}. Leave it out")
        cells = _cells(train, name)
        known = _numbers(cells) if _kind(name) == "number" else cells
        if known.null_count() == len(known):
            raise RecipeError(f"[clinical] columns: {name!r} is empty in all {len(known)} training rows. Leave it out")
        fitted.append(_fitted(name, cells, settings=settings))
    return ClinicalEncoding(columns=tuple(fitted))


def encode(encoding: ClinicalEncoding, table: pl.DataFrame) -> Float32[np.ndarray, "rows columns"]:
    """Numbers for the rows of a table.

    Args:
        encoding: From `fit_clinical`.
        table: With the columns that it was fitted on.

    Returns:
        One column for each of `encoding.names`; every number is finite.

    Raises:
        SourceError: The table lacks a column, or a cell is not of its column's type.

    Example:
        >>> table = pl.DataFrame({"age_years": [40.0, 60.0, None]})
        >>> encode(fit_clinical(table, ClinicalSettings(columns=("age_years",))), table).tolist()
        [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    missing = [column.column for column in encoding.columns if column.column not in table.columns]
    if missing:
        raise SourceError(f"clinical columns: the table has no {missing}. Add them; a cell may be empty where unknown")
    columns = [values for column in encoding.columns for values in column.values(_cells(table, column.column))]
    return np.stack(columns, axis=1).astype(np.float32)


def _kind(name: str) -> Literal["number", "flag", "category"]:
    dtype = COLUMNS[name]
    if dtype == pl.Boolean:
        return "flag"
    return "number" if dtype.is_numeric() and name not in UNORDERED else "category"


def _cells(table: pl.DataFrame, name: str) -> pl.Series:
    """A column, in the type it has in an index."""
    try:
        return table[name].cast(COLUMNS[name])
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"clinical columns: {name!r} is not {COLUMNS[name]} ({reason}). Correct its cells") from error


def _numbers(cells: pl.Series) -> pl.Series:
    """Double precision; what is not finite is empty."""
    exact = cells.cast(pl.Float64)
    return exact.set(~exact.is_finite().fill_null(value=True), None)


def _texts(cells: pl.Series) -> pl.Series:
    return cells.cast(pl.String)


def _fitted(name: str, cells: pl.Series, *, settings: ClinicalSettings) -> NumberColumn | FlagColumn | CategoryColumn:
    kind, mode = _kind(name), settings.missing == "mode"
    match kind:
        case "number":
            return _number(name, _numbers(cells), mode=mode)
        case "flag":
            yes = cells.drop_nulls().cast(pl.Float64).to_numpy()
            fill = float(_commonest(cells)) if mode else float(yes.mean())
            return FlagColumn(column=name, unknown=not mode and cells.null_count() > 0, fill=fill)
        case "category":
            return _category(name, _texts(cells), mode=mode, rare=settings.rare)
        case _:
            assert_never(kind)


def _number(name: str, known: pl.Series, *, mode: bool) -> NumberColumn:
    values: Float64[np.ndarray, " rows"] = (
        known.fill_null(_commonest(known)) if mode else known.drop_nulls()
    ).to_numpy()
    mean = float(values.mean())
    return NumberColumn(
        column=name,
        unknown=not mode and known.null_count() > 0,
        mean=mean,
        sd=float(values.std()) if values.min() < values.max() else 1.0,
        fill=float(_commonest(known)) if mode else mean,
    )


def _category(name: str, text: pl.Series, *, mode: bool, rare: int) -> CategoryColumn:
    fill = str(_commonest(text)) if mode else None
    counted = (text.fill_null(fill) if mode else text.drop_nulls()).value_counts(name="rows")
    kept = sorted(counted.filter(pl.col("rows") >= rare)[text.name].to_list())
    return CategoryColumn(
        column=name,
        unknown=not mode and text.null_count() > 0,
        categories=tuple(kept),
        other=len(kept) < counted.height,
        fill=fill,
    )


def _commonest(cells: pl.Series) -> Any:
    """The mode; of several the smallest."""
    return cells.drop_nulls().mode().sort().first()
