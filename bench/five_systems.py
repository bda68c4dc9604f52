"""The five systems on one synthetic data set and one split, small enough for two cores and from random weights.

Every recipe keeps its unit, views, loss, rates of augmentation, head and way of training; what is cut down is printed:
picture size, epochs, and the weights from photographs, which no test machine has. They answer for lesions, for pictures
or for CC views alone, so the table compares them per patient, on the same test patients.

    python bench/five_systems.py --out runs/five [--patients 160] [--size 128] [--epochs 8]
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from mammoscope.evaluation import leaderboard, read_contender
from mammoscope.models import TimmModel
from mammoscope.phantom import write_phantom
from mammoscope.pipeline import ensemble, measure, run_recipe
from mammoscope.training import Recipe, find_recipe

SYSTEMS = (
    "mass-resnet50-forest",
    "vgg16",
    "vgg16-medical",
    "efficientnet-b0",
    "light-cnn",
    "vgg16-continued",
    "simple-cnn-cc",
    "simple-cnn-cc-glorot",
    "inception-v3-cc",
    "crop-resnet18",
    "crop-resnet18-clinical",
)
FOUR = ("vgg16", "vgg16-medical", "efficientnet-b0", "light-cnn")
STRONGER = ("two-view", "global-local", "patch-to-whole", "phantom-max-pool")
MOST_RATE = 3e-4  # rates below it are meant for weights that have learned something


def reduced(name: str, *, size: int, epochs: int) -> Recipe:
    """A recipe of the shelf, from random weights, on the common data and split."""
    recipe = find_recipe(name)
    rows = recipe.preprocess.rows * size // max(recipe.preprocess.rows, recipe.preprocess.cols)
    cols = recipe.preprocess.cols * size // max(recipe.preprocess.rows, recipe.preprocess.cols)
    least = 80 if "inception" in name else 64
    plain: dict[str, Any] = recipe.model_dump(mode="json")
    plain["source"] = "cbis_ddsm"
    plain["start"] = recipe.start if recipe.start in SYSTEMS else None
    plain["split"] = {"kind": "official-repaired"}
    plain["preprocess"] |= {"rows": max(rows, least), "cols": max(cols, least)}
    plain["model"] = _random(plain["model"], size=size)
    plain["training"] |= {"batch_size": 16, "accumulate": 1, "precision": "float32", "patience": None, "ema": None}
    if plain["clinical"]:  # the phantom has masses only
        calcifications = ("calc_type", "calc_distribution", "lesion_kind")
        plain["clinical"]["columns"] = [name for name in plain["clinical"]["columns"] if name not in calcifications]
    plain["stages"] = [
        stage | {"epochs": min(stage["epochs"], epochs), "lr": max(stage["lr"], MOST_RATE), "warmup_epochs": 0.0}
        for stage in plain["stages"]
    ]
    return Recipe.model_validate_json(json.dumps(plain))


def _random(model: dict[str, Any], *, size: int) -> dict[str, Any]:
    """Without weights from photographs; one channel, for three equal ones tell no more."""
    bare = dict(model)
    if bare.get("kind", "timm") == "timm":
        bare |= {"pretrained": False, "channels": "grey", "statistics": "own", "mean": 0.5, "std": 0.25}
    if "patch_px" in bare:
        bare |= {"patch_px": size // 4, "patches": 4, "factor": 2}
    return {
        key: _inner(value) if key in {"backbone", "coarse", "fine"} and isinstance(value, dict) else value
        for key, value in bare.items()
    }


def _inner(_: dict[str, Any]) -> dict[str, Any]:
    return TimmModel(backbone="resnet18").model_dump(mode="json")


def main() -> None:
    """Draw the data, run every system, print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--patients", type=int, default=160)
    arguments.add_argument("--rows", type=int, default=512)
    arguments.add_argument("--size", type=int, default=128)
    arguments.add_argument("--epochs", type=int, default=8)
    arguments.add_argument("--only", nargs="*", help="of the recipes")
    given = arguments.parse_args()
    out: Path = given.out
    data = out / "phantom"
    if not (data / "done").is_file():
        write_phantom(data, layout="cbis_ddsm", patients=given.patients, seed=0, rows=given.rows, workers=2)
        (data / "done").write_text("")
    runs = []
    for name in given.only or (*SYSTEMS, *STRONGER):
        recipe = reduced(name, size=given.size, epochs=given.epochs)
        started = time.perf_counter()
        done = run_recipe(recipe, data=data, run=out / name, cache=out / "cache")
        print(f"{name:24} {time.perf_counter() - started:6.0f} s  {done.lines[0]}", flush=True)
        runs.append(out / name)
    if not given.only:
        ensemble([out / name for name in FOUR], out=out / "four-cnn-ensemble", by="mean")
        measure(out / "four-cnn-ensemble")
        runs.append(out / "four-cnn-ensemble")
    board = leaderboard([read_contender(run) for run in runs], unit="patient")
    print(json.dumps(board.to_json(), indent=2))


if __name__ == "__main__":
    sys.exit(main())
