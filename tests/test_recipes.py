"""Every recipe that comes with mammoscope, made small: it trains on its own layout, goes on, measures, explains."""

import json
import math
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file

import tiny_vgg
from mammoscope.models import Bundle, predict_files
from mammoscope.phantom import write_phantom
from mammoscope.pipeline import ensemble, fit, measure, run_recipe
from mammoscope.training import Moment, Recipe, Watch, read_recipe, shelf
from test_training import without_times

NAMES = sorted(file.stem for file in shelf().glob("*.toml"))
PHANTOMS: dict[str, dict[str, Any]] = {
    "cbis_ddsm": {"patients": 24, "rows": 128, "seed": 0, "calcifications": 0.4},
    "cbis_ddsm_jpeg": {"patients": 16, "rows": 320, "seed": 0, "calcifications": 0.4},  # crops of 16 pixels or more
    "rsna": {"patients": 24, "rows": 128, "seed": 17},  # with every class of density, and positive women in every part
    "mini_mias": {"patients": 16, "rows": 128, "seed": 0},
}
SMALL_PX = 48
LEAST_PX = {"inception_v3.tv_in1k": 80}
STAND_INS = {  # of the same family; of Inception v3 there is none
    "efficientnet_b0.ra_in1k": "test_efficientnet",
    "resnet18": "test_resnet",
    "resnet18.tv_in1k": "test_resnet",
    "resnet50.tv_in1k": "test_resnet",
    "vgg16.tv_in1k": tiny_vgg.NAME,
    "vit_base_patch16_224.augreg2_in21k_ft_in1k": "test_vit",
    "vit_small_patch14_dinov2.lvd142m": "test_vit",
}
FITTED = "mammoscope.training.estimating.fit_estimator"
"""Where a recipe with an estimator is stopped after its last epoch: before this function."""


class Stopped(Exception):  # noqa: N818  # not an error: the run is killed on purpose
    """Training was stopped from outside."""


def small(recipe: Recipe) -> Recipe:
    """The same recipe with tiny pictures, random weights, few replicates, and an epoch a stage, in the last two."""
    told = recipe.model_dump(mode="json")
    told["model"] = untrained(told["model"])
    if recipe.model.kind == "global-local":
        told["model"] |= {"patch_px": 32, "factor": 2, "patches": 2}
    told["patches"] |= {"patch_px": 32, "each": 2}
    side = LEAST_PX.get(str(getattr(recipe.model, "backbone", "")), SMALL_PX)
    told["preprocess"] |= {"rows": side, "cols": side}
    told["stages"] = [one | {"epochs": 1, "warmup_epochs": min(1.0, one["warmup_epochs"])} for one in told["stages"]]
    told["stages"] = [*told["stages"][:-1], *(one | {"epochs": 2} for one in told["stages"][-1:])]
    if recipe.model.kind in {"patch-to-whole", "global-local"}:
        told["training"] |= {"precision": "float32"}  # their maps come down to a pixel, which is refused in bfloat16
    told["training"] |= {"batch_size": 8, "accumulate": min(2, recipe.training.accumulate)}
    told["measure"] |= {"replicates": 100}
    told["split"] |= {"train": 0.5, "tune": 0.25, "test": 0.25} if recipe.split.kind == "ratio" else {"tune": 0.3}
    return Recipe.model_validate_json(json.dumps(told), strict=True)


def untrained(model: dict[str, Any]) -> dict[str, Any]:
    """A model without the weights of the hub, and the networks inside it."""
    inner = {key: untrained(value) for key, value in model.items() if isinstance(value, dict)}
    if "pretrained" in model:
        inner |= {"pretrained": False, "backbone": STAND_INS.get(model["backbone"], model["backbone"])}
    return model | inner


DRAWN = {"density-resnet50", "mass-resnet50-forest", "multi-task", "two-view"}
"""Recipes whose figures are drawn; of the others all is painted, but not laid out and written, which takes longest."""


def unwritten(_figure: Figure, buffer: Any, **_settings: Any) -> None:
    """In place of `Figure.savefig`."""
    buffer.write('<svg width="1pt" height="1pt"></svg>')


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> "Runs":
    return Runs(tmp_path_factory.mktemp("recipes"))


class Runs:
    """Runs of small recipes on phantoms, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: dict[str, list[str]] = {}

    def data(self, layout: str) -> Path:
        folder = self.folder / layout
        if not folder.is_dir():
            write_phantom(folder, layout=layout, **PHANTOMS[layout])
        return folder

    def run(self, name: str) -> Path:
        """Run a recipe, stopped in its last epoch and before its estimator is fitted, and gone on with."""
        recipe = small(read_recipe(shelf() / f"{name}.toml"))
        run = self.folder / name
        if name in self.lines:
            return run
        if recipe.start is not None:
            self.run(recipe.start)
        again = partial(
            run_recipe, recipe, data=self.data(recipe.source), run=run, cache=self.folder / "cache", workers=0
        )
        with pytest.MonkeyPatch.context() as patch:
            if name not in DRAWN:
                patch.setattr(Figure, "savefig", unwritten)
            for place in (*([recipe.epochs] if recipe.epochs > 1 else []), *([FITTED] if recipe.estimator else [])):
                with pytest.raises(Stopped):
                    again(epochs=partial(stopping, place))
            self.lines[name] = again().lines
        return run

    def unbroken(self, name: str) -> Path:
        """Train and score the same prepared pictures without a stop."""
        recipe, run = small(read_recipe(shelf() / f"{name}.toml")), self.run(name)
        folder = self.folder / "unbroken" / name
        folder.mkdir(parents=True)
        for prepared in ("cohort.parquet", "split.json", "lesions.parquet"):
            if (run / prepared).is_file():
                shutil.copy(run / prepared, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Figure, "savefig", unwritten)
            start = None if recipe.start is None else self.folder / recipe.start
            fit(recipe, run=folder, cache=self.folder / "cache", start=start)
        return folder


@contextmanager
def stopping(place: int | str) -> Iterator[Watch]:
    """Stops a run in the first step of an epoch, or before a function of this name."""

    def stop(*_given: object, **_named: object) -> None:
        raise Stopped

    def watch(moment: Moment) -> None:
        if moment.epoch == place:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        if isinstance(place, str):
            patch.setattr(place, stop)
        yield watch


def read(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text())


def numbers(facts: Any) -> Iterator[float]:
    if isinstance(facts, dict):
        facts = list(facts.values())
    if isinstance(facts, list):
        for one in facts:
            yield from numbers(one)
    elif isinstance(facts, float):
        yield facts


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_headed_by_what_it_is_how_to_run_it_what_it_costs_and_what_to_expect(name: str) -> None:
    text = (shelf() / f"{name}.toml").read_text()
    head = re.match(
        r"# (?!Run:).+\n# Run: {5}(.+)\n# Cost: {4}.+\n# Expect: {2}.+\n(?:# {10}.+\n)*name = \"(.+)\"", text
    )

    assert head is not None
    assert head[2] == name == read_recipe(shelf() / f"{name}.toml").name
    assert name in head[1] or head[1] == "mammoscope demo"


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_runs_to_its_report(name: str, made: "Runs") -> None:
    recipe = small(read_recipe(shelf() / f"{name}.toml"))

    run = made.run(name)

    facts, found = read(run, "metrics.json"), list(numbers(read(run, "metrics.json")))
    explained = read(run, "explanations.json")
    assert (run / "report.html").is_file()
    assert made.lines[name]
    assert found
    assert all(math.isfinite(number) for number in found)
    assert facts["units"][facts["headline"]]["test"]
    assert [row["epoch"] for row in history(run)] == list(range(1, recipe.epochs + 1))
    assert explained
    assert all(row["file"] or row["note"] for row in explained)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_that_was_stopped_ends_as_one_that_was_not_to_the_bit(name: str, made: "Runs") -> None:
    recipe = small(read_recipe(shelf() / f"{name}.toml"))
    stopped, unbroken = made.run(name), made.unbroken(name)

    done = [read(run, "environment.json")["resumed_after_epoch"] for run in (stopped, unbroken)]
    assert done == [recipe.epochs if recipe.estimator else recipe.epochs - 1, 0]
    assert history(stopped) == history(unbroken)
    assert len(history(stopped)) == recipe.epochs
    assert (stopped / "events.jsonl").read_text() == (unbroken / "events.jsonl").read_text()
    for one, other in zip(weights(stopped), weights(unbroken), strict=True):
        assert one.keys() == other.keys()
        assert [key for key in one if not torch.equal(one[key], other[key])] == []
    tables = sorted(file.relative_to(unbroken) for file in unbroken.rglob("*.parquet"))
    assert Path("predictions.parquet") in tables
    for table in tables:
        assert pl.read_parquet(stopped / table).equals(pl.read_parquet(unbroken / table)), table


def history(run: Path) -> list[dict[str, Any]]:
    return without_times([json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()])


def weights(run: Path) -> list[dict[str, torch.Tensor]]:
    """Of the bundle with its estimator, of the best epoch, and all that a next epoch would go on from."""
    return [load_file(run / "bundle" / "model.safetensors"), *map(load_file, sorted(run.glob("checkpoints/*")))]


@pytest.mark.parametrize("name", ["mass-resnet50-forest", "density-histogram", "crop-resnet18-clinical"])
def test_a_recipe_that_is_done_is_not_trained_again_and_answers_alike(name: str, made: "Runs") -> None:
    recipe = small(read_recipe(shelf() / f"{name}.toml"))
    run = made.run(name)
    before = pl.read_parquet(run / "predictions.parquet")

    again = fit(recipe, run=run, cache=made.folder / "cache")

    assert again.resumed_after == recipe.epochs
    assert before.equals(pl.read_parquet(run / "predictions.parquet"))


@pytest.mark.parametrize("name", NAMES)
def test_the_bundle_of_a_recipe_scores_a_file_as_the_run_did(name: str, made: "Runs") -> None:
    recipe = small(read_recipe(shelf() / f"{name}.toml"))
    run = made.run(name)

    bundle = Bundle.from_pretrained(run / "bundle")

    assert bundle.manifest.tasks == recipe.tasks
    if recipe.input.unit == "image":
        cohort = pl.read_parquet(run / "cohort.parquet").filter(pl.col("part") == "test")
        first = cohort.row(0, named=True)
        (row,) = predict_files(bundle, [made.data(recipe.source) / first["path"]], workers=0)
        assert row["code"] is None
        assert 0 <= row["score"] <= 1


def scores_of(run: Path) -> dict[str, float]:
    return dict(pl.read_parquet(run / "predictions.parquet").select("image_id", "score").iter_rows())


def test_the_four_networks_of_one_system_answer_together(made: "Runs") -> None:
    members = [made.run(name) for name in ("vgg16", "vgg16-medical", "efficientnet-b0", "light-cnn")]

    together = made.folder / "four-cnn-ensemble"
    ensemble(members, out=together, by="mean")

    scores = [scores_of(run) for run in members]
    found = scores_of(together)
    assert found == pytest.approx({name: sum(one[name] for one in scores) / 4 for name in scores[0]})
    assert {one["name"] for one in measure(together)["members"]["members"]} == {run.name for run in members}


def test_clinical_columns_are_those_of_the_lesion_in_the_crop(made: "Runs") -> None:
    manifest = Bundle.from_pretrained(made.run("crop-resnet18-clinical") / "bundle").manifest

    assert manifest.clinical is not None
    named = {name.partition("=")[0] for name in manifest.clinical.names}
    assert {"lesion_shape (other)", "subtlety"} & named
    assert {"assessment (other)", "assessment"} & named
