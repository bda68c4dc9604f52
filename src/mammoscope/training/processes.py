"""Several processes that train one network, as `torchrun` starts them.

Every process holds the whole network and computes its share of each step. The loss is divided by the known labels of
the whole step, so the gradient that one process would have is the *sum* of theirs: one all-reduce a step, over all
gradients side by side, then every process takes the same step. torch's DistributedDataParallel is not used. It takes
the mean where the sum is wanted, hangs where a process has nothing to compute, needs to be told of parameters without
a gradient, and calls a network by `forward` alone, which leaves out the loss of a global-local network's first look.
What it would gain is that gradients travel while others are still computed.

Whatever all processes must decide alike (is the loss a number, which epoch is best, is patience over) follows from
numbers that were summed, and so are the same bits everywhere. Only the first process writes files.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Int, Shaped
from torch import Tensor, nn

from mammoscope.batches import ClusterError
from mammoscope.errors import RecipeError

WAIT = timedelta(days=2)  # for the first process to prepare pictures; torchrun itself sees to processes that die
BatchNorm = nn.modules.batchnorm._BatchNorm  # noqa: SLF001  # the parent of all of them, timm's too
LEAST = 2  # samples of a part that a process computes alone: batch normalisation cannot use one

APART = (
    "batch normalisation sees the samples of one process at a time, as torch shares its statistics on CUDA only: the "
    "result depends on the number of processes"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """The processes that train together, as one of them sees it.

    Attributes:
        rank: Number of this process, from 0.
        count: How many there are.
        local: Number of this process on its machine, which is that of its GPU.

    Example:
        >>> Team(rank=1, count=2).share(np.arange(5)).tolist()
        [1, 3]
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and talks."""
        return self.rank == 0

    def deals(self, samples: int) -> bool:
        """Whether so many samples are dealt out; of fewer every process computes all."""
        return samples >= LEAST * self.count

    def share(self, rows: Int[np.ndarray, " part"]) -> Int[np.ndarray, " share"]:
        """The rows of one part of a step that this process computes."""
        return rows[self.rank :: self.count] if self.deals(len(rows)) else rows

    def weight(self, samples: int) -> float:
        """Factor on the loss of a part, so that the sum over processes counts each sample once."""
        return 1.0 if self.deals(samples) else 1.0 / self.count


ALONE = Team()


def launched() -> Team:
    """The team that `torchrun` started this process in; a team of one when it was started otherwise."""
    if not dist.is_available() or not dist.is_torchelastic_launched():
        return ALONE
    rank, count, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    return Team(rank=rank, count=count, local=local) if count > 1 else ALONE


@contextmanager
def joined() -> Iterator[Team]:
    """Join the other processes that `torchrun` started, for the time of a `with` block.

    Gradients on the CPU travel by gloo, on CUDA by NCCL.

    Returns:
        A context manager; it gives this process's team, `ALONE` where there is no other.

    Raises:
        ClusterError: The others cannot be reached.

    Example:
        >>> with joined() as team:
        ...     team.count
        1
    """
    team = launched()
    if team.count == 1:
        yield team
        return
    with _reached(team):
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=WAIT)
    try:
        yield team
    finally:
        dist.destroy_process_group()


def own_device(name: str, *, team: Team) -> str:
    """The device of one process: of `cuda` and `auto` each takes the GPU of its own number.

    Raises:
        RecipeError: All would share one device that cannot be shared.

    Example:
        >>> own_device("cuda", team=Team(rank=3, count=4, local=3))
        'cuda:3'
    """
    if team.count == 1:
        return name
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in {"cuda", "cpu"}:
        raise RecipeError(
            f"--device {name}: {team.count} processes need a device each. Say cuda, of which each takes its own, or cpu"
        )
    return f"cuda:{team.local}" if name == "cuda" else name


def wait(team: Team) -> None:
    """Go on when all processes have come here.

    Raises:
        ClusterError: One of them ended.
    """
    summed(torch.zeros(1), team=team)


def summed(values: Tensor, *, team: Team) -> Tensor:
    """The sum over all processes of what each gives.

    Raises:
        ClusterError: One of them ended.

    Example:
        >>> summed(torch.ones(2), team=ALONE)
        tensor([1., 1.])
    """
    if team.count == 1:
        return values
    total = values.clone()
    with _reached(team):
        dist.all_reduce(total)
    return total


def completed(
    rows: Shaped[Tensor, "own _"], *, at: Int[np.ndarray, " own"], count: int, team: Team
) -> Shaped[Tensor, "all _"]:
    """All rows of a table of which each process has computed some.

    Args:
        rows: Of this process.
        at: Their numbers in the table; no number is any other process's.
        count: Rows of the table.
        team: The processes.

    Raises:
        ClusterError: One of them ended.
    """
    if team.count == 1 and len(at) == count:
        return rows
    whole = rows.new_zeros(count, rows.shape[1])
    whole[torch.from_numpy(at)] = rows
    return summed(whole, team=team)


def sum_gradients(network: nn.Module, *, beside: Sequence[float], team: Team) -> list[float]:
    """Give every parameter the sum of its gradients over all processes, in place.

    Args:
        network: After `backward`, in each process on its own share.
        beside: Numbers to sum in the same message.
        team: The processes.

    Returns:
        The sums of `beside`. A parameter that has a gradient in no process gets none.

    Raises:
        ClusterError: A process ended.
    """
    if team.count == 1:
        return list(beside)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    there = [float(parameter.grad is not None) for parameter in learning]
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in learning]
    told = torch.tensor([*there, *beside], dtype=torch.float32, device=learning[0].device)
    message = torch.cat([*(gradient.flatten().float() for gradient in gradients), told])
    with _reached(team):
        dist.all_reduce(message)
    *parts, ends = torch.split(message, [*(one.numel() for one in learning), len(told)])
    counts: list[float] = ends.tolist()
    for parameter, gradient, part, found in zip(learning, gradients, parts, counts, strict=False):
        parameter.grad = gradient.copy_(part.view_as(gradient)) if found else None
    return counts[len(learning) :]


def with_shared_statistics(network: nn.Module, *, device: torch.device, team: Team) -> nn.Module:
    """A network whose batch normalisation looks at the samples of all processes, where torch can do that: on CUDA.

    Returns:
        A copy with torch's SyncBatchNorm, of the same parameter names; the network itself where nothing changes.

    Source:
        torch.nn.SyncBatchNorm takes no CPU tensors while training; timm.layers.convert_sync_batchnorm knows timm's own
        layers, too.
    """
    normalises = any(isinstance(layer, BatchNorm) for layer in network.modules())
    if team.count == 1 or device.type != "cuda" or not normalises:
        return network
    from timm.layers import norm_act  # noqa: PLC0415  # it takes a second

    converted: nn.Module = norm_act.convert_sync_batchnorm(deepcopy(network))  # type: ignore[no-untyped-call]
    return converted


def apart(network: nn.Module, *, team: Team) -> list[str]:
    """Names of the layers of batch normalisation that see the samples of their own process alone.

    Args:
        network: In the mode that it trains in: layers that keep their statistics are not among them.
        team: The processes.
    """
    return [
        name
        for name, layer in network.named_modules()
        if team.count > 1
        and isinstance(layer, BatchNorm)
        and layer.training
        and not isinstance(layer, nn.SyncBatchNorm)
    ]


def agree_on_statistics(network: nn.Module, *, also: nn.Module | None = None, team: Team) -> None:
    """Give all processes the mean of their running statistics, in place.

    Args:
        network: In the mode that it trains in.
        also: Its moving average.
        team: The processes.
    """
    for name in apart(network, team=team):
        for one in (network, also):
            layer = None if one is None else one.get_submodule(name)
            for values in (getattr(layer, "running_mean", None), getattr(layer, "running_var", None)):
                if isinstance(values, Tensor):
                    values.copy_(summed(values, team=team) / team.count)


def check_alike(words: str, *, team: Team) -> None:
    """Refuse to go on with processes that do not train the same thing from the same place.

    Raises:
        ClusterError: They differ in `words`.
    """
    digest = np.frombuffer(words.encode().ljust(64)[:64], dtype=np.uint8).astype(np.int64)
    mine = torch.from_numpy(digest)
    if not torch.equal(summed(mine, team=team), mine * team.count):
        raise ClusterError(
            f"process {team.rank} of {team.count}: the processes do not see the same run folder, cohort or recipe. "
            "Give all of them the same command, and folders that all machines share"
        )


@contextmanager
def _reached(team: Team) -> Iterator[None]:
    """What torch says of a lost process, as a sentence."""
    try:
        yield
    except RuntimeError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"process {team.rank} of {team.count}: the others cannot be reached, one may have ended ({reason}). The "
            "checkpoint of the last epoch is whole: run the same command again"
        ) from error
