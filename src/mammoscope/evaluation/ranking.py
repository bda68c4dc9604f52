"""ROC AUC, average precision and their curves, for many weightings of the patients at once.

Only the scores of positive rows matter as cut points. Scores are sorted once; each negative row
falls in one of these slots: tied with the g-th highest positive score, or between two of them.
A sparse matrix of slots by patients then turns a block of replicates into counts per slot.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import sparse

from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.samples import Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """A sample sorted once, from the highest score to the lowest.

    Attributes:
        groups: Distinct scores of positive rows.
        slots: Rows of each patient in each slot: `groups` slots of positives, `groups` slots of negatives tied with
            them, `groups + 1` slots of negatives above the first, between two, and below the last.
    """

    groups: int
    slots: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Weighted rows per group, one column a weighting.

    Attributes:
        positive: Positives of the group.
        tied: Negatives with the very same score.
        above: Negatives with a higher score.
        negatives: All negatives.
    """

    positive: Float[np.ndarray, "groups columns"]
    tied: Float[np.ndarray, "groups columns"]
    above: Float[np.ndarray, "groups columns"]
    negatives: Float[np.ndarray, " columns"]


def ranked(sample: Sample) -> Ranking:
    """Sort a sample once, for any number of weightings."""
    values = np.unique(sample.scores[sample.labels])[::-1]
    groups = len(values)
    first_at_most = np.searchsorted(-values, -sample.scores, side="left")
    is_value = np.zeros(len(sample.scores), dtype=np.bool_)
    inside = first_at_most < groups
    is_value[inside] = values[first_at_most[inside]] == sample.scores[inside]
    slot = np.where(
        sample.labels,
        first_at_most,
        np.where(is_value, groups + first_at_most, 2 * groups + first_at_most),
    )
    matrix = sparse.csr_matrix(
        (np.ones(len(slot)), (slot, sample.patients)), shape=(3 * groups + 1, sample.patient_count)
    )
    return Ranking(groups=groups, slots=matrix)


def counted(ranking: Ranking, *, weights: Float[np.ndarray, "patients columns"]) -> Counts:
    """Count rows per slot, each row weighted by its patient."""
    per_slot = ranking.slots @ weights
    positive, tied, between = np.split(per_slot, [ranking.groups, 2 * ranking.groups])
    total_tied = np.cumsum(tied, axis=0)
    total_between = np.cumsum(between, axis=0)
    negatives = total_between[-1] + (total_tied[-1] if ranking.groups else 0.0)
    return Counts(
        positive=positive, tied=tied, above=total_between[:-1] + total_tied - tied, negatives=np.asarray(negatives)
    )


def roc_auc(counts: Counts) -> Float[np.ndarray, " columns"]:
    """Chance that a positive row scores above a negative one, ties counting half; NaN with a single class.

    Source:
        Hanley and McNeil, Radiology 143 (1982): AUC is the Mann-Whitney statistic divided by the pairs.
    """
    below = counts.negatives - counts.above - 0.5 * counts.tied
    return share((counts.positive * below).sum(axis=0), counts.positive.sum(axis=0) * counts.negatives)


def average_precision(counts: Counts) -> Float[np.ndarray, " columns"]:
    """Precision averaged over the steps of recall, without interpolation; NaN with a single class.

    Source:
        scikit-learn's `average_precision_score`.
    """
    true = np.cumsum(counts.positive, axis=0)
    precision = np.nan_to_num(share(true, true + counts.above + counts.tied))
    total = counts.positive.sum(axis=0)
    both = np.where(counts.negatives > 0, total, 0.0)
    return share((counts.positive * precision).sum(axis=0), both)


def roc_points(counts: Counts, *, column: int) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Corners of one ROC curve, from (0, 0) to (1, 1): false and true positive fractions."""
    positive, tied, above = (a[:, column] for a in (counts.positive, counts.tied, counts.above))
    true = np.cumsum(positive)
    before = np.concatenate([[0.0], true[:-1]])
    x = np.column_stack([above, above + tied]).ravel() / counts.negatives[column]
    y = np.column_stack([before, true]).ravel() / true[-1]
    return np.concatenate([[0.0], x, [1.0]]), np.concatenate([[0.0], y, [1.0]])


def precision_recall_points(
    counts: Counts, *, column: int
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Recall and precision at each distinct positive score, from the highest to the lowest."""
    present = counts.positive[:, column] > 0
    true = np.cumsum(counts.positive[:, column])[present]
    false = (counts.above + counts.tied)[present, column]
    return true / true[-1], true / (true + false)
