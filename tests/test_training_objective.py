"""Losses, rates, averages and freezing as written out by hand; and every kind of stage goes on to the bit."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from mammoscope.batches import Augment, read_batch
from mammoscope.errors import RecipeError
from mammoscope.models import Classifier, LightCnn, SimpleCnn, Task, build
from mammoscope.training import (
    Recipe,
    Stage,
    Training,
    alarms,
    class_weights,
    design_of,
    epoch,
    learning_rate,
    loss,
    train,
)
from mammoscope.training.changing import changed
from mammoscope.training.choice import early_end, is_over
from mammoscope.training.epoch import Course, Learner, run_epoch
from mammoscope.training.freezing import freeze, optimizer_of, training_mode
from mammoscope.training.schedule import plateaus
from test_training import data, without_times

FOUR = Task(name="density", classes=("A", "B", "C", "D"), kind="nominal")
STEPS = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")
BINARY = Task(name="malignant", classes=("no", "yes"), kind="binary")
PLAIN = Recipe(
    name="plain",
    source="own",
    model=SimpleCnn(channels=(4, 8)),
    training=Training(batch_size=4),
    stages=(Stage(epochs=2, lr=1e-2),),
)


def one(logits: torch.Tensor, labels: torch.Tensor, task: Task, weights: torch.Tensor | None = None, **how: object):
    weights = torch.ones(len(task.classes)) if weights is None else weights
    return loss(logits, labels[:, None], tasks=[task], training=Training(**how), weights=[weights])


# ------------------------------------------------------------------- losses


def test_weights_of_several_classes_give_each_the_same_say() -> None:
    labels = np.repeat([0, 1, 2, -1], [2, 4, 8, 3])

    weights = class_weights(labels, task=FOUR, training=Training(class_weight="balanced"))

    assert weights.tolist() == [4, 2, 1, 1]  # D does not occur
    assert len({count * weight for count, weight in zip((2, 4, 8), weights, strict=False)}) == 1


@pytest.mark.parametrize("smooth", [0.0, 0.1])
def test_the_loss_of_several_classes_is_torchs_weighted_cross_entropy(smooth: float) -> None:
    draw = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(9, 4, generator=draw), torch.randint(0, 4, (9,), generator=draw)

    found = one(logits, labels, FOUR, label_smoothing=smooth)

    torch.testing.assert_close(found, functional.cross_entropy(logits, labels, label_smoothing=smooth))


def test_the_ordinal_loss_is_one_binary_cross_entropy_a_step() -> None:
    logits, labels = torch.tensor([[1.2, 0.1, -2.0], [0.3, -0.4, -1.0]]), torch.tensor([2, 0])
    above = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    chance = torch.sigmoid(logits)

    found = one(logits, labels, STEPS)

    by_hand = -(above * chance.log() + (1 - above) * (1 - chance).log()).sum(dim=1).mean()
    torch.testing.assert_close(found, by_hand)


def test_smoothing_of_two_classes_is_torchs_of_the_same_two() -> None:
    logits, labels = torch.tensor([[0.7], [-1.1]]), torch.tensor([1, 0])
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)

    found = one(logits, labels, BINARY, label_smoothing=0.2)

    torch.testing.assert_close(found, functional.cross_entropy(both, labels, label_smoothing=0.2))


def test_mixup_blends_the_losses_as_it_blends_the_pictures(tmp_path: Path) -> None:
    """The loss is linear in the blended label, so it is torch's loss with soft labels."""
    seen = data(tmp_path, rows=16, cols=12)
    recipe = PLAIN.model_copy(update={"augment": Augment(mixup=0.8)})
    batch = read_batch(seen.train, np.arange(4))
    shown = changed(batch, recipe=recipe, epoch=0, step=0)
    logits, labels = torch.randn(4, generator=torch.Generator().manual_seed(0)), batch.labels[:, 0].float()

    soft = shown.share * labels + (1 - shown.share) * labels[shown.partners]
    parts = [one(logits[:, None], which.long(), BINARY) for which in (labels, labels[shown.partners])]
    torch.testing.assert_close(
        shown.share * parts[0] + (1 - shown.share) * parts[1],
        functional.binary_cross_entropy_with_logits(logits, soft),
    )
    torch.testing.assert_close(
        shown.inputs.pixels, shown.share * batch.pixels + (1 - shown.share) * batch.pixels[shown.partners]
    )


def test_mixup_blends_clinical_columns_as_it_blends_the_pictures(tmp_path: Path) -> None:
    """A picture of half of each of two women beside the age of one of them would be nobody's."""
    seen = data(tmp_path, rows=16, cols=12).train
    ages = np.arange(len(seen), dtype=np.float32)[:, None]
    batch = read_batch(replace(seen, clinical=ages), np.arange(4))
    recipe = PLAIN.model_copy(update={"augment": Augment(mixup=0.8)})

    shown = changed(batch, recipe=recipe, epoch=0, step=0)

    assert 0 < shown.share < 1
    expected = shown.share * ages[:4] + (1 - shown.share) * ages[shown.partners.numpy()]
    np.testing.assert_allclose(shown.inputs.clinical.numpy(), expected, rtol=1e-6)
    assert not np.array_equal(expected, ages[:4])


# ---------------------------------------------------------------- schedules


@pytest.mark.parametrize(("epochs", "steps"), [(3, 7), (10, 10), (1, 20)])
def test_one_cycle_is_torchs(epochs: int, steps: int) -> None:
    stage = Stage(epochs=epochs, lr=0.3, schedule="one-cycle")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=epochs * steps)

    for step in range(epochs * steps):
        assert learning_rate(stage, step=step, steps_per_epoch=steps) == pytest.approx(
            optimizer.param_groups[0]["lr"], rel=1e-9
        )
        optimizer.step()
        if step + 1 < epochs * steps:
            theirs.step()


def test_the_plateau_falls_when_torchs_does() -> None:
    losses = [0.9, 0.8, 0.8, 0.81, 0.7, 0.7, 0.7, 0.75, 0.7, 0.6, 0.65, 0.66]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=1, threshold=0, eps=0)

    for count in range(1, len(losses) + 1):
        theirs.step(losses[count - 1])
        assert 0.1 ** plateaus(losses[:count], patience=2) == pytest.approx(optimizer.param_groups[0]["lr"])


# ------------------------------------------------------------------ weights


def epochs_of(recipe: Recipe, folder: Path, *, network: Classifier, average: object = None) -> Classifier:
    """One epoch without the rest of the loop."""
    stage = recipe.stages[0]
    freeze(network, stage)
    training_mode(network)
    learner = Learner(network=network, forward=network, optimizer=optimizer_of(network, stage), average=average)
    seen = data(folder, count=12)
    course = Course(recipe=recipe, stage=stage, first=0, samples=seen.train, weights=[torch.ones(2)], rate=1.0)
    run_epoch(learner, course, epoch=0, tune_losses=[])
    return network


def test_a_step_in_two_parts_is_the_step_in_one(tmp_path: Path) -> None:
    """Without batch normalisation; with it each part is normalised by itself."""
    recipe = PLAIN.model_copy(update={"model": SimpleCnn(channels=(4, 8))})
    parts = recipe.model_copy(update={"training": Training(batch_size=4, accumulate=2)})
    networks = [without_norm(build(design_of(recipe), seed=0)) for _ in range(2)]

    whole, split = (
        epochs_of(asked, tmp_path, network=network) for asked, network in zip((recipe, parts), networks, strict=True)
    )

    for a, b in zip(whole.parameters(), split.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def without_norm(network: Classifier) -> Classifier:
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, torch.nn.BatchNorm2d):
                setattr(parent, name, torch.nn.Identity())
    return network


def test_the_moving_average_is_the_one_written_out(tmp_path: Path) -> None:
    share, network = 0.8, build(design_of(PLAIN), seed=0)
    how = torch.optim.swa_utils.get_ema_multi_avg_fn(share)
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=how, use_buffers=True)
    by_hand: list[list[torch.Tensor]] = []

    class Watched(torch.optim.swa_utils.AveragedModel):
        def update_parameters(self, model: torch.nn.Module) -> None:
            by_hand.append([parameter.detach().clone() for parameter in model.parameters()])
            average.update_parameters(model)

    epochs_of(PLAIN, tmp_path, network=network, average=Watched(network))

    mean = by_hand[0]
    for step in by_hand[1:]:
        mean = [share * old + (1 - share) * new for old, new in zip(mean, step, strict=True)]
    assert len(by_hand) == 3
    for a, b in zip(average.module.parameters(), mean, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_features_computed_once_give_the_head_that_features_computed_each_time_give(tmp_path: Path) -> None:
    seen = data(tmp_path / "data")
    recipe = PLAIN.model_copy(update={"stages": (Stage(epochs=3, freeze="backbone", lr=1e-2),)})
    once = train(recipe, data=seen, folder=tmp_path / "once")

    network = build(design_of(recipe), seed=0)
    stage = recipe.stages[0]
    freeze(network, stage)
    learner = Learner(network=network, forward=network, optimizer=optimizer_of(network, stage))
    course = Course(recipe=recipe, stage=stage, first=0, samples=seen.train, weights=[torch.ones(2)], rate=1.0)
    for number in range(once.best_epoch):
        training_mode(network)
        run_epoch(learner, course, epoch=number, tune_losses=[])

    for a, b in zip(once.network.head.parameters(), network.head.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_so_many_last_blocks_learn(depth: int) -> None:
    network = build(design_of(PLAIN.model_copy(update={"model": LightCnn()})), seed=0)
    blocks = network.encoder.blocks()

    freeze(network, Stage(freeze="backbone", unfreeze=depth))

    learns = [any(parameter.requires_grad for parameter in block.parameters()) for block in blocks]
    assert learns == [False] * (len(blocks) - depth) + [True] * depth
    assert all(parameter.requires_grad for parameter in network.head.parameters())


def test_rates_fall_by_the_block_and_every_parameter_has_one() -> None:
    network, stage = build(design_of(PLAIN), seed=0), Stage(lr_decay=0.5)
    freeze(network, stage)

    groups = optimizer_of(network, stage).param_groups

    scale = {id(parameter): group["scale"] for group in groups for parameter in group["params"]}
    assert len(scale) == len(list(network.parameters()))
    for depth, block in enumerate(reversed(network.encoder.blocks()), start=1):
        assert {scale[id(parameter)] for parameter in block.parameters()} <= {0.5**depth}
    assert {scale[id(parameter)] for parameter in network.head.parameters()} == {1.0}


# ------------------------------------------------------------------- alarms


def noted(chances: np.ndarray, labels: np.ndarray, **row: float) -> list[str]:
    found = alarms(
        {"epoch": 1, "train_loss": 0.7, "tune_loss": 0.7} | row,
        history=[],
        chances=chances,
        labels=labels,
        classes=("no", "yes"),
        training=Training(least_sensitivity=0.5),
    )
    return [event.kind for event in found]


def test_one_class_for_all_is_noted_and_both_classes_are_not() -> None:
    labels = np.arange(10) % 2
    scores = np.linspace(0.1, 0.4, 10)
    mixed = np.where(labels == 1, 0.9, 0.1)

    assert noted(np.stack([1 - scores, scores], axis=1), labels) == ["class-collapse"]
    assert noted(np.stack([1 - mixed, mixed], axis=1), labels) == []


def test_a_sensitivity_below_the_floor_is_noted() -> None:
    labels = np.arange(10) % 2
    mixed = np.where(labels == 1, 0.9, 0.1)
    chances = np.stack([1 - mixed, mixed], axis=1)

    assert noted(chances, labels, tune_sensitivity=0.4) == ["low-sensitivity"]
    assert noted(chances, labels, tune_sensitivity=0.5) == []


# ----------------------------------------------------------- return, resume


class Stop(Exception):  # noqa: N818
    pass


def resumed_alike(
    recipe: Recipe, folder: Path, *, stop_after: int, fresh: Callable[[], None] = lambda: None
) -> list[dict]:
    seen = data(folder / "data", count=12)
    fresh()
    unbroken = train(recipe, data=seen, folder=folder / "unbroken")

    def stop(moment: object) -> None:
        if moment.epoch == stop_after + 1:
            raise Stop

    fresh()
    with pytest.raises(Stop):
        train(recipe, data=seen, folder=folder / "broken", watch=stop)
    again = train(recipe, data=seen, folder=folder / "broken")

    assert again.resumed_after == stop_after
    assert without_times(again.history) == without_times(unbroken.history)
    assert again.events == unbroken.events
    ends = [load_file(folder / name / "checkpoints" / "last.safetensors") for name in ("unbroken", "broken")]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    return again.events


@pytest.mark.parametrize(
    ("stage", "settings", "augment"),
    [
        ({"freeze": "backbone"}, {"frozen_views": 2}, {"contrast": 0.2}),
        ({"freeze": "backbone", "unfreeze": 1, "lr_decay": 0.5}, {}, {}),
        ({"warmup_epochs": 1}, {"ema": 0.9}, {}),
        ({"schedule": "plateau", "plateau_epochs": 1}, {}, {}),
        ({"schedule": "one-cycle", "optimizer": "sgd"}, {"accumulate": 2, "clip_norm": 1.0}, {}),
        ({"optimizer": "adam"}, {"sampling": "balanced", "loss": "focal"}, {"mixup": 0.4}),
        ({}, {"precision": "bfloat16", "label_smoothing": 0.1, "class_weight": "balanced"}, {"flip_vertical": 0.5}),
    ],
    ids=["frozen", "unfreeze", "ema", "plateau", "one-cycle", "mixup", "bfloat16"],
)
@pytest.mark.parametrize("stop_after", [1, 3])
def test_every_kind_of_stage_goes_on_to_the_bit(
    tmp_path: Path, stage: dict, settings: dict, augment: dict, stop_after: int
) -> None:
    recipe = PLAIN.model_copy(
        update={
            "training": Training(batch_size=4, **settings),
            "augment": Augment(**augment),
            "stages": (Stage(**({"epochs": 3, "lr": 1e-2} | stage)), Stage(epochs=1, lr=1e-3)),
        }
    )

    resumed_alike(recipe, tmp_path, stop_after=stop_after)


def test_a_loss_that_explodes_returns_at_half_the_rate_and_goes_on_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In epoch 2, the first time round at the full rate, the loss is made to be no number."""
    real = epoch.learning_rate
    rates: list[float] = []

    def planted(stage: Stage, *, step: int, **how: object) -> float:
        found = real(stage, step=step, **how)
        return 1e30 if 3 <= step < 6 and not (tmp_path / "calm").exists() else found

    def watch(stage: Stage, **how: object) -> float:
        rates.append(real(stage, **how))
        return rates[-1]

    monkeypatch.setattr(epoch, "learning_rate", planted)
    recipe = PLAIN.model_copy(update={"stages": (Stage(epochs=3, lr=1e-2, schedule="constant", optimizer="sgd"),)})
    seen = data(tmp_path / "data", count=12)

    def calm(moment: object) -> None:
        if moment.epoch == 2 and moment.step == 1:
            (tmp_path / "calm").touch()  # the planted rate has been taken once

    found = train(recipe, data=seen, folder=tmp_path / "run", watch=calm)

    (event,) = [one for one in found.events if one["kind"] == "exploding-loss"]
    assert event["epoch"] == 2
    assert "half the rate (0.5 of the recipe's)" in event["text"]
    assert [row["lr"] for row in found.history] == pytest.approx([1e-2, 5e-3, 5e-3])
    assert all(np.isfinite(row["train_loss"]) for row in found.history)
    monkeypatch.setattr(epoch, "learning_rate", watch)
    assert train(recipe, data=seen, folder=tmp_path / "run").events == found.events
    assert rates == []


def test_three_steps_an_epoch_are_enough_to_see_a_loss_explode(tmp_path: Path) -> None:
    """No step has ten others before it in its epoch, and the losses of the first epoch are finite."""
    stages = (Stage(epochs=3, lr=100.0, schedule="constant", optimizer="sgd", weight_decay=0.0),)
    recipe = PLAIN.model_copy(update={"stages": stages, "training": Training(batch_size=8, recoveries=1)})

    with pytest.raises(RecipeError, match="the loss became .* again after 1 returns at half the rate"):
        train(recipe, data=data(tmp_path / "data", count=24), folder=tmp_path)

    event = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])
    assert (event["kind"], event["epoch"]) == ("exploding-loss", 1)


def test_a_loss_is_compared_with_the_first_one_of_the_run_in_later_epochs_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    firsts: list[float] = []
    real = epoch.exploded

    def noting(value: float, *, first: float) -> bool:
        firsts.append(first)
        return real(value, first=first)

    monkeypatch.setattr(epoch, "exploded", noting)
    seen = data(tmp_path / "data", count=12)
    unbroken = train(PLAIN, data=seen, folder=tmp_path / "run")

    assert len(firsts) == 6
    assert set(firsts) == {unbroken.history[0]["first_loss"]} == {row["first_loss"] for row in unbroken.history}


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_patience_with_one_stage_leaves_the_next_its_epochs_and_goes_on_to_the_bit(
    tmp_path: Path, stop_after: int
) -> None:
    """The first stage learns next to nothing; the second has its schedule from its own first epoch."""
    still = Stage(epochs=5, freeze="backbone", lr=1e-12, optimizer="sgd", schedule="constant")
    stages = (still, Stage(epochs=4, lr=1e-2))
    recipe = PLAIN.model_copy(update={"training": Training(batch_size=4, patience=2), "stages": stages})

    events = resumed_alike(recipe, tmp_path, stop_after=stop_after)

    rows = [json.loads(line) for line in (tmp_path / "broken" / "history.jsonl").read_text().splitlines()]
    second = [row for row in rows if row["stage"] == 2]
    assert [row["stage"] for row in rows[:4]] == [1, 1, 1, 2]
    last_step = 3 * len(second) - 1
    assert second[-1]["lr"] == pytest.approx(learning_rate(stages[1], step=last_step, steps_per_epoch=3))
    ends = [one["text"] for one in events if one["kind"] == "stopped-early"]
    assert ends[0].startswith("stage 1 of 2 ended after 3 of its 5 epochs: none had a better tune AUC than epoch 1")


def test_patience_waits_for_what_select_looks_at() -> None:
    asked = PLAIN.model_copy(update={"training": Training(patience=1, select="loss"), "stages": (Stage(epochs=9),)})
    rows = [
        {"epoch": number, "stage": 1, "on": "samples", "tune_auc": auc, "tune_loss": loss}
        for number, auc, loss in ((1, 0.9, 0.7), (2, 0.8, 0.6), (3, 0.9, 0.65))
    ]

    assert [is_over(asked, 0, rows[:done]) for done in (1, 2, 3)] == [False, False, True]
    assert "none had a better tune loss than epoch 2" in early_end(asked, 0, rows).text


@pytest.mark.parametrize("step", [2, 5])
def test_a_run_that_returned_goes_on_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """An epoch has three steps; the loss of one is said to have exploded, once in each of the two runs."""
    steps: list[float] = []

    def planted(value: float, *, first: float) -> bool:
        steps.append(value)
        return len(steps) == step

    monkeypatch.setattr(epoch, "exploded", planted)
    recipe = PLAIN.model_copy(update={"stages": (Stage(epochs=3, lr=1e-2),)})

    events = resumed_alike(recipe, tmp_path, stop_after=2, fresh=steps.clear)

    (event,) = [one for one in events if one["kind"] == "exploding-loss"]
    assert event["epoch"] == (1 if step < 4 else 2)


def test_weights_that_became_no_numbers_in_the_last_step_are_not_kept(tmp_path: Path) -> None:
    """No further step sees them; the answers to the tune part do."""
    settings = Training(batch_size=12, recoveries=0)
    stages = (Stage(epochs=1, lr=1e38, schedule="constant", optimizer="sgd"),)
    recipe = PLAIN.model_copy(update={"stages": stages, "training": settings})

    with pytest.raises(RecipeError, match="the answers to the tune part are no numbers after a learning rate of 1e"):
        train(recipe, data=data(tmp_path / "data", count=12), folder=tmp_path)
