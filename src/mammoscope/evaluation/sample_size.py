"""How many patients a study needs for an interval of a wished width, and when it has too few."""

from collections.abc import Callable
from math import ceil, sqrt

import numpy as np
from scipy.stats import norm

from mammoscope.errors import RecipeError
from mammoscope.evaluation.delong import auc_covariance, placements, refuse_confidence
from mammoscope.evaluation.proportions import FEW, wilson_interval
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.size_values import SampleSize

MOST_PATIENTS = 10**9  # above it no study is planned


def patients_for_auc(
    auc: float,
    *,
    width: float,
    positive_share: float,
    rows_per_patient: float = 1.0,
    effect: float = 1.0,
    confidence: float = 0.95,
) -> SampleSize:
    """Patients for an interval of ROC AUC of a wished width, before there is a study.

    Args:
        auc: The AUC one expects, in (0, 1).
        width: Of the interval, end to end.
        positive_share: Share of positive rows, in (0, 1).
        rows_per_patient: Rows a patient brings.
        effect: Design effect: how many times the variance is that of independent rows. 1 for one row a patient; at
            most about `rows_per_patient` where all rows of a patient are of one class and alike.
        confidence: Level of the interval.

    Returns:
        The fewest patients whose interval is no wider.

    Raises:
        RecipeError: A number is outside its range.

    Source:
        Hanley and McNeil, Radiology 143 (1982) 29, equation 2, with Q1 = A / (2 - A) and Q2 = 2 A^2 / (1 + A); times
        the design effect, as in Obuchowski, Biometrics 53 (1997) 567.

    Example:
        >>> patients_for_auc(0.85, width=0.10, positive_share=0.02).patients
        4528
    """
    _refuse(width=width, share=positive_share, rows=rows_per_patient, effect=effect, confidence=confidence)
    if not 0.0 < auc < 1.0:
        raise RecipeError(f"auc must be between 0 and 1, got {auc}")
    z = float(norm.ppf((1.0 + confidence) / 2.0))
    first, second = auc / (2.0 - auc) - auc**2, 2.0 * auc**2 / (1.0 + auc) - auc**2

    def reached(patients: int) -> float:
        positive = patients * rows_per_patient * positive_share
        negative = patients * rows_per_patient - positive
        if min(positive, negative) < 1.0:
            return float("inf")
        spread = auc * (1.0 - auc) + (positive - 1.0) * first + (negative - 1.0) * second
        return 2.0 * z * sqrt(effect * spread / (positive * negative))

    return _size(
        _fewest(reached, width=width),
        rows=rows_per_patient,
        share=positive_share,
        width=width,
        confidence=confidence,
        method=f"Hanley and McNeil at AUC {auc:g}, design effect {effect:g}",
    )


def patients_for_proportion(
    share: float,
    *,
    width: float,
    row_share: float,
    rows_per_patient: float = 1.0,
    effect: float = 1.0,
    confidence: float = 0.95,
) -> SampleSize:
    """Patients for a Wilson interval of a proportion of a wished width, before there is a study.

    Args:
        share: The proportion one expects, in [0, 1]: a sensitivity of 0.8, a specificity of 0.9.
        width: Of the interval, end to end.
        row_share: Share of rows it is a proportion of: positives for a sensitivity, negatives for a specificity.
        rows_per_patient: Rows a patient brings.
        effect: Design effect.
        confidence: Level of the interval.

    Returns:
        The fewest patients whose interval is no wider; `positives` are the rows it is a proportion of.

    Raises:
        RecipeError: A number is outside its range.

    Source:
        Wilson, J. Am. Stat. Assoc. 22 (1927) 209, solved for the rows.

    Example:
        >>> patients_for_proportion(0.8, width=0.10, row_share=0.02).positives
        245
    """
    _refuse(width=width, share=row_share, rows=rows_per_patient, effect=effect, confidence=confidence, ends=True)
    if not 0.0 <= share <= 1.0:
        raise RecipeError(f"share must be between 0 and 1, got {share}")

    def reached(patients: int) -> float:
        rows = patients * rows_per_patient * row_share / effect
        low, high = wilson_interval(share * rows, rows, confidence=confidence)
        return high - low

    return _size(
        _fewest(reached, width=width),
        rows=rows_per_patient,
        share=row_share,
        width=width,
        confidence=confidence,
        method=f"Wilson at {share:g}, design effect {effect:g}",
    )


def patients_for_width(sample: Sample, *, width: float, confidence: float = 0.95) -> SampleSize:
    """Patients like these for an interval of ROC AUC of a wished width: nothing is assumed, all is taken from the data.

    Args:
        sample: A study, or a first part of one.
        width: Of the interval, end to end.
        confidence: Level of the interval.

    Returns:
        Patients, with as many rows and positives each as in the sample; the reason where its variance cannot be told.

    Raises:
        RecipeError: The width or the confidence is outside its range.

    Source:
        The clustered DeLong variance (Obuchowski, Biometrics 53 (1997) 567) goes down with the number of patients.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(100) % 2 == 0
        >>> sample = Sample(labels=labels, scores=rng.normal(size=100) + labels, patients=np.arange(100),
        ...     patient_count=100)
        >>> patients_for_width(sample, width=0.10).patients
        407
    """
    _refuse(width=width, share=0.5, rows=1.0, effect=1.0, confidence=confidence)
    method = "clustered DeLong variance of these patients"
    found = placements(sample)
    variance = None if found is None else auc_covariance(found, found)
    if found is None or variance is None or variance <= 0.0:
        return SampleSize(
            patients=None,
            rows=None,
            positives=None,
            width=width,
            confidence=confidence,
            method=method,
            reason="the variance of the AUC cannot be told from these patients: plan with patients_for_auc",
        )
    z = float(norm.ppf((1.0 + confidence) / 2.0))
    needed = max(2, ceil(found.patients * variance * (2.0 * z / width) ** 2))
    rows = len(sample.labels) / found.patients
    return _size(
        needed,
        rows=rows,
        share=found.positives / len(sample.labels),
        width=width,
        confidence=confidence,
        method=method,
    )


def small_sample(sample: Sample) -> str | None:
    """What a reader must be told of a sample with few patients of either class.

    Args:
        sample: Labels and patients.

    Returns:
        A sentence with both counts; None where each class has ten patients.

    Source:
        The simulated coverage in `docs/explain/intervals.md`.

    Example:
        >>> sample = Sample(labels=np.array([True, False, False]), scores=np.zeros(3), patients=np.array([0, 1, 1]),
        ...     patient_count=2)
        >>> small_sample(sample)[:62]
        '1 positive and 1 negative patients: with fewer than 10 of eith'
    """
    positive, negative = (len(np.unique(sample.patients[rows])) for rows in (sample.labels, ~sample.labels))
    if min(positive, negative) >= FEW:
        return None
    return (
        f"{positive} positive and {negative} negative patients: with fewer than {FEW} of either class intervals over "
        "patients are too narrow to be trusted"
    )


def _fewest(reached: Callable[[int], float], *, width: float) -> int | None:
    """The smallest number whose interval is no wider, by doubling, then halving."""
    high = 2
    while reached(high) > width:
        if high > MOST_PATIENTS:
            return None
        high *= 2
    low = high // 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) <= width else (middle + 1, high)
    return max(high, 2)


def _size(
    patients: int | None, *, rows: float, share: float, width: float, confidence: float, method: str
) -> SampleSize:
    return SampleSize(
        patients=patients,
        rows=None if patients is None else ceil(patients * rows),
        positives=None if patients is None else ceil(round(patients * rows * share, 6)),
        width=width,
        confidence=confidence,
        method=method,
        reason=f"more than {MOST_PATIENTS} patients" if patients is None else None,
    )


def _refuse(*, width: float, share: float, rows: float, effect: float, confidence: float, ends: bool = False) -> None:
    refuse_confidence(confidence)
    if not 0.0 < width < 1.0:
        raise RecipeError(f"width must be between 0 and 1, got {width}. It is end to end: 0.10 for plus or minus 0.05")
    if not (0.0 < share < 1.0 or (ends and share == 1.0)):
        raise RecipeError(f"share of rows must be between 0 and 1, got {share}")
    if not rows > 0.0 or not effect > 0.0:
        raise RecipeError(f"rows per patient and design effect must be above 0, got {rows} and {effect}")
