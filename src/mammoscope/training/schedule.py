"""The learning rate of a step: a pure function of where a stage stands."""

import math
from collections.abc import Sequence

from mammoscope.training.stages import Stage

PLATEAU_FACTOR = 0.1  # of the rate, at each plateau
ONE_CYCLE_RISE, ONE_CYCLE_START, ONE_CYCLE_END = 0.3, 25.0, 1e4  # as torch.optim.lr_scheduler.OneCycleLR has them


def learning_rate(stage: Stage, *, step: int, steps_per_epoch: int, tune_losses: Sequence[float] = ()) -> float:
    """The learning rate of a step.

    Args:
        stage: Its peak, warm-up and schedule.
        step: From 0, within the stage.
        steps_per_epoch: Of the stage.
        tune_losses: Of the epochs that the stage has done, for `plateau`.

    Source:
        Cosine: Loshchilov and Hutter, ICLR 2017, equation 5, without restarts. One-cycle: Smith and Topin, 2019, with
        the cosine arcs and constants of PyTorch's OneCycleLR, to which it is equal in the tests.

    Example:
        >>> stage = Stage(epochs=2, lr=1.0, warmup_epochs=1, schedule="cosine")
        >>> [round(learning_rate(stage, step=s, steps_per_epoch=2), 2) for s in range(4)]
        [0.5, 1.0, 1.0, 0.5]
    """
    warmup = round(stage.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return stage.lr * (step + 1) / warmup
    left = stage.epochs * steps_per_epoch - warmup
    match stage.schedule:
        case "constant":
            return stage.lr
        case "cosine":
            return _arc(stage.lr, 0.0, (step - warmup) / max(left, 1))
        case "one-cycle":
            return _one_cycle(stage.lr, step - warmup, left)
        case "plateau":
            return stage.lr * PLATEAU_FACTOR ** plateaus(tune_losses, patience=stage.plateau_epochs)


def plateaus(losses: Sequence[float], *, patience: int) -> int:
    """How often a loss has not improved for so many epochs in a row; the count begins anew after each.

    Example:
        >>> plateaus([0.7, 0.6, 0.6, 0.65, 0.61, 0.62], patience=2)
        2
    """
    best, waited, count = math.inf, 0, 0
    for loss in losses:
        if loss < best:
            best, waited = loss, 0
            continue
        waited += 1
        if waited == patience:
            count, waited = count + 1, 0
    return count


def _arc(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def _one_cycle(peak: float, step: int, steps: int) -> float:
    rise = ONE_CYCLE_RISE * steps - 1
    if step <= rise:
        return _arc(peak / ONE_CYCLE_START, peak, step / rise)
    last = peak / ONE_CYCLE_START / ONE_CYCLE_END
    return _arc(peak, last, min((step - rise) / max(steps - 1 - rise, 1e-9), 1.0))
