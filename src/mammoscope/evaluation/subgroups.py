"""The same metrics in every subgroup: density, age, view, lesion, machine ...; the worst, and whether it differs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.class_samples import KEYS, class_rows, class_sample
from mammoscope.evaluation.delong import delong_interval
from mammoscope.evaluation.factors import FACTORS, Factor, category_names, groups_of, how_divided
from mammoscope.evaluation.gaps import gap_p_value, holm
from mammoscope.evaluation.group_measures import Question, Selection, among_classes, yes_or_no
from mammoscope.evaluation.resampling import patient_draws, percentile_interval
from mammoscope.evaluation.samples import checked, sample_of, unit_rows
from mammoscope.evaluation.subgroup_values import Divides, FactorResult, Gap, Group, SubgroupMetric, Subgroups
from mammoscope.evaluation.tasks import classes_of, is_ordered
from mammoscope.evaluation.values import Estimate, Unit
from mammoscope.vocabulary import Part

FEW = 10  # patients of a class below which a bootstrap interval is too narrow to be shown


def subgroups(
    predictions: pl.DataFrame,
    *,
    cohort: pl.DataFrame | None = None,
    threshold: float | None = None,
    task: str = "malignant",
    unit: Unit = "image",
    factors: Sequence[Factor] = FACTORS,
    few: int = FEW,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Subgroups:
    """Measure the test part in the groups of each factor, and test whether they differ.

    Answers of yes or no have an AUC in each group, and at a threshold sensitivity and specificity. Answers among
    several classes have quadratic kappa where the classes stand in an order, else the macro AUC, and accuracy.

    All groups are resampled together: one draw of the patients gives every group's value, so differences between
    groups that share patients are paired. A group with fewer than `few` patients of a class gets no number.

    Args:
        predictions: As `evaluate` takes it, or `evaluate_task`.
        cohort: Where columns that the predictions lack are looked up, by `source` and `image_id`.
        threshold: The one chosen on the tune part; without it there is no sensitivity and no specificity. Not for
            several classes.
        task: Name of the label, which makes no groups of its own answers.
        unit: What one row is; a breast, exam or patient whose images differ in a factor counts as unknown there.
        factors: What to look for.
        few: Patients with a positive (negative) row that a number needs at least; of several classes patients, and
            for the macro AUC of each class.
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
    classes = classes_of(predictions)
    known = predictions if classes else checked(predictions)
    test = known.filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    rows = _with_facts(test, cohort=cohort, factors=factors, unit=unit)
    if classes:
        ordered = is_ordered(task, classes=classes)
        question = among_classes(class_sample(rows, classes=classes), ordered=ordered, few=few)
    else:
        question = yes_or_no(sample_of(rows), threshold=threshold, few=few)
    asked = [factor for factor in factors if factor.column != task]
    plans, unavailable = _plans(rows, question, factors=asked)
    unavailable |= {factor.name: "it is what is asked" for factor in factors if factor.column == task}
    found = _measured(plans, question, replicates=replicates, seed=seed)
    results = [_result(plan, found, question=question, confidence=confidence) for plan in plans]
    corrected, tests = _corrected(results, level=1.0 - confidence)
    return Subgroups(
        unit=unit,
        primary=question.metrics[0],
        threshold=threshold,
        few=few,
        factors=tuple(corrected),
        unavailable=unavailable,
        tests=tests,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        warnings=tuple(_warnings(corrected, primary=question.metrics[0])),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    factor: Factor
    divides: Divides
    unknown: int
    names: list[str]
    first: int  # number of its first selection: each group, then each group's rest
    selections: list[Selection]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """Value and replicates of every selection: metrics in the order of the question."""

    values: Float[np.ndarray, "selections metrics"]
    replicates: Float[np.ndarray, "selections metrics replicates"]


def _with_facts(
    test: pl.DataFrame, *, cohort: pl.DataFrame | None, factors: Sequence[Factor], unit: Unit
) -> pl.DataFrame:
    """One row a unit with label, scores and every column that a factor looks at."""
    wanted = [factor.column for factor in factors]
    if cohort is not None and "image_id" in cohort.columns:
        image: list[str] = [n for n in ("source", "image_id") if n in test.columns and n in cohort.columns]
        more = [name for name in wanted if name in cohort.columns and name not in test.columns]
        if cohort.select(pl.struct(image).is_duplicated().any()).item():
            raise SourceError("cohort: an image stands twice. Give one row an image")
        test = test.join(cohort.select(*image, *more), on=image, how="left", maintain_order="left")
    classes = classes_of(test)
    table = class_rows(test, classes=classes, unit=unit) if classes else unit_rows(test, unit=unit)
    if table.is_empty():
        raise SourceError(f"predictions: no test image has what a result per {unit} needs")
    keys = [name for name in ("source", "patient_id", *KEYS[unit]) if name in table.columns]
    answers = ["label", "prediction", "score", *(f"score_{name}" for name in classes)]
    table = table.select(*keys, *(name for name in answers if name in table.columns)).sort(keys)
    held = [name for name in dict.fromkeys(wanted) if name in test.columns and name not in keys]
    one = [
        pl.when(pl.col(name).n_unique() == 1).then(pl.col(name).first()).otherwise(None).alias(name) for name in held
    ]
    return table.join(test.group_by(keys).agg(one), on=keys, how="left", maintain_order="left")


def _plans(rows: pl.DataFrame, question: Question, *, factors: Sequence[Factor]) -> tuple[list[_Plan], dict[str, str]]:
    plans: list[_Plan] = []
    unavailable: dict[str, str] = {}
    positive = None if question.positive is None else pl.Series(question.positive)
    first = 0
    for factor in factors:
        if factor.column not in rows.columns:
            unavailable[factor.name] = f"the table has no column {factor.column}"
            continue
        group = groups_of(rows, factor)
        divides: Divides = "rows" if positive is None else how_divided(factor, group=group, positive=positive)
        every = pl.Series(np.ones(rows.height, dtype=np.bool_))
        divided = every if positive is None or divides == "rows" else positive
        divided = ~divided if divides == "negatives" else divided
        there = group.filter(divided).drop_nulls().unique()
        names = [name for name in category_names(group) if name in set(there)]
        if len(names) < 2:
            unavailable[factor.name] = _why_not(names, divides)
            continue
        inside = {name: (group == name).fill_null(value=False).to_numpy() for name in names}
        chosen = [_chosen(question, inside[name], divides) for name in names]
        rests = [_chosen(question, np.any([inside[o] for o in names if o != name], axis=0), divides) for name in names]
        plans.append(
            _Plan(
                factor=factor,
                divides=divides,
                unknown=int(group.filter(divided).null_count()),
                names=names,
                first=first,
                selections=[question.select(mask) for mask in (*chosen, *rests)],
            )
        )
        first += 2 * len(names)
    return plans, unavailable


def _why_not(names: list[str], divides: Divides) -> str:
    which = {"rows": "test row", "positives": "positive test row", "negatives": "negative test row"}[divides]
    return f"every {which} that says so is {names[0]!r}" if names else f"unknown for every {which}"


def _chosen(question: Question, inside: Bool[np.ndarray, " rows"], divides: Divides) -> Bool[np.ndarray, " rows"]:
    if question.positive is None or divides == "rows":
        return inside
    return np.where(question.positive == (divides == "positives"), inside, True)  # noqa: FBT003 all of the other class


def _measured(plans: list[_Plan], question: Question, *, replicates: int, seed: int) -> _Found:
    """One pass over the draws of the patients serves all groups."""
    selections = [selection for plan in plans for selection in plan.selections]
    size = len(question.metrics)
    if not selections:
        return _Found(values=np.empty((0, size)), replicates=np.empty((0, size, replicates)))
    whole = np.ones((question.patient_count, 1))
    blocks = [
        np.stack([selection.values(weights) for selection in selections])
        for weights in patient_draws(question.patient_count, replicates=replicates, seed=seed)
    ]
    values = np.stack([selection.values(whole)[:, 0] for selection in selections])
    return _Found(values=values, replicates=np.concatenate(blocks, axis=2))


_NOT_OF: dict[Divides, SubgroupMetric | None] = {"rows": None, "positives": "specificity", "negatives": "sensitivity"}
"""What is the same in every group, as all rows of that class are in each."""


def _result(plan: _Plan, found: _Found, *, question: Question, confidence: float) -> FactorResult:
    numbers = {name: at for at, name in enumerate(question.metrics) if name != _NOT_OF[plan.divides]}
    groups = tuple(_group(plan, at, found, numbers=numbers, confidence=confidence) for at in range(len(plan.names)))
    gaps = {
        name: _gap(plan, groups, found, metric=name, number=number, confidence=confidence)
        for name, number in numbers.items()
    }
    return FactorResult(
        name=plan.factor.name,
        says=plan.factor.says,
        divides=plan.divides,
        groups=groups,
        unknown=plan.unknown,
        gaps=gaps,
    )


def _group(plan: _Plan, at: int, found: _Found, *, numbers: dict[SubgroupMetric, int], confidence: float) -> Group:
    own, rest = plan.selections[at], plan.selections[at + len(plan.names)]
    one, other = plan.first + at, plan.first + at + len(plan.names)
    estimates: dict[SubgroupMetric, Estimate] = {}
    against: dict[SubgroupMetric, Estimate] = {}
    for metric, number in numbers.items():
        few, rest_few = own.few.get(metric), rest.few.get(metric)
        value, draws = found.values[one, number], found.replicates[one, number]
        drawn = _estimate(own, value, draws, reason=few, confidence=confidence)
        estimates[metric] = _by_delong(drawn, own, confidence=confidence) if metric == "auc" and not few else drawn
        against[metric] = _estimate(
            own,
            value - found.values[other, number],
            draws - found.replicates[other, number],
            reason=few or (rest_few and f"the other groups: {rest_few}"),
            confidence=confidence,
        )
    return Group(
        name=plan.names[at],
        n=len(own.rows),
        positives=own.positives,
        patients=own.patients,
        metrics=estimates,
        against_rest=against,
    )


def _by_delong(drawn: Estimate, selection: Selection, *, confidence: float) -> Estimate:
    """An AUC has the same kind of interval in a group as in all rows."""
    if selection.sample is None:
        return drawn
    found = delong_interval(selection.sample, confidence=confidence)
    return replace(found, value=drawn.value, patients=drawn.patients)


def _estimate(
    selection: Selection,
    value: float,
    draws: Float[np.ndarray, " replicates"],
    *,
    reason: str | None,
    confidence: float,
) -> Estimate:
    why = reason or ("not defined on these rows" if np.isnan(value) else None)
    low, high = (None, None) if why else percentile_interval(draws, confidence=confidence)
    return Estimate(
        value=None if why else float(value),
        low=low,
        high=high,
        n=len(selection.rows),
        positives=selection.positives,
        patients=selection.patients,
        replicates=0 if why else len(draws),
        undefined=0 if why else int(np.isnan(draws).sum()),
        reason=why,
    )


def _gap(
    plan: _Plan,
    groups: tuple[Group, ...],
    found: _Found,
    *,
    metric: SubgroupMetric,
    number: int,
    confidence: float,
) -> Gap:
    with_value = [at for at, group in enumerate(groups) if group.metrics[metric].value is not None]
    if len(with_value) < 2:
        return Gap(reason=f"{len(with_value)} of {len(groups)} groups have enough patients for a number")
    values = found.values[plan.first : plan.first + len(groups), number][with_value]
    draws = found.replicates[plan.first : plan.first + len(groups), number][with_value]
    low, high = int(np.argmin(values)), int(np.argmax(values))
    worst, best = groups[with_value[low]], groups[with_value[high]]
    difference = _estimate(
        plan.selections[with_value[low]].beside(plan.selections[with_value[high]]),
        values[high] - values[low],
        draws[high] - draws[low],
        reason=None,
        confidence=confidence,
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


def _corrected(results: list[FactorResult], *, level: float) -> tuple[list[FactorResult], int]:
    """Holm's correction over all factors and metrics together."""
    places = [(f, m) for f, result in enumerate(results) for m, gap in result.gaps.items() if gap.p_value is not None]
    raw = np.array([results[f].gaps[m].p_value for f, m in places], dtype=np.float64)
    gaps = [dict(result.gaps) for result in results]
    for (f, m), p in zip(places, holm(raw), strict=True):
        gaps[f][m] = replace(gaps[f][m], p_adjusted=float(p), differs=bool(p < level))
    return [replace(result, gaps=gap) for result, gap in zip(results, gaps, strict=True)], len(places)


def _warnings(results: list[FactorResult], *, primary: SubgroupMetric) -> list[str]:
    found = []
    for result in results:
        short = [group for group in result.groups if group.metrics[primary].value is None]
        if short:
            names = ", ".join(group.name for group in short)
            found.append(
                f"{result.name}: {names}: no {_WORDS[primary]} of {'their' if len(short) > 1 else 'its'} own "
                f"({short[0].metrics[primary].reason}); a worse group may be among them"
            )
        if result.unknown:
            found.append(f"{result.name}: unknown for {result.unknown} rows, which are in no group")
    return found


_WORDS: dict[SubgroupMetric, str] = {
    "auc": "AUC",
    "kappa_quadratic": "quadratic kappa",
    "macro_auc": "macro AUC",
    "accuracy": "accuracy",
}
