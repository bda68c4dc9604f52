"""Several models on the same test patients: ranked by AUC, and told apart only where a paired test can."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.delong import delong_difference
from mammoscope.evaluation.gaps import holm
from mammoscope.evaluation.intervals import IntervalMethod, auc_interval
from mammoscope.evaluation.own_table import read_own_table
from mammoscope.evaluation.protocol import read_table
from mammoscope.evaluation.sample_size import small_sample
from mammoscope.evaluation.samples import Sample, checked, sample_of, unit_rows
from mammoscope.evaluation.values import AGGREGATION, UNITS, Aggregation, Estimate, Unit
from mammoscope.vocabulary import Part

NAMED = 3  # patients named in a refusal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """One model's predictions.

    Attributes:
        name: What it is called on the board.
        rows: Its test rows, checked.
        headline: The unit its run quotes first; None where nothing says so.
    """

    name: str
    rows: pl.DataFrame
    headline: Unit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One line of the board.

    Attributes:
        place: From 1; equal AUCs share a place.
        name: Of the contender.
        auc: With its interval over patients.
        behind: AUC of the best minus this one, with its paired interval; None for the best.
        p_value: That the two are equally good, paired clustered DeLong; None for the best, or where not defined.
        p_adjusted: The same after Holm's correction for the number of comparisons with the best.
        distinguishable: Whether the best is shown to be better; None for the best, or where not defined.
    """

    place: int
    name: str
    auc: Estimate
    behind: Estimate | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    distinguishable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Contenders in the order of their AUC.

    Attributes:
        unit: What a row stands for.
        aggregation: How images were put together to it, in words.
        n: Rows, the same of every contender.
        positives: Positive rows.
        patients: Patients.
        confidence: Level of the intervals.
        alpha: Level of the tests, over all of them together.
        standings: The best first.
        not_distinguishable: Names of the best and of all that are not shown to be worse.
        notes: What a reader must know.
    """

    unit: Unit
    aggregation: str
    n: int
    positives: int
    patients: int
    confidence: float
    alpha: float
    standings: tuple[Standing, ...]
    not_distinguishable: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def read_contender(path: Path, *, name: str | None = None) -> Contender:
    """Read the test rows of a run folder, or of a table of predictions (CSV or Parquet).

    Args:
        path: A run folder with `predictions.parquet`, or a file with our column names.
        name: What to call it; None: the folder's or the file's own name.

    Returns:
        The contender.

    Raises:
        SourceError: There is nothing to read, or the rows cannot be evaluated.
    """
    if path.is_dir():
        table, called, headline = read_table(path / "predictions.parquet"), path.resolve().name, _headline(path)
    elif path.is_file():
        table, called, headline = read_own_table(path).rows, path.stem, None
    else:
        raise SourceError(f"{path.name}: no such run folder or file")
    try:
        rows = checked(table).filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    except SourceError as error:
        raise SourceError(f"{path.name}: {error}") from error
    return Contender(name=name or called, rows=rows, headline=headline)


def leaderboard(
    contenders: Sequence[Contender],
    *,
    unit: Unit | None = None,
    aggregation: Aggregation = AGGREGATION,
    interval: IntervalMethod = "delong-logit",
    replicates: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    alpha: float = 0.05,
) -> Leaderboard:
    """Rank models by ROC AUC on the same test patients, and say which the best is not shown to beat.

    The best is tested against each other by the paired clustered DeLong test, p values corrected by Holm.

    Args:
        contenders: Two or more.
        unit: What a row shall stand for; None: the unit their runs quote first, `image` where none does.
        aggregation: How images are put together to larger units; the same for all.
        interval: How the interval of each AUC is made.
        replicates: Of a bootstrap interval.
        seed: Of the replicates.
        confidence: Level of the intervals.
        alpha: Chance of any false `distinguishable`, in (0, 1).

    Returns:
        The board.

    Raises:
        SourceError: Fewer than two, two of one name, or test patients, images or labels that differ; the text says
            how many and which.
        RecipeError: A setting is not allowed.

    Source:
        Obuchowski, Biometrics 53 (1997) 567; Holm, Scand. J. Statistics 6 (1979) 65.

    Example:
        >>> rows = pl.DataFrame({"part": "test", "patient_id": [str(n) for n in range(40)],
        ...     "image_id": [str(n) for n in range(40)], "label": [n % 2 for n in range(40)]})
        >>> good, poor = (rows.with_columns(pl.Series("score", [
        ...     (n % 2 * gain + n % 7) / 10 for n in range(40)])) for gain in (3, 1))
        >>> board = leaderboard([Contender(name="poor", rows=poor), Contender(name="good", rows=good)], replicates=50)
        >>> [(line.place, line.name, line.distinguishable) for line in board.standings]
        [(1, 'good', None), (2, 'poor', True)]
    """
    if not 0.0 < alpha < 1.0:
        raise RecipeError(f"alpha must be between 0 and 1, got {alpha}. 0.05 is usual")
    _refuse(contenders)
    at = unit or _common_unit(contenders)
    tables = {one.name: unit_rows(one.rows, unit=at, aggregation=aggregation) for one in contenders}
    for other in contenders[1:]:
        _refuse_other_rows(contenders[0].name, other.name, tables=tables, unit=at)
    samples = {name: sample_of(table) for name, table in tables.items()}
    aucs = {
        name: auc_interval(sample, method=interval, replicates=replicates, seed=seed, confidence=confidence)
        for name, sample in samples.items()
    }
    first = next(iter(samples.values()))
    if first.single_class:
        raise SourceError(
            f"leaderboard: the test part per {at} has a single class ({first.positives} positive of "
            f"{len(first.labels)}): AUC is not defined"
        )
    order = sorted(samples, key=lambda name: (-(aucs[name].value or 0.0), name))
    standings = _tested(order, samples, aucs, confidence=confidence, alpha=alpha)
    return Leaderboard(
        unit=at,
        aggregation=aggregation.words(at),
        n=len(first.labels),
        positives=first.positives,
        patients=first.patient_count,
        confidence=confidence,
        alpha=alpha,
        standings=standings,
        not_distinguishable=tuple(line.name for line in standings if not line.distinguishable),
        notes=tuple(_notes(standings, first)),
    )


def _tested(
    order: list[str], samples: dict[str, Sample], aucs: dict[str, Estimate], *, confidence: float, alpha: float
) -> tuple[Standing, ...]:
    best, others = order[0], order[1:]
    tests = {name: delong_difference(samples[best], samples[name], confidence=confidence) for name in others}
    known = [name for name in others if tests[name].p_value is not None]
    raw = np.array([tests[name].p_value for name in known], dtype=np.float64)
    adjusted = dict(zip(known, holm(raw).tolist(), strict=True))
    values = [aucs[name].value for name in order]
    beside = (
        Standing(
            place=values.index(aucs[name].value) + 1,
            name=name,
            auc=aucs[name],
            behind=tests[name].difference,
            p_value=tests[name].p_value,
            p_adjusted=adjusted.get(name),
            distinguishable=adjusted[name] < alpha if name in adjusted else None,
        )
        for name in others
    )
    return (Standing(place=1, name=best, auc=aucs[best]), *beside)


def _notes(standings: tuple[Standing, ...], sample: Sample) -> list[str]:
    tests = len(standings) - 1
    found = [
        f"{tests} comparison{'s' if tests > 1 else ''} with the best, p values corrected by Holm",
        "the AUC of the best of several on one test part is optimistic: it was chosen there",
        "not distinguishable is not the same as equally good: state a margin to show that",
    ]
    few = small_sample(sample)
    found += [few] if few else []
    found += [
        f"{line.name}: not compared with the best ({line.behind.reason})"
        for line in standings
        if line.behind is not None and line.p_value is None
    ]
    return found


def _refuse(contenders: Sequence[Contender]) -> None:
    if len(contenders) < 2:
        raise SourceError(f"leaderboard: {len(contenders)} contender given, at least 2 are needed")
    names = [one.name for one in contenders]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise SourceError(f"leaderboard: two contenders are called {', '.join(twice)}. Name their folders differently")


KEYS: dict[Unit, str] = {"image": "image_id", "breast": "breast_id", "exam": "exam_id", "patient": "patient_id"}


def _refuse_other_rows(first: str, other: str, *, tables: Mapping[str, pl.DataFrame], unit: Unit) -> None:
    """Same patients, same units, same labels; the first of these that differs is told.

    Per breast, exam or patient, models may have read other pictures of it: CC views alone, or crops of its lesions.
    """
    both = f"leaderboard: {first} and {other}"
    shared = [name for name in ("source",) if all(name in tables[one].columns for one in (first, other))]
    key = KEYS[unit]
    columns = list(dict.fromkeys((*shared, "patient_id", key)))
    told = [
        tables[one].select(*(pl.col(name).cast(pl.String) for name in columns), pl.col("label").cast(pl.Int64))
        for one in (first, other)
    ]
    words = {"image": "images", "breast": "breasts", "exam": "exams", "patient": "patients"}[unit]
    for what, keys in (("patients", [*shared, "patient_id"]), (words, [*shared, key])):
        sets = [table.select(keys).unique() for table in told]
        only = [one.join(two, on=keys, how="anti").sort(keys) for one, two in (sets, sets[::-1])]
        if only[0].height or only[1].height:
            raise SourceError(
                f"{both} were tested on other {what}: {_which(only[0], keys[-1])} only by the first, "
                f"{_which(only[1], keys[-1])} only by the second, {sets[0].height - only[0].height} by both. "
                "Rank only what was tested alike: the same [select], [split] and seed"
            )
    keys = [*shared, key]
    joined = told[0].join(told[1], on=keys, suffix="_other")
    for name, said in (("label", "labels"), ("patient_id", "patients")):
        if name in keys:
            continue
        wrong = joined.filter(pl.col(name) != pl.col(f"{name}_other")).sort(keys)
        if wrong.height:
            raise SourceError(
                f"{both} have other {said} for the same {words}: {_which(wrong, key)}. Predict from the same index"
            )


def _which(rows: pl.DataFrame, column: str) -> str:
    if not rows.height:
        return "0"
    named = ", ".join(str(value) for value in rows[column].head(NAMED).to_list())
    return f"{rows.height} ({named}{' ...' if rows.height > NAMED else ''})"


def _common_unit(contenders: Sequence[Contender]) -> Unit:
    known = {one.name: one.headline for one in contenders if one.headline is not None}
    if len(set(known.values())) > 1:
        said = ", ".join(f"{name} per {headline}" for name, headline in known.items())
        raise SourceError(f"leaderboard: the runs quote other units first ({said}). Choose one unit for all")
    return next(iter(known.values()), "image")


def _headline(run: Path) -> Unit | None:
    """As `metrics.json` says; damaged or missing metrics are no reason not to rank."""
    try:
        found = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    named = found.get("headline") if isinstance(found, dict) else None
    return next((unit for unit in UNITS if unit == named), None)
