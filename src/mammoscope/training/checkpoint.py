"""The state of a run between two epochs as one safetensors file: whole, or not there at all."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mammoscope.errors import StorageError
from mammoscope.models import save_tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All that the next epoch depends on. Random numbers do not appear: they follow from seed and epoch."""

    run: str  # fingerprint of recipe and cohort: a checkpoint goes on with its own run only
    epochs_done: int
    stage: int  # number of the stage that the optimiser's state belongs to
    history: list[dict[str, Any]]
    best_epoch: int | None
    rate: float = 1.0  # factor on the learning rate; halved at each return from an exploding loss
    returns: int = 0  # how often that was
    events: list[dict[str, Any]] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)  # "model.*", "ema.*", "optimizer.<parameter>.<name>"


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint in one step.

    Raises:
        StorageError: The file system refused; the previous checkpoint is still there.
    """
    facts = asdict_without_tensors(checkpoint)
    save_tensors(checkpoint.tensors, path=path, facts={"state": json.dumps(facts)})


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None when there is none yet.

    Raises:
        StorageError: The file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise StorageError(f"{path.name}: damaged ({error}). Delete it to train from the start") from error
    return Checkpoint(**facts, tensors=tensors)


def asdict_without_tensors(checkpoint: Checkpoint) -> dict[str, Any]:
    """The facts of a checkpoint as plain values."""
    bare = Checkpoint(**{name: getattr(checkpoint, name) for name in Checkpoint.__slots__ if name != "tensors"})
    facts = asdict(bare)
    del facts["tensors"]
    return facts


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments, flat, each under `optimizer.<parameter number>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{number}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for number, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimiser back the moments that `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".", 2)
            state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
