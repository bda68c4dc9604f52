"""Every kind of network learns four samples by heart, on the way that a recipe takes from a cohort to weights."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from jaxtyping import Int
from pydantic import TypeAdapter

import tiny_vgg
from mammoscope.models import UNKNOWN, ModelConfig, Task
from mammoscope.training import Recipe, Trained, scores_of, train, training_data

Sample = dict[str, Any]

ONE_EACH: list[Sample] = [{"shows": {"LCC": name}} for name in "abcd"]
FUSED: list[Sample] = [{"shows": {"LCC": name}, "age_years": age} for name in "ab" for age in (40.0, 60.0)]
"""Neither the picture nor the age alone tells the answer."""
BREASTS: list[Sample] = [{"shows": {"LCC": "a"}}, {"shows": {"LCC": "a", "LMLO": "b"}}]
BREASTS += [{"shows": {"LCC": "c"}}, {"shows": {"LCC": "c", "LMLO": "d"}}]
"""Of each pair with the same CC view one has no MLO view."""
EXAMS: list[Sample] = [
    {"shows": {"RCC": "a", "LCC": "b"}},
    {"shows": {"RCC": "a", "LCC": "b", "RMLO": "c", "LMLO": "d"}},
]
EXAMS += [{"shows": {"LMLO": "c"}}, {"shows": {"RCC": "b", "LMLO": "c"}}]
LABELS: dict[str, list[Any]] = {
    "malignant": [False, True, True, False],
    "density": ["C", "A", "D", "B"],
    "lesion_kind": ["mass", None, "calcification", "mass"],
}

SMALL = {"kind": "simple-cnn", "channels": [8, 16]}
KERAS = SMALL | {"norm": "none", "padding": "valid", "pool": "flatten", "init": "glorot", "hidden": [16, 16]}
TWO_LOOKS = {"kind": "global-local", "coarse": SMALL, "fine": SMALL, "factor": 2, "patches": 2, "patch_px": 16}
PATCHES = {"patches": {"patch_px": 16, "each": 2, "tissue": 0.1}}

# model, four samples, other tables of the recipe, stage
CASES: dict[str, tuple[dict[str, Any], list[Sample], dict[str, Any], dict[str, Any]]] = {
    "timm-resnet": ({"backbone": "test_resnet"}, ONE_EACH, {"preprocess": {"rows": 32, "cols": 32}}, {}),
    "timm-efficientnet": ({"backbone": "test_efficientnet", "channels": "rgb"}, ONE_EACH, {}, {"lr": 1e-2}),
    "timm-vit": ({"backbone": "test_vit"}, ONE_EACH, {}, {}),
    "timm-vgg": (
        {"backbone": tiny_vgg.NAME, "pool": "max"},
        ONE_EACH,
        {"preprocess": {"rows": 32, "cols": 32}},
        {"lr": 3e-4, "epochs": 12},
    ),
    "simple-cnn": (SMALL, ONE_EACH, {}, {}),
    "simple-cnn-glorot": (KERAS, ONE_EACH, {}, {"lr": 1e-2}),
    "light-cnn": ({"kind": "light-cnn", "channels": [8, 16]}, ONE_EACH, {}, {}),
    "patch-to-whole": ({"kind": "patch-to-whole", "backbone": SMALL, "top": [16, 16]}, ONE_EACH, PATCHES, {}),
    "global-local": (TWO_LOOKS, ONE_EACH, {}, {}),
    "fusion": (SMALL | {"hidden": [32]}, FUSED, {"clinical": {"columns": ["age_years"]}}, {}),
    "breast-attention": (SMALL | {"views": "attention"}, BREASTS, {"input": {"unit": "breast"}}, {}),
    "exam-attention": (SMALL | {"views": "attention"}, EXAMS, {"input": {"unit": "exam"}}, {}),
    "exam-mean": (SMALL | {"views": "mean"}, EXAMS, {"input": {"unit": "exam"}}, {"lr": 1e-2, "epochs": 40}),
    "exam-max": (SMALL | {"views": "max"}, EXAMS, {"input": {"unit": "exam"}}, {}),
    "multi-task": (SMALL, ONE_EACH, {"also": ["density", "lesion_kind"]}, {}),
    "ordinal": (SMALL, ONE_EACH, {"target": "density", "ordinal": True}, {"epochs": 40}),
}
WITHOUT_WEIGHTS = {"histogram"}  # kinds of model


def recipe_of(
    model: dict[str, Any], *, settings: dict[str, Any] | None = None, stage: dict[str, Any] | None = None
) -> Recipe:
    """Each epoch of the last stage is one step on all four samples."""
    settings = settings or {}
    patches = [{"on": "patches", "epochs": 1, "lr": 1e-2}] if "patches" in settings else []
    last = {"epochs": 25, "lr": 2e-2, "optimizer": "adam", "weight_decay": 0.0, "schedule": "constant"} | (stage or {})
    return Recipe.model_validate(
        {
            "name": "by-heart",
            "source": "own",
            "preprocess": {"rows": 64, "cols": 48},
            "model": model,
            "training": {"batch_size": 4},
            "stages": [*patches, last],
            **settings,
        }
    )


def cohort_of(samples: list[Sample]) -> pl.DataFrame:
    """The same four samples to train on and to tune on."""
    rows = [
        {
            "source": "own",
            "patient_id": str(at),
            "sample_id": f"{part}{at}",
            "image_id": f"{part}{at}-{shown}",
            "part": part,
            "file": f"{picture}.npy",
            "laterality": shown[0],
            "view": shown[1:],
            "age_years": sample.get("age_years"),
            **{task: labels[at] for task, labels in LABELS.items()},
        }
        for part in ("train", "tune")
        for at, sample in enumerate(samples)
        for shown, picture in sample["shows"].items()
    ]
    return pl.DataFrame(rows)


def lesions_of(cohort: pl.DataFrame) -> pl.DataFrame:
    """One in the middle of each picture."""
    box = {"x0": 16.0, "y0": 24.0, "x1": 28.0, "y1": 36.0}
    placed = cohort.with_columns(pl.lit(value).alias(name) for name, value in box.items())
    return placed.with_columns(pl.lit("1").alias("lesion_id"))


def save_pictures(folder: Path, *, rows: int, cols: int) -> None:
    """Stripes of four widths, in both directions, and noise."""
    y, x = np.mgrid[:rows, :cols]
    draw = np.random.default_rng(0)
    for number, name in enumerate("abcd"):
        stripes = np.sin(2 * np.pi * (x if number % 2 else y) / (2 + 3 * number))
        pixels = 60 + 30 * number + 50 * stripes + draw.integers(-20, 20, (rows, cols))
        np.save(folder / f"{name}.npy", pixels.clip(0, 255).astype(np.uint8))


def trained_on(samples: list[Sample], *, recipe: Recipe, folder: Path) -> tuple[Trained, list[np.ndarray], np.ndarray]:
    """Training, and of the four samples what the network says of each task, and what is right."""
    cohort = cohort_of(samples)
    save_pictures(folder, rows=recipe.preprocess.rows, cols=recipe.preprocess.cols)
    data = training_data(cohort, recipe=recipe, cache=folder, lesions=lesions_of(cohort))
    trained = train(recipe, data=data, folder=folder / "run")
    return trained, scores_of(trained.network, data.tune, batch_size=4), data.tune.labels


def loss_of_chance(tasks: tuple[Task, ...], labels: Int[np.ndarray, "samples tasks"]) -> float:
    """The least loss of whoever gives every sample the same answer: the entropy of each task."""
    total = 0.0
    for task, column in zip(tasks, labels.T, strict=True):
        known = column[column != UNKNOWN]
        classes = np.arange(len(task.classes))
        if task.kind == "nominal":
            shares = (known[:, None] == classes).mean(axis=0)
        else:  # one question a step
            above = (known[:, None] > classes[:-1]).mean(axis=0)
            shares = np.concatenate([above, 1 - above])
        total -= float(np.sum(shares * np.log(shares.clip(1e-12))))
    return total


def test_the_loss_of_chance_is_ln_2_of_two_classes_and_that_of_each_step_of_four() -> None:
    yes = Task(name="malignant", classes=("no", "yes"), kind="binary")
    density = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")
    labels = np.array([[0, 2], [1, 0], [1, 3], [0, 1]])

    assert loss_of_chance((yes,), labels[:, :1]) == pytest.approx(np.log(2))
    assert loss_of_chance((density,), labels[:, 1:]) == pytest.approx(2 * 0.562335 + np.log(2))  # H(1/4) = 0.5623


def test_every_kind_of_model_that_has_weights_is_among_the_cases() -> None:
    known = TypeAdapter(ModelConfig).json_schema()["$defs"].values()
    kinds = {one["properties"]["kind"]["const"] for one in known if "kind" in one["properties"]}

    assert {recipe_of(model).model.kind for model, *_ in CASES.values()} == kinds - WITHOUT_WEIGHTS


@pytest.mark.parametrize("name", CASES)
def test_four_samples_are_learned_by_heart(name: str, tmp_path: Path) -> None:
    """Every task of every sample is answered right, and the loss of the last step is far below that of chance."""
    model, samples, settings, stage = CASES[name]
    recipe = recipe_of(model, settings=settings, stage=stage)

    trained, chances, labels = trained_on(samples, recipe=recipe, folder=tmp_path)

    for one, right in zip(chances, labels.T, strict=True):
        known = right != UNKNOWN
        assert one.argmax(axis=1)[known].tolist() == right[known].tolist()
    looks = 2 if recipe.model.kind == "global-local" else 1  # its first look has a loss of its own
    assert trained.history[-1]["train_loss"] < 0.25 * looks * loss_of_chance(trained.network.tasks, labels)


def test_inception_learns_four_samples_by_heart_while_it_trains(tmp_path: Path) -> None:
    """Measured in training mode: after so few steps the statistics of its batch normalisations lag behind its weights,
    and in eval mode it gives all four the same answer. Each epoch is one step on all four, so its accuracy is theirs.
    """
    model = {"backbone": "inception_v3"}
    stage = {"optimizer": "sgd", "lr": 1e-2, "epochs": 12}
    recipe = recipe_of(model, settings={"preprocess": {"rows": 75, "cols": 75}}, stage=stage)

    trained, _, labels = trained_on(ONE_EACH, recipe=recipe, folder=tmp_path)

    last = trained.history[-1]
    assert last["train_accuracy"] == 1.0
    assert last["train_loss"] < 0.25 * loss_of_chance(trained.network.tasks, labels)
