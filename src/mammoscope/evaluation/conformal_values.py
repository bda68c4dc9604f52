"""What is said of answers with a stated coverage: values with intervals, ready for JSON."""

from dataclasses import dataclass

from mammoscope.evaluation.estimate import Estimate
from mammoscope.referral import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the sets do on other rows.

    Attributes:
        stated: What was asked for.
        rows: What it was asked for: `one` row of each woman, or `all` of them at once.
        covered: Share of women whose answers hold the truth: a woman counts by the share of her rows whose answer does
            (`one`), or only if every answer does (`all`).
        covered_positive: The same of women with positive rows, by those.
        covered_negative: The same of women with negative rows, by those.
        referred: Share of rows that are referred.
        sensitivity: Of the rows that are not referred.
        specificity: Of the rows that are not referred.
    """

    stated: float
    rows: Rows
    covered: Estimate
    covered_positive: Estimate
    covered_negative: Estimate
    referred: Estimate
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCoverage:
    """What sets of classes do on other rows.

    Attributes:
        stated: What was asked for.
        rows: What it was asked for: `one` row of each woman, or `all` of them at once.
        covered: Share of women whose answers hold the truth, counted as `Coverage` does.
        classes: The same of women with rows of each class, by those.
        referred: Share of rows whose answer is not one class.
        accuracy: Of the rows that are not referred.
        set_size: Classes in an answer, on average over rows.
    """

    stated: float
    rows: Rows
    covered: Estimate
    classes: dict[str, Estimate]
    referred: Estimate
    accuracy: Estimate
    set_size: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassConformalResult:
    """Split conformal prediction among several classes: fitted on the tune part, measured on the test part.

    Attributes:
        stated: The share of women whose answers hold the truth, at least, as asked for; of each class apart.
        rows: What it holds for: `one` row drawn of each woman, or `all` rows of a woman at once.
        possible_from: Class to the score from which on it belongs to the answer; empty where nothing was fitted.
        fitted_on: The part: never the test part.
        patients: Class to women its cut rests on.
        coverage: On the test part; None where nothing was fitted.
        reason: Why a class is never ruled out, or why nothing was fitted.
    """

    stated: float
    rows: Rows = "all"
    possible_from: dict[str, float]
    fitted_on: str = "tune"
    patients: dict[str, int]
    coverage: ClassCoverage | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformalResult:
    """Split conformal prediction: fitted on the tune part, measured on the test part.

    Attributes:
        stated: The share of women whose answers hold the truth, at least, as asked for; of each class apart.
        rows: What it holds for: `one` row drawn of each woman, or `all` rows of a woman at once.
        positive_from: `positive` is possible from this score on; None where nothing was fitted.
        negative_to: `negative` is possible up to this score. Where both are possible, or neither, a row is referred.
        fitted_on: The part: never the test part.
        patients: Women the cuts rest on: positive ones and negative ones.
        coverage: On the test part; None where nothing was fitted.
        reason: Why everything of a class is referred, or why nothing was fitted.
    """

    stated: float
    rows: Rows = "all"
    positive_from: float | None = None
    negative_to: float | None = None
    fitted_on: str = "tune"
    patients: tuple[int, ...] = ()
    coverage: Coverage | None = None
    reason: str | None = None
