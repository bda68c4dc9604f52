"""Recipes, the objective, the loop, and going on after a kill."""

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mammoscope.batches import Samples
from mammoscope.errors import RecipeError, StorageError
from mammoscope.models import MALIGNANT, SimpleCnn, build
from mammoscope.training import (
    Data,
    Measure,
    Recipe,
    Stage,
    Training,
    class_weights,
    design_of,
    find_recipe,
    learning_rate,
    loss,
    read_checkpoint,
    read_recipe,
    shelf,
    train,
    training_data,
)

TINY = Recipe(
    name="tiny",
    source="own",
    model=SimpleCnn(channels=(4, 8), drop_rate=0.2),
    training=Training(batch_size=4),
    stages=(Stage(epochs=2, freeze="backbone", lr=1e-2), Stage(epochs=2, lr=1e-2, warmup_epochs=0.5)),
)


def data(folder: Path, *, count: int = 10, rows: int = 16, cols: int = 12) -> Data:
    """Positives carry a bright square."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    parts = []
    for part in ("train", "tune"):
        labels = np.arange(count) % 2 == 0
        files = []
        for n, positive in enumerate(labels):
            pixels = draw.integers(0, 20000, (rows, cols)).astype(np.uint16)
            pixels[4:8, 4:8] += np.uint16(30000 * positive)
            files.append(folder / f"{part}{n}.npy")
            np.save(files[-1], pixels)
        parts.append(Samples(files=files, labels=labels.astype(np.int64)[:, None]))
    return Data(train=parts[0], tune=parts[1], fingerprint="planted")


def without_times(history: list[dict]) -> list[dict]:
    return [
        {k: v for k, v in row.items() if k not in {"seconds", "images_per_s", "wait_share", "device_share", "peak_mib"}}
        for row in history
    ]


# ------------------------------------------------------------------ recipes


@pytest.mark.parametrize("name", sorted(file.stem for file in shelf().glob("*.toml")))
def test_every_recipe_that_comes_with_us_reads_and_is_headed_by_its_command(name: str) -> None:
    recipe = find_recipe(name)
    head = (shelf() / f"{name}.toml").read_text().splitlines()

    assert recipe.name == name
    assert any(line.startswith("# Run:") for line in head)


def test_a_recipe_survives_json() -> None:
    again = Recipe.model_validate_json(TINY.model_dump_json())

    assert again == TINY
    assert again.fingerprint == TINY.fingerprint


def test_the_name_does_not_decide_the_result_and_a_rate_does() -> None:
    renamed = TINY.model_copy(update={"name": "other"})
    faster = TINY.model_copy(update={"stages": (Stage(lr=1.0),)})

    assert renamed.fingerprint == TINY.fingerprint != faster.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\nbackbonne = 'x'", r"r.toml:4 \[model\]: unknown key 'backbonne'; did you mean 'backbone'\?"),
        ("[training]\nbatchsize = 3", r"r.toml:4 \[training\]: unknown key 'batchsize'; did you mean 'batch_size'\?"),
        ("[[stages]]\nepoch = 3", r"r.toml:4 \[stages.0\]: unknown key 'epoch'; did you mean 'epochs'\?"),
        ("sead = 3", r"r.toml:3: unknown key 'sead'; did you mean 'seed'\?"),
        ("[training]\nbatch_size = 0", r"r.toml:4 \[training\]: batch_size is 0: Input should be greater than"),
        (
            "[training]\nloss = 'mse'",
            r"r.toml:4 \[training\]: loss is 'mse': Input should be 'cross-entropy' or 'focal'",
        ),
        ("[model]\nkind = 'vgg'", r"model"),
        ("seed = ", r"r.toml: not TOML: .*line 3"),
    ],
)
def test_a_mistake_in_a_recipe_is_located_and_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "r.toml"
    file.write_text(f"name = 'r'\nsource = 'rsna'\n{text}\n")

    with pytest.raises(RecipeError, match=message):
        read_recipe(file)


def test_a_missing_key_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("name = 'r'")

    with pytest.raises(RecipeError, match="r.toml: the key 'source' is missing"):
        read_recipe(tmp_path / "r.toml")
    with pytest.raises(RecipeError, match="gone.toml: no such recipe"):
        read_recipe(tmp_path / "gone.toml")
    with pytest.raises(RecipeError, match="no recipe 'rsna-resnet81'.*; did you mean 'rsna-resnet18'"):
        find_recipe("rsna-resnet81")


# ---------------------------------------------------------------- objective


def test_focal_loss_is_the_papers_formula() -> None:
    logits, labels = torch.tensor([2.0, -1.0]), torch.ones(2, 1, dtype=torch.int64)
    p = torch.sigmoid(logits)

    found = loss(logits[:, None], labels, tasks=[MALIGNANT], training=Training(loss="focal"), weights=[torch.ones(2)])

    torch.testing.assert_close(found, (-((1 - p) ** 2) * torch.log(p)).mean())


@given(st.lists(st.booleans(), min_size=2, max_size=50))
def test_balanced_weights_give_both_classes_the_same_say(labels: list[bool]) -> None:
    weight = class_weights(np.array(labels, dtype=int), task=MALIGNANT, training=Training(class_weight="balanced"))

    positives, negatives = sum(labels), len(labels) - sum(labels)
    assert weight.tolist() == [1.0, negatives / positives if positives and negatives else 1.0]


def test_the_cosine_ends_near_zero_and_never_rises_after_warm_up() -> None:
    stage = Stage(epochs=5, lr=1.0, warmup_epochs=1)

    rates = [learning_rate(stage, step=s, steps_per_epoch=10) for s in range(50)]

    assert rates[:10] == pytest.approx([(s + 1) / 10 for s in range(10)])
    assert all(a >= b for a, b in itertools.pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 39 / 40)))


# --------------------------------------------------------------------- loop


def test_the_same_seed_trains_the_same_to_the_bit_and_another_does_not(tmp_path: Path) -> None:
    seen = data(tmp_path / "data")

    one, two, other = (
        train(TINY.model_copy(update={"seed": seed}), data=seen, folder=tmp_path / str(n))
        for n, seed in enumerate((0, 0, 1))
    )

    assert without_times(one.history) == without_times(two.history) != without_times(other.history)
    for a, b in zip(one.network.state_dict().values(), two.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path: Path, stop_after: int, optimizer: str) -> None:
    stages = tuple(stage.model_copy(update={"optimizer": optimizer}) for stage in TINY.stages)
    recipe, seen = TINY.model_copy(update={"stages": stages}), data(tmp_path / "data")
    unbroken = train(recipe, data=seen, folder=tmp_path / "unbroken")

    class Stop(Exception):  # noqa: N818
        pass

    def stop(moment: object) -> None:
        if moment.epoch == stop_after + 1 and moment.step == 2:
            raise Stop

    with pytest.raises(Stop):
        train(recipe, data=seen, folder=tmp_path / "broken", watch=stop)
    resumed = train(recipe, data=seen, folder=tmp_path / "broken")

    assert resumed.resumed_after == stop_after
    assert without_times(resumed.history) == without_times(unbroken.history)
    for a, b in zip(unbroken.network.state_dict().values(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_frozen_backbone_learns_nothing_not_even_statistics(tmp_path: Path) -> None:
    recipe = TINY.model_copy(update={"stages": (Stage(epochs=1, freeze="backbone", lr=0.1),)})
    start = build(design_of(recipe), seed=recipe.seed).state_dict()
    end = train(recipe, data=data(tmp_path / "data"), folder=tmp_path).network.state_dict()

    changed = {name for name in start if not torch.equal(start[name], end[name])}
    assert changed == {"head.last.0.weight", "head.last.0.bias"}


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    seen = data(tmp_path / "data")
    train(TINY, data=seen, folder=tmp_path / "run")

    with pytest.raises(RecipeError, match="run: holds a checkpoint of another recipe, split or data"):
        train(TINY.model_copy(update={"seed": 5}), data=seen, folder=tmp_path / "run")


def test_a_damaged_checkpoint_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes(b"12345678 not a checkpoint")

    with pytest.raises(StorageError, match=r"last.safetensors: damaged"):
        read_checkpoint(tmp_path / "last.safetensors")


def test_patience_ends_training_early(tmp_path: Path) -> None:
    settings = TINY.training.model_copy(update={"patience": 2})
    stages = (Stage(epochs=30, lr=1e-2, schedule="constant"),)
    recipe = TINY.model_copy(update={"training": settings, "stages": stages})

    trained = train(recipe, data=data(tmp_path / "data"), folder=tmp_path)

    last_best = max(row["epoch"] for row in trained.history if row["best"])
    assert len(trained.history) == last_best + 2 < 30
    (event,) = [one for one in trained.events if one["kind"] == "stopped-early"]
    assert event["epoch"] == last_best + 2
    assert event["text"] == (
        f"stage 1 of 1 ended after {last_best + 2} of its 30 epochs: none had a better tune AUC than epoch "
        f"{last_best}, and patience is 2"
    )


def test_a_loss_that_explodes_is_said_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    recipe = TINY.model_copy(update={"stages": (Stage(epochs=3, lr=1e30, optimizer="sgd", schedule="constant"),)})

    with pytest.raises(
        RecipeError, match=r"the loss became (nan|inf) in step .* again after 3 returns at half the rate. Lower lr"
    ):
        train(recipe, data=data(tmp_path / "data", count=12), folder=tmp_path)


def test_one_class_only_is_refused_before_training() -> None:
    cohort = pl.DataFrame(
        {
            "source": "own",
            "patient_id": ["1", "2", "3"],
            "part": ["train", "train", "tune"],
            "file": ["a", "b", "c"],
            "malignant": [False, False, True],
        }
    )

    with pytest.raises(RecipeError, match="train: 2 samples, 0 of them positive for malignant. Training needs both"):
        training_data(cohort, recipe=TINY, cache=Path())


# ------------------------------------------------------------------ kill -9

SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_training as t
seen = t.data(Path({data!r}))
def slow(moment):
    time.sleep(0.05)
t.train(t.TINY, data=seen, folder=Path({folder!r}), watch=slow)
"""


def test_kill_9_in_the_middle_of_an_epoch_loses_at_most_that_epoch(tmp_path: Path) -> None:
    seen = data(tmp_path / "data")
    unbroken = train(TINY, data=seen, folder=tmp_path / "unbroken")
    script = SCRIPT.format(tests=str(Path(__file__).parent), data=str(tmp_path / "data"), folder=str(tmp_path / "run"))
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    history = tmp_path / "run" / "history.jsonl"
    deadline = time.monotonic() + 120
    while not history.is_file() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.01)
    assert history.is_file(), child.stderr.read().decode()

    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    before = [json.loads(line) for line in history.read_text().splitlines()]
    resumed = train(TINY, data=seen, folder=tmp_path / "run")

    assert 1 <= len(before) < TINY.epochs
    assert resumed.resumed_after >= len(before)
    assert without_times(resumed.history) == without_times(unbroken.history)


def test_what_a_recipe_measures_by_default_is_what_evaluate_does() -> None:
    from inspect import signature

    from mammoscope.evaluation import AGGREGATION, TARGETS, evaluate, evaluation_options

    told = evaluation_options(Measure().model_dump())

    assert told["targets"] == TARGETS
    assert told["aggregation"] == AGGREGATION
    default = {name: one.default for name, one in signature(evaluate).parameters.items()}
    same = ("rule", "calibration", "calibration_bins", "coverage", "wished_width", "replicates", "confidence")
    assert {name: told[name] for name in same} == {name: default[name] for name in same}
