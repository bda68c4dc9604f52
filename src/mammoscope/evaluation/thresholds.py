"""Choosing the score from which on a row is called positive, on the tune part."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from mammoscope.errors import RecipeError, nearest
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.values import Rule, Threshold


def choose_threshold(
    sample: Sample,
    *,
    rule: Rule = "youden",
    at_least: float | None = None,
    at_most: float | None = None,
    miss_cost: float | None = None,
    prevalence: float | None = None,
) -> Threshold:
    """Choose a threshold among the scores that occur in a sample; positive means `score >= threshold`.

    - `youden`: the largest sensitivity + specificity - 1; of several, the lowest threshold (most sensitive).
    - `sensitivity`: the highest threshold whose sensitivity is `at_least` (so the most specific).
    - `specificity`: the lowest threshold whose specificity is `at_least` (so the most sensitive); where no score
      reaches it, a threshold just above the highest score: nobody is called positive.
    - `recall_rate`: the lowest threshold that calls `at_most` this share positive (so the most sensitive), at the
      stated prevalence, or as the sample is if none is stated; it may be the threshold that nobody reaches.
    - `cost`: the lowest expected cost at the stated prevalence, a false recall costing 1 and a miss `miss_cost`; of
      several, the lowest threshold.

    A threshold is always one of the observed scores, so it moves with any increasing transform of them.

    Args:
        sample: The tune part. The test part must never be given here.
        rule: The rule.
        at_least: The bound, in (0, 1], for `sensitivity` and `specificity`; None for the others.
        at_most: The bound, in (0, 1], for `recall_rate`; None for the others.
        miss_cost: How many false recalls are as bad as one miss, above 0, for `cost`; None for the others.
        prevalence: Share of positive rows where the threshold shall be used, in (0, 1): sets are enriched, so their
            own share says nothing of it. `cost` needs it, `recall_rate` may have it, the others do not look at it.

    Returns:
        The threshold; without a value, and with the reason, if the sample is empty or has a single class.

    Raises:
        RecipeError: The rule is unknown, or a number does not fit it.

    Source:
        Youden, Index for rating diagnostic tests, Cancer 3 (1950). Metz, Basic principles of ROC analysis, Seminars
        in Nuclear Medicine 8 (1978): the cost of an operating point.

    Example:
        >>> from mammoscope.evaluation import sample_of
        >>> import polars as pl
        >>> rows = pl.DataFrame({"label": [0, 0, 1, 1], "score": [0.1, 0.4, 0.3, 0.9], "patient_id": list("abcd")})
        >>> choose_threshold(sample_of(rows)).value
        0.3
        >>> choose_threshold(sample_of(rows), rule="specificity", at_least=0.9).value
        0.9
        >>> choose_threshold(sample_of(rows), rule="cost", miss_cost=10, prevalence=0.01).value
        0.9
    """
    check_rule(rule, at_least=at_least, at_most=at_most, miss_cost=miss_cost, prevalence=prevalence)
    asked = Threshold(
        value=None, rule=rule, at_least=at_least, at_most=at_most, miss_cost=miss_cost, prevalence=prevalence
    )
    if sample.single_class:
        found = f"{sample.positives} positive of {len(sample.labels)} rows"
        reason = f"the tune part has a single class ({found}): no threshold can be chosen"
        return replace(asked, reason=reason)
    highest = float(sample.scores.max())
    cuts = np.append(np.unique(sample.scores), np.nextafter(highest, np.inf))
    sensitivity = _at_or_above(sample.scores[sample.labels], cuts)
    specificity = 1.0 - _at_or_above(sample.scores[~sample.labels], cuts)
    share = float(sample.labels.mean()) if prevalence is None else prevalence
    recalled = share * sensitivity + (1.0 - share) * (1.0 - specificity)
    match rule:
        case "sensitivity":
            chosen = int(np.flatnonzero(sensitivity >= (at_least or 0.0))[-1])
        case "specificity":
            chosen = int(np.flatnonzero(specificity >= (at_least or 0.0))[0])
        case "recall_rate":
            chosen = int(np.flatnonzero(recalled <= (at_most or 0.0) + 1e-12)[0])
        case "cost":
            cost = share * (1.0 - sensitivity) * (miss_cost or 0.0) + (1.0 - share) * (1.0 - specificity)
            chosen = int(np.argmin(np.round(cost, 12)))
        case _:
            chosen = int(np.argmax(np.round(sensitivity + specificity, 12)))
    return replace(
        asked,
        value=float(cuts[chosen]),
        sensitivity=float(sensitivity[chosen]),
        specificity=float(specificity[chosen]),
        recall_rate=float(recalled[chosen]),
    )


RULES = ("youden", "sensitivity", "specificity", "recall_rate", "cost")
_NEEDED = {"sensitivity": "at_least", "specificity": "at_least", "recall_rate": "at_most", "cost": "miss_cost"}


def check_rule(
    rule: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    miss_cost: float | None = None,
    prevalence: float | None = None,
) -> None:
    """Refuse a rule that cannot be applied.

    Raises:
        RecipeError: The rule is unknown, or a number does not fit it.
    """
    if rule not in RULES:
        raise RecipeError(f"threshold rule {rule!r} is not one of {', '.join(RULES)}{nearest(rule, RULES)}")
    for name, value in {"at_least": at_least, "at_most": at_most, "miss_cost": miss_cost}.items():
        if _NEEDED.get(rule) != name:
            if value is not None:
                raise RecipeError(f"threshold rule {rule!r} takes no {name}, got {value}. Leave it out")
        elif name == "miss_cost" and (value is None or not 0.0 < value < np.inf):
            raise RecipeError(f"threshold rule {rule!r} needs miss_cost above 0, in false recalls, got {value}")
        elif name != "miss_cost" and (value is None or not 0.0 < value <= 1.0):
            raise RecipeError(f"threshold rule {rule!r} needs {name} in (0, 1], got {value}")
    if rule == "cost" and prevalence is None:
        raise RecipeError("threshold rule 'cost' needs the prevalence where the threshold shall be used. State it")
    if prevalence is not None and not 0.0 < prevalence < 1.0:
        raise RecipeError(f"prevalence must be in (0, 1), got {prevalence}")


def _at_or_above(scores: Float[np.ndarray, " rows"], cuts: Float[np.ndarray, " cuts"]) -> Float[np.ndarray, " cuts"]:
    below = np.searchsorted(np.sort(scores), cuts, side="left")
    share: Float[np.ndarray, " cuts"] = (len(scores) - below) / len(scores)
    return share
