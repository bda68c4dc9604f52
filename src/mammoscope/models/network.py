"""From a model config to a network: pictures, vectors, the views put together, clinical columns, a head."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mammoscope.errors import RecipeError, nearest
from mammoscope.models.config import ModelConfig
from mammoscope.models.encoders.base import Encoder
from mammoscope.models.encoders.global_local import GlobalLocal, GlobalLocalEncoder
from mammoscope.models.encoders.light_cnn import LightCnn
from mammoscope.models.encoders.patch_to_whole import PatchToWhole, PatchToWholeEncoder
from mammoscope.models.encoders.plain import plain_encoder
from mammoscope.models.encoders.simple_cnn import SimpleCnn, start_glorot
from mammoscope.models.encoders.timm_encoder import TimmModel
from mammoscope.models.encoders.views import ViewAttention
from mammoscope.models.heads import Head
from mammoscope.models.histogram import HistogramEncoder, HistogramModel
from mammoscope.models.inputs import Inputs
from mammoscope.models.tasks import Task
from mammoscope.models.undrawn import Undrawn

MALIGNANT = Task(name="malignant", classes=("no", "yes"), kind="binary")
FUSED = 32  # values that the clinical columns become beside a picture's vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """All that decides the shape of a network.

    Attributes:
        model: Encoder and head.
        tasks: What is asked, the main task first.
        rows: Height of a picture.
        cols: Width of a picture.
        bags: Whether a sample is any number of pictures of one breast or exam.
        clinical: Encoded clinical columns; 0 for none.
    """

    model: ModelConfig
    tasks: tuple[Task, ...] = (MALIGNANT,)
    rows: int = 224
    cols: int = 224
    bags: bool = False
    clinical: int = 0


class Classifier(nn.Module):
    """Display values in [0, 1] to the logits of every task; the scaling of the input is part of it."""

    def __init__(self, encoder: nn.Module, *, design: Design) -> None:
        super().__init__()
        self.design = design
        self.mean, self.std = _scale(design.model)
        self.network = encoder
        width = self.encoder.width
        self.together = ViewAttention(width, how=design.model.views) if design.bags else None
        self.clinical = nn.Sequential(nn.Linear(design.clinical, FUSED), nn.ReLU()) if design.clinical else None
        self.head = Head(
            width + (FUSED if design.clinical else 0),
            tasks=design.tasks,
            hidden=design.model.hidden,
            drop_rate=design.model.drop_rate,
        )
        if isinstance(design.model, SimpleCnn) and design.model.init == "glorot":
            start_glorot(self.head)
        self.estimator: nn.Module | None = None
        self.layer = "pooled"

    @property
    def encoder(self) -> Encoder:
        """The network from one picture to one vector."""
        return cast("Encoder", self.network)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is asked, the main task first."""
        return self.design.tasks

    def scaled(self, pixels: Tensor) -> Tensor:
        """Display values as the encoder wants them."""
        return (pixels - self.mean) / self.std

    def features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Tensor:
        """The last feature map of single pictures."""
        return self.encoder.forward_features(self.scaled(pixels))

    def logits_of(
        self,
        features: Tensor,
        pixels: Float[Tensor, "batch 1 rows cols"],
        clinical: Float[Tensor, "batch columns"] | None = None,
    ) -> Float[Tensor, "batch outputs"]:
        """What follows from a feature map, for networks of single pictures; explanations look in between."""
        return self.answer(self.encoder.pooled(features, self.scaled(pixels)), clinical)

    def encoded(self, pixels: Float[Tensor, "pictures 1 rows cols"]) -> Float[Tensor, "pictures width"]:
        """One vector a picture: all that a frozen encoder will ever say of it."""
        scaled = self.scaled(pixels.contiguous(memory_format=torch.channels_last))
        return self.encoder.pooled(self.encoder.forward_features(scaled), scaled)

    def combined(
        self,
        encoded: Float[Tensor, "*batch width"],
        present: Bool[Tensor, "batch views"] | None = None,
        codes: Int[Tensor, "batch views"] | None = None,
    ) -> Float[Tensor, "batch width"]:
        """The vectors of the pictures of each sample put together; of single pictures they are as they were."""
        if self.together is None:
            return encoded
        if present is None:
            raise ValueError("a network of bags needs to be told which pictures are present")
        combined: Tensor = self.together(encoded, present, codes)[0]
        return combined

    def vectors(
        self,
        pixels: Float[Tensor, "*batch 1 rows cols"],
        present: Bool[Tensor, "batch views"] | None = None,
        codes: Int[Tensor, "batch views"] | None = None,
    ) -> Float[Tensor, "batch width"]:
        """One vector a sample, before the clinical columns."""
        if self.together is None:
            return self.encoded(pixels)
        if present is None:
            raise ValueError("a network of bags needs to be told which pictures are present")
        seen = self.encoded(pixels[present])
        every = seen.new_zeros(*present.shape, seen.shape[1])
        every[present] = seen
        return self.combined(every, present, codes)

    def joined(
        self, vectors: Float[Tensor, "batch width"], clinical: Float[Tensor, "batch columns"] | None = None
    ) -> Float[Tensor, "batch joined"]:
        """Vectors with what the clinical columns became beside them."""
        if self.clinical is None:
            return vectors
        if clinical is None:
            raise ValueError("this network reads clinical columns. Give them, encoded as its bundle says")
        return torch.cat([vectors, self.clinical(clinical.to(vectors.dtype))], dim=1)

    def answer(
        self, vectors: Float[Tensor, "batch width"], clinical: Float[Tensor, "batch columns"] | None = None
    ) -> Float[Tensor, "batch outputs"]:
        """Logits of the head."""
        logits: Tensor = self.head(self.joined(vectors, clinical))
        return logits

    def embedding(self, inputs: Inputs, *, layer: str) -> Float[Tensor, "batch values"]:
        """What a layer says of each sample, one vector.

        Args:
            inputs: A batch.
            layer: `pooled` (the encoder's vector, of all views, and the clinical columns beside it), `hidden` (what the
                last layer reads), or the dotted name of a module; of a map the mean over its places.

        Raises:
            RecipeError: There is no such module, or it does not run once for each sample.
        """
        return self._seen(inputs, layer)[1]

    def _seen(self, inputs: Inputs, layer: str) -> tuple[Tensor, Tensor]:
        """The vector of each sample, without clinical columns, and what a layer says of it; as `embedding` takes it."""
        if layer in {"pooled", "hidden"}:
            vectors, clinical = self.vectors(*inputs[:3]), inputs.clinical
            if layer == "hidden":
                return vectors, self.head.hidden(self.joined(vectors, clinical))
            return vectors, torch.cat([vectors, *([] if clinical is None else [clinical.to(vectors.dtype)])], dim=1)
        named = dict(self.named_modules())
        if layer not in named or not layer:
            raise RecipeError(f"[estimator] layer: no layer {layer!r}{nearest(layer, list(named))}")
        found: list[Tensor] = []
        handle = named[layer].register_forward_hook(lambda _module, _into, out: found.append(out))
        try:
            vectors = self.vectors(*inputs[:3])
            self.answer(vectors, inputs.clinical)
        finally:
            handle.remove()
        if len(found) != 1 or len(found[0]) != len(inputs.pixels):
            raise RecipeError(f"[estimator] layer: {layer!r} does not run once for each sample. Choose another")
        return vectors, found[0].flatten(2).mean(2) if found[0].ndim > 2 else found[0]

    def looked(self, inputs: Inputs) -> tuple[Float[Tensor, "batch outputs"], Float[Tensor, "batch width"]]:
        """Logits of all tasks, and the vector of each sample that they rest on, in one pass."""
        if self.estimator is None:
            vectors = self.vectors(*inputs[:3])
            return self.answer(vectors, inputs.clinical), vectors
        vectors, embedded = self._seen(inputs, self.layer)
        return self.estimator(embedded), vectors

    def forward(
        self,
        pixels: Float[Tensor, "*batch 1 rows cols"],
        present: Bool[Tensor, "batch views"] | None = None,
        codes: Int[Tensor, "batch views"] | None = None,
        clinical: Float[Tensor, "batch columns"] | None = None,
    ) -> Float[Tensor, "batch outputs"]:
        """Logits of all tasks, side by side; of the estimator where there is one."""
        return self.looked(Inputs(pixels, present, codes, clinical))[0]


class FromEncoded(nn.Module):
    """A classifier that is given what its encoder said of pictures, in place of the pictures."""

    def __init__(self, network: Classifier) -> None:
        super().__init__()
        self.network = network

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is asked, the main task first."""
        return self.network.tasks

    def forward(
        self,
        encoded: Float[Tensor, "*batch width"],
        present: Bool[Tensor, "batch views"] | None = None,
        codes: Int[Tensor, "batch views"] | None = None,
        clinical: Float[Tensor, "batch columns"] | None = None,
    ) -> Float[Tensor, "batch outputs"]:
        """Logits of all tasks, side by side."""
        return self.network.answer(self.network.combined(encoded, present, codes), clinical)


def build(design: Design, *, seed: int | None, fetch: bool = True) -> Classifier:
    """Build a network with its starting weights.

    Args:
        design: What decides its shape.
        seed: Of the random weights; None where the weights of a bundle follow, every one: then none are drawn or
            fetched. The global generator is left as it was.
        fetch: Load pretrained weights where the config asks for them.

    Returns:
        The network, in training mode, on the CPU.

    Raises:
        RecipeError: The architecture or its pretrained weights do not exist or do not fit.

    Example:
        >>> network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=32), seed=0)
        >>> network(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 1])
    """
    if seed is None:
        with torch.random.fork_rng(devices=[]), Undrawn():
            return Classifier(_encoder(design, fetch=False), design=design)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(_encoder(design, fetch=fetch), design=design)


def _encoder(design: Design, *, fetch: bool) -> nn.Module:
    shape = (design.rows, design.cols)
    model = design.model
    match model:
        case TimmModel() | SimpleCnn() | LightCnn():
            return plain_encoder(model, fetch=fetch, shape=shape)
        case PatchToWhole():
            return PatchToWholeEncoder(model, fetch=fetch, shape=shape)
        case GlobalLocal():
            return GlobalLocalEncoder(model, fetch=fetch, shape=shape)
        case HistogramModel():
            return HistogramEncoder(model)
        case _:
            assert_never(model)


def _scale(model: ModelConfig) -> tuple[float, float]:
    """What is taken off display values; nothing where the backbone does it with its own statistics."""
    own = isinstance(model, TimmModel) and model.statistics == "backbone"
    return (0.0, 1.0) if own else (model.mean, model.std)


def check_fit(design: Design) -> None:
    """Build a network and show it one empty sample, before anything is spent on it.

    Raises:
        RecipeError: The architecture or its weights do not exist, or it cannot take pictures of this size.

    Example:
        >>> check_fit(Design(model=SimpleCnn(channels=(4, 8)), rows=32, cols=24))
    """
    check_answer(build(design, seed=0))


def check_answer(network: Classifier) -> None:
    """Show a network one empty sample.

    Raises:
        RecipeError: It cannot take pictures of this size, or does not answer as many values as its tasks need.
    """
    design, training = network.design, network.training
    outputs = sum(task.outputs for task in design.tasks)
    try:
        with torch.inference_mode():
            shape = tuple(network.eval()(*empty_inputs(design)).shape)
    except RecipeError:
        raise
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise RecipeError(
            f"[preprocess] rows = {design.rows}, cols = {design.cols}: {_called(design.model)} cannot take pictures of "
            f"this size ({reason}). Change rows and cols, or choose another model"
        ) from error
    finally:
        network.train(training)
    if shape != (1, outputs):
        raise RecipeError(
            f"[model] {_called(design.model)} gives {shape}, not {outputs} values. Choose another backbone"
        )


def empty_inputs(design: Design, *, batch: int = 1) -> Inputs:
    """A batch of black pictures of the right shape, two views a bag."""
    bag = (2,) if design.bags else ()
    pixels = torch.zeros(batch, *bag, 1, design.rows, design.cols)
    present = torch.ones(batch, 2, dtype=torch.bool) if design.bags else None
    codes = torch.zeros(batch, 2, dtype=torch.int64) if design.bags else None
    return Inputs(pixels, present, codes, torch.zeros(batch, design.clinical) if design.clinical else None)


def depth_blocks(network: Classifier) -> Sequence[nn.Module]:
    """The encoder's blocks from input to output."""
    return network.encoder.blocks()


def _called(model: ModelConfig) -> str:
    return f"backbone {model.backbone!r}" if isinstance(model, TimmModel) else f"a {model.kind}"
