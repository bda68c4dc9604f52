"""Labels that have changed hands: what a network learns from them is a control, not a model."""

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from mammoscope.batches import Samples
from mammoscope.training.dotted import with_values
from mammoscope.training.recipe import Recipe


def permuted(samples: Samples, *, seed: int) -> Samples:
    """Give each patient the labels of another one, so that pictures and labels no longer belong together.

    The labels of one patient stay together: she gets those of another in their order, repeated or cut to the number of
    her own samples. With them stays how labels go together within a patient, and among tasks.

    Args:
        samples: With patients.
        seed: Of the permutation.

    Returns:
        The same pictures with the labels of others. The permutation has no fixed point: nobody keeps her own, except
        where there is one patient only.

    Source:
        Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, section 3.2: data randomisation; by whole
        clusters, since samples of one patient are not exchangeable with those of others.
    """
    if samples.patients is None:
        raise ValueError("labels are permuted between patients, and it is not told whose the samples are")
    people = np.unique(samples.patients)
    labels = np.empty_like(samples.labels)
    for person, other in zip(people, _others(people, seed=seed), strict=True):
        own, given = (np.flatnonzero(samples.patients == one) for one in (person, other))
        labels[own] = samples.labels[np.resize(given, len(own))]
    return replace(samples, labels=labels)


def control_of(recipe: Recipe, *, seed: int) -> Recipe:
    """The control of a recipe: the same but for its labels and its name.

    Raises:
        RecipeError: It has a stage on patches, or starts from other weights.

    Example:
        >>> control_of(Recipe(name="one", source="rsna"), seed=7).name
        'one-permuted-labels'
    """
    return with_values(recipe, {"permute_labels": seed, "name": f"{recipe.name}-permuted-labels"})


def _others(people: Int[np.ndarray, " patients"], *, seed: int) -> Int[np.ndarray, " patients"]:
    """One cycle through all patients in an order that is drawn: each is followed by another."""
    order = np.random.default_rng(seed).permutation(len(people))
    other = np.empty_like(people)
    other[order] = people[np.roll(order, 1)]
    return other
