"""A few convolution blocks."""

from typing import Literal, assert_never

from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from mammoscope.errors import RecipeError
from mammoscope.models.encoders.base import EncoderConfig

KERNEL = 3


class SimpleCnn(EncoderConfig):
    """Convolution blocks (3x3, activation, 2x2 pooling), and one vector of the last map."""

    kind: Literal["simple-cnn"] = "simple-cnn"
    channels: tuple[PositiveInt, ...] = Field(default=(16, 32, 64, 128), min_length=1, description="of each block")
    norm: Literal["batch", "none"] = Field(
        default="batch", description="batch normalisation before each activation, or none"
    )
    padding: Literal["same", "valid"] = Field(
        default="same", description="valid: no zeros around the map, which loses a border of one, as Keras has it"
    )
    pool: Literal["mean", "max", "flatten"] = Field(
        default="mean",
        description="how a map becomes one vector: max finds what is small, mean what is everywhere; flatten keeps "
        "every place, so that the network is made for one size of picture",
    )
    activation: Literal["relu", "elu", "tanh", "sigmoid"] = Field(
        default="relu", description="of each block; dense layers keep ReLU"
    )
    init: Literal["default", "glorot"] = Field(
        default="default", description="glorot: normal starting weights after Glorot and Bengio, dense layers too"
    )


class SimpleEncoder(nn.Module):
    """Convolution blocks, and the mean, the largest, or all values of each channel."""

    def __init__(self, config: SimpleCnn, *, shape: tuple[int, int] | None, sized_by: str | None = None) -> None:
        super().__init__()
        pairs = zip((1, *config.channels[:-1]), config.channels, strict=True)
        self.pool = config.pool
        self.stack = nn.Sequential(*(_block(into, out, config) for into, out in pairs))
        if config.init == "glorot":
            self.apply(start_glorot)
        places = 1 if shape is None else _places(config, shape, sized_by=sized_by)
        if config.pool == "flatten" and shape is None:
            raise RecipeError("[model] pool = 'flatten' is made for one size of picture. Give rows and cols")
        self.width = config.channels[-1] * (places if config.pool == "flatten" else 1)

    def forward_features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Tensor:
        """The map of the last block."""
        features: Tensor = self.stack(pixels)
        return features

    def pooled(self, features: Tensor, pixels: Tensor) -> Float[Tensor, "batch width"]:
        """One value a channel, or all of them."""
        del pixels
        match self.pool:
            case "mean":
                return features.mean(dim=(2, 3))
            case "max":
                return features.amax(dim=(2, 3))
            case "flatten":
                return features.flatten(1)

    def blocks(self) -> list[nn.Module]:
        """One a block."""
        return list(self.stack)


def start_glorot(module: nn.Module) -> None:
    """Give one layer new starting weights, for `nn.Module.apply`: Glorot normal, biases 0; other layers stay.

    Source:
        Glorot and Bengio, AISTATS 2010, equation 12, as a normal distribution of the same variance.

    Example:
        >>> layer = nn.Linear(300, 100)
        >>> start_glorot(layer)
        >>> round(layer.weight.detach().std().item(), 2)  # sqrt(2 / (300 + 100))
        0.07
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _block(into: int, out: int, config: SimpleCnn) -> nn.Module:
    batch = config.norm == "batch"
    padding = KERNEL // 2 if config.padding == "same" else 0
    convolution = nn.Conv2d(into, out, kernel_size=KERNEL, padding=padding, bias=not batch)
    norm = [nn.BatchNorm2d(out)] if batch else []
    return nn.Sequential(convolution, *norm, _activation(config), nn.MaxPool2d(2))


def _activation(config: SimpleCnn) -> nn.Module:
    match config.activation:
        case "relu":
            return nn.ReLU()
        case "elu":
            return nn.ELU()
        case "tanh":
            return nn.Tanh()
        case "sigmoid":
            return nn.Sigmoid()
        case _:
            assert_never(config.activation)


def _places(config: SimpleCnn, shape: tuple[int, int], *, sized_by: str | None) -> int:
    """How many places the last map has."""
    rows, cols = shape
    for _ in config.channels:
        lost = KERNEL - 1 if config.padding == "valid" else 0
        rows, cols = (rows - lost) // 2, (cols - lost) // 2
    if min(rows, cols) < 1:
        place = sized_by or f"[preprocess] rows = {shape[0]}, cols = {shape[1]}"
        raise RecipeError(
            f"{place}: nothing is left of such a picture after {len(config.channels)} blocks, each of which halves it. "
            "Make it larger, or give fewer channels"
        )
    return rows * cols
