"""What an epoch is measured by, on the tune part."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.metrics import log_loss, roc_auc_score

from mammoscope.batches import Pictures, Samples, batches, steps_of
from mammoscope.models import Classifier, FromEncoded, Inputs, Precision, Turn, score
from mammoscope.training.processes import ALONE, Team, completed

TINY = 1e-7  # probabilities are kept so far from 0 and 1 where their logarithm is taken


def scores_of(
    network: Classifier | FromEncoded,
    samples: Samples,
    *,
    batch_size: int,
    precision: Precision = "float32",
    turns: Sequence[Turn] = (),
    pictures: Pictures | None = None,
    team: Team = ALONE,
) -> list[Float[np.ndarray, "_ _"]]:
    """Probabilities of prepared samples for every task, in their order.

    Args:
        network: The model.
        samples: Prepared pictures.
        batch_size: Samples at a time.
        precision: Of the arithmetic.
        turns: As in `score`.
        pictures: What stands for pictures, where not the cache does.
        team: Processes that share the work; each has all answers in the end.
    """
    steps = steps_of(np.arange(len(samples)), batch_size=batch_size)[team.rank :: team.count]
    read = batches(samples, steps, pictures=pictures)
    inputs = (Inputs(batch.pixels, batch.present, batch.codes, batch.clinical) for batch in read)
    found = score(network, inputs, precision=precision, turns=turns)
    at = np.concatenate([np.empty(0, dtype=np.int64), *steps])
    return [completed(torch.from_numpy(one), at=at, count=len(samples), team=team).numpy() for one in found]


def tune_row(chances: Float[np.ndarray, "samples classes"], labels: Int[np.ndarray, " samples"]) -> dict[str, Any]:
    """AUC, loss and accuracy of the main task; of two classes sensitivity and specificity at 0.5, too.

    Of more than two classes the AUC is the mean of one class against the rest, over the classes that occur.

    Example:
        >>> row = tune_row(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
        >>> row["tune_auc"], row["tune_accuracy"]
        (1.0, 1.0)
    """
    held = [int(number) for number in np.unique(labels)]
    ones = held[-1:] if chances.shape[1] == 2 else held
    each = [
        roc_auc_score(labels == number, chances[:, number])
        for number in ones
        if 0 < (labels == number).sum() < len(labels)
    ]
    inside = np.clip(chances, TINY, 1 - TINY)
    row: dict[str, Any] = {
        "tune_loss": float(
            log_loss(labels, inside / inside.sum(axis=1, keepdims=True), labels=range(chances.shape[1]))
        ),
        "tune_auc": float(np.mean(each)) if each else 0.5,
        "tune_accuracy": float((chances.argmax(axis=1) == labels).mean()),
    }
    if chances.shape[1] == 2:
        called = chances[:, 1] >= 0.5
        row |= {
            "tune_sensitivity": float(called[labels == 1].mean()),
            "tune_specificity": float((~called[labels == 0]).mean()),
        }
    return row
