"""An epoch on patches: the backbone of a patch-to-whole network learns what lesions look like."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mammoscope.batches import Batch, Patches, patch_batches
from mammoscope.models import Classifier, Inputs, PatchToWholeEncoder, Precision, Task, autocast, probabilities
from mammoscope.training.alarms import exploded
from mammoscope.training.changing import Changed, changed
from mammoscope.training.epoch import Clock, Course, ExplodedError, Learner, Told, peak_mib, seed_of, stepped
from mammoscope.training.objective import class_weights, loss
from mammoscope.training.processes import sum_gradients
from mammoscope.training.schedule import learning_rate

TUNE_DRAW = 0  # the epoch whose draw the tune patches are, for good


def patch_epoch(
    learner: Learner,
    course: Course,
    *,
    patches: Patches,
    classes: Sequence[str],
    epoch: int,
    tune_losses: Sequence[float],
    first_loss: float | None = None,
    told: Told | None = None,
) -> dict[str, Any]:
    """Train for one epoch on patches.

    Args:
        learner: Changed in place.
        course: What stays the same; its samples and weights are not looked at.
        patches: Of the train part.
        classes: What a patch may show.
        epoch: From 0, over all stages; another one draws other patches.
        tune_losses: Of the stage's earlier epochs.
        first_loss: Of the run's first step on patches; None in its first epoch on them.
        told: Told after each step.

    Returns:
        What `run_epoch` returns; `images_per_s` are patches.

    Raises:
        ExplodedError: The loss is no number, or a hundred times what it was at first.
    """
    recipe, settings, team = course.recipe, course.recipe.training, course.team
    started = time.perf_counter()
    device = next(learner.network.parameters()).device
    task = patch_task(classes)
    weights = torch.from_numpy(class_weights(patch_labels(patches), task=task, training=settings)).float().to(device)
    sizes = step_sizes(len(patches), batch_size=settings.batch_size)
    clock = Clock(
        islice(patch_batches(patches, seed=recipe.seed, epoch=epoch, batch_size=settings.batch_size), len(sizes))
    )
    losses: list[float] = []
    right, lr = 0.0, 0.0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for number in range(len(sizes)):
            torch.manual_seed(seed_of(recipe.seed, epoch, number, team.rank))  # dropout of this step
            at = (epoch - course.first) * len(sizes) + number
            lr = course.rate * learning_rate(course.stage, step=at, steps_per_epoch=len(sizes), tune_losses=tune_losses)
            learner.optimizer.zero_grad(set_to_none=True)
            batch = next(clock)
            numbered = replace(batch, pictures=batch.samples + len(patches) + 1)  # each patch is changed in its own way
            seen = changed(numbered, recipe=recipe, epoch=epoch, step=number)
            total, hits = _backward(learner, course, seen, batch, task=task, weights=weights)
            losses.append(total)
            right += hits
            first_loss = total if first_loss is None else first_loss
            if exploded(total, first=first_loss):
                raise ExplodedError(f"the loss became {total:.4g} in step {number + 1} at a learning rate of {lr:.3g}")
            stepped(learner, lr=lr, clip_norm=settings.clip_norm)
            if told is not None:
                told(number + 1, len(sizes), float(np.mean(losses)))
    took = time.perf_counter() - started
    return {
        "steps": len(sizes),
        "first_loss": first_loss,
        "train_loss": float(np.mean(losses)),
        "train_accuracy": right / max(sum(sizes), 1),
        "lr": lr,
        "images_per_s": round(sum(sizes) / took, 1),
        "wait_share": round(clock.waited / took, 3),
        "device_share": clock.device_share(device),
        "peak_mib": peak_mib(device),
    }


def _backward(
    learner: Learner, course: Course, seen: Changed, batch: Batch, *, task: Task, weights: Tensor
) -> tuple[float, float]:
    """Gradients of one step, part by part; its loss, and how many labels were hit."""
    settings, team, network = course.recipe.training, course.team, learner.network
    device = weights.device
    total, hits = 0.0, 0.0
    for part in np.array_split(np.arange(len(batch.labels)), min(settings.accumulate, len(batch.labels))):
        rows = torch.from_numpy(team.share(part))
        pixels, labels = Inputs(seen.inputs.pixels[rows]).placed(device).pixels, batch.labels[rows].to(device)
        with autocast(device, settings.precision):
            logits = patch_logits(network, pixels)
        of = partial(
            loss, logits.float(), tasks=[task], training=settings, weights=[weights], known=[len(batch.labels)]
        )
        value = of(labels)
        if seen.partners is not None:
            value = seen.share * value + (1 - seen.share) * of(batch.labels[seen.partners.cpu()[rows]].to(device))
        weight = team.weight(len(part))
        value = value * weight
        value.backward()  # type: ignore[no-untyped-call]
        total += value.item()
        hits += int((logits.detach().argmax(dim=1) == labels[:, 0]).sum()) * weight
    total, hits = sum_gradients(network, beside=(total, hits), team=team)
    return total, hits


def patch_scores(
    network: Classifier, patches: Patches, *, classes: Sequence[str], seed: int, batch_size: int, precision: Precision
) -> tuple[Float[np.ndarray, "patches classes"], Int[np.ndarray, " patches"]]:
    """Probabilities of the tune patches, and what they show.

    Args:
        network: Put into evaluation mode for the time, and back.
        patches: Of the tune part; the same ones are drawn each time.
        classes: What a patch may show.
        seed: Of the run.
        batch_size: Patches at a time.
        precision: Of the arithmetic.
    """
    device = next(network.parameters()).device
    training, task = network.training, patch_task(classes)
    network.eval()
    chances: list[Tensor] = []
    labels: list[Tensor] = []
    drawn: Iterable[Batch] = patch_batches(patches, seed=seed, epoch=TUNE_DRAW, batch_size=batch_size)
    try:
        with torch.inference_mode(), autocast(device, precision):
            for batch in drawn:
                logits = patch_logits(network, Inputs(batch.pixels).placed(device).pixels)
                chances.append(probabilities(logits.double(), task).cpu())
                labels.append(batch.labels[:, 0])
    finally:
        network.train(training)
    return torch.cat(chances).numpy(), torch.cat(labels).numpy()


def patch_logits(network: Classifier, pixels: Float[Tensor, "batch 1 rows cols"]) -> Float[Tensor, "batch classes"]:
    """What the network says of patches, from display values."""
    if not isinstance(network.network, PatchToWholeEncoder):
        raise TypeError(f"a {type(network.network).__name__} knows nothing of patches")
    return network.network.patch_logits(network.scaled(pixels))


def patch_task(classes: Sequence[str]) -> Task:
    """The question that patches are asked."""
    return Task(name="patch", classes=tuple(classes), kind="nominal")


def patch_labels(patches: Patches) -> Int[np.ndarray, " patches"]:
    """What each patch of an epoch shows; background is 0."""
    lesions = patches.samples[:, 0]
    return np.where(lesions >= 0, patches.labels[lesions], 0)


def step_sizes(count: int, *, batch_size: int) -> list[int]:
    """Patches in each step; a last step of one alone is left out, as batch normalisation cannot use it.

    Example:
        >>> step_sizes(5, batch_size=2), step_sizes(1, batch_size=2)
        ([2, 2], [1])
    """
    sizes = [min(batch_size, count - first) for first in range(0, count, batch_size)]
    return sizes[:-1] if len(sizes) > 1 and sizes[-1] == 1 else sizes
