"""One pass over the train part."""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mammoscope.batches import Batch, Pictures, Samples, batches, epoch_order, steps_of
from mammoscope.models import UNKNOWN, Classifier, Task, autocast, probabilities, spans
from mammoscope.training.alarms import exploded
from mammoscope.training.changing import changed
from mammoscope.training.objective import loss
from mammoscope.training.processes import ALONE, Team, sum_gradients
from mammoscope.training.recipe import Recipe
from mammoscope.training.schedule import learning_rate
from mammoscope.training.stages import Stage, Training

Told = Callable[[int, int, float], None]
"""Called with (step from 1, steps, mean train loss so far)."""


class ExplodedError(ArithmeticError):
    """The loss is no longer a number, or a hundred times what it was at first. Caught by the loop, never by a user."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What stays the same over the epochs of a stage.

    Attributes:
        recipe: What decides the result.
        stage: The stage.
        first: Epoch of the run at which it begins, from 0.
        samples: Of the train part.
        weights: Of the classes of each task.
        rate: Factor on the learning rate.
        team: Processes that share each step.
    """

    recipe: Recipe
    stage: Stage
    first: int
    samples: Samples
    weights: list[Tensor]
    rate: float
    team: Team = ALONE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learner:
    """What an epoch changes: the network, and what follows it.

    Attributes:
        network: The model.
        forward: How it is called: itself, compiled, or on what a frozen encoder said. Gives logits, and of a network
            that looks twice what its first look says beside them.
        optimizer: Of the stage.
        average: Moving average of the weights, if there is one.
    """

    network: Classifier
    forward: Callable[..., Tensor | tuple[Tensor, Tensor]]
    optimizer: torch.optim.Optimizer
    average: torch.optim.swa_utils.AveragedModel | None = None


def run_epoch(
    learner: Learner,
    course: Course,
    *,
    epoch: int,
    tune_losses: Sequence[float],
    first_loss: float | None = None,
    pictures: Pictures | None = None,
    told: Told | None = None,
) -> dict[str, Any]:
    """Train for one epoch.

    Args:
        learner: Changed in place.
        course: What stays the same.
        epoch: From 0, over all stages.
        tune_losses: Of the stage's earlier epochs.
        first_loss: Of the run's first step; None in its first epoch.
        pictures: What a frozen encoder says of pictures, in place of their pixels.
        told: Told after each step.

    Returns:
        `steps`, `first_loss` (of the run), `train_loss`, `train_accuracy` (of the main task, on the pictures as they
        were changed), `lr`, `images_per_s` (of all processes), and of this one `wait_share` (of the time, waiting for
        pictures), `device_share` (of the processors or GPU in use), `peak_mib`.

    Raises:
        ExplodedError: The loss is no number, or a hundred times what it was at first.
    """
    recipe, settings, team = course.recipe, course.recipe.training, course.team
    started = time.perf_counter()
    order = epoch_order(
        course.samples.main,
        seed=recipe.seed,
        epoch=epoch,
        sampling=settings.sampling,
        patients=course.samples.patients,
    )
    steps = steps_of(order, batch_size=settings.batch_size, drop_last=True)
    device = next(learner.network.parameters()).device
    losses: list[float] = []
    right, seen, lr = 0.0, 0, 0.0
    shares = [team.share(part) for rows in steps for part in _parts(rows, settings)]
    clock = Clock(batches(course.samples, shares, pictures=pictures))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for number, rows in enumerate(steps):
            torch.manual_seed(seed_of(recipe.seed, epoch, number, team.rank))  # dropout of this step
            at = (epoch - course.first) * len(steps) + number
            lr = course.rate * learning_rate(course.stage, step=at, steps_per_epoch=len(steps), tune_losses=tune_losses)
            learner.optimizer.zero_grad(set_to_none=True)
            known = (course.samples.labels[rows] != UNKNOWN).sum(axis=0).tolist()
            total, hit = 0.0, 0.0
            for part in _parts(rows, settings):
                value, hits = _backward(
                    learner,
                    course,
                    next(clock),
                    epoch=epoch,
                    step=number,
                    known=known,
                    encoded=pictures is not None,
                    weight=team.weight(len(part)),
                )
                total, hit = total + value, hit + hits
            total, hit = sum_gradients(learner.network, beside=(total, hit), team=team)
            seen, right = seen + len(rows), right + hit
            losses.append(total)
            first_loss = total if first_loss is None else first_loss
            if exploded(total, first=first_loss):
                raise ExplodedError(f"the loss became {total:.4g} in step {number + 1} at a learning rate of {lr:.3g}")
            stepped(learner, lr=lr, clip_norm=settings.clip_norm)
            if told is not None:
                told(number + 1, len(steps), float(np.mean(losses)))
    took = time.perf_counter() - started
    return {
        "steps": len(steps),
        "first_loss": first_loss,
        "train_loss": float(np.mean(losses)),
        "train_accuracy": right / max(seen, 1),
        "lr": lr,
        "images_per_s": round(seen / took, 1),
        "wait_share": round(clock.waited / took, 3),
        "device_share": clock.device_share(device),
        "peak_mib": peak_mib(device),
    }


def _backward(
    learner: Learner,
    course: Course,
    batch: Batch,
    *,
    epoch: int,
    step: int,
    known: list[int],
    encoded: bool,
    weight: float,
) -> tuple[float, float]:
    """Gradients of one part of a step; its share of the loss, and how many of its main labels were hit."""
    recipe, network = course.recipe, learner.network
    seen = changed(batch, recipe=recipe, epoch=epoch, step=step, encoded=encoded)
    device = next(network.parameters()).device
    inputs, labels = seen.inputs.placed(device) if not encoded else seen.inputs, batch.labels.to(device)
    with autocast(device, recipe.training.precision):
        answer = learner.forward(*inputs)
    logits, side = answer if isinstance(answer, tuple) else (answer, None)
    of = partial(_loss, logits, side, course=course, tasks=network.tasks, known=known)
    value = of(labels)
    if seen.partners is not None:
        value = seen.share * value + (1 - seen.share) * of(labels[seen.partners])
    value = value * weight
    value.backward()  # type: ignore[no-untyped-call]
    calls = probabilities(logits.detach()[:, spans(network.tasks)[0]], network.tasks[0]).argmax(dim=1)
    return value.item(), int((calls == labels[:, 0]).sum()) * weight


def _loss(
    logits: Tensor, side: Tensor | None, labels: Tensor, *, course: Course, tasks: Sequence[Task], known: list[int]
) -> Tensor:
    """The loss of what a network says, and beside it that of what its first look says of the main task."""
    recipe, weights = course.recipe, course.weights
    of = partial(loss, training=recipe.training, also_weight=recipe.also_weight)
    value = of(logits.float(), labels, tasks=tasks, weights=weights, known=known)
    if side is None:
        return value
    return value + of(side.float(), labels[:, :1], tasks=tasks[:1], weights=weights[:1], known=known[:1])


def stepped(learner: Learner, *, lr: float, clip_norm: float | None) -> None:
    """Take one step at this rate with the gradients there are."""
    for group in learner.optimizer.param_groups:
        group["lr"] = lr * group["scale"]
    if clip_norm is not None:
        learning = [parameter for parameter in learner.network.parameters() if parameter.requires_grad]
        torch.nn.utils.clip_grad_norm_(learning, clip_norm)
    learner.optimizer.step()
    if learner.average is not None:
        learner.average.update_parameters(learner.network)


def _parts(rows: np.ndarray, settings: Training) -> list[np.ndarray]:
    """No larger than those of a whole step, and none of a single sample, which batch normalisation cannot use."""
    size = ceil(settings.batch_size / settings.accumulate)
    count = ceil(len(rows) / size)
    lonely = size > 1 and len(rows) // count == 1
    return np.array_split(rows, max(1, count - lonely))


class Clock:
    """Hands out batches and keeps how long they were waited for, and how busy the processor was meanwhile."""

    def __init__(self, read: Iterator[Batch]) -> None:
        self._read = read
        self.waited = 0.0
        self._wall, self._busy = time.perf_counter(), time.process_time()

    def device_share(self, device: torch.device) -> float | None:
        """How much of the device was used since the start; None where nobody tells.

        Of processors the time they computed for this process, over the threads it may use; of a GPU what its driver
        says of the last moment.
        """
        if device.type == "cuda":
            try:
                return torch.cuda.utilization(device) / 100
            except (RuntimeError, ModuleNotFoundError):  # the driver's library is not there
                return None
        if device.type != "cpu":
            return None
        wall = max(time.perf_counter() - self._wall, 1e-9)
        return round((time.process_time() - self._busy) / wall / torch.get_num_threads(), 3)

    def __next__(self) -> Batch:
        started = time.perf_counter()
        batch = next(self._read)
        self.waited += time.perf_counter() - started
        return batch


def peak_mib(device: torch.device) -> int:
    """The most memory used so far: of the GPU where there is one, else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device) >> 20)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit >> 20)


def seed_of(*numbers: int) -> int:
    """One seed of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
