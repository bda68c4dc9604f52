"""Fitting the rule by which several models answer together: on the tune part, never on the test part."""

from typing import Literal, assert_never

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import logsumexp

from mammoscope.combiners import EDGE, Answers, Combiner, Knots, MeanOf, RankMeanOf, StackOf, WeightedMeanOf
from mammoscope.errors import SourceError

Rule = Literal["mean", "rank", "weighted", "stacking"]

ROUNDS = 2000  # of the weights' ascent, at most
SETTLED = 1e-9  # a round that moves no weight further has arrived
RIDGE = 1.0  # pull of the slopes towards one over the number of members: that of one row, so it fades with many


def fit_combiner(by: Rule, answers: Answers, *, labels: Int[np.ndarray, " rows"]) -> Combiner:
    """Fit a rule to the members' answers on the tune part.

    Args:
        by: `mean` fits nothing. `rank` keeps each member's tune scores, to rank new ones among them. `weighted` and
            `stacking` choose what makes the tune labels most likely.
        answers: Probability of each class, of the tune rows.
        labels: Number of each row's class.

    Returns:
        The rule.

    Raises:
        SourceError: There are fewer than two members, or too few tune rows or classes for the rule.

    Source:
        weighted: Yao, Vehtari, Simpson and Gelman, Bayesian Analysis 13 (2018) 917, equation 4 with tune rows
        in the place of leave-one-out, by expectation-maximisation. stacking: Wolpert, Neural Networks 5 (1992) 241,
        with slopes not below 0 as Breiman, Machine Learning 24 (1996) 49, found necessary.

    Example:
        >>> good, coin = np.array([[0.9, 0.1], [0.2, 0.8]]), np.full((2, 2), 0.5)
        >>> fit_combiner("weighted", np.stack([good, coin]), labels=np.array([0, 1])).weights[0] > 0.99
        True
    """
    if len(answers) < 2:
        raise SourceError(f"ensemble: {len(answers)} member given, at least 2 are needed")
    kinds = len(np.unique(labels))
    if kinds < {"mean": 0, "rank": 1}.get(by, 2):
        raise SourceError(
            f"ensemble: the tune part has {len(labels)} rows of {kinds} classes: {by} cannot be fitted there. "
            "Use mean, or split with a larger tune part"
        )
    match by:
        case "mean":
            return MeanOf()
        case "rank":
            first = 1 if answers.shape[2] == 2 else 0
            columns = range(first, answers.shape[2])
            return RankMeanOf(knots=tuple(tuple(_knots(one[:, at]) for at in columns) for one in answers))
        case "weighted":
            return WeightedMeanOf(weights=tuple(_weights(_of_truth(answers, labels)).tolist()))
        case "stacking":
            return _stacked(np.log(np.clip(answers, EDGE, 1.0)), labels)
        case _:
            assert_never(by)


def _knots(scores: Float[np.ndarray, " rows"]) -> Knots:
    """Each tune score with its middle rank; 0 and 1 are the ends."""
    values, counts = np.unique(scores, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / len(scores)
    low, high = ([] if values[0] <= 0 else [0.0]), ([] if values[-1] >= 1 else [1.0])
    return Knots(scores=(*low, *values.tolist(), *high), ranks=(*low, *ranks.tolist(), *high))


def _of_truth(answers: Answers, labels: Int[np.ndarray, " rows"]) -> Float[np.ndarray, "members rows"]:
    """What each member gave the true class."""
    return np.asarray(np.clip(answers[:, np.arange(len(labels)), labels], EDGE, 1.0))


def _weights(likelihoods: Float[np.ndarray, "members rows"]) -> Float[np.ndarray, " members"]:
    """The mixture that makes the rows most likely: each round gives a member the share of the rows it explains."""
    found = np.full(len(likelihoods), 1.0 / len(likelihoods))
    for _ in range(ROUNDS):
        shares = found[:, None] * likelihoods
        new = (shares / shares.sum(axis=0)).mean(axis=1)
        moved = np.abs(new - found).max()
        found = new
        if moved < SETTLED:
            break
    return np.asarray(found / found.sum())


def _stacked(logs: Answers, labels: Int[np.ndarray, " rows"]) -> StackOf:
    members, rows, classes = logs.shape
    at = np.arange(rows)

    def cost(point: Float[np.ndarray, " point"]) -> tuple[float, Float[np.ndarray, " point"]]:
        """Minus the log likelihood, with the ridge; and its gradient."""
        slopes, intercepts = point[:members], np.concatenate([[0.0], point[members:]])
        logits = np.einsum("m,mrc->rc", slopes, logs) + intercepts
        told = logits - logsumexp(logits, axis=1, keepdims=True)
        rest = np.exp(told)
        rest[at, labels] -= 1.0
        pull = slopes - 1.0 / members
        gradient = np.concatenate([np.einsum("rc,mrc->m", rest, logs) + RIDGE * pull, rest.sum(axis=0)[1:]])
        return float(-told[at, labels].sum() + 0.5 * RIDGE * pull @ pull), gradient

    start = np.concatenate([np.full(members, 1.0 / members), np.zeros(classes - 1)])
    bounds = [(0.0, None)] * members + [(-50.0, 50.0)] * (classes - 1)
    point = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-8}).x
    return StackOf(slopes=tuple(point[:members].tolist()), intercepts=(0.0, *point[members:].tolist()))
