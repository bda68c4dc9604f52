"""Answers with a stated coverage: positive, negative, or refer."""

import math

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field

from mammoscope.calibrators import checked
from mammoscope.errors import RecipeError
from mammoscope.evaluation.conformal_values import Coverage, Rows
from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.resampled import resampled
from mammoscope.evaluation.samples import Sample


class Conformal(BaseModel):
    """Two cuts of the score; what lies where both answers, or neither, are possible is referred to a reader.

    Attributes:
        coverage: The share of sets that hold the truth, at least, as asked for.
        per_class: Whether that holds among positives and among negatives apart.
        rows: What it holds for: `one` row drawn of each woman, or `all` rows of a woman at once.
        positive_limit: `positive` belongs to the answer where 1 - score is at most this.
        negative_limit: `negative` belongs to the answer where the score is at most this.
        patients: Women the cuts were fitted on: positive ones and negative ones (one number without `per_class`).
        reason: Why everything is referred, where it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    coverage: float = Field(gt=0, lt=1)
    per_class: bool
    rows: Rows
    positive_limit: float
    negative_limit: float
    patients: tuple[int, ...]
    reason: str | None = None

    def sets(self, scores: Float[np.ndarray, " rows"]) -> Bool[np.ndarray, "rows 2"]:
        """Whether `negative` and `positive` belong to the answer of each score."""
        wide = checked(scores)
        return np.stack([wide <= self.negative_limit, 1.0 - wide <= self.positive_limit], axis=1)

    def calls(self, scores: Float[np.ndarray, " rows"]) -> list[str]:
        """`positive` or `negative` where only that is possible, else `refer`."""
        return [_CALLS[bool(no), bool(yes)] for no, yes in self.sets(scores)]


_CALLS = {(True, False): "negative", (False, True): "positive", (True, True): "refer", (False, False): "refer"}


def fit_conformal(
    tune: Sample, *, coverage: float = 0.9, per_class: bool = True, rows: Rows = "all", seed: int = 0
) -> Conformal:
    """Fit the two cuts on the tune part, by split conformal prediction over patients.

    The guarantee rests on exchangeability: the new case must be as if drawn from the same pot. Women are; one
    woman's images among each other are not. So either one row is drawn of each tune woman (`rows="one"`), which
    covers one row drawn of a new woman, or her worst row counts (`rows="all"`), which covers all rows of a new
    woman at once and refers more. Another scanner or population breaks the guarantee in either case.

    Args:
        tune: The tune part, not used to fit a calibrator of the same scores unless that has few numbers. The test part
            must never be given here.
        coverage: Share of answers that hold the truth, at least, in (0, 1).
        per_class: Whether positives and negatives are covered apart. Without it, so few cancers can all be missed.
        rows: What is covered.
        seed: Of the draw of one row.

    Returns:
        The cuts; where too few women are there to state the coverage, everything of that class is referred and the
        reason says so.

    Raises:
        RecipeError: `coverage` is not in (0, 1).
        SourceError: A score is not in [0, 1].

    Source:
        Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005), sections 2.2 and 4.5 (Mondrian);
        Sadinle, Lei and Wasserman, JASA 114 (2019): sets of least size; Dunn, Wasserman and Ramdas, JASA 118 (2023):
        one draw of each group. Checked against MAPIE.

    Example:
        >>> import polars as pl
        >>> from mammoscope.evaluation import sample_of
        >>> rows = pl.DataFrame({"label": [0, 0, 0, 1, 1, 1], "score": [0.1, 0.2, 0.6, 0.4, 0.8, 0.9],
        ...                      "patient_id": list("abcdef")})
        >>> conformal = fit_conformal(sample_of(rows), coverage=0.7)
        >>> conformal.calls(np.array([0.3, 0.5, 0.7]))
        ['negative', 'refer', 'positive']
    """
    if not 0.0 < coverage < 1.0:
        raise RecipeError(f"coverage must be in (0, 1), got {coverage}. 0.9 is usual")
    strange = np.where(tune.labels, 1.0 - checked(tune.scores), checked(tune.scores))
    generator = np.random.default_rng(seed)
    if per_class:
        groups = [
            _per_patient(strange, tune.patients, inside, rows, generator) for inside in (tune.labels, ~tune.labels)
        ]
    else:
        groups = [_per_patient(strange, tune.patients, np.ones_like(tune.labels), rows, generator)]
    cuts = [_cut(values, coverage=coverage) for values in groups]
    needed = math.ceil(coverage / (1.0 - coverage) - 1e-9)
    few = [len(values) for values, cut in zip(groups, cuts, strict=True) if cut > 1.0]
    reason = None
    if few:
        whose = "women of one class" if per_class else "women"
        reason = f"{few[0]} {whose}: a coverage of {coverage} takes {needed}. That answer is never ruled out"
    return Conformal(
        coverage=coverage,
        per_class=per_class,
        rows=rows,
        positive_limit=cuts[0],
        negative_limit=cuts[-1],
        patients=tuple(len(values) for values in groups),
        reason=reason,
    )


def measure_coverage(
    sample: Sample, *, conformal: Conformal, replicates: int = 2000, seed: int = 0, confidence: float = 0.95
) -> Coverage:
    """Measure on the test part what was stated on the tune part.

    Args:
        sample: Labels, scores and patients.
        conformal: Fitted on other women.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the intervals.

    Returns:
        Coverage, the share referred, and what is right of the rest, each with its interval over patients.
    """
    sets = conformal.sets(sample.scores)
    held = np.where(sample.labels, sets[:, 1], sets[:, 0])
    single = sets[:, 0] != sets[:, 1]
    size = sample.patient_count

    def summed(values: Bool[np.ndarray, " rows"]) -> Float[np.ndarray, " patients"]:
        return np.asarray(np.bincount(sample.patients, weights=values, minlength=size), dtype=np.float64)

    def women(chosen: Bool[np.ndarray, " rows"]) -> Float[np.ndarray, "2 patients"]:
        """Of each woman with such rows, how far they are held; and that she has some."""
        rows, right = summed(chosen), summed(chosen & held)
        whole = np.divide(right, rows, out=np.zeros(size), where=rows > 0)
        return np.stack([whole if conformal.rows == "one" else np.floor(whole), rows > 0])

    yes, no = sample.labels, ~sample.labels
    parts = np.concatenate(
        [
            *(women(chosen) for chosen in (yes | no, yes, no)),
            np.stack([summed(values) for values in (~single, yes | no)]),
            np.stack([summed(values) for values in (single & yes & held, single & yes)]),
            np.stack([summed(values) for values in (single & no & held, single & no)]),
        ]
    )
    names = ("covered", "covered_positive", "covered_negative", "referred", "sensitivity", "specificity")

    def statistic(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        sums = parts @ weights
        return {name: share(sums[2 * at], sums[2 * at + 1]) for at, name in enumerate(names)}

    reasons = dict.fromkeys(names, "no such row, or all of them are referred")
    found = resampled(sample, statistic, replicates=replicates, seed=seed, confidence=confidence, reasons=reasons)
    return Coverage(stated=conformal.coverage, rows=conformal.rows, **found)


def _per_patient(
    strange: Float[np.ndarray, " rows"],
    patients: Int[np.ndarray, " rows"],
    inside: Bool[np.ndarray, " rows"],
    rows: Rows,
    generator: np.random.Generator,
) -> Float[np.ndarray, " women"]:
    """One number of each woman who has such a row: of a row drawn, or of the strangest."""
    codes, values = patients[inside], strange[inside]
    order = generator.permutation(len(codes)) if rows == "one" else np.argsort(-values, kind="stable")
    first = np.unique(codes[order], return_index=True)[1]
    found: Float[np.ndarray, " women"] = values[order][first]
    return found


def _cut(values: Float[np.ndarray, " women"], *, coverage: float) -> float:
    """The value of rank ceil((n + 1) coverage); above 1, so that nothing is left out, where there is none."""
    rank = math.ceil((len(values) + 1) * coverage - 1e-9)
    return float(np.sort(values)[rank - 1]) if 0 < rank <= len(values) else 2.0
