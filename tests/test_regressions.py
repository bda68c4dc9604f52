"""Each of these once ended in a traceback, a wrong line or a wrong picture."""

import errno
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import SafetensorError
from torch import nn
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import RecipeError, SourceError, StorageError
from mammoscope.explain import grad_cam
from mammoscope.models import Classifier, Design, SimpleCnn, TimmModel, build, check_fit, save_tensors
from mammoscope.phantom import write_cbis_ddsm
from mammoscope.pipeline import divide, explain, run_recipe
from mammoscope.sources import SOURCES, build_index
from mammoscope.training import read_recipe

TINY = """name = "tiny"
source = "cbis_ddsm"

[split]
kind = "ratio"
train = 0.5
tune = 0.25
test = 0.25

[preprocess]
rows = 64
cols = 48

[model]
kind = "simple-cnn"
channels = [4, 8]

[training]
batch_size = 8

[[stages]]
epochs = 1
lr = 1e-3

[[stages]]
epochs = 1
lr = 1e-4

[measure]
replicates = 100
"""
MODEL = 'kind = "simple-cnn"\nchannels = [4, 8]'


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "data"
    write_cbis_ddsm(folder, patients=24, seed=0, rows=256)
    return folder


def recipe_file(folder: Path, text: str = TINY) -> Path:
    file = folder / "tiny.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (f"[model]\n{MODEL}\n", "", None),
        (f"[model]\n{MODEL}", '[model]\nkind = "vit"', r"tiny.toml:15 \[model\]: kind is 'vit', and not one of timm"),
        ('kind = "ratio"', 'kind = "rato"', r"tiny.toml:5 \[split\]: kind is 'rato'.*did you mean 'ratio'"),
        ('kind = "ratio"\n', "", r"tiny.toml:4 \[split\]: the key 'kind' is missing"),
        ("rows = 64", 'rows = "64"', r"tiny.toml:11 \[preprocess\]: rows is '64': Input should be a valid integer"),
        ("[4, 8]", "[4, 0]", r"tiny.toml:16 \[model\]: channels\[1\] is 0"),
        ("lr = 1e-4", "lr = -1", r"tiny.toml:27 \[stages.1\]: lr is -1"),
        ("lr = 1e-4", "lr = inf", "lr is inf: Input should be a finite number"),
    ],
)
def test_a_recipe_error_names_the_line_in_the_right_table(
    tmp_path: Path, good: str, bad: str, message: str | None
) -> None:
    file = recipe_file(tmp_path, TINY.replace(good, bad))

    if message is None:
        assert read_recipe(file).model == TimmModel()
        return
    with pytest.raises(RecipeError, match=message):
        read_recipe(file)


@pytest.mark.parametrize("value", ['"resnet18"', "[1, 2]", "3"])
def test_a_model_that_is_no_table_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    file = recipe_file(tmp_path, f"model = {value}\n" + TINY.replace(f"[model]\n{MODEL}\n", ""))

    with pytest.raises(RecipeError, match=r"tiny.toml:1: model is .*should be a table"):
        read_recipe(file)


def test_one_wrong_value_in_a_stage_is_one_line_of_message(tmp_path: Path) -> None:
    file = recipe_file(tmp_path, TINY.replace("epochs = 1\nlr = 1e-4", "epochs = 0"))

    with pytest.raises(RecipeError) as caught:
        read_recipe(file)

    assert len(str(caught.value).splitlines()) == 1


def test_a_recipe_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert read_recipe(recipe_file(tmp_path, "\ufeff" + TINY)).name == "tiny"


def test_a_network_that_cannot_take_the_size_is_refused_before_anything_is_read() -> None:
    model = SimpleCnn(channels=(4,) * 7)
    with pytest.raises(RecipeError, match="rows = 64, cols = 48: nothing is left of such a picture after 7 blocks"):
        check_fit(Design(model=model, rows=64, cols=48))


def test_a_run_of_an_unknown_backbone_leaves_no_folder(phantom: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_file(tmp_path, TINY.replace(MODEL, 'backbone = "resnt18"')))

    with pytest.raises(RecipeError, match="did you mean 'resnet18'"):
        run_recipe(recipe, data=phantom, run=tmp_path / "run", cache=tmp_path / "cache")

    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def transformer(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transformer")
    recipe = read_recipe(recipe_file(folder, TINY.replace(MODEL, 'backbone = "test_vit"')))
    run_recipe(recipe, data=phantom, run=folder / "run", cache=folder / "cache", workers=0)
    return folder / "run"


def test_a_vision_transformer_gets_a_report_that_says_it_has_no_map(transformer: Path) -> None:
    explanations = json.loads((transformer / "explanations.json").read_text(encoding="utf-8"))

    assert explanations
    assert all((transformer / row["file"]).is_file() for row in explanations)
    assert "Grad-CAM is not defined for this network" in (transformer / "report.html").read_text(encoding="utf-8")


class ChannelsLast(nn.Module):
    """The network inside, with its features turned as timm's Swin has them."""

    output_fmt = "NHWC"

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.width = inner.width

    @property
    def backbone(self) -> nn.Module:
        return self

    def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.inner.forward_features(pixels).permute(0, 2, 3, 1)

    def pooled(self, features: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        return self.inner.pooled(features.permute(0, 3, 1, 2), pixels)

    def blocks(self) -> list[nn.Module]:
        return self.inner.blocks()


def test_the_map_is_the_same_whatever_the_order_of_the_axes() -> None:
    design = Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=16)
    network = build(design, seed=3)
    nn.init.ones_(network.head.last[0].weight)  # so that some place speaks for the positive class
    turned = Classifier(ChannelsLast(network.network), design=design)
    turned.head.load_state_dict(network.head.state_dict())
    pixels = torch.rand(1, 1, 32, 16, generator=torch.Generator().manual_seed(1))

    expected = grad_cam(network, pixels)

    assert expected is not None
    np.testing.assert_allclose(grad_cam(turned, pixels), expected, atol=1e-6)


def test_a_selection_that_leaves_nothing_says_what_was_left_at_each_step(phantom: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_file(tmp_path, TINY + '\n[select]\nviews = ["LM"]\n'))
    index = build_index(SOURCES["cbis_ddsm"], phantom)

    with pytest.raises(RecipeError, match=r"\[select\] views = \['LM'\]: no image is left.* 0 of the views asked for"):
        divide(recipe, index, run=tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_not_there_is_refused_before_old_maps_are_lost(transformer: Path, tmp_path: Path) -> None:
    before = (transformer / "explanations.json").read_bytes()

    with pytest.raises(SourceError, match="nowhere: no such folder"):
        explain(transformer, root=tmp_path / "nowhere")

    assert (transformer / "explanations.json").read_bytes() == before


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_while_a_table_is_written_is_one_sentence(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(recipe_file(tmp_path))
    index = build_index(SOURCES["cbis_ddsm"], phantom)
    divide(recipe, index, run=tmp_path / "run")
    before = (tmp_path / "run" / "cohort.parquet").read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(StorageError, match=r"(cohort|index).parquet: could not be written, No space left.*Make room"):
        divide(recipe, index, run=tmp_path / "run")

    assert (tmp_path / "run" / "cohort.parquet").read_bytes() == before
    assert pl.read_parquet(tmp_path / "run" / "cohort.parquet").height > 0


def test_a_full_disk_while_weights_are_written_leaves_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "last.safetensors"
    save_tensors({"a": torch.zeros(2)}, path=file)
    before = file.read_bytes()

    def refused(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("mammoscope.models.weights.save_file", refused)

    with pytest.raises(StorageError, match=r"last.safetensors: could not be written .*No space left.*Make room"):
        save_tensors({"a": torch.ones(2)}, path=file)

    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]
    assert file.read_bytes() == before


def test_files_of_one_name_in_a_folder_are_told_apart(phantom: Path, transformer: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "1-1.dcm").write_bytes(next(phantom.rglob("1-1.dcm")).read_bytes())

    done = CliRunner().invoke(app, ["predict", str(transformer / "bundle"), str(folder), "--json"])

    assert [row["file"] for row in json.loads(done.stdout)] == ["a/1-1.dcm", "b/1-1.dcm"]


def test_folds_of_a_class_task_name_no_positive_rows() -> None:
    from mammoscope.report.spread import spread_lines

    fold = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 40, "positives": 40, "patients": 10}
    spread = {"each": [fold, fold], "mean": fold, "sd": 0.0, "lowest": 0.5, "highest": 0.5}
    facts = {
        "kind": "folds",
        "names": ["fold-0", "fold-1"],
        "unit": "image",
        "primary": "kappa_quadratic",
        "notes": [],
        "metrics": {"kappa_quadratic": spread},
        "pooled": {},
        "confidence": 0.95,
    }

    first = spread_lines(facts)[0]

    assert first.endswith("40 images of 10 patients")
