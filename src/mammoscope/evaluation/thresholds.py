"""Choosing the score from which on a row is called positive, on the tune part."""

import numpy as np
from jaxtyping import Float

from mammoscope.errors import RecipeError
from mammoscope.evaluation.samples import Sample
from mammoscope.evaluation.values import Rule, Threshold


def choose_threshold(sample: Sample, *, rule: Rule = "youden", at_least: float | None = None) -> Threshold:
    """Choose a threshold among the scores that occur in a sample; positive means `score >= threshold`.

    - `youden`: the largest sensitivity + specificity - 1; of several, the lowest threshold (most sensitive).
    - `sensitivity`: the highest threshold whose sensitivity is `at_least` (so the most specific).
    - `specificity`: the lowest threshold whose specificity is `at_least` (so the most sensitive); where no score
      reaches it, a threshold just above the highest score: nobody is called positive.

    A threshold is always one of the observed scores, so it moves with any increasing transform of them.

    Args:
        sample: The tune part. The test part must never be given here.
        rule: The rule.
        at_least: The bound, in (0, 1], for `sensitivity` and `specificity`; None for `youden`.

    Returns:
        The threshold; without a value, and with the reason, if the sample is empty or has a single class.

    Raises:
        RecipeError: The rule is unknown, or `at_least` does not fit it.

    Source:
        Youden, Index for rating diagnostic tests, Cancer 3 (1950).

    Example:
        >>> from mammoscope.evaluation import sample_of
        >>> import polars as pl
        >>> rows = pl.DataFrame({"label": [0, 0, 1, 1], "score": [0.1, 0.4, 0.3, 0.9], "patient_id": list("abcd")})
        >>> choose_threshold(sample_of(rows)).value
        0.3
        >>> choose_threshold(sample_of(rows), rule="specificity", at_least=0.9).value
        0.9
    """
    check_rule(rule, at_least=at_least)
    if sample.single_class:
        found = f"{sample.positives} positive of {len(sample.labels)} rows"
        reason = f"the tune part has a single class ({found}): no threshold can be chosen"
        return Threshold(value=None, rule=rule, at_least=at_least, reason=reason)
    highest = float(sample.scores.max())
    cuts = np.append(np.unique(sample.scores), np.nextafter(highest, np.inf))
    sensitivity = _at_or_above(sample.scores[sample.labels], cuts)
    specificity = 1.0 - _at_or_above(sample.scores[~sample.labels], cuts)
    if rule == "youden":
        chosen = int(np.argmax(np.round(sensitivity + specificity, 12)))
    elif rule == "sensitivity":
        chosen = int(np.flatnonzero(sensitivity >= (at_least or 0.0))[-1])
    else:
        chosen = int(np.flatnonzero(specificity >= (at_least or 0.0))[0])
    return Threshold(
        value=float(cuts[chosen]),
        rule=rule,
        at_least=at_least,
        sensitivity=float(sensitivity[chosen]),
        specificity=float(specificity[chosen]),
    )


def check_rule(rule: str, *, at_least: float | None) -> None:
    """Refuse a rule that cannot be applied.

    Raises:
        RecipeError: The rule is unknown, or `at_least` does not fit it.
    """
    if rule not in {"youden", "sensitivity", "specificity"}:
        raise RecipeError(f"threshold rule {rule!r} is not one of youden, sensitivity, specificity")
    if rule == "youden" and at_least is not None:
        raise RecipeError(f"threshold rule 'youden' takes no at_least, got {at_least}. Leave it out")
    if rule != "youden" and (at_least is None or not 0.0 < at_least <= 1.0):
        raise RecipeError(f"threshold rule {rule!r} needs at_least in (0, 1], got {at_least}")


def _at_or_above(scores: Float[np.ndarray, " rows"], cuts: Float[np.ndarray, " cuts"]) -> Float[np.ndarray, " cuts"]:
    below = np.searchsorted(np.sort(scores), cuts, side="left")
    share: Float[np.ndarray, " cuts"] = (len(scores) - below) / len(scores)
    return share
