"""One sample of a bundle with the map of each of its pictures, what each counts, and what each says alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from jaxtyping import Float32

from mammoscope.explain.captions import asked_words
from mammoscope.explain.grad_cam import grad_cam
from mammoscope.explain.looking import view_weights
from mammoscope.explain.maps import ANSWERING, MapSettings, Method, explain_inputs
from mammoscope.explain.picture import smoothed
from mammoscope.explain.question import question_of
from mammoscope.images import Mammogram
from mammoscope.images.grey import to_grey
from mammoscope.models import Bundle, Inputs, encode, to_input
from mammoscope.vocabulary import view_number

FINE: tuple[Method, ...] = ("integrated-gradients", "smooth-grad")
"""Methods whose maps have the grain of single pixels."""

DRAWN_SMOOTH = "drawn smoothed, for single pixels cannot be seen"
CONTROL = "a control, trained on labels that were exchanged between patients: its answers mean nothing"
NOWHERE = "no place speaks for the class: the map is not defined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What maps are asked for.

    Attributes:
        method: One of `METHODS`.
        layer: For a class activation map, one of `layer_names`; the last map if None.
        task: Whose class; the main task's if None.
        of: Name or number of the class; None: the called one, of two classes the positive one.
        settings: Of the method; the defaults if None.
    """

    method: str = "grad-cam"
    layer: str | None = None
    task: str | None = None
    of: str | int | None = None
    settings: MapSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mapped:
    """The answer to a sample, and where it comes from.

    Attributes:
        heats: The map of each picture in [0, 1] on the network's grid; None where it is not defined. The maps of a
            breast or exam have one scale: 1 is the strongest place of all its pictures.
        drawn: The same as they are drawn: maps as fine as pixels are smoothed.
        notes: What must be known to read them; why there are none.
        scores: Probability of each class of the task that was asked about.
        alone: The same for each picture of a breast or exam, as if there were no other; None of single pictures.
        weights: What each picture of a breast or exam counts, adding up to 1; None of single pictures.
        asked: The class in words.
        shown: The class whose probability is shown: of two classes the positive one, else the one that was asked about.
    """

    heats: tuple[Float32[np.ndarray, "rows cols"] | None, ...]
    drawn: tuple[Float32[np.ndarray, "rows cols"] | None, ...]
    notes: tuple[str, ...]
    scores: dict[str, float]
    alone: tuple[dict[str, float], ...] | None
    weights: tuple[float, ...] | None
    asked: str
    shown: str


def map_sample(
    bundle: Bundle, mammograms: Sequence[Mammogram], *, asked: Asked, clinical: pl.DataFrame | None = None
) -> Mapped:
    """Answer a sample and map what the answer hangs on.

    Args:
        bundle: The model.
        mammograms: As it reads them: one, or all of a breast or exam.
        asked: What maps are asked for.
        clinical: A row with the columns that the bundle reads beside pictures; all unknown if None.

    Returns:
        The answer with its maps.

    Raises:
        RecipeError: There is no such method.
        BundleError: The method is not defined for the bundle; there is no such layer, task or class.
    """
    manifest = bundle.manifest
    question = question_of(manifest.tasks, task=asked.task, of=asked.of)
    at = manifest.tasks.index(question.task)
    classes, bags = question.task.classes, manifest.design.bags
    sample = list(mammograms) if bags else mammograms[0]
    chances = bundle.probabilities([sample], clinical=clinical)[at][0]
    of = question.of if question.of is not None or question.task.kind == "binary" else int(chances.argmax())
    inputs = inputs_of(bundle, mammograms, clinical=clinical)
    heats, notes = _heats(bundle, inputs, asked=asked, of=of)
    notes = (*notes, CONTROL) if manifest.is_control else notes
    drawn = smoothed(heats) if asked.method in FINE else heats
    alone, weights = None, None
    if bags:
        each = [bundle.probabilities([[one]], clinical=clinical)[at][0] for one in mammograms]
        alone = tuple(_named(classes, chance) for chance in each)
        weights = tuple(float(weight) for weight in view_weights(bundle.network, inputs)[0])
    return Mapped(
        heats=heats,
        drawn=drawn,
        notes=(*notes, DRAWN_SMOOTH) if asked.method in FINE and any(heat is not None for heat in heats) else notes,
        scores=_named(classes, chances),
        alone=alone,
        weights=weights,
        asked=asked_words(question.task, of),
        shown=classes[1 if of is None or question.task.kind == "binary" else of],
    )


def inputs_of(bundle: Bundle, mammograms: Sequence[Mammogram], *, clinical: pl.DataFrame | None = None) -> Inputs:
    """A sample as its network reads it, as a batch of one."""
    manifest, columns = bundle.manifest, None
    if manifest.clinical is not None:
        unknown = {one.column: pl.Series([None], dtype=pl.String) for one in manifest.clinical.columns}
        columns = torch.from_numpy(encode(manifest.clinical, pl.DataFrame(unknown) if clinical is None else clinical))
    pixels = to_input([to_grey(one.pixels, bits=manifest.preprocess.bits) for one in mammograms])
    if not manifest.design.bags:
        return Inputs(pixels, clinical=columns)
    codes = torch.tensor([[view_number(one.laterality, one.view) for one in mammograms]])
    return Inputs(pixels.unsqueeze(0), torch.ones_like(codes, dtype=torch.bool), codes, columns)


def _heats(
    bundle: Bundle, inputs: Inputs, *, asked: Asked, of: int | None
) -> tuple[tuple[Float32[np.ndarray, "rows cols"] | None, ...], tuple[str, ...]]:
    estimator = bundle.manifest.estimator
    if estimator is not None and asked.method == "grad-cam" and asked.layer is None and inputs.present is None:
        if not bundle.manifest.recipe.get("stages"):
            what = f"only a {estimator.kind} learned, on vectors that say nothing of places: no map"
            return (None,), (f"{what}. {' or '.join(ANSWERING)} explain it",)
        heat = grad_cam(bundle.network, inputs.pixels, of=of, clinical=inputs.clinical)
        own = f"the map is of the network's own last layer, the score of the {estimator.kind}"
        return (heat,), (own,) if heat is not None else (NOWHERE, own)
    found = explain_inputs(
        bundle.network,
        inputs,
        method=asked.method,
        layer=asked.layer,
        task=asked.task,
        of=of,
        settings=asked.settings,
    )
    evidence = np.clip(found.values, 0, None)
    usable = found.defined
    if not usable.any():
        return (None,) * len(usable), (NOWHERE,)
    largest = evidence[usable].max()
    heats = tuple(
        (one / largest).astype(np.float32) if sure else None for one, sure in zip(evidence, usable, strict=True)
    )
    return heats, ()


def _named(classes: Sequence[str], chances: np.ndarray) -> dict[str, float]:
    return dict(zip(classes, (float(chance) for chance in chances), strict=True))
