"""What a model would do in a clinic, ready for JSON."""

from dataclasses import dataclass

from mammoscope.evaluation.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCurve:
    """Net benefit over the probability from which on one would recall.

    Attributes:
        thresholds: Probabilities from which on a row is recalled: at 0.02 one true recall outweighs 49 false ones.
        model: Net benefit of the model at each, in true recalls per row.
        low: Lower edge of its pointwise band over patients.
        high: Upper edge.
        recall_all: Net benefit of recalling everybody.
        recall_none: Of recalling nobody: 0.
        prevalence: Share of positive rows that the numbers hold at.
        stated: Whether it was stated; if not, it is that of the rows, which are often enriched.
        n: Rows.
        positives: Of them.
        patients: Of them.
        replicates: Bootstrap replicates of the band.
        confidence: Level of the band.
    """

    thresholds: tuple[float, ...]
    model: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    recall_all: tuple[float, ...]
    recall_none: tuple[float, ...]
    prevalence: float
    stated: bool
    n: int
    positives: int
    patients: int
    replicates: int
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PerThousand:
    """What would come of screening so many women at a stated prevalence, if these rows are like them.

    Attributes:
        women: Screened.
        prevalence: Share of them with the disease, as stated.
        threshold: Score from which on one is recalled.
        recalled: Women called back.
        found: Of them, with the disease.
        false_recalls: Of them, without.
        missed: Women with the disease who are not called back.
        sentence: All of it in words.
    """

    women: int
    prevalence: float
    threshold: float
    recalled: Estimate
    found: Estimate
    false_recalls: Estimate
    missed: Estimate
    sentence: str
