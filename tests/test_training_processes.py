"""Several processes train what one would: shares, summed gradients, what is decided alike, who writes, who dies."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from mammoscope.batches import Augment, ClusterError, Samples
from mammoscope.cohort import Input
from mammoscope.errors import RecipeError
from mammoscope.models import LightCnn, SimpleCnn, TimmModel, build, save_tensors
from mammoscope.training import Data, Recipe, Stage, Training, design_of, read_checkpoint, train
from mammoscope.training.processes import ALONE, Team, apart, joined, launched, own_device, with_shared_statistics

STAGES = (Stage(epochs=2, freeze="backbone", lr=1e-2), Stage(epochs=2, lr=3e-3, warmup_epochs=0.5))
PLAIN = Recipe(
    name="plain",
    source="own",
    model=SimpleCnn(channels=(4, 8), norm="none", drop_rate=0.0),
    augment=Augment(rotate_deg=5.0, noise=0.01),
    training=Training(batch_size=8, accumulate=2, clip_norm=0.5, ema=0.9, class_weight="balanced", frozen_views=2),
    stages=STAGES,
)
BREASTS = PLAIN.model_copy(
    update={
        "name": "breasts",
        "input": Input(unit="breast"),
        "target": "density",
        "also": ("malignant",),
        "ordinal": True,
        "augment": Augment(),
        "training": Training(batch_size=5, loss="focal", sampling="balanced", select="loss"),
        "stages": (Stage(epochs=3, lr=1e-2, optimizer="sgd", schedule="plateau", plateau_epochs=1),),
    }
)
NORMALISED = PLAIN.model_copy(
    update={"model": SimpleCnn(channels=(4, 8)), "training": Training(batch_size=8, ema=0.9), "stages": STAGES[1:]}
)
RECIPES = {"plain": PLAIN, "breasts": BREASTS, "normalised": NORMALISED}


def data(folder: Path, *, count: int = 21) -> Data:
    """Positives carry a bright square; 21 samples leave a last step that is too small to be dealt out."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    parts = []
    for part in ("train", "tune"):
        labels = (np.arange(count) % 3 == 0).astype(np.int64)
        files = [folder / f"{part}{number}.npy" for number in range(count)]
        for file, label in zip(files, labels, strict=True):
            pixels = draw.integers(0, 20000, (16, 12)).astype(np.uint16)
            pixels[4:8, 4:8] += np.uint16(9000 * label)
            if not file.exists():  # the processes of a test read what it planted before it started them
                np.save(file, pixels)
        parts.append(Samples(files=files, labels=labels[:, None], patients=np.arange(count)))
    return Data(train=parts[0], tune=parts[1], fingerprint="planted")


def breasts(folder: Path) -> Data:
    """Breasts of one to three of the same pictures, of a density, and malignant, benign or unknown."""
    seen = data(folder)
    parts = []
    for samples in (seen.train, seen.tune):
        bags = np.split(np.arange(21), np.cumsum([1, 2, 3, 1, 2, 3, 1, 2, 3, 1]))
        grade = np.arange(len(bags)) % 4
        labels = np.stack([grade, np.where(grade == 3, -1, grade % 2)], axis=1)
        codes = np.arange(21) % 4
        whose = np.arange(len(bags))
        parts.append(Samples(files=samples.files, labels=labels, bags=bags, codes=codes, patients=whose))
    return Data(train=parts[0], tune=parts[1], fingerprint="planted breasts")


def seen_by(recipe: Recipe, folder: Path) -> Data:
    return breasts(folder) if recipe.input.unit == "breast" else data(folder)


def work(folder: Path) -> None:
    """What each process of the test does: train every recipe, and leave the weights that it has in the end."""
    with joined() as team:
        for name, recipe in RECIPES.items():
            trained = train(recipe, data=seen_by(recipe, folder / "data"), folder=folder / name, team=team)
            save_tensors(trained.network.state_dict(), path=folder / name / f"rank{team.rank}.safetensors")


def work_slowly(folder: Path) -> None:
    """Train with time to be killed in."""
    seen = data(folder / "data")
    with joined() as team:
        train(PLAIN, data=seen, folder=folder / "run", team=team, watch=lambda _: time.sleep(0.1))


def started(function: str, folder: Path, *, count: int = 2) -> list[subprocess.Popen[bytes]]:
    """As `torchrun` starts processes, without its own."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path\n"
        f"import test_training_processes as t; t.{function}(Path({str(folder)!r}))"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    own = [{"RANK": str(rank), "LOCAL_RANK": str(rank), "TORCHELASTIC_RUN_ID": "test"} for rank in range(count)]
    return [
        subprocess.Popen([sys.executable, "-c", code], env=os.environ | shared | one, stderr=subprocess.PIPE)
        for one in own
    ]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left of every recipe."""
    folder = tmp_path_factory.mktemp("two")
    data(folder / "data")
    children = started("work", folder)
    errors = [child.communicate(timeout=240)[1].decode() for child in children]
    assert [child.returncode for child in children] == [0, 0], errors
    return folder


def history(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["plain", "breasts"])
def test_two_processes_train_what_one_does(two: Path, tmp_path: Path, name: str) -> None:
    recipe = RECIPES[name]

    alone = train(recipe, data=seen_by(recipe, tmp_path / "data"), folder=tmp_path / name)

    together = load_file(two / name / "rank0.safetensors")
    for key, tensor in alone.network.state_dict().items():
        torch.testing.assert_close(together[key], tensor, rtol=0, atol=1e-6)
    for one, other in zip(alone.history, history(two / name), strict=True):
        for key in ("train_loss", "train_accuracy", "tune_loss", "tune_auc", "tune_accuracy", "lr", "best", "steps"):
            assert other[key] == pytest.approx(one[key], abs=1e-6), key


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_all_processes_end_with_the_same_weights_to_the_bit(two: Path, name: str) -> None:
    first, second = (load_file(two / name / f"rank{rank}.safetensors") for rank in (0, 1))

    assert all(torch.equal(first[key], second[key]) for key in first)


def test_statistics_of_each_process_alone_are_an_event(two: Path) -> None:
    kinds = {name: (two / name / "events.jsonl").read_text() for name in RECIPES}

    assert "statistics-apart" in kinds["normalised"]
    assert kinds["normalised"].count("statistics-apart") == 1
    assert "statistics-apart" not in kinds["plain"] + kinds["breasts"]


def test_a_run_of_two_processes_is_gone_on_with_by_one(tmp_path: Path) -> None:
    unbroken = train(PLAIN, data=data(tmp_path / "data"), folder=tmp_path / "unbroken")
    children = started("work_slowly", tmp_path)
    file = tmp_path / "run" / "history.jsonl"
    deadline = time.monotonic() + 120
    while not file.is_file() and time.monotonic() < deadline and children[0].poll() is None:
        time.sleep(0.01)

    children[1].send_signal(signal.SIGKILL)
    children[1].communicate()
    said = children[0].communicate(timeout=60)[1].decode()

    assert "ClusterError: process 0 of 2: the others cannot be reached" in said
    assert "run the same command again" in said
    left = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert 1 <= left.epochs_done < PLAIN.epochs
    resumed = train(PLAIN, data=data(tmp_path / "data"), folder=tmp_path / "run")
    assert resumed.resumed_after == left.epochs_done
    for key, tensor in unbroken.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[key], tensor, rtol=0, atol=1e-6)


# ------------------------------------------------------------------ one process


@given(st.integers(1, 40), st.integers(1, 5))
def test_every_sample_of_a_part_counts_once(samples: int, count: int) -> None:
    rows = np.arange(100, 100 + samples)
    team = [Team(rank=rank, count=count) for rank in range(count)]

    counted = np.zeros(samples)
    for one in team:
        np.add.at(counted, one.share(rows) - 100, one.weight(samples))

    np.testing.assert_allclose(counted, 1)
    assert min(len(one.share(rows)) for one in team) >= min(samples, 2)


def test_a_process_that_was_started_by_itself_is_alone() -> None:
    with joined() as team:
        assert team == launched() == ALONE
        assert team.first


def test_each_process_takes_the_gpu_of_its_number() -> None:
    team = Team(rank=5, count=8, local=1)

    assert own_device("cuda", team=team) == "cuda:1"
    assert own_device("cpu", team=team) == "cpu"
    assert own_device("cuda:3", team=ALONE) == "cuda:3"
    with pytest.raises(RecipeError, match="--device cuda:0: 8 processes need a device each. Say cuda"):
        own_device("cuda:0", team=team)


def test_a_step_too_small_for_so_many_processes_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="batch_size = 8 in 2 parts: too few samples for 3 processes"):
        train(PLAIN, data=data(tmp_path / "data"), folder=tmp_path, team=Team(count=3))

    assert not (tmp_path / "history.jsonl").exists()


@pytest.mark.parametrize(
    "model", [SimpleCnn(channels=(4, 8)), LightCnn(), TimmModel(backbone="efficientnet_b0")], ids=lambda one: one.kind
)
def test_shared_statistics_keep_names_answers_and_blocks(model: SimpleCnn | LightCnn | TimmModel) -> None:
    recipe = PLAIN.model_copy(update={"model": model})
    network = build(design_of(recipe), seed=0)
    pixels = torch.rand(2, 1, recipe.preprocess.rows, recipe.preprocess.cols)

    shared = with_shared_statistics(network, device=torch.device("cuda"), team=Team(count=2))

    assert apart(network, team=Team(count=2))
    assert not apart(shared, team=Team(count=2))
    assert list(shared.state_dict()) == list(network.state_dict())
    mine = {id(one) for one in shared.network.parameters()}
    assert {id(one) for block in shared.network.blocks() for one in block.parameters()} == mine
    with torch.inference_mode():
        torch.testing.assert_close(shared.eval()(pixels), network.eval()(pixels))


def test_statistics_stay_as_they_are_on_the_cpu_and_alone() -> None:
    network = build(design_of(NORMALISED), seed=0)

    assert with_shared_statistics(network, device=torch.device("cpu"), team=Team(count=2)) is network
    assert with_shared_statistics(network, device=torch.device("cuda"), team=ALONE) is network
    assert apart(network.eval(), team=Team(count=2)) == []


def test_others_that_never_come_are_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("connection refused\ndetails")

    monkeypatch.setattr("torch.distributed.init_process_group", refused)
    monkeypatch.setattr("mammoscope.training.processes.launched", lambda: Team(rank=1, count=2))

    with pytest.raises(ClusterError, match=r"process 1 of 2: .* \(connection refused\)"), joined():
        pass
