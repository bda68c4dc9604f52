"""The same metrics in every subgroup: density, age, view, lesion, machine ...; the worst, and whether it differs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float
from scipy import sparse

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.decisions import cells, share
from mammoscope.evaluation.delong import delong_interval
from mammoscope.evaluation.factors import FACTORS, Factor, category_names, groups_of, how_divided
from mammoscope.evaluation.gaps import gap_p_value, holm
from mammoscope.evaluation.ranking import Ranking, counted, ranked, roc_auc
from mammoscope.evaluation.resampling import patient_draws, percentile_interval
from mammoscope.evaluation.samples import Sample, checked, sample_of, unit_rows
from mammoscope.evaluation.subgroup_values import Divides, FactorResult, Gap, Group, SubgroupMetric, Subgroups
from mammoscope.evaluation.values import Estimate, Unit
from mammoscope.vocabulary import Part

FEW = 10  # patients of a class below which a bootstrap interval is too narrow to be shown
METRICS: tuple[SubgroupMetric, ...] = ("auc", "sensitivity", "specificity")
Values = Float[np.ndarray, "metrics columns"]


def subgroups(
    predictions: pl.DataFrame,
    *,
    cohort: pl.DataFrame | None = None,
    threshold: float | None = None,
    unit: Unit = "image",
    factors: Sequence[Factor] = FACTORS,
    few: int = FEW,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Subgroups:
    """Measure the test part in the groups of each factor, and test whether they differ.

    All groups are resampled together: one draw of the patients gives every group's value, so differences between
    groups that share patients are paired. A group with fewer than `few` patients of a class gets no number.

    Args:
        predictions: As `evaluate` takes it.
        cohort: Where columns that the predictions lack are looked up, by `source` and `image_id`.
        threshold: The one chosen on the tune part; without it there is no sensitivity and no specificity.
        unit: What one row is; a breast, exam or patient whose images differ in a factor counts as unknown there.
        factors: What to look for.
        few: Patients with a positive (negative) row that a number needs at least.
        replicates: Of the bootstrap over patients.
        confidence: Level of the intervals; 1 - confidence is the level of the tests.
        seed: Of the replicates.

    Returns:
        Groups, worst groups and tests by factor; factors without groups with the reason.

    Raises:
        SourceError: The predictions cannot be evaluated, or not by this unit.
        RecipeError: A setting is not allowed.

    Source:
        Field and Welsh, J. R. Stat. Soc. B 69 (2007), for the cluster bootstrap; `gap_p_value` and Holm (1979) for
        the tests.

    Example:
        >>> table = pl.DataFrame({
        ...     "part": ["test"] * 80, "label": [0, 1] * 40, "score": [0.2, 0.9] * 20 + [0.5, 0.5] * 20,
        ...     "patient_id": [str(n) for n in range(80)], "image_id": [str(n) for n in range(80)],
        ...     "density": ["A"] * 40 + ["D"] * 40})
        >>> found = subgroups(table, replicates=200).factors[0]
        >>> [(group.name, group.metrics["auc"].value) for group in found.groups], found.gaps["auc"].worst
        ([('A', 1.0), ('D', 0.5)], 'D')
    """
    if few < 2:
        raise RecipeError(f"few must be at least 2 patients, got {few}. 10 is usual")
    if replicates < 2 or not 0.0 < confidence < 1.0:
        raise RecipeError(
            f"replicates must be at least 2 and confidence between 0 and 1, got {replicates} and {confidence}"
        )
    test = checked(predictions).filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    rows = _with_facts(test, cohort=cohort, factors=factors, unit=unit)
    sample = sample_of(rows)
    plans, unavailable = _plans(rows, sample, factors=factors, threshold=threshold)
    found = _measured(plans, sample, replicates=replicates, seed=seed)
    settings = _Settings(few=few, replicates=replicates, confidence=confidence, with_calls=threshold is not None)
    results = [_result(plan, found, settings=settings) for plan in plans]
    corrected, tests = _corrected(results, level=1.0 - confidence)
    return Subgroups(
        unit=unit,
        threshold=threshold,
        few=few,
        factors=tuple(corrected),
        unavailable=unavailable,
        tests=tests,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        warnings=tuple(_warnings(corrected, few=few)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    few: int
    replicates: int
    confidence: float
    with_calls: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Selection:
    """Some rows of the sample, sorted once; its patients keep their numbers in the whole sample."""

    sample: Sample
    ranking: Ranking
    calls: Any  # sparse, 4 by patients

    @property
    def patients(self) -> int:
        return len(np.unique(self.sample.patients))

    def patients_with(self, *, positive: bool) -> int:
        return len(np.unique(self.sample.patients[self.sample.labels == positive]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    factor: Factor
    divides: Divides
    unknown: int
    names: list[str]
    first: int  # number of its first selection: each group, then each group's rest
    selections: list[_Selection]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """Value and replicates of every selection: metrics in the order of `METRICS`."""

    values: Float[np.ndarray, "selections metrics"]
    replicates: Float[np.ndarray, "selections metrics replicates"]


def _with_facts(
    test: pl.DataFrame, *, cohort: pl.DataFrame | None, factors: Sequence[Factor], unit: Unit
) -> pl.DataFrame:
    """One row a unit with label, score and every column that a factor looks at."""
    wanted = [factor.column for factor in factors]
    if cohort is not None and "image_id" in cohort.columns:
        image: list[str] = [n for n in ("source", "image_id") if n in test.columns and n in cohort.columns]
        more = [name for name in wanted if name in cohort.columns and name not in test.columns]
        if cohort.select(pl.struct(image).is_duplicated().any()).item():
            raise SourceError("cohort: an image stands twice. Give one row an image")
        test = test.join(cohort.select(*image, *more), on=image, how="left", maintain_order="left")
    table = unit_rows(test, unit=unit)
    if table.is_empty():
        raise SourceError(f"predictions: no test image has what a result per {unit} needs")
    keys: list[str] = [name for name in table.columns if name not in {"part", "label", "score"}]
    held = [name for name in dict.fromkeys(wanted) if name in test.columns and name not in keys]
    one = [
        pl.when(pl.col(name).n_unique() == 1).then(pl.col(name).first()).otherwise(None).alias(name) for name in held
    ]
    return table.join(test.group_by(keys).agg(one), on=keys, how="left", maintain_order="left")


def _plans(
    rows: pl.DataFrame, sample: Sample, *, factors: Sequence[Factor], threshold: float | None
) -> tuple[list[_Plan], dict[str, str]]:
    plans: list[_Plan] = []
    unavailable: dict[str, str] = {}
    positive = pl.Series(sample.labels)
    first = 0
    for factor in factors:
        if factor.column not in rows.columns:
            unavailable[factor.name] = f"the table has no column {factor.column}"
            continue
        group = groups_of(rows, factor)
        divides = how_divided(factor, group=group, positive=positive)
        divided = pl.Series(np.ones(rows.height, dtype=np.bool_)) if divides == "rows" else positive
        divided = ~divided if divides == "negatives" else divided
        there = group.filter(divided).drop_nulls().unique()
        names = [name for name in category_names(group) if name in set(there)]
        if len(names) < 2:
            unavailable[factor.name] = _why_not(names, divides)
            continue
        inside = {name: (group == name).fill_null(value=False).to_numpy() for name in names}
        chosen = [_chosen(sample, inside[name], divides) for name in names]
        rests = [_chosen(sample, np.any([inside[o] for o in names if o != name], axis=0), divides) for name in names]
        plans.append(
            _Plan(
                factor=factor,
                divides=divides,
                unknown=int(group.filter(divided).null_count()),
                names=names,
                first=first,
                selections=[_selection(sample, mask, threshold=threshold) for mask in (*chosen, *rests)],
            )
        )
        first += 2 * len(names)
    return plans, unavailable


def _why_not(names: list[str], divides: Divides) -> str:
    which = {"rows": "test row", "positives": "positive test row", "negatives": "negative test row"}[divides]
    return f"every {which} that says so is {names[0]!r}" if names else f"unknown for every {which}"


def _chosen(sample: Sample, inside: Bool[np.ndarray, " rows"], divides: Divides) -> Bool[np.ndarray, " rows"]:
    if divides == "rows":
        return inside
    return np.where(sample.labels == (divides == "positives"), inside, True)  # noqa: FBT003 all of the other class


def _selection(sample: Sample, mask: Bool[np.ndarray, " rows"], *, threshold: float | None) -> _Selection:
    part = Sample(
        labels=sample.labels[mask],
        scores=sample.scores[mask],
        patients=sample.patients[mask],
        patient_count=sample.patient_count,
    )
    called = np.zeros((4, part.patient_count)) if threshold is None else cells(part, threshold=threshold)
    return _Selection(sample=part, ranking=ranked(part), calls=sparse.csr_matrix(called))


def _values(selection: _Selection, weights: Float[np.ndarray, "patients columns"]) -> Values:
    tp, fp, fn, tn = selection.calls @ weights
    auc = roc_auc(counted(selection.ranking, weights=weights))
    return np.stack([auc, share(tp, tp + fn), share(tn, tn + fp)])


def _measured(plans: list[_Plan], sample: Sample, *, replicates: int, seed: int) -> _Found:
    """One pass over the draws of the patients serves all groups."""
    selections = [selection for plan in plans for selection in plan.selections]
    if not selections:
        return _Found(values=np.empty((0, len(METRICS))), replicates=np.empty((0, len(METRICS), replicates)))
    whole = np.ones((sample.patient_count, 1))
    blocks = [
        np.stack([_values(selection, weights) for selection in selections])
        for weights in patient_draws(sample.patient_count, replicates=replicates, seed=seed)
    ]
    values = np.stack([_values(selection, whole)[:, 0] for selection in selections])
    return _Found(values=values, replicates=np.concatenate(blocks, axis=2))


def _result(plan: _Plan, found: _Found, *, settings: _Settings) -> FactorResult:
    metrics = [
        metric
        for metric in METRICS
        if (metric == "auc" or settings.with_calls)
        and not (metric == "specificity" and plan.divides == "positives")
        and not (metric == "sensitivity" and plan.divides == "negatives")
    ]
    groups = tuple(_group(plan, at, found, metrics=metrics, settings=settings) for at in range(len(plan.names)))
    return FactorResult(
        name=plan.factor.name,
        says=plan.factor.says,
        divides=plan.divides,
        groups=groups,
        unknown=plan.unknown,
        gaps={metric: _gap(plan, groups, found, metric=metric, settings=settings) for metric in metrics},
    )


def _group(plan: _Plan, at: int, found: _Found, *, metrics: list[SubgroupMetric], settings: _Settings) -> Group:
    own, rest = plan.selections[at], plan.selections[at + len(plan.names)]
    one, other = plan.first + at, plan.first + at + len(plan.names)
    estimates: dict[str, Estimate] = {}
    against: dict[str, Estimate] = {}
    for metric in metrics:
        number = METRICS.index(metric)
        too_few = _too_few(own, metric=metric, few=settings.few)
        drawn = _estimate(
            own, found.values[one, number], found.replicates[one, number], reason=too_few, settings=settings
        )
        estimates[metric] = _by_delong(drawn, own, settings=settings) if metric == "auc" and not too_few else drawn
        rest_few = _too_few(rest, metric=metric, few=settings.few)
        against[metric] = _estimate(
            own,
            found.values[one, number] - found.values[other, number],
            found.replicates[one, number] - found.replicates[other, number],
            reason=too_few or (rest_few and f"the other groups: {rest_few}"),
            settings=settings,
        )
    return Group(
        name=plan.names[at],
        n=len(own.sample.labels),
        positives=own.sample.positives,
        patients=own.patients,
        metrics=estimates,
        against_rest=against,
    )


def _by_delong(drawn: Estimate, selection: _Selection, *, settings: _Settings) -> Estimate:
    """An AUC has the same kind of interval in a group as in all rows."""
    found = delong_interval(selection.sample, confidence=settings.confidence)
    return replace(found, value=drawn.value, patients=drawn.patients)


def _too_few(selection: _Selection, *, metric: SubgroupMetric, few: int) -> str | None:
    needed = {"auc": (True, False), "sensitivity": (True,), "specificity": (False,)}[metric]
    for positive in needed:
        patients = selection.patients_with(positive=positive)
        if patients < few:
            what = "positive" if positive else "negative"
            return f"too few: {patients} patients with a {what} row, at least {few} are needed"
    return None


def _estimate(
    selection: _Selection,
    value: float,
    draws: Float[np.ndarray, " replicates"],
    *,
    reason: str | None,
    settings: _Settings,
) -> Estimate:
    low, high = (None, None) if reason else percentile_interval(draws, confidence=settings.confidence)
    return Estimate(
        value=None if reason else float(value),
        low=low,
        high=high,
        n=len(selection.sample.labels),
        positives=selection.sample.positives,
        patients=selection.patients,
        replicates=0 if reason else len(draws),
        undefined=0 if reason else int(np.isnan(draws).sum()),
        reason=reason,
    )


def _gap(plan: _Plan, groups: tuple[Group, ...], found: _Found, *, metric: SubgroupMetric, settings: _Settings) -> Gap:
    with_value = [at for at, group in enumerate(groups) if group.metrics[metric].value is not None]
    if len(with_value) < 2:
        return Gap(reason=f"{len(with_value)} of {len(groups)} groups have enough patients for a number")
    number = METRICS.index(metric)
    values = found.values[plan.first : plan.first + len(groups), number][with_value]
    draws = found.replicates[plan.first : plan.first + len(groups), number][with_value]
    low, high = int(np.argmin(values)), int(np.argmax(values))
    worst, best = groups[with_value[low]], groups[with_value[high]]
    difference = _estimate(
        _both(plan.selections[with_value[low]], plan.selections[with_value[high]]),
        values[high] - values[low],
        draws[high] - draws[low],
        reason=None,
        settings=settings,
    )
    p_value = gap_p_value(values, replicates=draws)
    return Gap(
        worst=worst.name,
        best=best.name,
        worst_value=worst.metrics[metric],
        gap=difference,
        p_value=p_value,
        reason="the values do not vary over the replicates" if p_value is None else None,
    )


def _both(one: _Selection, other: _Selection) -> _Selection:
    """For the counts of a difference; rows that both groups rest on are counted in each."""
    first, second = one.sample, other.sample
    joined = Sample(
        labels=np.concatenate([first.labels, second.labels]),
        scores=np.concatenate([first.scores, second.scores]),
        patients=np.concatenate([first.patients, second.patients]),
        patient_count=first.patient_count,
    )
    return replace(one, sample=joined)


def _corrected(results: list[FactorResult], *, level: float) -> tuple[list[FactorResult], int]:
    """Holm's correction over all factors and metrics together."""
    places = [(f, m) for f, result in enumerate(results) for m, gap in result.gaps.items() if gap.p_value is not None]
    raw = np.array([results[f].gaps[m].p_value for f, m in places], dtype=np.float64)
    gaps = [dict(result.gaps) for result in results]
    for (f, m), p in zip(places, holm(raw), strict=True):
        gaps[f][m] = replace(gaps[f][m], p_adjusted=float(p), differs=bool(p < level))
    return [replace(result, gaps=gap) for result, gap in zip(results, gaps, strict=True)], len(places)


def _warnings(results: list[FactorResult], *, few: int) -> list[str]:
    found = []
    for result in results:
        short = [group.name for group in result.groups if group.metrics["auc"].value is None]
        if short:
            found.append(
                f"{result.name}: {', '.join(short)}: too few patients for an AUC (fewer than {few} of a class); "
                "a worse group may be among them"
            )
        if result.unknown:
            found.append(f"{result.name}: unknown for {result.unknown} rows, which are in no group")
    return found
