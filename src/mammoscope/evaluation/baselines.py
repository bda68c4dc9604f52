"""What trivial predictors reach on the same rows: the least a model has to beat."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from mammoscope.evaluation.measures import Measured, auc_difference, estimates, measure
from mammoscope.evaluation.ranking import counted, ranked, roc_auc
from mammoscope.evaluation.samples import sample_of, unit_rows
from mammoscope.evaluation.settings import FIXED, Settings, threshold_on
from mammoscope.evaluation.values import PROBABILITY_METRICS, Baseline, BaselineUnit, Threshold, Unit
from mammoscope.vocabulary import Part

NUMBERS = ("age_years",)
CATEGORIES = ("view", "laterality", "implant", "machine_id", "site_id")
METADATA_COLUMNS = (*NUMBERS, *CATEGORIES)
"""What the metadata-only baseline may look at: nothing a radiologist filled in, nothing from the pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guess:
    """Scores of a trivial predictor for every tune and test image.

    Attributes:
        rows: The predictions' rows with `score` replaced.
        used: Columns it looked at.
        dropped: Column to the reason why it was left out.
        probability: Whether the score is a probability, so that metrics of probabilities mean something.
        threshold: Where it is fixed beforehand; None to choose it on the tune part like the model's.
    """

    rows: pl.DataFrame
    used: tuple[str, ...] = ()
    dropped: dict[str, str]
    probability: bool = False
    threshold: float | None = None


Guesser = Callable[[pl.DataFrame, pl.DataFrame], Guess | str]


def baselines(
    predictions: pl.DataFrame, *, cohort: pl.DataFrame | None, models: dict[Unit, Measured], settings: Settings
) -> tuple[Baseline[BaselineUnit], ...]:
    """Measure each trivial predictor at each unit, and the model's lead over it.

    Args:
        predictions: The model's checked predictions.
        cohort: The cohort table, with the train part; without it only the majority class can be guessed.
        models: The model's own measurements on the test part.
        settings: Those of the model.

    Returns:
        Majority class, metadata only, mean intensity: in this order, each with its reason where it is not defined.
    """
    table = pl.DataFrame() if cohort is None else cohort
    return tuple(
        _baseline(name, what, guess(predictions, table), models=models, settings=settings)
        for name, what, guess in _GUESSERS
    )


def _baseline(
    name: str, what: str, guess: Guess | str, *, models: dict[Unit, Measured], settings: Settings
) -> Baseline[BaselineUnit]:
    if isinstance(guess, str):
        return Baseline(name=name, what=what, units={}, dropped={}, reason=guess)
    units = {unit: _at_unit(guess, unit=unit, model=model, settings=settings) for unit, model in models.items()}
    return Baseline(name=name, what=what, units=units, used=guess.used, dropped=guess.dropped)


def _at_unit(guess: Guess, *, unit: Unit, model: Measured, settings: Settings) -> BaselineUnit:
    rows = unit_rows(guess.rows, unit=unit, aggregation=settings.aggregation)
    tune, test = (sample_of(rows.filter(pl.col("part") == part.value)) for part in (Part.TUNE, Part.TEST))
    threshold = (
        threshold_on(tune, settings=settings)
        if guess.threshold is None
        else Threshold(value=guess.threshold, rule="fixed", chosen_on=FIXED)
    )
    measured = measure(
        test,
        threshold=threshold.value,
        targets=settings.targets,
        replicates=settings.replicates,
        seed=settings.seed,
        curves=False,
    )
    found = estimates(measured, confidence=settings.confidence)
    if not guess.probability:
        found = {name: estimate for name, estimate in found.items() if name not in PROBABILITY_METRICS}
    lead = auc_difference(model, measured, confidence=settings.confidence)
    return BaselineUnit(threshold=threshold, test=found, difference=lead)


def _majority(predictions: pl.DataFrame, cohort: pl.DataFrame) -> Guess | str:
    train = _train_rows(cohort)
    known = predictions.filter(pl.col("part") == Part.TUNE.value)["label"] if train is None else train["malignant"]
    if known.is_empty():
        return "neither the cohort table has train labels nor the predictions a tune part"
    share = float(known.cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type]
    rows = predictions.with_columns(pl.lit(1.0 if share > 0.5 else 0.0).alias("score"))
    return Guess(rows=rows, dropped={}, threshold=0.5)


def _intensity(predictions: pl.DataFrame, cohort: pl.DataFrame) -> Guess | str:
    if "mean_intensity" not in cohort.columns:
        return "the cohort table has no mean_intensity. Prepare the images, then evaluate again"
    rows = joined(predictions, cohort, ["mean_intensity"])
    unknown = rows["mean_intensity"].is_null().sum()
    if unknown:
        return f"mean_intensity is unknown for {unknown} of {rows.height} images"
    rows = rows.with_columns(pl.col("mean_intensity").cast(pl.Float64).alias("score"))
    tune = sample_of(rows.filter(pl.col("part") == Part.TUNE.value))
    if tune.single_class:
        return "the tune part has a single class: it cannot say whether brighter means more suspicious"
    auc = roc_auc(counted(ranked(tune), weights=np.ones((tune.patient_count, 1))))[0]
    direction = 1.0 if auc >= 0.5 else -1.0
    return Guess(rows=rows.with_columns(pl.col("score") * direction), used=("mean_intensity",), dropped={})


def _metadata(predictions: pl.DataFrame, cohort: pl.DataFrame) -> Guess | str:
    train = _train_rows(cohort)
    if train is None or train["malignant"].n_unique() < 2:
        return "the cohort table has no train part with both classes to fit it on"
    rows = joined(predictions, cohort, ["malignant", *(name for name in METADATA_COLUMNS if name in cohort.columns)])
    if (rows["malignant"].cast(pl.Int8) != rows["label"].cast(pl.Int8)).any():
        return "the label of the predictions is not the cohort's `malignant`, which it would be fitted on"
    found = metadata_scores(train, rows=rows)
    if isinstance(found, str):
        return found
    scores, used, dropped = found
    return Guess(rows=rows.with_columns(pl.Series("score", scores)), used=used, dropped=dropped, probability=True)


def metadata_scores(
    train: pl.DataFrame, *, rows: pl.DataFrame
) -> tuple[Float[np.ndarray, " rows"], tuple[str, ...], dict[str, str]] | str:
    """Logistic regression on what is known without the pixels.

    Args:
        train: Labelled images with `malignant` and some of `METADATA_COLUMNS`, both classes among them.
        rows: Images to score.

    Returns:
        A probability for each row, the columns looked at, and each other column with the reason why it was left
        out; or why there is none of it.
    """
    dropped = {name: why for name in METADATA_COLUMNS if (why := useless(train, name))}
    used = tuple(name for name in METADATA_COLUMNS if name not in dropped)
    if not used:
        return f"no metadata column varies in the train part ({'; '.join(f'{k}: {v}' for k, v in dropped.items())})"
    pipeline = metadata_pipeline([n for n in used if n in NUMBERS], [n for n in used if n in CATEGORIES])
    pipeline.fit(metadata_features(train, used), train["malignant"].to_numpy())
    return pipeline.predict_proba(metadata_features(rows, used))[:, 1], used, dropped


_GUESSERS: tuple[tuple[str, str, Guesser], ...] = (
    ("majority class", "the class most train images have, for every image", _majority),
    ("metadata only", "logistic regression on what is known without the pixels, fitted on the train part", _metadata),
    ("mean intensity", "mean intensity of the prepared image; the tune part says which direction", _intensity),
)


def metadata_pipeline(numbers: list[str], categories: list[str]) -> Any:
    """Median or mode for what is missing, with a flag that it was; everything fitted on the train part."""
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415 - heavy, and only this baseline needs it
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: PLC0415

    number = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    category = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    shape = ColumnTransformer(
        [
            ("numbers", number, list(range(len(numbers)))),
            ("categories", category, list(range(len(numbers), len(numbers) + len(categories)))),
        ]
    )
    return make_pipeline(shape, LogisticRegression(max_iter=1000))


def metadata_features(rows: pl.DataFrame, used: tuple[str, ...]) -> np.ndarray:
    """Objects, numbers first, NaN for unknown: the form in which SimpleImputer takes both kinds."""
    columns = [rows[name].cast(pl.Float64 if name in NUMBERS else pl.String).to_list() for name in used]
    table = np.empty((rows.height, len(used)), dtype=object)
    for position, column in enumerate(columns):
        table[:, position] = [np.nan if value is None else value for value in column]
    return table


def useless(train: pl.DataFrame, name: str) -> str | None:
    """Why a column says nothing in the train part; None where it does."""
    if name not in train.columns:
        return "not in the cohort table"
    known = train[name].drop_nulls()
    if known.is_empty():
        return "missing in every train image"
    return "the same in every train image" if known.n_unique() == 1 else None


def _train_rows(cohort: pl.DataFrame) -> pl.DataFrame | None:
    if not {"part", "malignant"} <= set(cohort.columns):
        return None
    rows = cohort.filter(pl.col("part") == Part.TRAIN.value).drop_nulls("malignant")
    return None if rows.is_empty() else rows


def joined(predictions: pl.DataFrame, cohort: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The predictions with columns of the cohort table in place of their own."""
    keys = [name for name in ("source", "image_id") if name in predictions.columns and name in cohort.columns]
    kept = predictions.drop([name for name in columns if name in predictions.columns])
    facts = cohort.select(*keys, *columns).unique(subset=keys, keep="first", maintain_order=True)
    return kept.join(facts, on=keys, how="left", maintain_order="left")


def scores_are_constant(scores: Float[np.ndarray, " rows"]) -> bool:
    """Whether a score says nothing: the same for every row."""
    return len(scores) > 1 and bool(np.all(scores == scores[0]))
