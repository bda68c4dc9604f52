"""From a model config to a network."""

from pathlib import Path
from typing import Any, Protocol, assert_never, cast, runtime_checkable

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mammoscope.errors import RecipeError, nearest
from mammoscope.models.config import SimpleCnn, TimmModel


@runtime_checkable
class TwoParts(Protocol):
    """A network in two parts, as timm writes them: explanations look in between."""

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Scaled pixels to a feature map."""

    def forward_head(self, features: Tensor) -> Tensor:
        """A feature map to one logit a picture."""

    def get_classifier(self) -> nn.Module:
        """The last layer."""


class Classifier(nn.Module):
    """Display values in [0, 1] to one logit a picture; the scaling of the input is part of it."""

    def __init__(self, network: nn.Module, *, mean: float, std: float) -> None:
        super().__init__()
        self.network = network
        self.mean = mean
        self.std = std

    @property
    def parts(self) -> TwoParts:
        """The network as feature map and head."""
        return cast("TwoParts", self.network)

    def features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Tensor:
        """The last feature map."""
        return self.parts.forward_features((pixels - self.mean) / self.std)

    def forward(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Float[Tensor, " batch"]:
        """Logits."""
        return self.parts.forward_head(self.features(pixels)).squeeze(1)


def build(model: TimmModel | SimpleCnn, *, seed: int, fetch: bool = True) -> Classifier:
    """Build a network with its starting weights.

    Args:
        model: The architecture.
        seed: Of the random weights. The global generator is left as it was.
        fetch: Load pretrained weights where the config asks for them; False when the weights
            of a bundle or checkpoint follow anyway.

    Returns:
        The network, in training mode, on the CPU.

    Raises:
        RecipeError: The architecture or its pretrained weights do not exist or do not fit.

    Example:
        >>> network = build(SimpleCnn(channels=(4, 8)), seed=0)
        >>> network(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2])
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match model:
            case TimmModel():
                network = _timm(model, fetch=fetch)
            case SimpleCnn():
                network = _SimpleCnn(model)
            case _:
                assert_never(model)
    return Classifier(network, mean=model.mean, std=model.std)


def check_fit(model: TimmModel | SimpleCnn, *, rows: int, cols: int) -> None:
    """Build a network and show it one empty picture, before anything is spent on it.

    Raises:
        RecipeError: The architecture or its weights do not exist, or it cannot take pictures of this size.

    Example:
        >>> check_fit(SimpleCnn(channels=(4, 8)), rows=32, cols=24)
    """
    network = build(model, seed=0).eval()
    try:
        with torch.inference_mode():
            shape = tuple(network(torch.zeros(1, 1, rows, cols)).shape)
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise RecipeError(
            f"[preprocess] rows = {rows}, cols = {cols}: {_called(model)} cannot take pictures of this size "
            f"({reason}). Change rows and cols, or choose another model"
        ) from error
    if shape != (1,) or not isinstance(network.parts.get_classifier(), nn.Module):
        raise RecipeError(f"[model] {_called(model)} does not end in one linear layer. Choose another backbone")


def _called(model: TimmModel | SimpleCnn) -> str:
    return f"backbone {model.backbone!r}" if isinstance(model, TimmModel) else f"channels {list(model.channels)}"


class _SimpleCnn(nn.Module):
    """Convolution blocks, and the mean or the largest value of each channel."""

    def __init__(self, model: SimpleCnn) -> None:
        super().__init__()
        pairs = zip((1, *model.channels[:-1]), model.channels, strict=True)
        self.pool = model.pool
        self.blocks = nn.Sequential(*(self._block(into, out) for into, out in pairs))
        self.dropout = nn.Dropout(model.drop_rate)
        self.classifier = nn.Linear(model.channels[-1], 1)

    @staticmethod
    def _block(into: int, out: int) -> nn.Module:
        convolution = nn.Conv2d(into, out, kernel_size=3, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2))

    def forward_features(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.blocks(pixels)
        return features

    def forward_head(self, features: Tensor) -> Tensor:
        pooled = features.mean(dim=(2, 3)) if self.pool == "mean" else features.amax(dim=(2, 3))
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits

    def get_classifier(self) -> nn.Module:
        return self.classifier


def _timm(model: TimmModel, *, fetch: bool) -> nn.Module:
    import timm  # noqa: PLC0415  # it takes a second, and much of the package does without

    if not timm.is_model(model.backbone):
        hint = nearest(model.backbone, timm.list_models())
        raise RecipeError(f"[model] backbone: timm has no {model.backbone!r}. timm.list_models() names them all{hint}")
    weights: dict[str, Any] = {"pretrained": bool(model.pretrained)} if fetch else {"pretrained": False}
    if isinstance(model.pretrained, str) and fetch:
        weights["pretrained_cfg_overlay"] = {"state_dict": _weights_in(Path(model.pretrained))}
    try:
        network: nn.Module = timm.create_model(
            model.backbone, in_chans=1, num_classes=1, drop_rate=model.drop_rate, **weights
        )
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(
            f"[model] backbone {model.backbone!r}, pretrained = {model.pretrained!r}: cannot be built for one grey "
            f"channel and one output ({reason}). Choose another backbone, or pretrained = false"
        ) from error
    return network


def _weights_in(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except FileNotFoundError:
        raise RecipeError(f"[model] pretrained: no file {file.name}. Give the path of a .safetensors file") from None
    except SafetensorError as error:
        raise RecipeError(
            f"[model] pretrained: {file.name} is not a safetensors file ({error}). Convert it first; "
            "pickled weights are never read"
        ) from error
