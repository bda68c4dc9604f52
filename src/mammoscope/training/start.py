"""Training that goes on from the weights of another run."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from mammoscope.cohort import bags
from mammoscope.errors import RecipeError
from mammoscope.models import Classifier, Design, build, fit_clinical
from mammoscope.models.bundle import WEIGHTS, read_manifest
from mammoscope.training.alarms import Event
from mammoscope.training.data import Data
from mammoscope.training.recipe import Recipe
from mammoscope.vocabulary import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Weights to begin with.

    Attributes:
        name: Of its recipe.
        weights: The file of them.
        fingerprint: Its SHA-256.
        split: Fingerprint of the split that it was trained on.
        sources: Data sets that it was trained on.
        clinical: Names of its encoded clinical columns, in order.
        finished: Whether they are those of a bundle; else they are the best so far of a run that may go on.
    """

    name: str
    weights: Path
    fingerprint: str
    split: str | None
    sources: tuple[str, ...]
    clinical: tuple[str, ...] = ()
    finished: bool = True


def read_start(folder: Path) -> Start:
    """Look at a run folder, or a bundle, that training shall begin with.

    Raises:
        BundleError: It is not a bundle.
    """
    inside = folder / "bundle" if (folder / "bundle" / "bundle.json").is_file() else folder
    manifest = read_manifest(inside)
    return Start(
        name=manifest.name,
        weights=inside / WEIGHTS,
        fingerprint=manifest.weights_sha256,
        split=manifest.data.get("split"),
        sources=tuple(manifest.data.get("sources", ())),
        clinical=() if manifest.clinical is None else manifest.clinical.names,
    )


def clinical_names(recipe: Recipe, cohort: pl.DataFrame) -> tuple[str, ...]:
    """Names of the encoded clinical columns of a run, as `Start.clinical` has them, where no bundle says.

    Args:
        recipe: Of that run.
        cohort: Of that run; its train part decides which values have a column.
    """
    if recipe.clinical is None:
        return ()
    ready = cohort.filter(pl.col("file").is_not_null(), pl.col("part").cast(pl.String) == Part.TRAIN.value)
    return fit_clinical(bags(ready, recipe.input.unit)[0], recipe.clinical).names


def design_of(recipe: Recipe, *, clinical: int = 0) -> Design:
    """What decides the shape of a recipe's network."""
    size = {"rows": recipe.preprocess.rows, "cols": recipe.preprocess.cols}
    return Design(model=recipe.model, tasks=recipe.tasks, bags=recipe.input.bags, clinical=clinical, **size)


def starting_network(recipe: Recipe, *, data: Data, start: Start | None) -> Classifier:
    """A recipe's network with the weights that training begins with.

    The encoder's weights are taken over; those of the head and of what puts views together where their shapes agree;
    those that read clinical columns where the columns are the same, in the same order.

    Raises:
        RecipeError: The start is of another encoder, or its weights are no longer the ones that were looked at.
    """
    clinical = 0 if data.train.clinical is None else data.train.clinical.shape[1]
    network = build(design_of(recipe, clinical=clinical), seed=recipe.seed, fetch=start is None)
    if start is None:
        return network
    own = network.state_dict()
    given = _tensors(start)
    other = _other_columns(data, start)
    fitting = {
        name: tensor
        for name, tensor in given.items()
        if name in own and own[name].shape == tensor.shape and not (other and _reads_columns(name))
    }
    missing = [name for name in own if name.startswith("network.") and name not in fitting]
    if missing:
        raise RecipeError(
            f"start {start.name!r}: its encoder is not the one of [model]: {len(missing)} tensors are missing or of "
            f"another shape, first {missing[0]}. Use the same [model] as there"
        )
    network.load_state_dict(own | fitting)
    return network


def begun_anew(network: Classifier, *, data: Data, start: Start | None) -> list[dict[str, Any]]:
    """The tensors of a network that were not taken over from its start.

    Args:
        network: As `starting_network` gave it.
        data: What it was given.
        start: What it begins with; nothing is begun anew where nothing is taken over.

    Returns:
        Of each its `name`, its `shape`, and the `shape_there`, None where the start has no such tensor. Both are the
        same where it reads other clinical columns there.
    """
    if start is None:
        return []
    other = _other_columns(data, start)
    there = {name: list(tensor.shape) for name, tensor in _tensors(start).items()}
    return [
        {"name": name, "shape": list(tensor.shape), "shape_there": there.get(name)}
        for name, tensor in network.state_dict().items()
        if list(tensor.shape) != there.get(name) or (other and _reads_columns(name))
    ]


def _other_columns(data: Data, start: Start) -> bool:
    """Whether the clinical columns are not those of the start: of as many others the weights would fit by chance."""
    return start.clinical != (() if data.clinical is None else data.clinical.names)


def _reads_columns(name: str) -> bool:
    return name.startswith("clinical.")


def told_anew(rows: list[dict[str, Any]], *, start: Start) -> Event:
    """The event of layers that were begun anew."""
    each = [f"{row['name']} {_sized(row['shape'])} ({_there(row)})" for row in rows]
    text = f"start {start.name!r}: these are not taken over but begun anew: {', '.join(each)}"
    return Event(kind="begun-anew", epoch=1, text=text)


def _there(row: dict[str, Any]) -> str:
    if row["shape_there"] is None:
        return "not there"
    return "there for other columns" if row["shape_there"] == row["shape"] else f"there {_sized(row['shape_there'])}"


def _sized(shape: list[int]) -> str:
    return " x ".join(map(str, shape)) or "1"


def _tensors(start: Start) -> dict[str, Tensor]:
    raw = start.weights.read_bytes()
    if hashlib.sha256(raw).hexdigest() != start.fingerprint:
        raise RecipeError(
            f"start {start.name!r}: {start.weights.name} has changed since it was looked at, so that run goes on. Run "
            "the same command again, or wait for its end"
        )
    try:
        return load(raw)
    except SafetensorError as error:
        raise RecipeError(
            f"start {start.name!r}: {start.weights.name} holds no weights ({error}). Train that recipe again"
        ) from error
