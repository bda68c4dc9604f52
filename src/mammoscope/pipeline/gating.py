"""What a bundle needs to say "refer": conformal limits and a gate on embeddings; and whether patients are enough."""

import logging
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from mammoscope.errors import RecipeError, SourceError
from mammoscope.referral import YES_OR_NO, Conformal, Gate

if TYPE_CHECKING:
    from mammoscope.batches import Samples
    from mammoscope.models import Classifier
    from mammoscope.training import Data, Recipe

log = logging.getLogger(__name__)


def conformal_of(unit: dict[str, Any]) -> Conformal | None:
    """The limits that an evaluation fitted on the tune part, as a bundle keeps them.

    Args:
        unit: What `metrics.json` holds of the unit that the bundle answers for.

    Returns:
        None where no coverage was asked for, or there was no tune part.

    Example:
        >>> found = conformal_of({"conformal": {"stated": 0.9, "rows": "all", "positive_from": 0.25, "negative_to": 0.5,
        ...     "patients": [40, 60], "reason": None}})
        >>> found.calls(np.array([0.1, 0.3, 0.6]))
        ['negative', 'refer', 'positive']
    """
    found = unit.get("conformal")
    if not found or not found["patients"]:
        return None
    if "possible_from" in found:
        limits = {name: 1.0 - cut for name, cut in found["possible_from"].items()}
        women = found["patients"]
    else:
        limits = dict(zip(YES_OR_NO, (found["negative_to"], 1.0 - found["positive_from"]), strict=True))
        women = dict(zip(YES_OR_NO, found["patients"][::-1], strict=True))
    return Conformal(
        coverage=found["stated"],
        per_class=True,
        rows=found["rows"],
        classes=tuple(limits),
        limits=tuple(limits.values()),
        patients=tuple(women[name] for name in limits),
        reason=found["reason"],
    )


def refuse_few(recipe: "Recipe", *, data: "Data") -> None:
    """See that there are women enough for the recipe's gate and estimator, before anything is spent on training.

    Args:
        recipe: What decides the result.
        data: What `training_data` or `expected_data` gave.

    Raises:
        RecipeError: The tune part has fewer than the gate's share takes, or a class fewer train patients than a support
            vector machine holds back.
    """
    _refuse_few_train(recipe, data.train)
    share = recipe.measure.gate
    if share is None:
        return
    women = len(np.unique(_women(data.tune)))
    needed = ceil((1.0 - share) / share - 1e-9)
    if women < needed:
        raise RecipeError(
            f"[measure] gate = {share}: a share so small takes {needed} tune patients, and there are {women}. Take "
            "more, a larger share, or leave gate out"
        )


def _refuse_few_train(recipe: "Recipe", samples: "Samples") -> None:
    """See that the patients of every class can be held back from a support vector machine in parts."""
    if recipe.estimator is None or recipe.estimator.kind != "svm":
        return
    from mammoscope.models.estimators.kernel import svm_folds

    known = samples.main >= 0
    patients, names = _women(samples)[known], recipe.tasks[0].classes
    svm_folds(recipe.estimator, samples.main[known], patients=patients, seed=recipe.seed, names=names)


def fitted_gate(recipe: "Recipe", *, network: "Classifier", data: "Data") -> Gate | None:
    """Fit the recipe's gate on the vectors of the train part, its limit on those of the tune part.

    Args:
        recipe: Its `[measure] gate`.
        network: Trained.
        data: That it was trained and tuned on.

    Returns:
        None where the recipe asks for none, or where the network says the same of every training picture; the log
        has that.
    """
    if recipe.measure.gate is None:
        return None
    from mammoscope.evaluation import fit_gate

    train, tune = (_vectors(recipe, network, samples) for samples in (data.train, data.tune))
    inside = 1.0 - recipe.measure.gate
    try:
        return fit_gate(train, tune=tune, patients=_women(data.tune), inside=inside, seed=recipe.seed)
    except SourceError as error:
        log.warning("%s: the bundle has no gate: %s", recipe.name, error)
        return None


def _women(samples: "Samples") -> np.ndarray:
    """Number of each sample's patient; where nothing is known of them, each is of another."""
    return np.arange(len(samples)) if samples.patients is None else samples.patients


def _vectors(recipe: "Recipe", network: "Classifier", samples: "Samples") -> Float[np.ndarray, "samples width"]:
    """What the encoder says of the pictures of each sample, without clinical columns, as `Bundle.answer` has it."""
    from mammoscope.training import embeddings_of

    settings = recipe.training
    how: dict[str, Any] = {"batch_size": settings.batch_size, "precision": settings.precision}
    return embeddings_of(network, samples, layer="pooled", **how)[:, : network.encoder.width]
