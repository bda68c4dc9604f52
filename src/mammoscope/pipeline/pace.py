"""What a machine has, and how fast it trains: a few steps on random pictures."""

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mammoscope.pipeline.machine import device_named

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mammoscope.training import Recipe

STEPS = 3  # measured, after one that warms up
PICTURES = 4  # in each of these
KEPT = 2  # an activation, and its gradient


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is to train with.

    Attributes:
        device: cpu, cuda or mps, perhaps with a number.
        gpu: Name of the GPU; None without one.
        cores: That this process may use.
        memory_gib: Of the GPU, or of the machine; None where it cannot be found out.
    """

    device: str
    gpu: str | None
    cores: int
    memory_gib: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a network learns on a machine.

    Attributes:
        seconds_per_picture: Forward, backward and the step of the optimiser; reading and augmentation come on top.
        mib_per_picture: Activations and their gradients, by the sizes of what the layers give.
        rows: Of the pictures it was measured on.
        cols: The same.
        measured: False where it follows from another size by the number of pixels.
    """

    seconds_per_picture: float
    mib_per_picture: float
    rows: int
    cols: int
    measured: bool = True

    def at(self, *, rows: int, cols: int) -> "Pace":
        """At another size: time and memory go with the number of pixels.

        Example:
            >>> Pace(seconds_per_picture=0.4, mib_per_picture=80, rows=200, cols=100).at(rows=100, cols=100)
            Pace(seconds_per_picture=0.2, mib_per_picture=40.0, rows=100, cols=100, measured=False)
        """
        factor = rows * cols / (self.rows * self.cols)
        return replace(
            self,
            seconds_per_picture=self.seconds_per_picture * factor,
            mib_per_picture=self.mib_per_picture * factor,
            rows=rows,
            cols=cols,
            measured=False,
        )


def machine_here(device: str = "auto") -> Machine:
    """What this machine has.

    Raises:
        RecipeError: There is no such device.
    """
    import torch

    where = device_named(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if where.type == "cuda":
        about = torch.cuda.get_device_properties(where)
        return Machine(device=str(where), gpu=about.name, cores=cores, memory_gib=about.total_memory / 2**30)
    pages = {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(getattr(os, "sysconf_names", ()))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if pages else None
    return Machine(device=str(where), gpu=None, cores=cores, memory_gib=memory)


def measured_pace(recipe: "Recipe", *, machine: Machine, pictures: int = PICTURES) -> Pace:
    """Train a few steps on random pictures of a recipe's size.

    Args:
        recipe: Its network, precision and size; weights are not fetched.
        machine: What `machine_here` gave.
        pictures: In a step.
    """
    import torch

    from mammoscope.models import autocast, build
    from mammoscope.training import design_of

    where = torch.device(machine.device)
    network = build(design_of(recipe), seed=0, fetch=False).to(where).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-6)
    rows, cols = recipe.preprocess.rows, recipe.preprocess.cols
    noise = np.random.default_rng(0).random((pictures, 1, rows, cols), dtype=np.float32)
    pixels = torch.from_numpy(noise).to(where, memory_format=torch.channels_last)
    taken = []
    for _ in range(1 + STEPS):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with autocast(where, recipe.training.precision):
            out = network(pixels)
        out.float().square().mean().backward()
        optimizer.step()
        out.sum().item()  # waits for a GPU to be done
        taken.append(time.perf_counter() - started)
    return Pace(
        seconds_per_picture=float(np.median(taken[1:])) / pictures,
        mib_per_picture=_activations(network, pixels[:1]) / 2**20,
        rows=rows,
        cols=cols,
    )


def _activations(network: "nn.Module", pixels: "Tensor") -> float:
    """Bytes that training keeps of one picture: what each innermost layer gives."""
    import torch

    total = 0

    def count(_layer: "nn.Module", _into: object, out: object) -> None:
        nonlocal total
        if isinstance(out, torch.Tensor):
            total += out.numel() * out.element_size()

    leaves = [layer for layer in network.modules() if not list(layer.children())]
    handles = [layer.register_forward_hook(count) for layer in leaves]
    try:
        with torch.inference_mode():
            network.eval()(pixels)
    finally:
        for handle in handles:
            handle.remove()
    return KEPT * float(total)
