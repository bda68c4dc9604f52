"""The training loop: stages of epochs on one network, resumable between any two of them.

All randomness is a function of the seed and the number of the epoch or step, so a run that was
killed and resumed takes the same way, to the bit, as one that was not.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from mammoscope.errors import RecipeError
from mammoscope.models import Classifier, FromEncoded, save_tensors
from mammoscope.storage import write_text
from mammoscope.training.alarms import Event, alarms
from mammoscope.training.checkpoint import (
    Checkpoint,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from mammoscope.training.choice import early_end, is_best, is_over
from mammoscope.training.data import Data
from mammoscope.training.epoch import Course, ExplodedError, Learner, run_epoch
from mammoscope.training.estimating import fitted
from mammoscope.training.freezing import freeze, optimizer_of, training_mode
from mammoscope.training.frozen import Frozen, take_encoder
from mammoscope.training.objective import class_weights
from mammoscope.training.patch_data import PatchParts
from mammoscope.training.patching import patch_epoch, patch_scores
from mammoscope.training.processes import (
    ALONE,
    APART,
    Team,
    agree_on_statistics,
    apart,
    check_alike,
    wait,
    with_shared_statistics,
)
from mammoscope.training.recipe import Recipe
from mammoscope.training.stages import Stage
from mammoscope.training.start import Start, begun_anew, starting_network, told_anew
from mammoscope.training.trainable import trainable
from mammoscope.training.tuning import scores_of, tune_row
from mammoscope.training.two_looks import asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where training stands; told after each step and each epoch."""

    epoch: int  # from 1, over all stages
    epochs: int
    step: int  # from 1; equal to `steps` when the epoch is done
    steps: int
    train_loss: float  # mean so far in this epoch
    tune_auc: float | None = None  # of this epoch once it is done
    row: dict[str, Any] | None = None  # of the history, once the epoch is done


Watch = Callable[[Moment], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training leaves: the network of the best epoch on tune, and how it went."""

    network: Classifier
    history: list[dict[str, Any]]
    events: list[dict[str, Any]]
    best_epoch: int  # 0 where an estimator alone learned
    resumed_after: int  # epochs that an earlier run had already done
    begun_anew: list[dict[str, Any]]  # what was not taken over from the start


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What every epoch of a run needs."""

    recipe: Recipe
    data: Data
    folder: Path
    device: torch.device
    start: Start | None
    watch: Watch | None
    team: Team

    @property
    def last(self) -> Path:
        """The checkpoint that training goes on from."""
        return self.folder / "checkpoints" / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / "checkpoints" / "best.safetensors"


def train(
    recipe: Recipe,
    *,
    data: Data,
    folder: Path,
    device: torch.device | None = None,
    start: Start | None = None,
    watch: Watch | None = None,
    team: Team = ALONE,
) -> Trained:
    """Train as a recipe says, from the last checkpoint in the folder if there is one.

    Args:
        recipe: What decides the result.
        data: What `training_data` gave.
        folder: The run folder; `checkpoints/`, `history.jsonl` and `events.jsonl` are written after each epoch. Of
            several processes the first one writes.
        device: Where to compute; the CPU when not given.
        start: Weights of another run to begin with, where the recipe asks for them.
        watch: Told after each step.
        team: Processes that share each step, as `joined` gives it; each calls this function.

    Returns:
        The network with the weights of the best epoch: highest tune AUC, then lowest tune loss; or as the recipe's
        `select` says. Of several processes only the first one's has the estimator.

    Raises:
        RecipeError: The folder holds a checkpoint of another recipe or cohort; a step does not fit in memory, or has
            too few samples for so many processes; or the loss explodes again and again.
        ClusterError: A process ended, or they do not see the same folder.
        StorageError: A checkpoint cannot be written or read. The one before it is still whole.
    """
    device = device or torch.device("cpu")
    shop = Workshop(recipe=recipe, data=data, folder=folder, device=device, start=start, watch=watch, team=team)
    network = trainable(recipe, data=data, device=device, start=start, team=team)
    network = network.to(shop.device).to(memory_format=torch.channels_last)
    about = f"{recipe.fingerprint}{data.fingerprint}{'' if start is None else start.fingerprint}"
    run = hashlib.sha256(about.encode()).hexdigest()
    anew = begun_anew(network, data=data, start=start)
    events = [asdict(told_anew(anew, start=start))] if start is not None and anew else []
    fresh = Checkpoint(run=run, epochs_done=0, stage=-1, history=[], best_epoch=None, events=events)
    state = _resumed(shop.last, run=run) or fresh
    check_alike(f"{state.epochs_done} {run}", team=team)
    resumed_after = state.epochs_done
    learning = cast("Classifier", with_shared_statistics(network, device=device, team=team))
    for number in range(len(recipe.stages)):
        if not is_over(recipe, number, state.history):
            state = _stage(shop, number, network=learning, state=state)
    if recipe.stages:
        if state.best_epoch is None:
            raise RecipeError("training ended before its first epoch was measured. Delete the run and start again")
        wait(team)  # for the first one to have written them
        network.load_state_dict(load_file(shop.best, device=str(shop.device)))
    network.estimator = fitted(recipe, network=network, data=data) if team.first else None
    network.layer = recipe.estimator.layer if recipe.estimator is not None else network.layer
    if team.first:
        _write_progress(folder, state)
    return Trained(
        network=network,
        history=state.history,
        events=state.events,
        best_epoch=state.best_epoch or 0,
        resumed_after=resumed_after,
        begun_anew=anew,
    )


def _resumed(last: Path, *, run: str) -> Checkpoint | None:
    state = read_checkpoint(last)
    if state is not None and state.run != run:
        raise RecipeError(
            f"{last.parent.parent.name}: holds a checkpoint of another recipe, split or data, or one begun with other "
            "weights. Choose another --out, or delete this folder"
        )
    return state


def _stage(shop: Workshop, number: int, *, network: Classifier, state: Checkpoint) -> Checkpoint:
    """Train one stage from where `state` stands, leaving a checkpoint after each epoch."""
    recipe, stage = shop.recipe, shop.recipe.stages[number]
    learner = _learner(shop, number, network=network, state=state)
    frozen = Frozen(recipe, network=network, data=shop.data, team=shop.team) if stage.features_stay else None
    first = sum(row["stage"] <= number for row in state.history)
    while not is_over(recipe, number, state.history):
        try:
            state = _epoch(shop, number, first=first, learner=learner, state=state, frozen=frozen)
            ended = early_end(recipe, number, state.history)
            state = state if ended is None else replace(state, events=[*state.events, asdict(ended)])
        except ExplodedError as error:
            state = _returned(shop, state, why=str(error))
            learner = _learner(shop, number, network=network, state=state)
        if shop.team.first:
            write_checkpoint(state, shop.last)
            _write_progress(shop.folder, state)
    return state


def _learner(shop: Workshop, number: int, *, network: Classifier, state: Checkpoint) -> Learner:
    """The network, its optimiser and its average as a checkpoint left them."""
    settings, stage = shop.recipe.training, shop.recipe.stages[number]
    tensors = state.tensors
    if tensors:
        network.load_state_dict(_under("model.", tensors))
    network.zero_grad(set_to_none=True)  # what this stage freezes keeps none of the stage before
    freeze(network, stage)
    optimizer = optimizer_of(network, stage)
    if state.stage == number:
        restore_optimizer(optimizer, tensors)
    average = None
    if settings.ema is not None:
        how = torch.optim.swa_utils.get_ema_multi_avg_fn(settings.ema)  # type: ignore[no-untyped-call]
        average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=how, use_buffers=True)
        if averaged := _under("ema.", tensors):
            average.load_state_dict(averaged)
        if stage.features_stay:
            take_encoder(network, of=cast("Classifier", average.module))
    forward = torch.compile(asked(network)) if settings.compiled else asked(network)
    return Learner(network=network, forward=forward, optimizer=optimizer, average=average)


def _epoch(
    shop: Workshop, number: int, *, first: int, learner: Learner, state: Checkpoint, frozen: Frozen | None
) -> Checkpoint:
    """Train for one epoch, measure it on tune, and put the new state together."""
    started = time.perf_counter()
    recipe, stage, epoch = shop.recipe, shop.recipe.stages[number], state.epochs_done
    row = _trained(shop, number, first=first, learner=learner, state=state, frozen=frozen)
    lone = apart(learner.network, team=shop.team)
    measured = learner.network if learner.average is None else cast("Classifier", learner.average.module)
    chances, labels, classes = _measured(shop, stage, network=measured, frozen=frozen)
    if not np.isfinite(chances).all():
        raise ExplodedError(f"the answers to the tune part are no numbers after a learning rate of {row['lr']:.3g}")
    row |= tune_row(chances, labels)
    row |= {"seconds": round(time.perf_counter() - started, 3)}
    row = {"epoch": epoch + 1, "stage": number + 1, "on": stage.on} | row
    row |= {"best": is_best(recipe, row, state.history)}
    noted = alarms(
        row,
        history=[one for one in state.history if one["on"] == stage.on],
        chances=chances,
        labels=labels,
        classes=classes,
        training=recipe.training,
    )
    noted += [Event(kind="statistics-apart", epoch=epoch + 1, text=APART)] if lone else []
    row |= {"alarms": [event.kind for event in noted]}
    going_on = state.history[-1]["alarms"] if state.history else []
    new = [asdict(event) for event in noted if event.kind not in going_on]
    if row["best"] and shop.team.first:
        save_tensors(measured.state_dict(), path=shop.best)
    _tell(shop, row, epoch=epoch)
    return replace(
        state,
        epochs_done=epoch + 1,
        stage=number,
        history=[*state.history, row],
        best_epoch=epoch + 1 if row["best"] else state.best_epoch,
        events=[*state.events, *new],
        tensors=_tensors(learner),
    )


def _measured(
    shop: Workshop, stage: Stage, *, network: Classifier, frozen: Frozen | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """What the network says of the tune part, what is right, and the names of the classes."""
    data, settings = shop.data, shop.recipe.training
    if stage.on == "patches":
        parts = _patches(data)
        chances, labels = patch_scores(
            network,
            parts.tune,
            classes=parts.classes,
            seed=shop.recipe.seed,
            batch_size=settings.batch_size,
            precision=settings.precision,
        )
        return chances, labels, parts.classes
    chances = scores_of(
        network if frozen is None else FromEncoded(network),
        data.tune,
        batch_size=settings.batch_size,
        precision=settings.precision,
        pictures=None if frozen is None else frozen.tune,
        team=shop.team,
    )[0]
    return chances, data.tune.main, network.tasks[0].classes


def _patches(data: Data) -> PatchParts:
    if data.patches is None:
        raise RecipeError("[[stages]] on = 'patches': the data have no patches. Give training_data the lesions")
    return data.patches


def _trained(
    shop: Workshop, number: int, *, first: int, learner: Learner, state: Checkpoint, frozen: Frozen | None
) -> dict[str, Any]:
    """The training half of an epoch."""
    recipe, stage, epoch, data = shop.recipe, shop.recipe.stages[number], state.epochs_done, shop.data
    weights = [
        torch.from_numpy(class_weights(data.train.labels[:, at], task=task, training=recipe.training)).float()
        for at, task in enumerate(learner.network.tasks)
    ]
    course = Course(
        recipe=recipe,
        stage=stage,
        first=first,
        samples=data.train,
        weights=[weight.to(shop.device) for weight in weights],
        rate=state.rate,
        team=shop.team,
    )
    training_mode(learner.network)
    tune_losses = [row["tune_loss"] for row in state.history if row["stage"] == number + 1]
    same = (row for row in state.history if row["on"] == stage.on)
    first_loss = next((row.get("first_loss", row["train_loss"]) for row in same), None)  # older runs kept the mean only
    told = None if shop.watch is None else partial(_tell_step, shop, epoch)
    if stage.on == "patches":
        parts = _patches(data)
        row = patch_epoch(
            learner,
            course,
            patches=parts.train,
            classes=parts.classes,
            epoch=epoch,
            tune_losses=tune_losses,
            first_loss=first_loss,
            told=told,
        )
    else:
        row = run_epoch(
            learner if frozen is None else replace(learner, forward=FromEncoded(learner.network)),
            course,
            epoch=epoch,
            tune_losses=tune_losses,
            first_loss=first_loss,
            pictures=None if frozen is None else frozen.train(epoch),
            told=told,
        )
    also = None if learner.average is None else learner.average.module
    agree_on_statistics(learner.network, also=also, team=shop.team)
    return row


def _returned(shop: Workshop, state: Checkpoint, *, why: str) -> Checkpoint:
    """The state of the last good epoch, to be gone on from at half the rate.

    Raises:
        RecipeError: That was done as often as the recipe allows.
    """
    epoch, allowed = state.epochs_done + 1, shop.recipe.training.recoveries
    if state.returns >= allowed:
        again = f"again after {state.returns} returns at half the rate" if state.returns else "and recoveries is 0"
        raise RecipeError(
            f"epoch {epoch}: {why}, {again}. Lower lr, add warmup_epochs or clip_norm; the checkpoint of the epoch "
            "before is whole"
        )
    text = f"{why}: back to the weights before the epoch, at half the rate ({state.rate / 2:g} of the recipe's)"
    event = asdict(Event(kind="exploding-loss", epoch=epoch, text=text))
    tensors = state.tensors if state.epochs_done else _starting_tensors(shop)
    good = read_checkpoint(shop.last) if state.epochs_done else None
    return replace(
        state,
        rate=state.rate / 2,
        returns=state.returns + 1,
        events=[*state.events, event],
        tensors=good.tensors if good is not None else tensors,
    )


def _starting_tensors(shop: Workshop) -> dict[str, Tensor]:
    network = starting_network(shop.recipe, data=shop.data, start=shop.start)
    return {f"model.{name}": tensor for name, tensor in network.state_dict().items()}


def _tensors(learner: Learner) -> dict[str, Tensor]:
    """All tensors that the next epoch depends on."""
    found = {f"model.{name}": tensor for name, tensor in learner.network.state_dict().items()}
    if learner.average is not None:
        found |= {f"ema.{name}": tensor for name, tensor in learner.average.state_dict().items()}
    return found | optimizer_tensors(learner.optimizer)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _write_progress(folder: Path, state: Checkpoint) -> None:
    for name, rows in (("history.jsonl", state.history), ("events.jsonl", state.events)):
        write_text(folder / name, "".join(json.dumps(row) + "\n" for row in rows))


def _tell_step(shop: Workshop, epoch: int, step: int, steps: int, loss: float) -> None:
    if shop.watch is not None:
        shop.watch(Moment(epoch=epoch + 1, epochs=shop.recipe.epochs, step=step, steps=steps, train_loss=loss))


def _tell(shop: Workshop, row: dict[str, Any], *, epoch: int) -> None:
    if shop.watch is not None:
        shop.watch(
            Moment(
                epoch=epoch + 1,
                epochs=shop.recipe.epochs,
                step=row["steps"],
                steps=row["steps"],
                train_loss=row["train_loss"],
                tune_auc=row["tune_auc"],
                row=row,
            )
        )
