"""What all estimators are told, and how they hold what was fitted: as buffers, so that a bundle needs no pickle."""

from collections.abc import Mapping

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from mammoscope.errors import BundleError

DOUBLE = torch.float64
WHOLE = torch.int64

Form = Mapping[str, tuple[str, torch.dtype]]
"""Names of tensors, with the names of their axes and what they hold."""


class EstimatorSettings(BaseModel):
    """What all estimators have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    layer: str = Field(
        default="pooled",
        min_length=1,
        description="whose values it reads: pooled (the encoder's vector), hidden (what the last layer reads), or the "
        "dotted name of a module",
    )


def hold(module: nn.Module, tensors: Mapping[str, Tensor], *, form: Form) -> dict[str, int]:
    """Register tensors as the buffers of a module.

    Args:
        module: It gets one buffer a name.
        tensors: By name.
        form: What there must be. Axes of one name must be of one length.

    Returns:
        The length of each axis.

    Raises:
        BundleError: A tensor is missing, unknown, or of another kind or shape.
    """
    called = type(module).__name__.lower()
    if set(tensors) != set(form):
        raise BundleError(
            f"estimator {called}: holds the tensors {sorted(tensors)}, not {sorted(form)}. Fetch the bundle again"
        )
    lengths: dict[str, int] = {}
    for name, (axes, dtype) in form.items():
        tensor, named = tensors[name], axes.split()
        agree = tensor.ndim == len(named) and all(
            lengths.setdefault(axis, length) == length for axis, length in zip(named, tensor.shape, strict=True)
        )
        if not agree or tensor.dtype != dtype:
            raise BundleError(
                f"estimator {called}: tensor {name} is {tensor.dtype} of shape {tuple(tensor.shape)}, not {dtype} of "
                f"({', '.join(named)}) with {lengths}. Fetch the bundle again"
            )
        module.register_buffer(name, tensor.detach().clone())
    return lengths


def read(vectors: Tensor, *, width: int) -> Tensor:
    """Vectors as an estimator reads them: rounded to single precision, as it was fitted.

    Raises:
        ValueError: They are not as long as those it was fitted on.
    """
    if vectors.ndim != 2 or vectors.shape[1] != width:
        raise ValueError(f"the estimator was fitted on vectors of {width} values, got {tuple(vectors.shape)}")
    return vectors.to(torch.float32)


def part_of(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of a module inside, by its own names.

    Example:
        >>> part_of({"trees.roots": torch.zeros(1), "base": torch.ones(1)}, "trees")
        {'roots': tensor([0.])}
    """
    return {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
