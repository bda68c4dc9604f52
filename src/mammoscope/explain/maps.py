"""Maps of a batch by any method, all of one form."""

from dataclasses import dataclass
from typing import Literal, assert_never, get_args

import numpy as np
from jaxtyping import Bool, Float32
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor
from torch.nn import functional

from mammoscope.errors import BundleError, RecipeError, nearest
from mammoscope.explain.cam import Cam, activation_maps
from mammoscope.explain.gradients import integrated_gradients, smooth_gradients
from mammoscope.explain.layers import pictures_of
from mammoscope.explain.looking import looked_at
from mammoscope.explain.perturbation import occlusion, rise
from mammoscope.explain.question import question_of
from mammoscope.explain.rollout import attention_rollout
from mammoscope.models import Classifier, Inputs

Method = Literal[
    "grad-cam",
    "grad-cam++",
    "hires-cam",
    "layer-cam",
    "integrated-gradients",
    "smooth-grad",
    "occlusion",
    "rise",
    "attention-rollout",
    "saliency",
]
METHODS: tuple[Method, ...] = get_args(Method)
ANSWERING = ("occlusion", "rise")
"""Methods that only look at answers: they explain an estimator in place of the last layer, too."""


class MapSettings(BaseModel):
    """What the methods are told; each reads its own.

    Example:
        >>> MapSettings(steps=20).steps
        20
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: PositiveInt = Field(default=50, description="of the path of integrated-gradients")
    samples: PositiveInt = Field(default=16, description="noisy copies of smooth-grad")
    noise: float = Field(default=0.15, gt=0, description="of smooth-grad, as a share of the picture's range")
    window: float = Field(default=1 / 8, gt=0, le=1, description="side of occlusion's square, of the shorter side")
    stride: float = Field(default=1 / 2, gt=0, le=1, description="of occlusion's square, as a share of its side")
    masks: PositiveInt = Field(default=512, description="of rise")
    cells: PositiveInt = Field(default=7, description="of a mask of rise along each side")
    keep: float = Field(default=0.5, gt=0, lt=1, description="share of cells that a mask of rise shows")
    seed: int = Field(default=0, description="of smooth-grad and rise")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maps:
    """One map for every picture of a batch, on the pictures' own grid.

    Attributes:
        values: As the method gives them, integrated gradients and perturbations with their sign; coarse maps enlarged.
        grid: Rows and columns that the method itself has.
        gap: Of integrated gradients, by how much the values of each sample miss adding up; None of other methods.
        method: That made them.
        layer: They were made of; None: the last map, or none in particular.
    """

    values: Float32[np.ndarray, "pictures rows cols"]
    grid: tuple[int, int]
    gap: Float32[np.ndarray, " batch"] | None
    method: Method
    layer: str | None

    @property
    def defined(self) -> Bool[np.ndarray, " pictures"]:
        """Whether there is a place that speaks for the class, and every value is a number."""
        found: np.ndarray = np.isfinite(self.values).all(axis=(1, 2)) & (self.values > 0).any(axis=(1, 2))
        return found

    def heat(self, picture: int) -> Float32[np.ndarray, "rows cols"] | None:
        """What speaks for the class, 1 at most; None where the map is not defined."""
        if not self.defined[picture]:
            return None
        evidence = np.clip(self.values[picture], 0, None)
        heat: np.ndarray = (evidence / evidence.max()).astype(np.float32)
        return heat


def explain_inputs(
    network: Classifier,
    inputs: Inputs,
    *,
    method: str = "grad-cam",
    layer: str | None = None,
    task: str | None = None,
    of: str | int | None = None,
    settings: MapSettings | None = None,
) -> Maps:
    """Make the map of every picture of a batch. A picture's map is the same alone and in a batch.

    Args:
        network: Left in the mode it was in, without gradients.
        inputs: A batch; of bags, every picture there is has a map of its own.
        method: One of `METHODS`.
        layer: For a class activation map, one of `layer_names`; the last map if None.
        task: Whose class; the main task's if None.
        of: Name or number of the class; None: the called one, of two classes the positive one.
        settings: Of the method; the defaults if None.

    Returns:
        The maps.

    Raises:
        RecipeError: There is no such method, or it has no layer.
        BundleError: The method is not defined for this network, or it has no such layer, task or class.

    Example:
        >>> import torch
        >>> from mammoscope.models import Design, SimpleCnn, build
        >>> network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=16), seed=0)
        >>> maps = explain_inputs(network, Inputs(torch.rand(2, 1, 32, 16)), method="layer-cam", layer="stack.0")
        >>> maps.values.shape, maps.grid
        ((2, 32, 16), (16, 8))
    """
    by = _allowed(method, network=network, layer=layer)
    told = settings or MapSettings()
    question, gap = question_of(network.tasks, task=task, of=of), None
    match by:
        case "grad-cam" | "grad-cam++" | "hires-cam" | "layer-cam":
            cam: Cam = by
            found = activation_maps(network, inputs, question=question, method=cam, layer=layer)
        case "integrated-gradients":
            found, gap = integrated_gradients(network, inputs, question=question, steps=told.steps)
        case "smooth-grad":
            drawn = {"samples": told.samples, "seed": told.seed}
            found = smooth_gradients(network, inputs, question=question, noise=told.noise, **drawn)
        case "occlusion":
            window = max(1, round(told.window * min(inputs.pixels.shape[-2:])))
            stride = max(1, round(told.stride * window))
            found = occlusion(network, inputs, question=question, window_px=window, stride_px=stride)
        case "rise":
            drawn = {"masks": told.masks, "cells": told.cells, "seed": told.seed}
            found = rise(network, inputs, question=question, keep=told.keep, **drawn)
        case "attention-rollout":
            found = attention_rollout(network, inputs)
        case "saliency":
            found = looked_at(network, inputs).saliency
        case _:
            assert_never(by)
    rows, cols = pictures_of(inputs).shape[-2:]
    return Maps(
        values=_enlarged(found, rows=rows, cols=cols),
        grid=(int(found.shape[1]), int(found.shape[2])),
        gap=None if gap is None else gap.float().cpu().numpy(),
        method=by,
        layer=layer,
    )


def _enlarged(maps: Tensor, *, rows: int, cols: int) -> np.ndarray:
    whole = maps.detach().float()
    if whole.shape[1:] != (rows, cols):
        whole = functional.interpolate(whole.unsqueeze(1), size=(rows, cols), mode="bilinear")[:, 0]
    return whole.cpu().numpy()


def method_named(method: str) -> Method:
    """Find a method by its name.

    Raises:
        RecipeError: There is no such method.

    Example:
        >>> method_named("rise")
        'rise'
    """
    named: dict[str, Method] = {one: one for one in METHODS}
    if method not in named:
        raise RecipeError(f"method {method!r} is not one of {', '.join(METHODS)}{nearest(method, METHODS)}")
    return named[method]


def _allowed(method: str, *, network: Classifier, layer: str | None) -> Method:
    by = method_named(method)
    if layer is not None and method not in get_args(Cam):
        raise RecipeError(f"layer {layer!r}: {method} has no layer; {', '.join(get_args(Cam))} have. Leave it out")
    if network.estimator is not None and method not in ANSWERING:
        raise BundleError(
            f"{method} would explain the network's own last layer, and an estimator answers in its place. "
            f"Use {' or '.join(ANSWERING)}"
        )
    return by
