"""What a step of training needs in memory, counted before training starts."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mammoscope.errors import RecipeError
from mammoscope.models import Classifier, Inputs, autocast, build
from mammoscope.training.data import Data
from mammoscope.training.freezing import freeze
from mammoscope.training.patching import patch_logits
from mammoscope.training.processes import LEAST
from mammoscope.training.recipe import Recipe
from mammoscope.training.stages import Stage, Training
from mammoscope.training.start import design_of

GIB = 2**30
MOMENTS = {"adamw": 2, "adam": 2, "sgd": 1}
PASSING = 2  # gradients of the largest map, which come and go while they are computed
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Bytes that a stage needs.

    Attributes:
        fixed: Weights, their gradients, the optimiser's moments and the moving average.
        sample: What is kept of each sample of a part for its gradients, and what passes.
    """

    fixed: int
    sample: int

    def of(self, samples: int) -> int:
        """Of a part of so many samples."""
        return self.fixed + samples * self.sample


def check_weights(recipe: Recipe, *, device: torch.device, free: int | None = None) -> None:
    """Refuse a network whose weights alone do not fit in memory, before they are made.

    Args:
        recipe: Its model.
        device: Where training will be; weights are made on the CPU.
        free: Bytes that can be had; asked of both when not given.

    Raises:
        RecipeError: They need more than there is.
    """
    known = [free] if free is not None else [free_bytes(torch.device("cpu")), free_bytes(device)]
    available = min((one for one in known if one is not None), default=None)
    try:
        with torch.device("meta"):  # shapes without numbers
            network = build(design_of(recipe), seed=0, fetch=False)
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError):
        return  # what is wrong is told when it is built in earnest; some networks need numbers to be built
    needed = sum(_bytes(parameter) for parameter in network.parameters())
    if available is not None and needed > available:
        raise RecipeError(
            f"[model]: its weights need {needed / GIB:.3g} GiB, and {available / GIB:.3g} GiB are free. Choose a "
            "smaller model, or fewer values in hidden or channels"
        )


def check_memory(
    recipe: Recipe,
    *,
    network: Classifier,
    data: Data,
    device: torch.device,
    processes: int = 1,
    free: int | None = None,
) -> None:
    """Refuse a recipe whose steps do not fit in memory, and say what would fit.

    Args:
        recipe: Its batch, stages and precision.
        network: As training begins with it, on the CPU; one sample is shown to it. Left as it was.
        data: How many pictures the largest sample has.
        device: Where training will be.
        processes: That share each step; on the CPU they share its memory, too.
        free: Bytes that can be had; asked of the device when not given.

    Raises:
        RecipeError: A step needs more than there is.
    """
    available = free_bytes(device) if free is None else free
    if available is None:
        return
    if device.type == "cpu":
        available //= processes
    part = _part(recipe.training, processes=processes)
    needs = [need_of(stage, recipe=recipe, network=network, data=data) for stage in recipe.stages]
    for number, need in enumerate(needs, start=1):
        if need.of(part) > available:
            fits = min((available - one.fixed) // max(one.sample, 1) for one in needs)  # in every stage
            found = (
                f"[training] batch_size = {recipe.training.batch_size}: stage {number} needs {need.of(part) / GIB:.3g} "
                f"GiB, {need.sample / GIB:.2g} for each of {part} samples at a time, and {available / GIB:.3g} GiB are "
                f"free on {device.type}"
            )
            raise RecipeError(f"{found}. {_remedy(recipe.training, fits=fits, processes=processes, device=device)}")


def need_of(stage: Stage, *, recipe: Recipe, network: Classifier, data: Data) -> Need:
    """Count what one sample leaves behind for its gradients.

    Source:
        torch.autograd.graph.saved_tensors_hooks: every tensor that the backward pass will read goes through them. One
        that is saved twice, or is a weight, is counted once or not at all.
    """
    learned = [parameter.requires_grad for parameter in network.parameters()]
    training = network.training
    freeze(network, stage)
    network.eval()  # the same tensors, but batch normalisation takes a single sample
    try:
        kept, largest = _saved(network, _forward(stage, recipe=recipe, network=network, data=data), recipe=recipe)
        weights = sum(_bytes(parameter) for parameter in network.parameters())
        learning = sum(_bytes(parameter) for parameter in network.parameters() if parameter.requires_grad)
    finally:
        network.train(training)
        for parameter, was in zip(network.parameters(), learned, strict=True):
            parameter.requires_grad_(was)
    averages = weights if recipe.training.ema is not None else 0
    return Need(fixed=weights + averages + learning * (1 + MOMENTS[stage.optimizer]), sample=kept + PASSING * largest)


def _forward(stage: Stage, *, recipe: Recipe, network: Classifier, data: Data) -> Callable[[], Tensor]:
    """One sample through what the stage trains."""
    design = network.design
    if stage.on == "patches":
        side = recipe.patches.patch_px
        return lambda: patch_logits(network, torch.zeros(1, 1, side, side))
    if stage.features_stay:
        width = network.encoder.width
        return lambda: network.answer(torch.zeros(1, width), _clinical(design.clinical))
    views = 1 if data.train.bags is None else max(map(len, data.train.bags))
    if not design.bags:
        return lambda: network(torch.zeros(1, 1, design.rows, design.cols), clinical=_clinical(design.clinical))
    pixels = torch.zeros(1, views, 1, design.rows, design.cols)
    there, codes = torch.ones(1, views, dtype=torch.bool), torch.zeros(1, views, dtype=torch.int64)
    inputs = Inputs(pixels, there, codes, _clinical(design.clinical))
    return lambda: network(*inputs)


def _clinical(columns: int) -> Tensor | None:
    return torch.zeros(1, columns) if columns else None


def _saved(network: Classifier, forward: Callable[[], Tensor], *, recipe: Recipe) -> tuple[int, int]:
    """Bytes that are kept for the backward pass, and of the largest tensor among them."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor  # held, so that no other tensor takes its place

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        autocast(torch.device("cpu"), recipe.training.precision),
    ):
        forward()
    return sum(kept.values()), max(kept.values(), default=0)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def free_bytes(device: torch.device) -> int | None:
    """Memory that training can have on a device; None where it cannot be found out."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    known = [value for value in (_machine(), _group()) if value is not None]
    return min(known, default=None)


def _machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _group() -> int | None:
    """What the limit of a container leaves; pages of files that it holds can be had, too."""
    try:
        limit = (CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((CGROUP / "memory.current").read_text(encoding="ascii"))
        facts = dict(line.split() for line in (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return None
    return None if limit == "max" else int(limit) - used + int(facts.get("inactive_file", 0))


def _part(settings: Training, *, processes: int, accumulate: int | None = None) -> int:
    """The most samples that a process computes at a time."""
    return math.ceil(math.ceil(settings.batch_size / (accumulate or settings.accumulate)) / processes)


def _remedy(settings: Training, *, fits: int, processes: int, device: torch.device) -> str:
    """What would fit, of what would not be refused for its few samples.

    Args:
        settings: That do not fit.
        fits: Samples at a time of one process that do.
        processes: That share each step.
        device: Of each.
    """
    if fits < LEAST:
        fewer = "start fewer processes, " if processes > 1 and device.type == "cpu" else ""
        return (
            f"Not even {LEAST} samples fit, and fewer are not trained on: {fewer}make rows and cols of [preprocess] "
            "smaller, or choose a smaller model"
        )
    batch = fits * processes * settings.accumulate
    most = settings.batch_size // (LEAST * processes)  # parts that leave each process enough
    tried = range(settings.accumulate + 1, most + 1)
    parts = next((one for one in tried if _part(settings, processes=processes, accumulate=one) <= fits), None)
    return f"What fits: {'' if parts is None else f'accumulate = {parts}, or '}batch_size = {batch}"
