"""Which group each row belongs to: density, age band, view, lesion, machine ..., by the columns that a table has."""

from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from mammoscope.evaluation.subgroup_values import Divides
from mammoscope.vocabulary import View

AGE_BANDS = (40.0, 50.0, 60.0, 70.0)
"""Lower edges, in years, of all age bands but the youngest: most programmes invite from 40 or 50 to 69 or 74."""

SIZE_BANDS_MM = (10.0, 20.0, 50.0)
"""Lower edges, in mm, of all lesion sizes but the smallest: those of T1c, T2 and T3 in TNM, 8th edition."""

SHARE_BANDS = (5.0, 10.0, 20.0)
"""Lower edges in per cent: on a film of 24 cm they are 12, 24 and 48 mm, near those in mm."""

MOST_GROUPS = 12
"""Of one factor; the rarest values beyond it are put together as `other`, so that a table stays a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A property that makes groups.

    Attributes:
        name: As reports call it.
        column: Of the table.
        says: What it is and how its groups are bounded.
        divides: Rows, or only the positive or the negative ones.
        bands: Lower edges of the bands of a number, but the lowest.
        suffix: Unit after a band.
        yes_no: Names of True and False.
    """

    name: str
    column: str
    says: str
    divides: Divides = "rows"
    bands: tuple[float, ...] = ()
    suffix: str = ""
    yes_no: tuple[str, str] | None = None


FACTORS: tuple[Factor, ...] = (
    Factor(name="density", column="density", says="BI-RADS breast density, by a reader"),
    Factor(name="tissue", column="tissue", says="background tissue of mini-MIAS, by a reader"),
    Factor(name="age", column="age_years", says="age in years", bands=AGE_BANDS),
    Factor(name="view", column="view", says="projection"),
    Factor(name="laterality", column="laterality", says="side of the breast"),
    Factor(
        name="lesion kind",
        column="lesion_kind",
        says="kinds of all lesions of the image, by a reader",
        divides="positives",
    ),
    Factor(
        name="lesion size",
        column="lesion_mm",
        says="longer side of the box of the image's largest lesion",
        divides="positives",
        bands=SIZE_BANDS_MM,
        suffix=" mm",
    ),
    Factor(
        name="lesion size, relative",
        column="lesion_share",
        says="the same in per cent of the picture's longer side, where the file states no mm",
        divides="positives",
        bands=SHARE_BANDS,
        suffix=" %",
    ),
    Factor(name="machine", column="machine_id", says="machine, as the data set names it"),
    Factor(name="site", column="site_id", says="site, as the data set names it"),
    Factor(name="source", column="source", says="data set"),
    Factor(name="implant", column="implant", says="breast implant", yes_no=("implant", "no implant")),
    Factor(
        name="difficult negative",
        column="difficult_negative",
        says="negatives that the data set itself calls difficult",
        divides="negatives",
        yes_no=("difficult", "other"),
    ),
    Factor(name="traits", column="traits", says="what sets the picture apart, by its header"),
)
"""Every factor that is looked for; a table without its column says so."""


def groups_of(rows: pl.DataFrame, factor: Factor) -> pl.Series:
    """The group of each row by name; null where the table does not say.

    Args:
        rows: A table with the factor's column.
        factor: Whose groups.

    Returns:
        An Enum series whose categories are the names in their order.

    Example:
        >>> age = next(factor for factor in FACTORS if factor.name == "age")
        >>> groups_of(pl.DataFrame({"age_years": [39.9, 40.0, None, 71.0]}), age).to_list()
        ['below 40', '40 to 49', None, '70 and above']
    """
    column = rows[factor.column]
    if factor.bands:
        names = _band_names(factor)
        at = column.cast(pl.Float64).fill_nan(None)
        number = sum(((at >= edge).cast(pl.Int32) for edge in factor.bands), start=at.cast(pl.Int32) * 0)
        found = number.replace_strict(dict(enumerate(names)), return_dtype=pl.String, default=None)
        return found.cast(pl.Enum([name for name in names if name in set(found.drop_nulls())]))
    if factor.yes_no is not None:
        yes, no = factor.yes_no
        called = pl.Series([None if value is None else yes if value else no for value in column], dtype=pl.String)
        return called.cast(pl.Enum([name for name in (yes, no) if name in set(called.drop_nulls())]))
    text = column.cast(pl.String)
    text = text.set(text == "", None)
    kept = _commonest(text)
    if len(kept) < text.drop_nulls().n_unique():
        text = pl.Series([None if one is None else one if one in kept else "other" for one in text], dtype=pl.String)
        kept = [*kept, "other"]
    return text.cast(pl.Enum(kept))


def category_names(group: pl.Series) -> list[str]:
    """The names of all groups, in their order."""
    kind = group.dtype
    return list(kind.categories) if isinstance(kind, pl.Enum) else []


def how_divided(factor: Factor, *, group: pl.Series, positive: pl.Series) -> Divides:
    """Whether a factor of lesions divides both classes: where every negative row has a lesion, too, as in CBIS-DDSM."""
    if factor.divides == "positives" and not group.filter(~positive).is_null().any() and not positive.all():
        return "rows"
    return factor.divides


def _band_names(factor: Factor) -> list[str]:
    edges, suffix = factor.bands, factor.suffix
    if suffix:  # of a measure: the bound itself belongs to the upper band
        between = [f"{low:g} to <{high:g}{suffix}" for low, high in pairwise(edges)]
        return [f"<{edges[0]:g}{suffix}", *between, f">={edges[-1]:g}{suffix}"]
    between = [f"{low:g} to {high - 1:g}" for low, high in pairwise(edges)]
    return [f"below {edges[0]:g}", *between, f"{edges[-1]:g} and above"]


def _commonest(text: pl.Series) -> list[str]:
    """The names in their order: views as in the vocabulary, numbers by size, others by the alphabet."""
    counts = text.drop_nulls().value_counts(sort=False).rename({text.name: "name"} if text.name != "name" else {})
    ordered = counts.sort(["count", "name"], descending=[True, False])["name"].to_list()
    kept = ordered if len(ordered) <= MOST_GROUPS else ordered[: MOST_GROUPS - 1]
    views = [view.value for view in View]
    return sorted(kept, key=lambda one: (views.index(one) if one in views else -1, one.zfill(12), one))
