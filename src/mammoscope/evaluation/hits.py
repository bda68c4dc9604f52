"""When a mark is on a lesion, and what that makes of every mark, lesion and image."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.samples import sample_of

BOX = ("x_min", "y_min", "x_max", "y_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """When a mark is on a lesion.

    Attributes:
        iou: Overlap of the two boxes by their union, at least; None: the mark's point (or the middle of its box) lies
            in the lesion's box, its edge included.
        margin_px: Pixels by which the lesion's box is made larger on every side for a point; 0 with `iou`.

    Example:
        >>> Hit(iou=0.2).words
        'boxes overlap by at least 0.2 of their union'
    """

    iou: float | None = None
    margin_px: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        if self.iou is not None and not 0.0 < self.iou <= 1.0:
            raise RecipeError(f"hit: iou must be in (0, 1], got {self.iou}")
        if self.margin_px < 0 or (self.iou is not None and self.margin_px):
            raise RecipeError(f"hit: margin_px must be 0 or more, and 0 with iou, got {self.margin_px}")

    @property
    def words(self) -> str:
        """The criterion in words."""
        if self.iou is not None:
            return f"boxes overlap by at least {self.iou:g} of their union"
        margin = f", made {self.margin_px:g} px larger on every side" if self.margin_px else ""
        return f"the mark's centre lies in the lesion's box{margin}"


CENTRE_IN_BOX = Hit()
"""The criterion where nothing else is stated."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Places:
    """Marks, lesions and images after they have been laid on each other.

    Attributes:
        patients: Number of each image's patient.
        patient_count: Patients.
        diseased: Whether each image has a lesion.
        pointed: Whether its highest mark is on one; of equal marks, the share that is.
        lesion_patients: Number of each lesion's patient.
        lesion_scores: Highest score of a mark on it; minus infinity without one.
        false_images: Number of the image of each mark that is on no lesion.
        false_scores: Its score.
        mark_count: Marks.
        constant: Whether all have the same score.
    """

    patients: Int[np.ndarray, " images"]
    patient_count: int
    diseased: Bool[np.ndarray, " images"]
    pointed: Float[np.ndarray, " images"]
    lesion_patients: Int[np.ndarray, " lesions"]
    lesion_scores: Float[np.ndarray, " lesions"]
    false_images: Int[np.ndarray, " false"]
    false_scores: Float[np.ndarray, " false"]
    mark_count: int
    constant: bool


def placed(marks: pl.DataFrame, *, lesions: pl.DataFrame, images: pl.DataFrame, hit: Hit, either_view: bool) -> Places:
    """Lay marks on lesions, as `evaluate_marks` takes them.

    Raises:
        SourceError: One of the tables cannot be used.
    """
    searched = _images(images)
    drawn = _lesions(lesions, searched, either_view=either_view)
    made = _marks(marks, searched, boxes=hit.iou is not None)
    on = _pairs(made, drawn, hit=hit)
    hits = made.with_columns(pl.col("_mark").is_in(on["_mark"].to_list()).alias("_on"))
    best = on.group_by("_lesion").agg(pl.col("score").max())
    scores = drawn.unique("_lesion", maintain_order=True).join(best, on="_lesion", how="left", maintain_order="left")
    top = (
        hits.filter(pl.col("score") == pl.col("score").max().over("_image"))
        .group_by("_image")
        .agg(pl.col("_on").mean().alias("_pointed"))
    )
    pointed = np.zeros(searched.height)
    pointed[top["_image"].to_numpy()] = top["_pointed"].to_numpy()
    diseased = np.zeros(searched.height, dtype=np.bool_)
    diseased[drawn["_image"].unique().to_numpy()] = True
    false = hits.filter(~pl.col("_on"))
    people = sample_of(searched.with_columns(pl.lit(0).alias("label"), pl.lit(0.0).alias("score")))
    return Places(
        patients=people.patients,
        patient_count=people.patient_count,
        diseased=diseased,
        pointed=pointed,
        lesion_patients=people.patients[scores["_image"].to_numpy()],
        lesion_scores=scores["score"].fill_null(-np.inf).to_numpy().astype(np.float64),
        false_images=false["_image"].to_numpy().astype(np.int64),
        false_scores=false["score"].to_numpy().astype(np.float64),
        mark_count=made.height,
        constant=made["score"].n_unique() < 2,
    )


def _images(images: pl.DataFrame) -> pl.DataFrame:
    _needs(images, ("image_id", "patient_id"), "images")
    if images.is_empty():
        raise SourceError("images: there are none. List every image that was searched, marked or not")
    rows = images.with_columns(pl.col("image_id", "patient_id").cast(pl.String))
    for name in ("image_id", "patient_id"):
        _refuse(rows, rows[name].fill_null("") == "", "images", name, "is empty. Fill the cell")
    _refuse(rows, rows["image_id"].is_duplicated(), "images", "image_id", "stands twice. List each image once")
    keys = [name for name in ("source", "patient_id") if name in rows.columns]
    return rows.select("image_id", *keys).with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("_image"))


def _lesions(lesions: pl.DataFrame, images: pl.DataFrame, *, either_view: bool) -> pl.DataFrame:
    _needs(lesions, ("image_id", *BOX, *(("lesion_id",) if either_view else ())), "lesions")
    rows = _known(lesions, images, "lesions", BOX)
    _boxes(rows, "lesions")
    keys = ["image_id", "lesion_id"] if "lesion_id" in rows.columns else ["image_id", *BOX]
    twice = rows.select(pl.struct(keys).is_duplicated()).to_series()
    _refuse(rows, twice, "lesions", keys[-1], "stands twice on its image. Keep one row a lesion and image")
    people = [name for name in ("source", "patient_id") if name in rows.columns]
    whole = pl.struct(*people, "lesion_id") if either_view else pl.int_range(pl.len(), dtype=pl.UInt32)
    return rows.with_columns((whole.rank("dense") if either_view else whole).alias("_lesion"))


def _marks(marks: pl.DataFrame, images: pl.DataFrame, *, boxes: bool) -> pl.DataFrame:
    _needs(marks, ("image_id", "score"), "marks")
    pointed = not boxes and {"x", "y"} <= set(marks.columns)
    places = ("x", "y") if pointed else BOX
    _needs(marks, places, "marks")
    rows = _known(marks, images, "marks", (*places, "score"))
    if not pointed:
        _boxes(rows, "marks")
        rows = rows.with_columns(
            ((pl.col("x_min") + pl.col("x_max")) / 2).alias("x"), ((pl.col("y_min") + pl.col("y_max")) / 2).alias("y")
        )
    return rows.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("_mark"))


def _known(rows: pl.DataFrame, images: pl.DataFrame, what: str, numbers: tuple[str, ...]) -> pl.DataFrame:
    """Rows with the number and the patient of their image; numbers as floats."""
    rows = rows.with_columns(pl.col("image_id").cast(pl.String), pl.col(numbers).cast(pl.Float64, strict=False))
    for name in numbers:
        _refuse(rows, ~rows[name].is_finite().fill_null(value=False), what, name, "is not a number. Correct the cell")
    own = [name for name in ("source", "patient_id") if name in rows.columns]
    stated = rows.rename({name: f"_stated_{name}" for name in own})
    joined = stated.join(images, on="image_id", how="left", maintain_order="left")
    unknown = joined["_image"].is_null()
    _refuse(rows, unknown, what, "image_id", "is not among the images. List every image that was searched")
    for name in own:
        if name in joined.columns:
            other = joined[f"_stated_{name}"].cast(pl.String) != joined[name].cast(pl.String)
            _refuse(rows, other.fill_null(value=False), what, name, "is not that of the image. Correct one of the two")
    return joined


def _boxes(rows: pl.DataFrame, what: str) -> None:
    for low, high in (("x_min", "x_max"), ("y_min", "y_max")):
        _refuse(rows, rows[low] > rows[high], what, low, f"is above {high}. Exchange the two")


def _pairs(marks: pl.DataFrame, lesions: pl.DataFrame, *, hit: Hit) -> pl.DataFrame:
    """Every mark with every lesion that it is on."""
    both = marks.select("_image", "_mark", "score", "x", "y", *(name for name in BOX if name in marks.columns)).join(
        lesions.select("_image", "_lesion", *(pl.col(name).alias(f"l_{name}") for name in BOX)), on="_image"
    )
    if hit.iou is None:
        inside = [
            pl.col(axis).is_between(pl.col(f"l_{axis}_min") - hit.margin_px, pl.col(f"l_{axis}_max") + hit.margin_px)
            for axis in "xy"
        ]
        return both.filter(inside[0] & inside[1])
    shared = _area("", "l_", both=True)
    union = _area("", "") + _area("l_", "l_") - shared
    return both.filter((union > 0) & (shared >= hit.iou * union))


def _area(one: str, other: str, *, both: bool = False) -> pl.Expr:
    """Of a box, or of what two boxes share."""
    sides = []
    for axis in "xy":
        low, high = pl.col(f"{one}{axis}_min"), pl.col(f"{one}{axis}_max")
        if both:
            low = pl.max_horizontal(low, pl.col(f"{other}{axis}_min"))
            high = pl.min_horizontal(high, pl.col(f"{other}{axis}_max"))
        sides.append((high - low).clip(lower_bound=0.0))
    return sides[0] * sides[1]


def _needs(rows: pl.DataFrame, names: tuple[str, ...], what: str) -> None:
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise SourceError(f"{what}: columns {missing} are missing. It has {', '.join(rows.columns)}. Name them so")


def _refuse(rows: pl.DataFrame, bad: pl.Series, what: str, name: str, why: str) -> None:
    wrong = bad.arg_true()
    if len(wrong):
        first = int(wrong[0])
        more = f" (and {len(wrong) - 1} more rows)" if len(wrong) > 1 else ""
        raise SourceError(f"{what}: row {first + 1}: {name} {rows[name][first]!r} {why}{more}")
