"""Clustered DeLong: the variance of an AUC, and of the difference of two, when rows come in patients."""

from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import norm
from scipy.stats import t as student

from mammoscope.errors import RecipeError
from mammoscope.evaluation.samples import Sample, refuse_other_rows
from mammoscope.evaluation.values import Estimate

Scale = Literal["plain", "logit"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placements:
    """How far each patient's rows pull the AUC up or down.

    Attributes:
        auc: Chance that a positive row scores above a negative one, ties counting half.
        positive: Per patient, over its positive rows: share of negatives below, minus the AUC, summed.
        negative: Per patient, over its negative rows: share of positives above, minus the AUC, summed.
        positives: Positive rows.
        negatives: Negative rows.
        positive_patients: Patients with a positive row.
        negative_patients: Patients with a negative row.
        patients: Patients with any row.
    """

    auc: float
    positive: Float[np.ndarray, " patients"]
    negative: Float[np.ndarray, " patients"]
    positives: int
    negatives: int
    positive_patients: int
    negative_patients: int
    patients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Whether two sets of scores of the same rows differ in AUC.

    Attributes:
        difference: First minus second, with its interval.
        standard_error: Of the difference; None where there is none.
        p_value: Two-sided; None where there is none.
    """

    difference: Estimate
    standard_error: float | None = None
    p_value: float | None = None


def placements(sample: Sample) -> Placements | None:
    """Sum up, patient by patient, where its rows stand among the rows of the other class.

    Args:
        sample: Labels, scores and patients.

    Returns:
        The sums; None with a single class.

    Source:
        Obuchowski, Biometrics 53 (1997) 567, section 3; one sort instead of all pairs, as Sun and Xu, IEEE Signal
        Processing Letters 21 (2014) 1389, do for rows of different patients.
    """
    if sample.single_class or not len(sample.labels):
        return None
    order = np.argsort(sample.scores, kind="stable")
    scores, labels, patients = sample.scores[order], sample.labels[order], sample.patients[order]
    first = np.concatenate([[True], scores[1:] != scores[:-1]])
    tied, starts = np.cumsum(first) - 1, np.flatnonzero(first)
    positive, negative = (np.add.reduceat(rows.astype(np.int64), starts) for rows in (labels, ~labels))
    positives, negatives = sample.positives, len(labels) - sample.positives
    below = (np.cumsum(negative) - 0.5 * negative) / negatives
    above = 1.0 - (np.cumsum(positive) - 0.5 * positive) / positives
    auc = float(positive @ below) / positives
    each = np.where(labels, below[tied], above[tied]) - auc
    count = sample.patient_count
    sums = [np.bincount(patients, weights=np.where(rows, each, 0.0), minlength=count) for rows in (labels, ~labels)]
    owners = [np.bincount(patients[rows], minlength=count) > 0 for rows in (labels, ~labels)]
    return Placements(
        auc=auc,
        positive=sums[0],
        negative=sums[1],
        positives=positives,
        negatives=negatives,
        positive_patients=int(owners[0].sum()),
        negative_patients=int(owners[1].sum()),
        patients=int((owners[0] | owners[1]).sum()),
    )


def auc_covariance(first: Placements, second: Placements) -> float | None:
    """Covariance of two AUCs of the same rows; with itself, the variance of one.

    Args:
        first: Of one set of scores.
        second: Of the other, on the same rows of the same patients.

    Returns:
        The covariance; None where fewer than two patients have a positive row, or a negative one.

    Source:
        Obuchowski, Biometrics 53 (1997) 567, equations 4 to 6. With one row a patient it is the estimator of DeLong,
        DeLong and Clarke-Pearson, Biometrics 44 (1988) 837.
    """
    i10, i01, count = first.positive_patients, first.negative_patients, first.patients
    if min(i10, i01) < 2:
        return None
    m, n = first.positives, first.negatives
    s10 = i10 / ((i10 - 1) * m) * float(first.positive @ second.positive)
    s01 = i01 / ((i01 - 1) * n) * float(first.negative @ second.negative)
    s11 = count / (count - 1) * float(first.positive @ second.negative + first.negative @ second.positive)
    return s10 / m + s01 / n + s11 / (m * n)


def degrees_of_freedom(found: Placements) -> float | None:
    """How many patients the variance of an AUC was really told from, for Student's t in place of the normal.

    Args:
        found: Of one set of scores.

    Returns:
        Between the smaller class's patients minus 1 and all patients minus 2; None where there is no variance.

    Source:
        Brunner and Munzel, Biometrical Journal 42 (2000) 17, for one row a patient (Satterthwaite's approximation),
        here with the two parts of Obuchowski's variance.
    """
    i10, i01 = found.positive_patients, found.negative_patients
    if min(i10, i01) < 2:
        return None
    parts = [
        (i10 / (i10 - 1) * float(found.positive @ found.positive) / found.positives**2, i10 - 1),
        (i01 / (i01 - 1) * float(found.negative @ found.negative) / found.negatives**2, i01 - 1),
    ]
    spread = sum(part**2 / free for part, free in parts)
    return sum(part for part, _ in parts) ** 2 / spread if spread > 0.0 else None


def delong_interval(sample: Sample, *, confidence: float = 0.95, scale: Scale = "logit") -> Estimate:
    """ROC AUC with the clustered DeLong interval: no resampling, one sort.

    Args:
        sample: Labels, scores and patients.
        confidence: Level of the interval.
        scale: `logit` puts the ends at equal distances on the log-odds scale, which keeps them inside (0, 1), and
            takes Student's t, which few patients need; `plain` is the published symmetric interval of the normal
            distribution, cut at 0 and 1.

    Returns:
        The AUC and its interval; no interval, and the reason, where its variance cannot be told: fewer than two
        patients in a class, or no positive row is ranked otherwise than another (an AUC of 0 or 1).

    Raises:
        RecipeError: The confidence is not between 0 and 1.

    Source:
        Obuchowski, Biometrics 53 (1997) 567; the logit interval: Pepe, The Statistical Evaluation of Medical Tests
        (2003), section 5.2.5; `degrees_of_freedom` of its t.

    Example:
        >>> found = delong_interval(Sample(labels=np.array([False, True, False, True, True, False]),
        ...     scores=np.array([0.2, 0.6, 0.5, 0.4, 0.9, 0.1]), patients=np.arange(6), patient_count=6))
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
        (0.889, 0.088, 0.998)
    """
    refuse_confidence(confidence)
    found = placements(sample)
    name = "clustered DeLong, logit" if scale == "logit" else "clustered DeLong"
    if found is None:
        return _told(sample, method=name, reason=_single(sample))
    if np.ptp(sample.scores) == 0.0:  # nothing is told apart, whoever the patients are
        return _told(sample, value=found.auc, ends=(found.auc, found.auc), method=name)
    variance = auc_covariance(found, found)
    why = _no_variance(variance, sample=sample, what="AUC")
    if why is not None or variance is None:
        return _told(sample, value=found.auc, method=name, reason=why)
    upper, error, free = (1.0 + confidence) / 2.0, sqrt(variance), degrees_of_freedom(found)
    if scale == "plain" or free is None:
        reach = float(norm.ppf(upper)) * error
        ends = (max(0.0, found.auc - reach), min(1.0, found.auc + reach))
    else:
        middle = log(found.auc / (1.0 - found.auc))
        reach = float(student.ppf(upper, free)) * error / (found.auc * (1.0 - found.auc))
        ends = (_expit(middle - reach), _expit(middle + reach))
    return _told(sample, value=found.auc, ends=ends, method=name)


def delong_difference(first: Sample, second: Sample, *, confidence: float = 0.95) -> PairedTest:
    """AUC of the first minus AUC of the second on the same rows, by the clustered DeLong test.

    Args:
        first: One set of scores.
        second: The other, on the same rows in the same order.
        confidence: Level of the interval of the difference.

    Returns:
        Difference, interval, two-sided p value. Where both rank the rows alike the difference is 0 and p is 1;
        where the variance cannot be told there is a reason instead.

    Raises:
        SourceError: The two are not on the same rows.
        RecipeError: The confidence is not between 0 and 1.

    Source:
        Obuchowski, Biometrics 53 (1997) 567, section 4; DeLong et al., Biometrics 44 (1988) 837.

    Example:
        >>> labels, patients = np.array([False, True] * 4), np.repeat(np.arange(4), 2)
        >>> one = Sample(labels=labels, patients=patients, patient_count=4,
        ...     scores=np.array([0.2, 0.6, 0.5, 0.4, 0.3, 0.9, 0.1, 0.7]))
        >>> other = Sample(labels=labels, patients=patients, patient_count=4,
        ...     scores=np.array([0.6, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1, 0.7]))
        >>> found = delong_difference(one, other)
        >>> found.difference.value, round(found.p_value, 3)
        (0.34375, 0.174)
    """
    refuse_confidence(confidence)
    refuse_other_rows(first, second)
    one, other = placements(first), placements(second)
    name = "paired clustered DeLong"
    if one is None or other is None:
        return PairedTest(difference=_told(first, method=name, reason=_single(first)))
    value = one.auc - other.auc
    parts = [auc_covariance(*pair) for pair in ((one, one), (other, other), (one, other))]
    variance = None if parts[0] is None else float(parts[0] + parts[1] - 2.0 * parts[2])  # type: ignore[operator]
    if variance is not None and variance <= TINY and abs(value) <= TINY:
        return PairedTest(
            difference=_told(first, value=0.0, ends=(0.0, 0.0), method=name), standard_error=0.0, p_value=1.0
        )
    why = _no_variance(variance, sample=first, what="difference")
    if why is not None or variance is None:
        return PairedTest(difference=_told(first, value=value, method=name, reason=why))
    error = sqrt(variance)
    reach = float(norm.ppf((1.0 + confidence) / 2.0)) * error
    return PairedTest(
        difference=_told(first, value=value, ends=(value - reach, value + reach), method=name),
        standard_error=error,
        p_value=float(2.0 * norm.sf(abs(value) / error)),
    )


def design_effect(sample: Sample) -> float | None:
    """How many times the variance of the AUC is what it would be, were all rows of different patients.

    Args:
        sample: Labels, scores and patients.

    Returns:
        Clustered over plain DeLong variance: 1 for one row a patient, below 1 where positives and negatives of the
        same women are compared; None where either cannot be told.

    Source:
        Kish, Survey Sampling (1965), section 5.4, for the name; Obuchowski, Biometrics 53 (1997) 567.

    Example:
        >>> twice = Sample(labels=np.repeat([False, True, True, False], 2), patients=np.repeat(np.arange(4), 2),
        ...     scores=np.repeat([0.2, 0.6, 0.1, 0.5], 2), patient_count=4)
        >>> round(design_effect(twice), 2)  # two copies of each row, and few patients
        3.0
    """
    rows = len(sample.labels)
    alone = Sample(labels=sample.labels, scores=sample.scores, patients=np.arange(rows), patient_count=rows)
    parts = [placements(one) for one in (sample, alone)]
    if parts[0] is None or parts[1] is None:
        return None
    clustered, plain = (auc_covariance(part, part) for part in parts if part is not None)
    if clustered is None or plain is None or plain <= TINY:
        return None
    return clustered / plain


TINY = 1e-15  # below it a variance of AUC is rounding


def refuse_confidence(confidence: float) -> None:
    """Refuse a level that is none.

    Raises:
        RecipeError: It is not between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise RecipeError(f"confidence must be between 0 and 1, got {confidence}. 0.95 is usual")


def _no_variance(variance: float | None, *, sample: Sample, what: str) -> str | None:
    if variance is None:
        return "fewer than two patients have a positive row, or a negative one: the variance cannot be told"
    if variance <= TINY:
        return (
            f"the variance of the {what} comes out as nothing over {sample.patient_count} patients (a perfect ranking, "
            "or too few patients): no interval"
        )
    return None


def _single(sample: Sample) -> str:
    found = "no negative" if sample.positives else "no positive"
    return f"single class: {found} among {len(sample.labels)} rows"


def _expit(value: float) -> float:
    return 1.0 / (1.0 + exp(-value)) if value > -700 else 0.0


def _told(
    sample: Sample,
    *,
    method: str,
    value: float | None = None,
    ends: tuple[float, float] | None = None,
    reason: str | None = None,
) -> Estimate:
    return Estimate(
        value=value,
        low=None if ends is None else ends[0],
        high=None if ends is None else ends[1],
        n=len(sample.labels),
        positives=sample.positives,
        patients=sample.patient_count,
        replicates=0,
        method=method,
        reason=reason,
    )
