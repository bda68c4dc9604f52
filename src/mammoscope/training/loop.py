"""The training loop: stages of epochs on one network, resumable between any two of them.

All randomness is a function of the seed and the number of the epoch or step, so a run that was
killed and resumed takes the same way, to the bit, as one that was not.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file
from sklearn.metrics import log_loss, roc_auc_score
from torch import Tensor

from mammoscope.batches import Samples, apply, batches, draw, epoch_order
from mammoscope.errors import RecipeError
from mammoscope.models import Classifier, autocast, build, save_tensors, score
from mammoscope.storage import write_text
from mammoscope.training.checkpoint import (
    Checkpoint,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from mammoscope.training.objective import (
    freeze,
    learning_rate,
    loss,
    optimizer_of,
    positive_weight,
    training_mode,
)
from mammoscope.training.recipe import Recipe, Stage
from mammoscope.vocabulary import Part

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where training stands; told after each step and each epoch."""

    epoch: int  # from 1, over all stages
    epochs: int
    step: int  # from 1; equal to `steps` when the epoch is done
    steps: int
    train_loss: float  # mean so far in this epoch
    tune_auc: float | None = None  # of this epoch once it is done


Watch = Callable[[Moment], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training leaves: the network of the best epoch on tune, and how it went."""

    network: Classifier
    history: list[dict[str, Any]]
    best_epoch: int
    resumed_after: int  # epochs that an earlier run had already done


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The prepared parts that training may see. There is no test part here."""

    train: Samples
    tune: Samples
    fingerprint: str


def training_data(cohort: pl.DataFrame, *, cache: Path) -> Data:
    """The train and tune pictures of a cohort table with the columns `part`, `malignant` and `file`.

    Raises:
        RecipeError: A part has no pictures, or pictures of one class only.
    """
    parts = {part: _samples(cohort.filter(pl.col("part") == part.value), cache) for part in (Part.TRAIN, Part.TUNE)}
    for part, samples in parts.items():
        positives = int(samples.labels.sum())
        if not 0 < positives < len(samples):
            raise RecipeError(
                f"{part.value}: {len(samples)} images, {positives} of them positive. Training needs both classes in "
                "train and tune: change [split], or use more patients"
            )
    columns = cohort.filter(pl.col("part") != Part.TEST.value).select("part", "file", "malignant").sort("file", "part")
    fingerprint = hashlib.sha256(columns.write_csv().encode()).hexdigest()
    return Data(train=parts[Part.TRAIN], tune=parts[Part.TUNE], fingerprint=fingerprint)


def _samples(rows: pl.DataFrame, cache: Path) -> Samples:
    return Samples(files=[cache / name for name in rows["file"]], labels=rows["malignant"].to_numpy().astype(bool))


def train(
    recipe: Recipe, *, data: Data, folder: Path, device: torch.device | None = None, watch: Watch | None = None
) -> Trained:
    """Train as a recipe says, from the last checkpoint in the folder if there is one.

    Args:
        recipe: What decides the result.
        data: What `training_data` gave.
        folder: The run folder; `checkpoints/` and `history.jsonl` are written after each epoch.
        device: Where to compute; the CPU when not given.
        watch: Told after each step.

    Returns:
        The network with the weights of the best epoch: highest tune AUC, then lowest tune loss.

    Raises:
        RecipeError: The folder holds a checkpoint of another recipe or cohort; or the loss is no longer a number.
        StorageError: A checkpoint cannot be written or read. The one before it is still whole.
    """
    device = device or torch.device("cpu")
    network = build(recipe.model, seed=recipe.seed).to(device).to(memory_format=torch.channels_last)
    run = hashlib.sha256(f"{recipe.fingerprint}{data.fingerprint}".encode()).hexdigest()
    last, best = folder / "checkpoints" / "last.safetensors", folder / "checkpoints" / "best.safetensors"
    state = _resumed(last, run=run) or Checkpoint(run=run, epochs_done=0, stage=-1, history=[], best_epoch=None)
    resumed_after = state.epochs_done
    first = 0
    for number, stage in enumerate(recipe.stages):
        if state.epochs_done < first + stage.epochs and not _patience_over(recipe, state.history):
            state = _stage(recipe, number, first=first, network=network, data=data, state=state, last=last, watch=watch)
        first += stage.epochs
    network.load_state_dict(load_file(best, device=str(device)))
    _write_history(folder, state.history)
    if state.best_epoch is None:
        raise RecipeError("training ended before its first epoch was measured. Delete the run folder and start again")
    return Trained(network=network, history=state.history, best_epoch=state.best_epoch, resumed_after=resumed_after)


def _resumed(last: Path, *, run: str) -> Checkpoint | None:
    state = read_checkpoint(last)
    if state is not None and state.run != run:
        raise RecipeError(
            f"{last.parent.parent.name}: holds a checkpoint of another recipe, split or data. "
            "Choose another --out, or delete this folder"
        )
    return state


def _patience_over(recipe: Recipe, history: list[dict[str, Any]]) -> bool:
    patience = recipe.training.patience
    best = max((row["epoch"] for row in history if row["best"]), default=0)
    return patience is not None and bool(history) and history[-1]["epoch"] - best >= patience


def _stage(
    recipe: Recipe,
    number: int,
    *,
    first: int,
    network: Classifier,
    data: Data,
    state: Checkpoint,
    last: Path,
    watch: Watch | None,
) -> Checkpoint:
    """Train one stage from where `state` stands, leaving a checkpoint after each epoch."""
    stage = recipe.stages[number]
    weights = {key.removeprefix("model."): t for key, t in state.tensors.items() if key.startswith("model.")}
    if weights:
        network.load_state_dict(weights)
    freeze(network, stage)
    optimizer = optimizer_of(network, stage)
    if state.stage == number:
        restore_optimizer(optimizer, state.tensors)
    for epoch in range(state.epochs_done, first + stage.epochs):
        if _patience_over(recipe, state.history):
            break
        row = _epoch(
            recipe, stage, epoch=epoch, first=first, network=network, optimizer=optimizer, data=data, watch=watch
        )
        row |= {"stage": number + 1, "best": _is_best(row, state.history)}
        tensors = {f"model.{key}": tensor for key, tensor in network.state_dict().items()}
        if row["best"]:
            save_tensors(network.state_dict(), path=last.with_name("best.safetensors"))
        state = Checkpoint(
            run=state.run,
            epochs_done=epoch + 1,
            stage=number,
            history=[*state.history, row],
            best_epoch=epoch + 1 if row["best"] else state.best_epoch,
            tensors=tensors | optimizer_tensors(optimizer),
        )
        write_checkpoint(state, last)
        _write_history(last.parent.parent, state.history)
    return state


def _is_best(row: dict[str, Any], history: list[dict[str, Any]]) -> bool:
    rank = (row["tune_auc"], -row["tune_loss"])
    return all(rank > (earlier["tune_auc"], -earlier["tune_loss"]) for earlier in history)


def _write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    write_text(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))


def _epoch(
    recipe: Recipe,
    stage: Stage,
    *,
    epoch: int,
    first: int,
    network: Classifier,
    optimizer: torch.optim.Optimizer,
    data: Data,
    watch: Watch | None,
) -> dict[str, Any]:
    """One pass over the train part, then the tune part measured."""
    started = time.perf_counter()
    settings, device = recipe.training, next(network.parameters()).device
    order = epoch_order(data.train.labels, seed=recipe.seed, epoch=epoch, sampling=settings.sampling)
    steps = _step_count(len(order), settings.batch_size)
    weight = positive_weight(data.train.labels, training=settings)
    training_mode(network, stage)
    losses: list[float] = []
    lr = stage.lr
    reading = batches(data.train, order, batch_size=settings.batch_size, drop_last=True)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for step, batch in enumerate(reading):
            torch.manual_seed(_seed(recipe.seed, epoch, step))  # dropout and noise of this step
            parameters = draw(recipe.augment, seed=recipe.seed, epoch=epoch, samples=batch.samples)
            pixels = apply(batch.pixels.to(device), parameters, augment=recipe.augment)
            lr = learning_rate(stage, step=(epoch - first) * steps + step, steps_per_epoch=steps)
            labels = batch.labels.to(device)
            losses.append(_step(network, optimizer, pixels, labels, recipe=recipe, lr=lr, weight=weight))
            if watch is not None:
                watch(_moment(recipe, epoch, step, steps, losses))
    trained_s = time.perf_counter() - started
    scores = scores_of(network, data.tune, recipe=recipe)
    tune_auc = float(roc_auc_score(data.tune.labels, scores))
    row: dict[str, Any] = {
        "epoch": epoch + 1,
        "train_loss": float(np.mean(losses)),
        "tune_loss": float(log_loss(data.tune.labels, np.clip(scores, 1e-7, 1 - 1e-7))),
        "tune_auc": tune_auc,
        "lr": lr,
        "seconds": round(time.perf_counter() - started, 3),
        "images_per_s": round(len(order) / trained_s, 1),
    }
    if watch is not None:
        watch(_moment(recipe, epoch, steps - 1, steps, losses, tune_auc=tune_auc))
    return row


def _step(
    network: Classifier,
    optimizer: torch.optim.Optimizer,
    pixels: Tensor,
    labels: Tensor,
    *,
    recipe: Recipe,
    lr: float,
    weight: float,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.zero_grad(set_to_none=True)
    with autocast(pixels.device, recipe.training.precision):
        logits = network(pixels.contiguous(memory_format=torch.channels_last))
    value = loss(logits.float(), labels, training=recipe.training, weight=weight)
    number = value.item()
    if not math.isfinite(number):
        raise RecipeError(
            f"the loss became {number} at a learning rate of {lr:g}. Lower lr, add warmup_epochs or clip_norm; "
            "the checkpoint of the epoch before is whole"
        )
    value.backward()  # type: ignore[no-untyped-call]
    if recipe.training.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.training.clip_norm)
    optimizer.step()
    return number


def scores_of(network: Classifier, samples: Samples, *, recipe: Recipe) -> np.ndarray:
    """Scores of prepared pictures, in their order."""
    order = np.arange(len(samples))
    read = batches(samples, order, batch_size=recipe.training.batch_size)
    return score(network, (batch.pixels for batch in read), precision=recipe.training.precision)


def _moment(
    recipe: Recipe, epoch: int, step: int, steps: int, losses: list[float], *, tune_auc: float | None = None
) -> Moment:
    mean = float(np.mean(losses))
    return Moment(epoch=epoch + 1, epochs=recipe.epochs, step=step + 1, steps=steps, train_loss=mean, tune_auc=tune_auc)


def _step_count(samples: int, batch_size: int) -> int:
    whole, rest = divmod(samples, batch_size)
    return whole + (rest > 1 or (rest == 1 and whole == 0))


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
