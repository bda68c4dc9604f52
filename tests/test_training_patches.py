"""Stages on patches: what learns, what is measured, and going on after a stop."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from mammoscope.batches import Augment, PatchSettings, Samples
from mammoscope.errors import RecipeError
from mammoscope.images import Preprocess
from mammoscope.models import PatchToWhole, SimpleCnn, build
from mammoscope.phantom import write_cbis_ddsm
from mammoscope.pipeline import divide, fit, make_ready
from mammoscope.records import Record, index_of
from mammoscope.sources import SOURCES, build_index
from mammoscope.training import Data, Recipe, Stage, Training, design_of, train
from mammoscope.training.freezing import freeze, optimizer_of
from mammoscope.training.patch_data import patch_parts
from mammoscope.training.patching import patch_labels, patch_scores, step_sizes

RECIPE = Recipe(
    name="patches",
    source="cbis_ddsm",
    preprocess=Preprocess(rows=64, cols=48),
    augment=Augment(flip_vertical=0.5, contrast=0.1),
    patches=PatchSettings(patch_px=16, each=3, tissue=0.2),
    model=PatchToWhole(backbone=SimpleCnn(channels=(4, 8)), top=(8, 8)),
    training=Training(batch_size=8, class_weight="balanced", patience=1),
    stages=(
        Stage(on="patches", epochs=1, freeze="backbone", unfreeze=1, lr=1e-2),
        Stage(on="patches", epochs=2, lr=1e-2, lr_decay=0.5),
        Stage(epochs=2, lr=1e-3),
    ),
)
TIMES = {"seconds", "images_per_s", "wait_share", "device_share", "peak_mib"}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return RECIPE


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Six pictures a part, of noise; malignant lesions are bright blocks, benign ones dark."""
    folder, draw = tmp_path_factory.mktemp("seen"), np.random.default_rng(0)
    rows, samples = [], {}
    for part in ("train", "tune"):
        for number in range(6):
            malignant, name = number % 2 == 0, f"{part}{number}"
            grey = draw.integers(90, 130, (64, 48)).astype(np.uint8)
            grey[20:30, 10:20] = 250 if malignant else 20
            np.save(folder / f"{name}.npy", grey)
            rows.append(("own", name, f"{name}.npy", part, "1", "mass", malignant, 10.0, 20.0, 20.0, 30.0))
        files = [folder / f"{part}{number}.npy" for number in range(6)]
        samples[part] = Samples(files=files, labels=(np.arange(6) % 2 == 0).astype(np.int64)[:, None])
    columns = ("source", "image_id", "file", "part", "lesion_id", "lesion_kind", "malignant", "x0", "y0", "x1", "y1")
    lesions = pl.DataFrame(rows, schema=list(columns), orient="row")
    parts = patch_parts(lesions, cohort=lesions, recipe=RECIPE, cache=folder)
    return Data(train=samples["train"], tune=samples["tune"], fingerprint="planted", patches=parts)


def without_times(history: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in history]


def test_an_epoch_on_patches_is_measured_on_patches_and_is_never_the_best(
    seen: Data, recipe: Recipe, tmp_path: Path
) -> None:
    trained = train(recipe, data=seen, folder=tmp_path)

    on = [row["on"] for row in trained.history]
    assert on[:3] == ["patches"] * 3
    assert on[3] == "samples"
    assert not any(row["best"] for row in trained.history[:3])
    assert trained.best_epoch >= 4
    for row in trained.history[:3]:
        assert row["steps"] == len(step_sizes(len(seen.patches.train), batch_size=8))
        assert 0 <= row["tune_auc"] <= 1
        assert 0 <= row["tune_accuracy"] <= 1
        assert "tune_sensitivity" not in row


def test_patience_does_not_count_epochs_on_patches(seen: Data, recipe: Recipe, tmp_path: Path) -> None:
    """With a patience of 1 three epochs on patches, of which none is best, would be the end."""
    assert recipe.training.patience == 1

    assert train(recipe, data=seen, folder=tmp_path).history[-1]["on"] == "samples"


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_stage_on_patches_goes_on_to_the_bit(seen: Data, recipe: Recipe, tmp_path: Path, stop_after: int) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop(moment: object) -> None:
        if moment.epoch == stop_after + 1 and moment.step == 1:
            raise Stop

    unbroken = train(recipe, data=seen, folder=tmp_path / "unbroken")

    with pytest.raises(Stop):
        train(recipe, data=seen, folder=tmp_path / "broken", watch=stop)
    resumed = train(recipe, data=seen, folder=tmp_path / "broken")

    assert resumed.resumed_after == stop_after
    assert without_times(resumed.history) == without_times(unbroken.history)
    for a, b in zip(unbroken.network.state_dict().values(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_on_patches_only_the_backbone_and_the_patch_layer_learn(seen: Data, recipe: Recipe, tmp_path: Path) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def stop(moment: object) -> None:
        if moment.epoch == 4:
            raise Stop

    start = build(design_of(recipe), seed=recipe.seed).state_dict()
    with pytest.raises(Stop):
        train(recipe, data=seen, folder=tmp_path, watch=stop)

    left = load_file(tmp_path / "checkpoints" / "last.safetensors")
    changed = {name for name in start if not torch.equal(start[name], left[f"model.{name}"])}
    assert changed
    assert all(name.startswith(("network.network.", "network.patch_head.")) for name in changed)


def test_a_backbone_frozen_on_patches_leaves_their_own_layer_to_learn(recipe: Recipe) -> None:
    network = build(design_of(recipe), seed=0)

    freeze(network, recipe.stages[0])

    learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning == {"network.patch_head.weight", "network.patch_head.bias"}


def test_rates_on_patches_fall_from_the_patch_layer_down(recipe: Recipe) -> None:
    network = build(design_of(recipe), seed=0)
    freeze(network, recipe.stages[1])

    scale = {
        id(one): group["scale"]
        for group in optimizer_of(network, recipe.stages[1]).param_groups
        for one in group["params"]
    }

    blocks = network.network.patch_blocks()
    for depth, block in enumerate(reversed(blocks), start=1):
        assert {scale[id(parameter)] for parameter in block.parameters()} == {0.5**depth}


def test_the_same_tune_patches_are_scored_each_time_and_in_batches_of_any_size(seen: Data, recipe: Recipe) -> None:
    network = build(design_of(recipe), seed=0)
    parts = seen.patches

    def scored(size: int) -> tuple[np.ndarray, np.ndarray]:
        return patch_scores(network, parts.tune, classes=parts.classes, seed=0, batch_size=size, precision="float32")

    (chances, labels), (again, same) = scored(8), scored(5)

    assert labels.tolist() == same.tolist()
    np.testing.assert_allclose(chances, again, atol=1e-6)
    assert sorted(labels.tolist()) == sorted(patch_labels(parts.tune).tolist())


def test_a_patch_layer_learns_what_it_is_shown(seen: Data, recipe: Recipe, tmp_path: Path) -> None:
    stages = (Stage(on="patches", epochs=12, lr=1e-2), Stage(epochs=1, lr=1e-4))

    history = train(recipe.model_copy(update={"stages": stages}), data=seen, folder=tmp_path).history

    assert history[11]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert history[11]["tune_auc"] > 0.95


@pytest.mark.parametrize(
    ("changes", "settings"),
    [({"accumulate": 3}, {}), ({}, {"mixup": 0.4}), ({"ema": 0.9, "precision": "bfloat16"}, {})],
    ids=["accumulate", "mixup", "ema"],
)
def test_patches_know_the_ways_of_training(
    seen: Data, recipe: Recipe, tmp_path: Path, changes: dict, settings: dict
) -> None:
    asked = recipe.model_copy(
        update={
            "training": recipe.training.model_copy(update=changes),
            "augment": recipe.augment.model_copy(update=settings),
            "stages": (Stage(on="patches", epochs=1, lr=1e-2), Stage(epochs=1, lr=1e-3)),
        }
    )
    plain = asked.model_copy(update={"training": recipe.training, "augment": recipe.augment})

    one, other = (
        train(each, data=seen, folder=tmp_path / name).history[0] for name, each in (("a", asked), ("b", plain))
    )

    assert np.isfinite(one["train_loss"])
    assert one["train_loss"] != other["train_loss"]


def test_the_lesions_of_train_and_tune_are_found_when_a_run_is_made_ready(tmp_path: Path) -> None:
    write_cbis_ddsm(tmp_path / "data", patients=12, seed=0, rows=128)
    index = build_index(SOURCES["cbis_ddsm"], tmp_path / "data")
    split = {"kind": "ratio", "train": 0.5, "tune": 0.25, "test": 0.25}
    asked = Recipe.model_validate(RECIPE.model_dump() | {"split": split})
    run, cache = tmp_path / "run", tmp_path / "cache"

    divide(asked, index, run=run)
    ready = make_ready(asked, index, run=run, cache=cache, workers=0)
    trained = fit(asked, run=run, cache=cache)

    facts = json.loads((run / "lesions.json").read_text())
    lesions = pl.read_parquet(run / "lesions.parquet")
    tested = ready.filter(pl.col("part") == "test")["image_id"]
    assert facts["lesions"] == lesions.height > 0
    assert not set(lesions["image_id"]) & set(tested)
    assert [row["on"] for row in trained.history][:3] == ["patches"] * 3


def test_an_index_without_places_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    record = Record(source="own", patient_id="1", image_id="a", path="a.png", lesion_id="1", malignant=True)
    index = index_of([record], roots={"own": tmp_path})

    with pytest.raises(RecipeError, match="on = 'patches': cbis_ddsm gives neither box, outline nor mask of any"):
        divide(RECIPE, index, run=tmp_path / "run")


def test_data_without_lesions_are_refused(seen: Data, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the data have no patches"):
        train(recipe, data=replace(seen, patches=None), folder=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patches": {"patch_px": 65}}, r"\[patches\] patch_px = 65: larger than the prepared pictures of 64 x 48"),
        ({"input": {"unit": "lesion"}}, r"\[input\] unit = 'lesion': patches are cut from whole pictures"),
        (
            {"model": {"kind": "simple-cnn"}},
            r"\[model\] kind = 'simple-cnn': a stage on patches needs 'patch-to-whole'",
        ),
        ({"stages": [{"on": "patches"}]}, "stage 1, the last, must be on samples"),
        ({"stages": [{"on": "patches", "freeze": "backbone"}, {}]}, "frozen whole, nothing learns. Set unfreeze"),
    ],
)
def test_what_patches_cannot_be_is_refused_in_the_recipe(recipe: Recipe, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(recipe.model_dump() | changes)
