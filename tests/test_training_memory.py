"""What a step needs in memory, what is refused for it, and what is said to fit."""

import re
from functools import partial
from pathlib import Path

import pytest
import torch

from mammoscope.errors import RecipeError
from mammoscope.models import build
from mammoscope.training import Recipe, Stage, Training, design_of, train
from mammoscope.training.memory import GIB, check_memory, need_of
from mammoscope.training.processes import Team
from mammoscope.training.trainable import _check_shares, trainable
from test_training_refusals import CPU, TINY, data


def needs(**changes: object) -> int:
    asked = Recipe.model_validate(TINY.model_dump() | changes)
    network = build(design_of(asked), seed=0)
    return need_of(asked.stages[0], recipe=asked, network=network, data=data()).sample


def test_what_is_kept_of_a_sample_is_counted_as_written_out() -> None:
    """One linear layer keeps its input for the gradient of its weight, and the loss nothing of it."""
    network = build(design_of(TINY), seed=0)
    stage = Stage(freeze="backbone")

    need = need_of(stage, recipe=TINY, network=network, data=data())

    weights = sum(parameter.numel() * 4 for parameter in network.parameters())
    head = sum(parameter.numel() * 4 for parameter in network.head.parameters())
    assert need.fixed == weights + head * 3
    assert need.sample == 8 * 4 * 3  # the vector, and twice the largest map for what passes


def test_four_times_the_pixels_keep_about_four_times_the_bytes() -> None:
    assert needs(preprocess={"rows": 64, "cols": 48}) == pytest.approx(4 * needs(), rel=0.05)


def test_half_the_precision_keeps_fewer_bytes_and_a_frozen_backbone_fewest() -> None:
    frozen = [Stage(freeze="backbone").model_dump()]

    assert needs(stages=frozen) < needs(training={"precision": "bfloat16"}) < needs()


def test_counting_leaves_the_network_as_it_was() -> None:
    network = build(design_of(TINY), seed=0)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    need_of(Stage(freeze="backbone"), recipe=TINY, network=network, data=data())

    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_the_largest_bag_decides() -> None:
    asked = Recipe.model_validate(TINY.model_dump() | {"input": {"unit": "exam"}})
    network = build(design_of(asked), seed=0)

    two, four = (
        need_of(asked.stages[0], recipe=asked, network=network, data=data(bags=sizes)).sample
        for sizes in ([1, 2], [1, 4])
    )

    assert four == pytest.approx(2 * two, rel=0.05)


def test_a_batch_too_large_for_memory_is_refused_and_what_would_fit_does() -> None:
    network = build(design_of(TINY), seed=0)
    need = need_of(TINY.stages[0], recipe=TINY, network=network, data=data())
    free = need.of(10)
    fitting = [
        TINY.model_copy(update={"training": Training(batch_size=32, accumulate=4)}),
        TINY.model_copy(update={"training": Training(batch_size=10)}),
    ]

    with pytest.raises(
        RecipeError,
        match=r"\[training\] batch_size = 32: stage 1 needs .* What fits: accumulate = 4, or batch_size = 10$",
    ):
        check_memory(TINY, network=network, data=data(), device=CPU, free=free)
    for recipe in fitting:
        check_memory(recipe, network=network, data=data(), device=CPU, free=free)
    with pytest.raises(RecipeError, match="What fits"):
        check_memory(
            TINY.model_copy(update={"training": Training(batch_size=11)}),
            network=network,
            data=data(),
            device=CPU,
            free=free,
        )


def test_where_not_even_two_samples_fit_smaller_pictures_are_proposed() -> None:
    network = build(design_of(TINY), seed=0)
    need = need_of(TINY.stages[0], recipe=TINY, network=network, data=data())

    for free in (1000, need.of(1), need.of(2) - 1):
        with pytest.raises(RecipeError, match="Not even 2 samples fit, and fewer are not trained on: make rows and"):
            check_memory(TINY, network=network, data=data(), device=CPU, free=free)
    with pytest.raises(RecipeError, match="trained on: start fewer processes, make rows and cols"):
        check_memory(TINY, network=network, data=data(), device=CPU, free=need.of(3), processes=2)


@pytest.mark.parametrize(
    ("batch", "accumulate", "processes", "fits", "said"),
    [
        (8, 1, 1, 2, "accumulate = 4, or batch_size = 2"),
        (8, 2, 1, 3, "accumulate = 3, or batch_size = 6"),
        (8, 1, 1, 7, "accumulate = 2, or batch_size = 7"),
        (5, 1, 1, 2, "batch_size = 2"),  # three parts would leave one of a single sample
        (32, 1, 2, 3, "accumulate = 6, or batch_size = 6"),
        (14, 1, 3, 2, "batch_size = 6"),
    ],
)
def test_what_is_said_to_fit_is_not_refused_next(
    batch: int, accumulate: int, processes: int, fits: int, said: str
) -> None:
    recipe = TINY.model_copy(update={"training": Training(batch_size=batch, accumulate=accumulate)})
    seen, team = data(), Team(count=processes)
    check = partial(check_memory, network=build(design_of(TINY), seed=0), data=seen, device=CPU, processes=processes)
    need = need_of(TINY.stages[0], recipe=TINY, network=build(design_of(TINY), seed=0), data=seen)
    free = processes * need.of(fits)

    with pytest.raises(RecipeError, match=f"What fits: {said}$"):
        check(recipe, free=free)

    for key, value in re.findall(r"(\w+) = (\d+)", said):
        fitting = recipe.model_copy(update={"training": recipe.training.model_copy(update={key: int(value)})})
        check(fitting, free=free)
        _check_shares(fitting, team)


def test_what_is_said_to_fit_fits_in_every_stage() -> None:
    two = TINY.model_copy(update={"stages": (Stage(freeze="backbone"), Stage())})
    network = build(design_of(TINY), seed=0)
    head, whole = (need_of(stage, recipe=two, network=network, data=data()) for stage in two.stages)
    free = max(head.of(20), whole.of(4))

    with pytest.raises(RecipeError, match="stage [12] needs") as refused:
        check_memory(two, network=network, data=data(), device=CPU, free=free)

    batch = int(str(refused.value).rpartition("batch_size = ")[2])
    small = two.model_copy(update={"training": Training(batch_size=batch)})
    check_memory(small, network=network, data=data(), device=CPU, free=free)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [({"batch_size": 1}, "Enlarge batch_size"), ({"batch_size": 8, "accumulate": 8}, "Lower accumulate, or enlarge")],
)
def test_steps_of_single_samples_are_refused(tmp_path: Path, settings: dict, remedy: str) -> None:
    alone = TINY.model_copy(update={"training": Training(**settings)})

    with pytest.raises(RecipeError, match=f"fewer than 2 samples at a time, and batch norm.*one. {remedy}"):
        train(alone, data=data(), folder=tmp_path)


def test_training_looks_at_the_memory_of_this_machine(tmp_path: Path) -> None:
    huge = TINY.model_copy(update={"training": Training(batch_size=10**9)})

    with pytest.raises(RecipeError, match=r"\[training\] batch_size = 1000000000: stage 1 needs"):
        train(huge, data=data(), folder=tmp_path)
    assert GIB == 1024**3


def test_an_estimator_alone_takes_pictures_one_by_one() -> None:
    alone = {"stages": [], "estimator": {"kind": "forest"}, "training": {"batch_size": 1}}

    assert trainable(Recipe.model_validate(TINY.model_dump() | alone), data=data(), device=CPU).training
