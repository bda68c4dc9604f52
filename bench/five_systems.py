"""The five systems on one synthetic data set and one split, small enough for two cores and from random weights.

Every setting of a recipe that is cut down is printed with what it was: the data set and split that all share, the size,
the epochs, the weights from photographs (which no test machine has) with the rates that are meant for them, large
batches, averaged weights and half precision. Everything else is the recipe's own. They answer for lesions, for pictures
or for CC views alone, so the table compares them per patient, on the same test patients. Density is another question
about the same women: it has its own lines.

    python bench/five_systems.py --out runs/five [--patients 160] [--size 112] [--epochs 8]

Run again into the same folder, it goes on where it stopped.
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
DENSITY = ("density-resnet50", "density-histogram")
STRONGER = ("two-view", "exam-attention", "global-local", "patch-to-whole", "phantom-max-pool")
LEAST_RATE = 3e-4  # lower ones are meant for weights that have learned something: with random ones nothing would move
BATCH = 16  # at most: in batches of 60, an epoch of some 100 CC views would be two steps


def reduced(name: str, *, size: int, epochs: int) -> Recipe:
    """A recipe of the shelf, from random weights, on the common data and split."""
    recipe = find_recipe(name)
    least = 80 if "inception" in name else 64
    longer = max(recipe.preprocess.rows, recipe.preprocess.cols)
    plain: dict[str, Any] = recipe.model_dump(mode="json")
    plain["source"] = "cbis_ddsm"
    plain["start"] = recipe.start if recipe.start in SYSTEMS else None
    plain["split"] = {"kind": "official-repaired"}
    for side in ("rows", "cols"):
        plain["preprocess"][side] = max(plain["preprocess"][side] * size // longer, least)
    lifted = learned(plain["model"]) or recipe.start is not None
    plain["model"] = _random(plain["model"], size=size)
    plain["training"] |= {
        "batch_size": min(recipe.training.batch_size, BATCH),
        "precision": "float32",  # twice as fast as half of it on processors that have no unit for that
        "ema": None,  # of 0.999: after so few steps nine tenths of it are the weights of the start
    }
    if recipe.model.kind == "patch-to-whole":
        plain["patches"] |= {"patch_px": size // 4, "each": 2}
    if plain["clinical"]:  # the phantom has masses only
        calcifications = ("calc_type", "calc_distribution", "lesion_kind")
        plain["clinical"]["columns"] = [name for name in plain["clinical"]["columns"] if name not in calcifications]
    for stage in plain["stages"]:
        stage["epochs"] = min(stage["epochs"], epochs)
        stage["lr"] = max(stage["lr"], LEAST_RATE) if lifted else stage["lr"]
        stage["warmup_epochs"] = min(stage["warmup_epochs"], float(stage["epochs"]))
    return Recipe.model_validate_json(json.dumps(plain))


def cuts(before: Recipe, after: Recipe) -> list[str]:
    """Every setting that is not what it was, with both values."""
    old, new = flat(before.model_dump(mode="json")), flat(after.model_dump(mode="json"))
    return [
        f"{key} {old.get(key, '-')} -> {new.get(key, '-')}" for key in {**old, **new} if old.get(key) != new.get(key)
    ]


def flat(value: Any, *, under: str = "") -> dict[str, Any]:
    """A nested recipe as one level of dotted keys."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = {str(number): inner for number, inner in enumerate(value, start=1)}
    if not isinstance(value, dict):
        return {under: value}
    return {
        key: found
        for name, inner in value.items()
        for key, found in flat(inner, under=f"{under}.{name}" if under else name).items()
    }


def learned(model: dict[str, Any]) -> bool:
    """Whether a network, or one inside it, begins with weights from photographs."""
    inside = [model[key] for key in ("backbone", "coarse", "fine") if isinstance(model.get(key), dict)]
    return bool(model.get("pretrained")) or any(learned(one) for one in inside)


def _random(model: dict[str, Any], *, size: int) -> dict[str, Any]:
    """Without weights from photographs; one channel, for three equal ones tell no more."""
    bare = dict(model)
    if bare.get("kind", "timm") == "timm":
        bare |= {"pretrained": False, "channels": "grey"}
        if bare["statistics"] == "backbone":
            bare |= {"statistics": "own", "mean": 0.5, "std": 0.25}
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
    arguments.add_argument("--size", type=int, default=112)
    arguments.add_argument("--epochs", type=int, default=8)
    arguments.add_argument("--only", nargs="*", help="of the recipes")
    given = arguments.parse_args()
    out: Path = given.out
    data = out / "phantom"
    if not (data / "done").is_file():
        write_phantom(data, layout="cbis_ddsm", patients=given.patients, seed=0, rows=given.rows, workers=2)
        (data / "done").write_text("")
    for name in given.only or (*SYSTEMS, *DENSITY, *STRONGER):
        recipe = reduced(name, size=given.size, epochs=given.epochs)
        print(f"{name}: cut down: {'; '.join(cuts(find_recipe(name), recipe))}", flush=True)
        started = time.perf_counter()
        done = run_recipe(recipe, data=data, run=out / name, cache=out / "cache")
        told = done.lines[1:] if name in DENSITY else []
        print(f"{name:24} {time.perf_counter() - started:6.0f} s  {done.lines[0]}", *told, sep="\n  ", flush=True)
    if given.only:
        return
    ensemble([out / name for name in FOUR], out=out / "four-cnn-ensemble", by="mean")
    measure(out / "four-cnn-ensemble")
    runs = [out / name for name in (*SYSTEMS, *STRONGER, "four-cnn-ensemble")]
    board = leaderboard([read_contender(run) for run in runs], unit="patient")
    print(json.dumps(board.to_json(), indent=2))


if __name__ == "__main__":
    sys.exit(main())
