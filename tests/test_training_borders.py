"""What a stage takes over from the one before it: no gradients, and of an average the encoder."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mammoscope.models import SimpleCnn
from mammoscope.training import Data, Recipe, Stage, Training, train
from mammoscope.training.loop import Moment, Watch
from mammoscope.training.tuning import scores_of, tune_row
from test_training import data, without_times

ALL_THEN_FROZEN = Recipe(
    name="borders",
    source="own",
    model=SimpleCnn(channels=(4, 8)),
    training=Training(batch_size=4),
    stages=(Stage(epochs=2, lr=1e-2), Stage(epochs=2, freeze="backbone", lr=5e-2, schedule="constant")),
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return data(tmp_path_factory.mktemp("borders"))


def until(epoch: int) -> Watch:
    """Stops a run in the epoch behind."""

    def stop(moment: Moment) -> None:
        if moment.epoch > epoch:
            raise KeyboardInterrupt

    return stop


def trained_in_two(recipe: Recipe, *, data: Data, folder: Path, after: int) -> list[dict]:
    """Stopped behind an epoch, and gone on with."""
    with pytest.raises(KeyboardInterrupt):
        train(recipe, data=data, folder=folder, watch=until(after))
    again = train(recipe, data=data, folder=folder)
    assert again.resumed_after == after
    return again.history


@pytest.mark.parametrize("training", [{"clip_norm": 0.05}, {"clip_norm": 0.05, "ema": 0.8}], ids=["clip", "ema"])
@pytest.mark.parametrize("after", [2, 3])
def test_a_run_resumed_where_a_stage_freezes_the_backbone_is_the_one_run_through(
    seen: Data, tmp_path: Path, training: dict, after: int
) -> None:
    recipe = ALL_THEN_FROZEN.model_copy(update={"training": Training(batch_size=4, select="loss", **training)})

    through = train(recipe, data=seen, folder=tmp_path / "through").history
    resumed = trained_in_two(recipe, data=seen, folder=tmp_path / "resumed", after=after)

    assert without_times(through) == without_times(resumed)
    last, again = (load_file(tmp_path / run / "checkpoints" / "last.safetensors") for run in ("through", "resumed"))
    assert last.keys() == again.keys()
    assert all(torch.equal(last[name], again[name]) for name in last)


@pytest.mark.parametrize("model", [SimpleCnn(channels=(4, 8)), SimpleCnn(channels=(4, 8), norm="none")])
def test_the_network_that_is_kept_is_the_one_that_was_measured_while_its_average_is_frozen(
    seen: Data, tmp_path: Path, model: SimpleCnn
) -> None:
    settings = Training(batch_size=4, ema=0.9, select="loss")
    recipe = ALL_THEN_FROZEN.model_copy(update={"training": settings, "model": model})

    trained = train(recipe, data=seen, folder=tmp_path)

    assert trained.best_epoch > 2  # else nothing is shown of the frozen stage
    best = trained.history[trained.best_epoch - 1]
    kept = tune_row(scores_of(trained.network, seen.tune, batch_size=4, precision="float32")[0], seen.tune.main)
    assert {name: best[name] for name in kept} == pytest.approx(kept, rel=1e-6)


def test_a_frozen_stage_begins_with_the_encoder_of_the_average_and_leaves_it(seen: Data, tmp_path: Path) -> None:
    recipe = ALL_THEN_FROZEN.model_copy(update={"training": Training(batch_size=4, ema=0.9)})

    with pytest.raises(KeyboardInterrupt):
        train(recipe, data=seen, folder=tmp_path, watch=until(2))
    before = load_file(tmp_path / "checkpoints" / "last.safetensors")
    train(recipe, data=seen, folder=tmp_path)
    after = load_file(tmp_path / "checkpoints" / "last.safetensors")

    encoder = [name for name in before if name.startswith("model.network.") and before[name].is_floating_point()]
    averaged = {name: before[f"ema.module.{name.removeprefix('model.')}"] for name in encoder}
    assert any(not torch.equal(before[name], averaged[name]) for name in encoder)
    for name in encoder:
        assert torch.equal(after[name], averaged[name])
        assert torch.equal(after[f"ema.module.{name.removeprefix('model.')}"], averaged[name])
