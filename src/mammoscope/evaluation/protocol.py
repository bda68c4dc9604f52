"""From a table of predictions to every number of a run: threshold on tune, results on test, baselines beside them."""

import json
import logging
from pathlib import Path

import polars as pl

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.baselines import baselines, scores_are_constant
from mammoscope.evaluation.calibration_values import Method
from mammoscope.evaluation.decisions import confusion
from mammoscope.evaluation.measures import Measured, estimates, measure
from mammoscope.evaluation.probabilities import probabilities
from mammoscope.evaluation.samples import Sample, checked, refuse_leak, sample_of, unit_rows
from mammoscope.evaluation.settings import FIXED, Settings, threshold_on
from mammoscope.evaluation.values import (
    AGGREGATION,
    TARGETS,
    UNITS,
    Aggregation,
    Evaluation,
    Rule,
    Targets,
    Threshold,
    Unit,
    UnitResult,
)
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

FEW = 10  # positives below which an interval is not to be trusted

_log = logging.getLogger(__name__)


def evaluate(
    predictions: pl.DataFrame,
    *,
    cohort: pl.DataFrame | None = None,
    headline: Unit = "image",
    rule: Rule = "youden",
    at_least: float | None = None,
    at_most: float | None = None,
    miss_cost: float | None = None,
    calibration: Method = "none",
    threshold: float | None = None,
    targets: Targets = TARGETS,
    aggregation: Aggregation = AGGREGATION,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Measure predictions on the test part, per image, breast, exam and patient, with intervals over patients.

    The threshold is chosen on the tune part, for each unit at that unit. Nothing is chosen on the test part: without
    tune rows there is no threshold, unless one is stated that was fixed beforehand.

    Args:
        predictions: One row an image: `part`, `label` (0 or 1), `score` in [0, 1], `patient_id`, `image_id`; `source`
            where several data sets are merged, `breast_id` and `exam_id` for the units that need them.
        cohort: The cohort table, train part included, for the baselines.
        headline: The unit whose AUC is quoted first.
        rule: How the threshold is chosen; see `choose_threshold`.
        at_least: The bound of `sensitivity` and `specificity`.
        at_most: The bound of `recall_rate`.
        miss_cost: How many false recalls are as bad as one miss, for `cost`.
        calibration: How scores are turned into probabilities, fitted on the tune part, for each unit at that unit.
        threshold: Fixed beforehand, on other data; used at every unit in place of `rule`.
        targets: What the metrics that take a number are asked for.
        aggregation: What one row is, and how rows are put together to breasts, exams and patients.
        replicates: Bootstrap replicates.
        confidence: Level of the intervals.
        seed: Of the replicates; the same seed gives the same intervals to the bit.

    Returns:
        Every number with its interval, n, positives and patients, and what to know before quoting it.

    Raises:
        SourceError: The table cannot be evaluated, or a patient is in several parts; the text names the rows.
        RecipeError: A setting is not allowed.

    Source:
        Field and Welsh, J. R. Stat. Soc. B 69 (2007), for the cluster bootstrap; `docs/explain/intervals.md`.

    Example:
        >>> table = pl.DataFrame({
        ...     "part": ["tune", "tune", "test", "test", "test"], "label": [0, 1, 0, 1, 1],
        ...     "score": [0.2, 0.6, 0.3, 0.7, 0.1], "patient_id": list("abcde"), "image_id": list("12345")})
        >>> found = evaluate(table, replicates=100)
        >>> found.units["image"].test["auc"].value, found.units["image"].threshold.value
        (0.5, 0.6)
    """
    settings = Settings(
        rule=rule,
        at_least=at_least,
        at_most=at_most,
        miss_cost=miss_cost,
        calibration=calibration,
        threshold=threshold,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        targets=targets,
        aggregation=aggregation,
    )
    if headline not in UNITS:
        raise RecipeError(f"headline {headline!r} is not one of {', '.join(UNITS)}")
    rows = checked(predictions)
    if cohort is not None and {"part", "patient_id"} <= set(cohort.columns):
        refuse_leak(_places(rows, cohort))
    rows = rows.filter(pl.col("part").cast(pl.String) != Part.TRAIN.value).with_columns(pl.col("part").cast(pl.String))
    units: dict[Unit, UnitResult] = {}
    unavailable: dict[Unit, str] = {}
    models: dict[Unit, Measured] = {}
    for unit in UNITS:
        try:
            models[unit], units[unit] = _unit_result(rows, unit=unit, settings=settings)
        except SourceError as error:
            unavailable[unit] = str(error)
    if headline not in units:
        raise SourceError(f"{unavailable[headline]}. Choose another headline")
    beside = baselines(rows, cohort=cohort, models=models, settings=settings)
    return Evaluation(
        headline=headline,
        rule=rule if threshold is None else "fixed",
        at_least=at_least,
        at_most=at_most,
        miss_cost=miss_cost,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        targets=targets,
        aggregation=aggregation,
        units=units,
        unavailable=unavailable,
        baselines=beside,
        warnings=tuple(_warnings(rows, units=units, headline=headline)),
    )


def evaluate_run(
    run: Path,
    *,
    headline: Unit = "image",
    rule: Rule = "youden",
    at_least: float | None = None,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Evaluate the predictions of a run folder and write its `metrics.json`.

    Args:
        run: The run folder; `predictions.parquet` and, for the baselines, `cohort.parquet` are read.
        headline: As in `evaluate`.
        rule: As in `evaluate`.
        at_least: As in `evaluate`.
        replicates: As in `evaluate`.
        confidence: As in `evaluate`.
        seed: As in `evaluate`.

    Returns:
        The evaluation.

    Raises:
        SourceError: The run has no readable predictions, or they cannot be evaluated.
        RecipeError: A setting is not allowed.
        StorageError: `metrics.json` could not be written.
    """
    cohort = run / "cohort.parquet"
    found = evaluate(
        read_table(run / "predictions.parquet"),
        cohort=read_table(cohort) if cohort.is_file() else None,
        headline=headline,
        rule=rule,
        at_least=at_least,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
    )
    write_text(run / "metrics.json", json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n")
    for warning in found.warnings:
        _log.warning("%s: %s", run.name, warning)
    return found


def read_table(path: Path) -> pl.DataFrame:
    """Read a Parquet table of a run folder.

    Raises:
        SourceError: There is no such file, or it is not Parquet.
    """
    if not path.is_file():
        raise SourceError(f"{path.name}: not in run folder {path.parent.name!r}. Train the run to its end")
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{path.name}: not a readable Parquet file ({reason}). Train the run again") from error


def _unit_result(rows: pl.DataFrame, *, unit: Unit, settings: Settings) -> tuple[Measured, UnitResult]:
    table = unit_rows(rows, unit=unit, aggregation=settings.aggregation)
    tune, test = (sample_of(table.filter(pl.col("part") == part.value)) for part in (Part.TUNE, Part.TEST))
    if not len(test.labels):
        raise SourceError(f"predictions: no test image has what a result per {unit} needs")
    threshold = (
        threshold_on(tune, settings=settings)
        if settings.threshold is None
        else Threshold(value=settings.threshold, rule="fixed", chosen_on=FIXED)
    )
    chances = probabilities(tune, test=test, threshold=threshold.value, settings=settings)
    return (
        found := _measured(test, threshold=threshold.value, settings=settings),
        UnitResult(
            unit=unit,
            aggregation=settings.aggregation.words(unit),
            threshold=threshold,
            test=estimates(found, confidence=settings.confidence),
            tune=estimates(
                _measured(tune, threshold=threshold.value, settings=settings, curves=False),
                confidence=settings.confidence,
            ),
            confusion=None if threshold.value is None else confusion(test, threshold=threshold.value),
            roc=found.roc,
            precision_recall=found.precision_recall,
            calibration=chances.calibration,
            decision_curve=chances.decision_curve,
            per_thousand=chances.per_thousand,
        ),
    )


def _measured(sample: Sample, *, threshold: float | None, settings: Settings, curves: bool = True) -> Measured:
    return measure(
        sample,
        threshold=threshold,
        targets=settings.targets,
        replicates=settings.replicates,
        seed=settings.seed,
        confidence=settings.confidence,
        curves=curves,
    )


def _places(rows: pl.DataFrame, cohort: pl.DataFrame) -> pl.DataFrame:
    """Where patients stand, by the predictions and by the cohort table together."""
    keys = [name for name in ("source", "patient_id") if name in rows.columns and name in cohort.columns]
    columns = [pl.col(name).cast(pl.String) for name in (*keys, "part")]
    return pl.concat([rows.select(columns), cohort.select(columns).drop_nulls("part")])


def _warnings(rows: pl.DataFrame, *, units: dict[Unit, UnitResult], headline: Unit) -> list[str]:
    found: list[str] = []
    test = rows.filter(pl.col("part") == Part.TEST.value)
    if scores_are_constant(test["score"].cast(pl.Float64).to_numpy()):
        found.append("every test image has the same score: the model tells nothing apart")
    if "breast_id" in rows.columns and (unknown := test["breast_id"].is_null().sum()):
        found.append(f"{unknown} of {test.height} test images have no breast_id: they count per image only")
    for unit, result in units.items():
        auc = result.test["auc"]
        where = f"test part, per {unit}"
        if auc.positives in {0, auc.n}:
            found.append(f"{where}: a single class ({auc.positives} positive of {auc.n}): AUC is not defined")
        elif min(auc.positives, auc.n - auc.positives) < FEW:
            found.append(
                f"{where}: {auc.positives} positive and {auc.n - auc.positives} negative; "
                f"with fewer than {FEW} of either the intervals are too narrow to be trusted"
            )
        if auc.undefined and auc.value is not None:
            found.append(
                f"{where}: {auc.undefined} of {auc.replicates} replicates held a single class and are left out"
            )
        if auc.value is not None and auc.low == auc.high:
            found.append(
                f"{where}: the interval of AUC has no width; the bootstrap cannot see beyond a perfect ranking"
            )
        found += [f"calibration per {unit}: {sentence}" for sentence in _of_calibration(result)]
        if result.threshold.reason:
            found.append(f"per {unit}: {result.threshold.reason}")
        elif (
            unit == headline
            and result.threshold.chosen_on != FIXED
            and min((e := result.tune["auc"]).positives, e.n - e.positives) < FEW
        ):
            found.append(f"the threshold per {unit} rests on {e.positives} positive of {e.n} tune rows: it is unstable")
    return found


def _of_calibration(result: UnitResult) -> list[str]:
    found = result.calibration
    if found is None or found.method == "none":
        return []
    return [*found.warnings, *([] if found.reason is None else [found.reason])]
