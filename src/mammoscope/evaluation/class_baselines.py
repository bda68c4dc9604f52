"""What trivial predictors of several classes reach on the same rows: the least a model has to beat."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from mammoscope.evaluation.baselines import (
    CATEGORIES,
    METADATA_COLUMNS,
    NUMBERS,
    joined,
    metadata_features,
    metadata_pipeline,
    useless,
)
from mammoscope.evaluation.class_measures import MeasuredClasses, measure_classes
from mammoscope.evaluation.class_samples import class_sample
from mammoscope.evaluation.comparison import measured_estimate, metric_difference
from mammoscope.evaluation.task_values import ClassBaselineUnit
from mammoscope.evaluation.values import Baseline, Unit
from mammoscope.vocabulary import Part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassGuess:
    """Scores of a trivial predictor for every row.

    Attributes:
        scores: One column a class; each row sums to 1.
        used: Columns it looked at.
        dropped: Column to the reason why it was left out.
    """

    scores: Float[np.ndarray, "rows classes"]
    used: tuple[str, ...] = ()
    dropped: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """What the guessers look at: the rows to score, the train rows with their labels, the classes."""

    rows: pl.DataFrame
    cohort: pl.DataFrame
    train: pl.DataFrame | None
    task: str
    classes: tuple[str, ...]


Guesser = Callable[[_Table], ClassGuess | str]


def class_baselines(
    predictions: pl.DataFrame,
    *,
    cohort: pl.DataFrame | None,
    models: Mapping[Unit, MeasuredClasses],
    units: Mapping[Unit, Unit],
    task: str,
    classes: Sequence[str],
    how: Mapping[str, Any],
) -> tuple[Baseline[ClassBaselineUnit], ...]:
    """Measure each trivial predictor at each unit, and the model's lead over it.

    Args:
        predictions: The model's tune and test rows.
        cohort: The cohort table with the train part and a column named like the task; without it only the majority
            class of the tune part can be guessed.
        models: The model's own measurements on the test part, by unit.
        units: Unit to how `class_sample` calls it: a row by itself is its `image`.
        task: Name of the label.
        classes: In their order.
        how: replicates, seed, confidence: those of the model.

    Returns:
        Majority class, metadata only, mean intensity: in this order, each with its reason where it is not defined.
    """
    table = pl.DataFrame() if cohort is None else cohort
    about = _Table(
        rows=predictions, cohort=table, train=_train_rows(table, task, classes), task=task, classes=tuple(classes)
    )
    return tuple(_baseline(name, what, guess(about), about, models, units, how) for name, what, guess in _GUESSERS)


def _baseline(
    name: str,
    what: str,
    guess: ClassGuess | str,
    about: _Table,
    models: Mapping[Unit, MeasuredClasses],
    units: Mapping[Unit, Unit],
    how: Mapping[str, Any],
) -> Baseline[ClassBaselineUnit]:
    if isinstance(guess, str):
        return Baseline(name=name, what=what, units={}, dropped={}, reason=guess)
    scored = [pl.Series(f"score_{one}", guess.scores[:, at]) for at, one in enumerate(about.classes)]
    rows = about.rows.drop("prediction", strict=False).with_columns(scored)
    found: dict[Unit, ClassBaselineUnit] = {}
    for unit, model in models.items():
        measured = measure_classes(
            class_sample(rows, classes=about.classes, unit=units[unit]), replicates=how["replicates"], seed=how["seed"]
        )
        level = how["confidence"]
        found[unit] = ClassBaselineUnit(
            test={key: measured_estimate(measured, key, confidence=level) for key in measured.values},
            differences={key: metric_difference(model, measured, metric=key, confidence=level) for key in model.values},
        )
    return Baseline(name=name, what=what, units=found, used=guess.used, dropped=dict(guess.dropped))


def _majority(about: _Table) -> ClassGuess | str:
    known = about.rows.filter(pl.col("part") == Part.TUNE.value)["label"]
    if about.train is not None:
        known = about.train[about.task]
    if known.is_empty():
        return f"neither the cohort table has train labels of {about.task} nor the predictions a tune part"
    counts = [int((known.cast(pl.String) == name).sum()) for name in about.classes]
    scores = np.zeros((about.rows.height, len(about.classes)))
    scores[:, int(np.argmax(counts))] = 1.0
    return ClassGuess(scores=scores, dropped={})


def _metadata(about: _Table) -> ClassGuess | str:
    train = about.train
    if train is None or train[about.task].n_unique() < 2:
        return "the cohort table has no train part with two classes to fit it on"
    dropped = {name: why for name in METADATA_COLUMNS if (why := useless(train, name))}
    used = tuple(name for name in METADATA_COLUMNS if name not in dropped)
    if not used:
        return f"no metadata column varies in the train part ({'; '.join(f'{k}: {v}' for k, v in dropped.items())})"
    rows = joined(about.rows, about.cohort, list(used))
    pipeline = metadata_pipeline([n for n in used if n in NUMBERS], [n for n in used if n in CATEGORIES])
    pipeline.fit(metadata_features(train, used), train[about.task].to_numpy())
    scores = _in_order(
        pipeline.predict_proba(metadata_features(rows, used)),
        names=[str(name) for name in pipeline.classes_],
        classes=about.classes,
    )
    return ClassGuess(scores=scores, used=used, dropped=dropped)


def _intensity(about: _Table) -> ClassGuess | str:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy, and only this baseline needs it

    if "mean_intensity" not in about.cohort.columns:
        return "the cohort table has no mean_intensity. Prepare the images, then evaluate again"
    known = None if about.train is None else about.train.drop_nulls("mean_intensity")
    if known is None or known[about.task].n_unique() < 2:
        return "the cohort table has no train part with two classes and a mean_intensity to fit it on"
    rows = joined(about.rows, about.cohort, ["mean_intensity"])
    if unknown := rows["mean_intensity"].is_null().sum():
        return f"mean_intensity is unknown for {unknown} of {rows.height} rows"
    fitted, asked = (table["mean_intensity"].cast(pl.Float64).to_numpy() for table in (known, rows))
    centre, spread = fitted.mean(), fitted.std() or 1.0
    powers = [np.column_stack([z := (values - centre) / spread, z**2]) for values in (fitted, asked)]
    model = LogisticRegression(max_iter=1000).fit(powers[0], known[about.task].to_numpy())
    scores = _in_order(
        model.predict_proba(powers[1]), names=[str(name) for name in model.classes_], classes=about.classes
    )
    return ClassGuess(scores=scores, used=("mean_intensity",), dropped={})


_FITTED = "multinomial logistic regression, fitted on the train part, on"
_GUESSERS: tuple[tuple[str, str, Guesser], ...] = (
    ("majority class", "the class most train images have, for every row", _majority),
    ("metadata only", f"{_FITTED} what is known without the pixels", _metadata),
    ("mean intensity", f"{_FITTED} the mean intensity of the prepared image and its square", _intensity),
)


def _in_order(
    scores: Float[np.ndarray, "rows fitted"], *, names: Sequence[str], classes: Sequence[str]
) -> Float[np.ndarray, "rows classes"]:
    """Columns in the order of the classes; 0 for a class that the train part does not have."""
    place = {name: at for at, name in enumerate(names)}
    columns = [scores[:, place[name]] if name in place else np.zeros(len(scores)) for name in classes]
    whole: Float[np.ndarray, "rows classes"] = np.clip(np.column_stack(columns), 0.0, 1.0)
    return whole


def _train_rows(cohort: pl.DataFrame, task: str, classes: Sequence[str]) -> pl.DataFrame | None:
    if not {"part", task} <= set(cohort.columns):
        return None
    rows = cohort.filter(pl.col("part").cast(pl.String) == Part.TRAIN.value).with_columns(pl.col(task).cast(pl.String))
    rows = rows.filter(pl.col(task).is_in(list(classes)))
    return None if rows.is_empty() else rows
