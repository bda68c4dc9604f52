"""What a stage takes over from the one before it: no gradients, and of an average the encoder."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mammoscope.models import SimpleCnn
from mammoscope.training import Data, Recipe, Stage, Training, train
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


def trained_in_two(recipe: Recipe, *, data: Data, folder: Path, after: int) -> list[dict]:
    """Stopped in the epoch behind `after`, and gone on with."""

    def stop(moment: object) -> None:
        if moment.epoch > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, data=data, folder=folder, watch=stop)
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
