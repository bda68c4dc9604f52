"""The first look of a network that looks twice has a loss of its own: compiled, in mixed batches, and of bags, too."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from mammoscope.batches import Augment, read_batch
from mammoscope.models import GlobalLocal, SimpleCnn, build
from mammoscope.training import Data, Recipe, Stage, Training, design_of, train
from mammoscope.training.epoch import Course, Learner, run_epoch
from mammoscope.training.freezing import optimizer_of
from mammoscope.training.two_looks import TwoLooks, asked
from test_training import data, without_times

SMALL = SimpleCnn(channels=(4, 8), norm="none")
RECIPE = Recipe(
    name="looks",
    source="own",
    model=GlobalLocal(coarse=SMALL, fine=SMALL, factor=1, patches=2, patch_px=6),
    training=Training(batch_size=4),
    stages=(Stage(epochs=1, lr=3e-3),),
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return data(tmp_path_factory.mktemp("data"), count=12)


def step_loss(recipe: Recipe, data: Data) -> float:
    """The loss of one step on all samples with the starting weights."""
    network = build(design_of(recipe), seed=0)
    course = Course(recipe=recipe, stage=recipe.stages[0], first=0, samples=data.train, weights=[torch.ones(2)], rate=0)
    learner = Learner(network=network, forward=asked(network), optimizer=optimizer_of(network, recipe.stages[0]))
    found: float = run_epoch(learner, course, epoch=0, tune_losses=[])["train_loss"]
    return found


def by_hand(recipe: Recipe, data: Data) -> float:
    """The cross-entropy of the answers, and of what the first look says of each sample, picture by picture."""
    network = build(design_of(recipe), seed=0)
    batch = read_batch(data.train, np.arange(len(data.train)))
    labels = batch.labels.float()
    logits = network(batch.pixels, batch.present, batch.codes)
    bags = batch.pixels.unsqueeze(1) if batch.present is None else batch.pixels
    there = torch.ones(len(bags), 1, dtype=torch.bool) if batch.present is None else batch.present
    sides = [
        max(network.network.side_logits(network.features(picture[None])) for picture in bag[present])
        for bag, present in zip(bags, there, strict=True)
    ]
    cross = functional.binary_cross_entropy_with_logits
    return (cross(logits, labels) + cross(torch.cat(sides), labels)).item()


def breasts(data: Data) -> Data:
    """Twelve pictures as six breasts of one to three."""
    bags = np.split(np.arange(12), np.cumsum([1, 3, 2, 1, 3]))
    labels = np.array([0, 1, 0, 1, 1, 0])[:, None]
    train = replace(data.train, bags=bags, labels=labels, codes=np.arange(12) % 4)
    return replace(data, train=train, tune=train)


WHOLE = RECIPE.model_copy(update={"training": Training(batch_size=12)})
BAGS = Recipe.model_validate(WHOLE.model_dump() | {"input": {"unit": "breast"}})


def test_the_loss_of_a_step_is_the_one_written_out(seen: Data) -> None:
    assert step_loss(WHOLE, seen) == pytest.approx(by_hand(WHOLE, seen), abs=1e-5)


def test_the_first_look_at_a_breast_is_that_at_its_most_salient_picture(seen: Data) -> None:
    assert step_loss(BAGS, breasts(seen)) == pytest.approx(by_hand(BAGS, breasts(seen)), abs=1e-5)


def test_in_a_mixed_batch_both_losses_are_blended(seen: Data) -> None:
    """With so small an alpha the share is 0 or 1: the batch is as it was, or in another order."""
    mixed = WHOLE.model_copy(update={"augment": Augment(mixup=1e-6)})

    assert step_loss(mixed, seen) == pytest.approx(step_loss(WHOLE, seen), abs=1e-5)


def test_compiled_it_has_the_same_loss(seen: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def traced(module: torch.nn.Module) -> Callable[..., Any]:
        given.append(module)
        return partial(module)  # no module any more, as what torch gives is not the one that it was given

    monkeypatch.setattr(torch, "compile", traced)
    compiled = RECIPE.model_copy(update={"training": Training(batch_size=4, compiled=True)})

    plain, fused = (
        train(recipe, data=seen, folder=tmp_path / str(number)) for number, recipe in enumerate((RECIPE, compiled))
    )

    assert [type(one) for one in given] == [TwoLooks]
    assert without_times(fused.history) == without_times(plain.history)
