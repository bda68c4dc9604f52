"""What tells several recipes apart: in words of the field for a line each, and setting by setting for a table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mammoscope.report.sections import settings
from mammoscope.report.words import NONE

Facts = Mapping[str, Any]
OUT_OF = ("name",)
"""Settings that are no difference between models."""

UNITS = {
    "image": "whole images",
    "lesion": "crops of lesions",
    "breast": "the views of a breast together",
    "exam": "the views of an exam together",
}
ESTIMATORS = {
    "forest": "random forest on the network's vectors",
    "logistic": "logistic regression on the network's vectors",
    "svm": "kernel machine on the network's vectors",
    "boosting": "boosted trees on the network's vectors",
}
LOSSES = {"focal": "focal loss", "cross-entropy": "cross entropy"}
POOLS = {
    "max": "highest of the map pooled",
    "mean": "mean of the map pooled",
    "flatten": "map flattened",
    "backbone": "pooled as the encoder does",
}


def recipe_words(recipes: Sequence[Facts]) -> list[str]:
    """A line for each recipe: only what it does otherwise than another.

    Args:
        recipes: What `recipe.json` holds, of each run.

    Returns:
        Words, with commas; empty where nothing of what can be said differs.

    Example:
        >>> one = {"model": {"kind": "timm", "backbone": "resnet18.tv_in1k", "pretrained": True}, "seed": 0}
        >>> recipe_words([one, one | {"model": {"kind": "light-cnn", "channels": [8, 16]}}])
        ['resnet18', 'light-cnn']
        >>> recipe_words([one, one | {"seed": 1}])
        ['seed 0', 'seed 1']
    """
    said: list[list[str]] = [[] for _ in recipes]
    for aspect in _ASPECTS:
        words = [aspect(one) for one in recipes]
        if len(set(words) - {None}) > 1:
            for line, word in zip(said, words, strict=True):
                line.extend([word] if word else [])
    return [", ".join(line) for line in said]


def setting_table(recipes: Sequence[Facts]) -> list[tuple[str, list[str]]]:
    """Every setting that is not the same in all recipes that have it, or that one alone has.

    Args:
        recipes: What `recipe.json` holds, of each run.

    Returns:
        Its name, and its value in each; a dash where a recipe has no such setting.

    Example:
        >>> setting_table([{"name": "a", "training": {"loss": "focal"}}, {"name": "b", "training": {"loss": "bce"}}])
        [('training: loss', ['focal', 'bce'])]
    """
    flat = [
        {f"{group}: {name}" if group else name: value for group, rows in settings(one) for name, value in rows}
        for one in recipes
    ]
    names = dict.fromkeys(name for one in flat for name in one if name not in OUT_OF)
    rows = [(name, [one[name] for one in flat if name in one]) for name in names]
    apart = [name for name, values in rows if len(set(values)) > 1 or (len(values) == 1 and values != ["none"])]
    return [(name, [one.get(name, NONE) for one in flat]) for name in apart]


def _of(recipe: Facts, table: str) -> Facts:
    found = recipe.get(table)
    return found if isinstance(found, Mapping) else {}


def _network(recipe: Facts) -> str:
    model, ensemble = _of(recipe, "model"), _of(recipe, "ensemble")
    if ensemble:
        return f"{len(ensemble.get('members', ()))} networks, put together by {ensemble.get('by')}"
    backbone = model.get("backbone")
    if not backbone:
        channels = model.get("channels")
        layers = f" of {len(channels)} layers" if model.get("kind") == "simple-cnn" and channels else ""
        return f"{model.get('kind', 'no network')}{layers}"
    return str(backbone).partition(".")[0]


def _weights(recipe: Facts) -> str | None:
    model = _of(recipe, "model")
    if "pretrained" not in model:
        return None
    weights = model["pretrained"]
    return "from random weights" if not weights else f"from {'ImageNet' if weights is True else weights}"


def _estimator(recipe: Facts) -> str:
    kind = _of(recipe, "estimator").get("kind")
    return ESTIMATORS.get(str(kind), str(kind)) if kind else ""


def _head(recipe: Facts) -> str:
    hidden = _of(recipe, "model").get("hidden")
    return f"hidden layers of {' and '.join(map(str, hidden))}" if hidden else ""


def _pool(recipe: Facts) -> str | None:
    model = _of(recipe, "model")
    return POOLS.get(str(model.get("pool"))) if model.get("kind") == "simple-cnn" else None


def _unit(recipe: Facts) -> str:
    return UNITS.get(str(_of(recipe, "input").get("unit", "image")), "")


def _fused(recipe: Facts) -> str:
    unit = _of(recipe, "input").get("unit")
    views = _of(recipe, "model").get("views")
    return f"joined by {views}" if unit in {"breast", "exam"} and views else ""


def _size(recipe: Facts) -> str:
    found = _of(recipe, "preprocess")
    return f"{found['rows']} \N{MULTIPLICATION SIGN} {found['cols']} px" if {"rows", "cols"} <= set(found) else ""


def _selected(recipe: Facts) -> str:
    found = _of(recipe, "select")
    return " ".join(f"{' and '.join(found[key])} only" for key in ("views", "lesion_kinds") if found.get(key))


def _clinical(recipe: Facts) -> str:
    columns = _of(recipe, "clinical").get("columns")
    return f"with {len(columns)} clinical columns" if columns else ""


def _start(recipe: Facts) -> str:
    return f"goes on from {recipe['start']}" if recipe.get("start") else ""


def _loss(recipe: Facts) -> str | None:
    name = _of(recipe, "training").get("loss")
    return LOSSES.get(str(name), str(name).replace("-", " ")) if name else None


def _balance(recipe: Facts) -> str | None:
    training = _of(recipe, "training")
    if not training:
        return None
    said = ["classes weighted"] if training.get("class_weight") not in {None, "none"} else []
    sampling = training.get("sampling")
    said += [f"sampled {sampling}"] if sampling not in {None, "natural"} else []
    return ", ".join(said)


def _augment(recipe: Facts) -> str | None:
    if not isinstance(recipe.get("augment"), Mapping):
        return None
    return "augmented" if any(_of(recipe, "augment").values()) else "not augmented"


def _epochs(recipe: Facts) -> str | None:
    stages = recipe.get("stages")
    if not isinstance(stages, list) or not stages:
        return None
    total = sum(int(stage.get("epochs", 0)) for stage in stages)
    return f"{total} epochs in {len(stages)} stages" if len(stages) > 1 else f"{total} epochs"


def _seed(recipe: Facts) -> str:
    return f"seed {recipe['seed']}" if recipe.get("seed") is not None else ""


_ASPECTS: tuple[Callable[[Facts], str | None], ...] = (
    *(_network, _weights, _estimator, _head, _pool, _unit, _fused, _size, _selected, _clinical),
    *(_start, _loss, _balance, _augment, _epochs, _seed),
)
