"""All metrics of one sample with their patient bootstrap, and the paired difference of two."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import sparse

from mammoscope.evaluation.decisions import cells, predictive_values, rates, score_metrics, sums
from mammoscope.evaluation.delong import delong_interval
from mammoscope.evaluation.ranking import (
    Counts,
    average_precision,
    counted,
    precision_recall_points,
    ranked,
    roc_auc,
    roc_points,
)
from mammoscope.evaluation.resampled import estimate_of
from mammoscope.evaluation.resampling import each_left_out, patient_draws
from mammoscope.evaluation.roc import curve_metrics
from mammoscope.evaluation.samples import Sample, refuse_other_rows
from mammoscope.evaluation.values import (
    METRICS,
    PROBABILITY_METRICS,
    RANKING_METRICS,
    TARGETS,
    Curve,
    Difference,
    Estimate,
    Targets,
    Verdict,
)

GRID = np.linspace(0.0, 1.0, 101)  # abscissae of the bands
MAX_POINTS = 1500  # of a drawn curve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """Metrics of one sample: on the rows as they are, and in each replicate; NaN where not defined."""

    sample: Sample
    threshold: float | None = None
    targets: Targets = TARGETS
    values: dict[str, float]
    replicates: dict[str, Float[np.ndarray, " replicates"]]
    roc: Curve | None = None
    precision_recall: Curve | None = None


def measure(
    sample: Sample,
    *,
    threshold: float | None = None,
    targets: Targets = TARGETS,
    replicates: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    curves: bool = True,
) -> Measured:
    """Measure a sample, resampling its patients.

    Args:
        sample: Labels, scores and patients.
        threshold: Positive means `score >= threshold`; None leaves the metrics that need one undefined.
        targets: What the metrics that take a number are asked for.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the bands of the curves.
        curves: Whether to draw ROC and precision-recall curves with their bands.

    Returns:
        Every metric of `METRICS`, and the curves where asked for and where there are two classes.
    """
    ranking, linear = ranked(sample), _linear(sample, threshold=threshold)
    whole = np.ones((sample.patient_count, 1))
    counts = counted(ranking, weights=whole)
    values = {name: float(found[0]) for name, found in _metrics(counts, linear @ whole, targets).items()}
    blocks: list[dict[str, Float[np.ndarray, " columns"]]] = []
    bands: list[tuple[Float[np.ndarray, " grid"], Float[np.ndarray, " grid"]]] = []
    for weights in patient_draws(sample.patient_count, replicates=replicates, seed=seed):
        drawn = counted(ranking, weights=weights)
        blocks.append(_metrics(drawn, linear @ weights, targets))
        bands += [_on_grid(drawn, int(c)) for c in np.flatnonzero(curves & ~np.isnan(blocks[-1]["auc"]))]
    draws = {name: np.concatenate([block[name] for block in blocks] or [np.empty(0)]) for name in METRICS}
    drawable = curves and not sample.single_class
    roc, precision_recall = _curves(counts, bands, confidence) if drawable else (None, None)
    return Measured(
        sample=sample,
        threshold=threshold,
        targets=targets,
        values=values,
        replicates=draws,
        roc=roc,
        precision_recall=precision_recall,
    )


def jackknife(
    sample: Sample, *, threshold: float | None = None, targets: Targets = TARGETS
) -> dict[str, Float[np.ndarray, " patients"]]:
    """Every metric with each patient left out in turn; NaN where not defined."""
    ranking, linear = ranked(sample), _linear(sample, threshold=threshold)
    blocks = [
        _metrics(counted(ranking, weights=weights), linear @ weights, targets)
        for weights in each_left_out(sample.patient_count)
    ]
    return {name: np.concatenate([block[name] for block in blocks] or [np.empty(0)]) for name in METRICS}


def estimates(measured: Measured, *, confidence: float = 0.95) -> dict[str, Estimate]:
    """Put values and replicates together to numbers with intervals.

    ROC AUC has the interval of clustered DeLong on the logit scale, which holds the truth more often than percentiles
    where patients are few; all other metrics have percentiles of the bootstrap over patients.

    Args:
        measured: Values and replicates of a sample.
        confidence: Level of the intervals.

    Returns:
        Metric name to number.

    Source:
        Obuchowski, Biometrics 53 (1997) 567; Field and Welsh, J. R. Stat. Soc. B 69 (2007); measured coverage of both
        in `docs/explain/intervals.md`.
    """
    found = {name: drawn_estimate(measured, name, confidence=confidence) for name in METRICS}
    return found | {"auc": _auc(found["auc"], measured.sample, confidence=confidence)}


def auc_difference(first: Measured, second: Measured, *, confidence: float = 0.95) -> Difference:
    """AUC of the first minus AUC of the second, replicate by replicate.

    Args:
        first: Measured with the same seed and replicates as the second.
        second: On the same rows of the same patients, in the same order.
        confidence: Level of the interval.

    Returns:
        The difference, and whether its interval lies above 0, below 0, or contains it.

    Raises:
        SourceError: The two are not on the same rows.
    """
    one, other = first.sample, second.sample
    refuse_other_rows(one, other)
    draws = first.replicates["auc"] - second.replicates["auc"]
    value = first.values["auc"] - second.values["auc"]
    found = estimate_of(one, value, draws, confidence=confidence, reason=_why(one, "auc"))
    if found.low is None or found.high is None:
        return Difference(auc=found, verdict=None)
    verdict: Verdict = "above" if found.low > 0 else "below" if found.high < 0 else "not distinguishable"
    return Difference(auc=found, verdict=verdict)


def _linear(sample: Sample, *, threshold: float | None) -> Any:
    """Sums over patients as a sparse matrix: products with it need no thread pool, which would wait for idle cores.

    Without a threshold its four cells are empty, so every metric of them is not defined.
    """
    called = np.zeros((4, sample.patient_count)) if threshold is None else cells(sample, threshold=threshold)
    return sparse.csr_matrix(np.concatenate([called, sums(sample)]))


def _metrics(
    counts: Counts, linear: Float[np.ndarray, "10 columns"], targets: Targets
) -> dict[str, Float[np.ndarray, " columns"]]:
    called = rates(linear[:4])
    found = {
        "auc": roc_auc(counts),
        "average_precision": average_precision(counts),
        **curve_metrics(counts, targets=targets),
        **score_metrics(linear[4:]),
        **called,
        **predictive_values(called["sensitivity"], called["specificity"], prevalence=targets.prevalence),
    }
    return {name: found[name] for name in METRICS}


def drawn_estimate(measured: Measured, name: str, *, confidence: float = 0.95) -> Estimate:
    """One metric with percentiles of the bootstrap over patients, ROC AUC too."""
    sample = measured.sample
    return estimate_of(
        sample,
        measured.values[name],
        measured.replicates[name],
        confidence=confidence,
        reason=_why(sample, name, threshold=measured.threshold, targets=measured.targets),
    )


def _auc(drawn: Estimate, sample: Sample, *, confidence: float) -> Estimate:
    """The same value with the interval of clustered DeLong, or with the reason why it has none."""
    found = delong_interval(sample, confidence=confidence)
    if drawn.value is None or sample.patient_count < 2:  # the reason is known, in plainer words
        return replace(found, value=drawn.value, reason=drawn.reason)
    return replace(found, value=drawn.value)


def _why(sample: Sample, name: str, *, threshold: float | None = None, targets: Targets = TARGETS) -> str:
    """Why a metric is not defined on these rows."""
    if not len(sample.labels):
        return "no rows"
    if name == "log_loss":
        return "infinite: a row is scored 0 or 1 and is of the other class (or a score is no probability)"
    if name.endswith("_at_prevalence") and targets.prevalence is None:
        return "no prevalence is stated"
    if sample.single_class and name not in {"ppv", "npv"}:
        found = "no negative" if sample.positives else "no positive"
        return f"single class: {found} among {len(sample.labels)} rows"
    if name in {*RANKING_METRICS, *PROBABILITY_METRICS}:
        return "not defined on these rows"
    return "no threshold" if threshold is None else "nobody was called positive (negative)"


def _on_grid(counts: Counts, column: int) -> tuple[Float[np.ndarray, " grid"], Float[np.ndarray, " grid"]]:
    x, y = roc_points(counts, column=column)
    recall, precision = precision_recall_points(counts, column=column)
    reached = np.minimum(np.searchsorted(recall, GRID - 1e-12, side="left"), len(recall) - 1)
    return np.interp(GRID, x, y), precision[reached]


def _curves(
    counts: Counts,
    bands: list[tuple[Float[np.ndarray, " grid"], Float[np.ndarray, " grid"]]],
    confidence: float,
) -> tuple[Curve, Curve]:
    tails = [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]
    drawn = []
    for which, points in enumerate((roc_points(counts, column=0), precision_recall_points(counts, column=0))):
        stack = np.array([band[which] for band in bands]) if bands else np.full((2, len(GRID)), np.nan)
        edges = np.quantile(stack, tails, axis=0) if bands else np.empty((2, 0))
        x, y = (_thinned(values) for values in points)
        grid = GRID if bands else np.empty(0)
        drawn.append(
            Curve(x=_floats(x), y=_floats(y), grid=_floats(grid), low=_floats(edges[0]), high=_floats(edges[1]))
        )
    return drawn[0], drawn[1]


def _thinned(values: Float[np.ndarray, " points"]) -> Float[np.ndarray, " kept"]:
    """Keep both ends and an even choice between them."""
    if len(values) <= MAX_POINTS:
        return values
    return values[np.linspace(0, len(values) - 1, MAX_POINTS).round().astype(np.int64)]


def _floats(values: Float[np.ndarray, " points"]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.round(values, 6))
