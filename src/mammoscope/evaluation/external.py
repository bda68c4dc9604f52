"""External validation as one table: trained on one data set, tested on others; and what their labels mean."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mammoscope.evaluation.measures import Measured, estimates, measure
from mammoscope.evaluation.resampling import percentile_interval
from mammoscope.evaluation.samples import sample_of
from mammoscope.evaluation.values import Difference, Estimate, Verdict
from mammoscope.vocabulary import LabelOrigin

MOST = 0.5  # share from which on a property is called that of a class
SHOWN = ("auc", "sensitivity", "specificity", "recall_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelProfile:
    """What positive and negative mean in the images of one data set, as its own records say.

    Attributes:
        source: The data set.
        says: Its rule in words; None for a source of one's own.
        positives: Images with a malignant finding.
        negatives: Images labelled as without one.
        negatives_with_finding: Of the negatives, those on which a finding is recorded, such as a benign mass.
        positives_by: Number of positives by who says so.
        negatives_by: Number of negatives by who says so.
    """

    source: str
    says: str | None
    positives: int
    negatives: int
    negatives_with_finding: int
    positives_by: dict[str, int]
    negatives_by: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalCell:
    """One model on one data set.

    Attributes:
        model: Name of the run.
        trained_on: Data sets of its train and tune parts.
        tested_on: Data set.
        external: Whether no image of that data set was in train or tune; otherwise this is the run's own test part.
        metrics: AUC per image, and at the threshold that was chosen on the run's own tune part sensitivity, specificity
            and recall rate.
        loss: AUC on the run's own test part minus AUC here: different women, so not paired.
        excluded: Why images were left out, and how many.
        notes: What a reader must know: label meanings that differ, patient ids that occur on both sides.
        reason: Why there are no metrics.
    """

    model: str
    trained_on: tuple[str, ...]
    tested_on: str
    external: bool
    metrics: dict[str, Estimate]
    loss: Difference | None
    excluded: dict[str, int]
    notes: tuple[str, ...]
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalValidation:
    """The whole table.

    Attributes:
        cells: Model by model, its own test part first.
        labels: Data set to what its labels mean.
        replicates: Of the bootstrap over patients.
        confidence: Level of the intervals.
        seed: Of the replicates.
        sealed: Of the sealed test sets that this looked at.
    """

    cells: tuple[ExternalCell, ...]
    labels: dict[str, LabelProfile]
    replicates: int
    confidence: float
    seed: int
    sealed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and None, as written to `external.json`."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain


def label_profile(images: pl.DataFrame, *, source: str, says: str | None = None) -> LabelProfile:
    """Count what the labels of a data set's images rest on.

    Args:
        images: An image table: `malignant`, `label_origin`, `findings` (number of lesions recorded).
        source: Name of the data set.
        says: Its rule in words.

    Example:
        >>> images = pl.DataFrame({"malignant": [True, False], "label_origin": ["biopsy"] * 2, "findings": [1, 1]})
        >>> label_profile(images, source="cbis_ddsm").negatives_with_finding
        1
    """
    positive, negative = (images.filter(pl.col("malignant") == value) for value in (True, False))
    return LabelProfile(
        source=source,
        says=says,
        positives=positive.height,
        negatives=negative.height,
        negatives_with_finding=negative.filter(pl.col("findings") > 0).height,
        positives_by=_origins(positive),
        negatives_by=_origins(negative),
    )


def label_mismatches(trained: LabelProfile, tested: LabelProfile) -> list[str]:
    """In what the labels of two data sets do not mean the same; a model cannot be blamed for that.

    Args:
        trained: Of the data set the model was trained on.
        tested: Of the other.

    Returns:
        Sentences; none where nothing that the records tell differs.

    Example:
        >>> cbis, rsna = (
        ...     LabelProfile(source=name, says=None, positives=10, negatives=10, negatives_with_finding=benign,
        ...                  positives_by={"biopsy": 10}, negatives_by={origin: 10})
        ...     for name, benign, origin in (("cbis_ddsm", 10, "biopsy"), ("rsna", 0, "derived")))
        >>> for line in label_mismatches(cbis, rsna): print(line)
        a negative of cbis_ddsm mostly shows a benign finding (10 of 10), of rsna mostly none that is recorded (0 of 10): telling malignant from benign is another task than telling cancer from everything else
        negatives are labelled by biopsy in cbis_ddsm (10 of 10), by derived in rsna (10 of 10)
    """  # noqa: E501 a sentence as it is printed
    found = []
    shares = [one.negatives_with_finding / max(one.negatives, 1) for one in (trained, tested)]
    if (shares[0] >= MOST) != (shares[1] >= MOST) and trained.negatives and tested.negatives:
        words = [
            "mostly shows a benign finding" if share >= MOST else "mostly none that is recorded" for share in shares
        ]
        counts = [f"({one.negatives_with_finding} of {one.negatives})" for one in (trained, tested)]
        found.append(
            f"a negative of {trained.source} {words[0]} {counts[0]}, of {tested.source} {words[1]} {counts[1]}: "
            "telling malignant from benign is another task than telling cancer from everything else"
        )
    for name, first, second in (
        ("positives", trained.positives_by, tested.positives_by),
        ("negatives", trained.negatives_by, tested.negatives_by),
    ):
        one, other = _main(first), _main(second)
        if one and other and one[0] != other[0]:
            found.append(
                f"{name} are labelled by {one[0]} in {trained.source} ({one[1]}), "
                f"by {other[0]} in {tested.source} ({other[1]})"
            )
    if trained.says and tested.says and trained.says != tested.says and found:
        found.append(f"{trained.source} says: {trained.says}. {tested.source} says: {tested.says}")
    return found


def measured_cell(rows: pl.DataFrame, *, threshold: float | None, replicates: int, seed: int) -> Measured:
    """Measure scored images of one cell."""
    return measure(sample_of(rows), threshold=threshold, replicates=replicates, seed=seed, curves=False)


def cell_metrics(measured: Measured, *, confidence: float, threshold: float | None) -> dict[str, Estimate]:
    """The metrics of a cell; without a threshold, AUC alone."""
    found = estimates(measured, confidence=confidence)
    return {name: found[name] for name in SHOWN if name == "auc" or threshold is not None}


def unpaired_loss(own: Measured, other: Measured, *, confidence: float) -> Difference:
    """AUC on one set of women minus AUC on another; the two are resampled independently.

    Args:
        own: Measured with another seed than `other`.
        other: On other women.
        confidence: Level of the interval.

    Returns:
        `above` where the loss is beyond what both samples' variation explains.
    """
    value = own.values["auc"] - other.values["auc"]
    sample = other.sample
    draws = own.replicates["auc"] - other.replicates["auc"]
    defined = not np.isnan(value)
    low, high = percentile_interval(draws, confidence=confidence) if defined else (None, None)
    auc = Estimate(
        value=float(value) if defined else None,
        low=low,
        high=high,
        n=len(sample.labels),
        positives=sample.positives,
        patients=sample.patient_count,
        replicates=len(draws),
        undefined=int(np.isnan(draws).sum()),
        reason=None if defined else "AUC is not defined on one side",
    )
    if low is None or high is None:
        return Difference(auc=auc, verdict=None)
    verdict: Verdict = "above" if low > 0 else "below" if high < 0 else "not distinguishable"
    return Difference(auc=auc, verdict=verdict)


def _origins(images: pl.DataFrame) -> dict[str, int]:
    counts = images.group_by(pl.col("label_origin").cast(pl.String).fill_null("unknown").alias("by")).len()
    found = dict(counts.rows())
    return {name: found[name] for name in [*(origin.value for origin in LabelOrigin), "unknown"] if name in found}


def _main(by: dict[str, int]) -> tuple[str, str] | None:
    """Who says so for more than half of the images, and for how many."""
    total = sum(by.values())
    name = max(by, key=lambda one: by[one]) if by else None
    if name is None or name == "unknown" or by[name] <= MOST * total:
        return None
    return name, f"{by[name]} of {total}"
