"""Answers with a stated coverage: one class, or refer."""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation.class_samples import ClassSample
from mammoscope.evaluation.conformal_values import ClassCoverage, Coverage
from mammoscope.evaluation.decisions import share
from mammoscope.evaluation.estimate import Estimate
from mammoscope.evaluation.resampled import resampled
from mammoscope.evaluation.samples import Sample
from mammoscope.referral import YES_OR_NO, Conformal, Rows, strangeness

Scores = Float[np.ndarray, "rows *classes"]


def fit_conformal(
    tune: Sample | ClassSample, *, coverage: float = 0.9, per_class: bool = True, rows: Rows = "all", seed: int = 0
) -> Conformal:
    """Fit the cuts on the tune part, by split conformal prediction over patients.

    The guarantee rests on exchangeability: the new case must be as if drawn from the same pot. Women are; one
    woman's images among each other are not. So either one row is drawn of each tune woman (`rows="one"`), which
    covers one row drawn of a new woman, or her worst row counts (`rows="all"`), which covers all rows of a new
    woman at once and refers more. Another scanner or population breaks the guarantee in either case.

    Args:
        tune: The tune part, not used to fit a calibrator of the same scores unless that has few numbers. The test part
            must never be given here.
        coverage: Share of answers that hold the truth, at least, in (0, 1).
        per_class: Whether positives and negatives (the rows of each class) are covered apart. Without it, so few cancers
            can all be missed.
        rows: What is covered.
        seed: Of the draw of one row.

    Returns:
        The cuts; where too few women are there to state the coverage, everything of that class is referred and the
        reason says so.

    Raises:
        RecipeError: `coverage` is not in (0, 1).
        SourceError: A score is not in [0, 1], or only calls are known.

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
        >>> from mammoscope.evaluation import class_sample
        >>> rows = pl.DataFrame({"label": list("ABC") * 3, "score_A": [0.8, 0.1, 0.1] * 3, "score_B": [0.1, 0.7, 0.2] * 3,
        ...                      "score_C": [0.1, 0.2, 0.7] * 3, "patient_id": list("abcdefghi")})
        >>> cuts = fit_conformal(class_sample(rows, classes="ABC"), coverage=0.7)
        >>> cuts.calls(np.array([[0.9, 0.05, 0.05], [0.4, 0.3, 0.3]]))
        ['A', 'refer']
    """  # noqa: E501 a table of numbers
    if not 0.0 < coverage < 1.0:
        raise RecipeError(f"coverage must be in (0, 1), got {coverage}. 0.9 is usual")
    classes, scores = _asked(tune)
    labels = tune.labels.astype(np.int64)
    strange = strangeness(scores, classes=classes)[np.arange(len(labels)), labels]
    generator = np.random.default_rng(seed)
    inside = [labels == at for at in range(len(classes))] if per_class else [np.ones(len(labels), dtype=np.bool_)]
    groups = [_per_patient(strange, tune.patients, one, rows, generator) for one in inside]
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
        classes=classes,
        limits=tuple(cuts) if per_class else (cuts[0],) * len(classes),
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
    found = _covered(sample, conformal, replicates=replicates, seed=seed, confidence=confidence)
    return Coverage(
        stated=conformal.coverage,
        rows=conformal.rows,
        covered=found["covered"],
        covered_positive=found["covered/positive"],
        covered_negative=found["covered/negative"],
        referred=found["referred"],
        sensitivity=found["right/positive"],
        specificity=found["right/negative"],
    )


def measure_class_coverage(
    sample: ClassSample, *, conformal: Conformal, replicates: int = 2000, seed: int = 0, confidence: float = 0.95
) -> ClassCoverage:
    """Measure on the test part what was stated on the tune part, of several classes.

    Args:
        sample: Labels, scores and patients.
        conformal: Fitted on other women, of the same classes.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Level of the intervals.

    Returns:
        Coverage of each class, the share referred, and what is right of the rest, with intervals over patients.

    Raises:
        SourceError: Only calls are known.
    """
    found = _covered(sample, conformal, replicates=replicates, seed=seed, confidence=confidence)
    return ClassCoverage(
        stated=conformal.coverage,
        rows=conformal.rows,
        covered=found["covered"],
        classes={name: found[f"covered/{name}"] for name in conformal.classes},
        referred=found["referred"],
        accuracy=found["right"],
        set_size=found["set_size"],
    )


def _asked(sample: Sample | ClassSample) -> tuple[tuple[str, ...], Scores]:
    if isinstance(sample, Sample):
        return YES_OR_NO, sample.scores
    if sample.scores is None:
        raise SourceError("conformal: only calls are known. Write a score of each class")
    return sample.classes, sample.scores


def _covered(
    sample: Sample | ClassSample, conformal: Conformal, *, replicates: int, seed: int, confidence: float
) -> dict[str, Estimate]:
    """Shares by name: `covered` of women, `referred` and `right` of rows, and those of each class behind a slash."""
    _, scores = _asked(sample)
    labels, sets = sample.labels.astype(np.int64), conformal.sets(scores)
    held = sets[np.arange(len(labels)), labels]
    single = sets.sum(axis=1) == 1
    size = sample.patient_count

    def summed(values: Float[np.ndarray, " rows"] | Bool[np.ndarray, " rows"]) -> Float[np.ndarray, " patients"]:
        return np.asarray(np.bincount(sample.patients, weights=values, minlength=size), dtype=np.float64)

    def women(chosen: Bool[np.ndarray, " rows"]) -> Float[np.ndarray, "2 patients"]:
        """Of each woman with such rows, how far they are held; and that she has some."""
        rows, right = summed(chosen), summed(chosen & held)
        whole = np.divide(right, rows, out=np.zeros(size), where=rows > 0)
        return np.stack([whole if conformal.rows == "one" else np.floor(whole), rows > 0])

    every = np.ones(len(labels), dtype=np.bool_)
    parts = {
        "covered": women(every),
        "referred": np.stack([summed(~single), summed(every)]),
        "right": np.stack([summed(single & held), summed(single)]),
        "set_size": np.stack([summed(sets.sum(axis=1).astype(np.float64)), summed(every)]),
    }
    for at, name in enumerate(conformal.classes):
        parts[f"covered/{name}"] = women(labels == at)
        parts[f"right/{name}"] = np.stack([summed(single & held & (labels == at)), summed(single & (labels == at))])
    stack = np.concatenate(list(parts.values()))

    def statistic(weights: Float[np.ndarray, "patients columns"]) -> dict[str, Float[np.ndarray, " columns"]]:
        sums = stack @ weights
        return {name: share(sums[2 * at], sums[2 * at + 1]) for at, name in enumerate(parts)}

    reasons = dict.fromkeys(parts, "no such row, or all of them are referred")
    return resampled(sample, statistic, replicates=replicates, seed=seed, confidence=confidence, reasons=reasons)


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
