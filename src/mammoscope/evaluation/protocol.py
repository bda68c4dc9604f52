"""From a table of predictions to every number of a run: threshold on tune, results on test, baselines beside them."""

from pathlib import Path

import polars as pl

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.baselines import baselines, scores_are_constant
from mammoscope.evaluation.calibration_values import Method
from mammoscope.evaluation.decisions import confusion
from mammoscope.evaluation.measures import Measured, drawn_estimate, estimates, measure
from mammoscope.evaluation.probabilities import probabilities
from mammoscope.evaluation.sample_size import patients_for_width, small_sample
from mammoscope.evaluation.samples import Sample, checked, refuse_leak, sample_of, unit_rows
from mammoscope.evaluation.settings import FIXED, Settings, threshold_on
from mammoscope.evaluation.size_values import SampleSize
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
from mammoscope.vocabulary import Part

FEW = 10  # positives below which a threshold is not to be trusted


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
    calibration_bins: int = 10,
    coverage: float | None = None,
    wished_width: float | None = None,
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
        calibration_bins: Bins of the calibration curve and of the calibration errors.
        coverage: Share of women whose answers shall hold the truth, for answers that may be "refer"; see
            `fit_conformal`. None for no such answers.
        wished_width: Of the interval of AUC, end to end: says how many patients like these it takes.
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
        Obuchowski, Biometrics 53 (1997), for the interval of AUC; Field and Welsh, J. R. Stat. Soc. B 69 (2007), for
        the cluster bootstrap of all others; `docs/explain/intervals.md`.

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
        calibration_bins=calibration_bins,
        coverage=coverage,
        wished_width=wished_width,
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
        warnings=tuple(_warnings(rows, units=units, models=models, headline=headline)),
    )


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
            auc_intervals={"percentile": drawn_estimate(found, "auc", confidence=settings.confidence)},
            conformal=chances.conformal,
            needed=_needed(test, settings=settings),
        ),
    )


def _needed(test: Sample, *, settings: Settings) -> SampleSize | None:
    if settings.wished_width is None:
        return None
    return patients_for_width(test, width=settings.wished_width, confidence=settings.confidence)


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


def _warnings(
    rows: pl.DataFrame, *, units: dict[Unit, UnitResult], models: dict[Unit, Measured], headline: Unit
) -> list[str]:
    found: list[str] = []
    test = rows.filter(pl.col("part") == Part.TEST.value)
    if scores_are_constant(test["score"].cast(pl.Float64).to_numpy()):
        found.append("every test image has the same score: the model tells nothing apart")
    if "breast_id" in rows.columns and (unknown := test["breast_id"].is_null().sum()):
        found.append(f"{unknown} of {test.height} test images have no breast_id: they count per image only")
    for unit, result in units.items():
        auc, drawn = result.test["auc"], result.auc_intervals["percentile"]
        where = f"test part, per {unit}"
        if auc.positives in {0, auc.n}:
            found.append(f"{where}: a single class ({auc.positives} positive of {auc.n}): AUC is not defined")
        elif few := small_sample(models[unit].sample):
            found.append(f"{where}: {few}")
        if drawn.undefined and auc.value is not None:
            found.append(
                f"{where}: {drawn.undefined} of {drawn.replicates} replicates held a single class and are left out"
            )
        if auc.value is not None and auc.low is None:
            found.append(f"{where}: AUC has no interval ({auc.reason})")
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
