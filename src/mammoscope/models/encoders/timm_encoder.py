"""Any backbone of timm."""

import re
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mammoscope.errors import RecipeError, nearest
from mammoscope.models.encoders.base import EncoderConfig

COLOURS = 3


class TimmModel(EncoderConfig):
    """Any backbone of timm."""

    kind: Literal["timm"] = "timm"
    backbone: str = Field(default="resnet18", description="name of the architecture in timm")
    pretrained: bool | str = Field(
        default=False, description="false, true (weights by name from the hub), or the path of a .safetensors file"
    )
    channels: Literal["grey", "rgb"] = Field(
        default="grey", description="rgb: the picture three times, as weights from photographs expect it"
    )
    statistics: Literal["own", "backbone"] = Field(
        default="own", description="own: mean and std; backbone: those its published weights were trained with"
    )
    pool: Literal["backbone", "mean", "max"] = Field(
        default="backbone", description="how the last map becomes one vector: as the backbone does, or its mean or max"
    )


class TimmEncoder(nn.Module):
    """A backbone without its last layer."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        config: TimmModel,
        *,
        fetch: bool,
        shape: tuple[int, int] | None,
        table: str = "model",
        sized_by: str | None = None,
    ) -> None:
        super().__init__()
        _check_name(config.backbone, table=table)
        self.pool = config.pool
        self.colours = COLOURS if config.channels == "rgb" else 1
        self.backbone = _created(config, fetch=fetch, shape=shape, table=table)
        mean, std = _statistics(self.backbone, config)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        if config.pool != "backbone" and hasattr(self.backbone, "pre_logits"):
            self.backbone.pre_logits = nn.Identity()  # VGG's two large layers are not used then
        self.width = _width(self, shape, sized_by=sized_by)

    def forward_features(self, pixels: Float[Tensor, "batch 1 rows cols"]) -> Tensor:
        """Scaled pixels to the last map."""
        if self.colours > 1:
            pixels = pixels.expand(-1, self.colours, -1, -1)
        features: Tensor = self.backbone.forward_features((pixels - self.mean) / self.std)
        return features

    def pooled(self, features: Tensor, pixels: Tensor) -> Float[Tensor, "batch width"]:
        """The last map to one vector."""
        del pixels
        if self.pool == "backbone":
            vector: Tensor = self.backbone.forward_head(features, pre_logits=True)
            return vector.flatten(1)
        if features.ndim == 4 and str(getattr(self.backbone, "output_fmt", "NCHW")).endswith("NHWC"):
            features = features.permute(0, 3, 1, 2)
        places = features.flatten(2) if features.ndim == 4 else features.transpose(1, 2)
        return places.mean(dim=2) if self.pool == "mean" else places.amax(dim=2)

    def blocks(self) -> list[nn.Module]:
        """The stages that timm itself groups the parameters in."""
        from timm.models import group_parameters  # noqa: PLC0415

        named = dict(self.backbone.named_parameters())
        grouped = group_parameters(self.backbone, self.backbone.group_matcher(coarse=True))
        return [nn.ParameterList(named[name] for name in grouped[key]) for key in sorted(grouped)]


def _check_name(backbone: str, *, table: str) -> None:
    """Refuse what timm does not know: an architecture, or after a dot the name of weights of it."""
    import timm  # noqa: PLC0415  # it takes a second, and much of the package does without

    if not timm.is_model(backbone):
        hint = nearest(backbone, timm.list_models())
        raise RecipeError(f"[{table}] backbone: timm has no {backbone!r}. timm.list_models() names them all{hint}")
    architecture, _, weights = backbone.partition(".")
    known = timm.list_pretrained(f"{architecture}.*")
    if weights and backbone not in known:
        there = f"It has {', '.join(known)}{nearest(backbone, known)}" if known else "It has none: leave the dot out"
        raise RecipeError(f"[{table}] backbone: timm has no weights {weights!r} of {architecture}. {there}")


def _created(config: TimmModel, *, fetch: bool, shape: tuple[int, int] | None, table: str) -> Any:
    import timm  # noqa: PLC0415

    weights: dict[str, Any] = {"pretrained": bool(config.pretrained) and fetch}
    known = timm.get_pretrained_cfg(config.backbone, allow_unregistered=True)
    if isinstance(config.pretrained, str) and fetch:
        last = getattr(known, "classifier", None) or ()
        last = (last,) if isinstance(last, str) else tuple(last)
        kept = {
            name: tensor
            for name, tensor in _weights_in(Path(config.pretrained), table=table).items()
            if name.rpartition(".")[0] not in last
        }
        weights["pretrained_cfg_overlay"] = {"state_dict": kept, "classifier": None}  # with one, no key is missed
    if shape is not None and known is not None and known.fixed_input_size and tuple(known.input_size[1:]) != shape:
        weights["img_size"] = shape  # a transformer's positions are made for one size
    try:
        return timm.create_model(
            config.backbone, in_chans=COLOURS if config.channels == "rgb" else 1, num_classes=0, **weights
        )
    except (OSError, RuntimeError, ValueError, TypeError, AssertionError) as error:
        reason = _reason(error)
        if not weights["pretrained"]:
            raise RecipeError(
                f"[{table}] backbone = {config.backbone!r}: cannot be built for {config.channels} pictures ({reason}). "
                "Choose another"
            ) from error
        given = repr(Path(config.pretrained).name) if isinstance(config.pretrained, str) else "true"
        raise RecipeError(
            f"[{table}] pretrained = {given}: no weights for {config.backbone!r} and {config.channels} pictures "
            f"({reason}). Give a .safetensors file of this backbone, or set pretrained = false"
        ) from error


def _reason(error: Exception) -> str:
    """What timm or torch says, in a line: of weights that do not fit the first key of each kind."""
    text = str(error)
    found = [
        f"{len(names)} {kind.lower()} keys, first {names[0]}"
        for kind, listed in re.findall(r"(Missing|Unexpected) key\(s\) in state_dict: (.*)", text)
        if (names := re.findall(r'"([^"]+)"', listed))
    ]
    other = re.search(r"size mismatch for .*", text)
    found += [other[0].rstrip(".")] if other else []
    return "; ".join(found) or (text.splitlines() or [type(error).__name__])[0]


def _statistics(backbone: nn.Module, config: TimmModel) -> tuple[Tensor, Tensor]:
    """Of each channel, to be taken off scaled pixels; 0 and 1 where the recipe's own mean and std do it."""
    if config.statistics == "own":
        return torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    known: dict[str, Any] = backbone.pretrained_cfg  # type: ignore[assignment]  # timm sets it on every model
    mean, std = (torch.tensor(known[name]).view(-1, 1, 1) for name in ("mean", "std"))
    return (mean, std) if config.channels == "rgb" else (mean.mean().view(1, 1, 1), std.mean().view(1, 1, 1))


def _width(encoder: TimmEncoder, shape: tuple[int, int] | None, *, sized_by: str | None) -> int:
    """By trying: timm's own numbers do not know of another pooling."""
    rows, cols = shape or (224, 224)
    training = encoder.training
    try:
        with torch.inference_mode():
            pixels = torch.zeros(1, 1, rows, cols)
            return int(encoder.eval().pooled(encoder.forward_features(pixels), pixels).shape[1])
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        place = sized_by or f"[preprocess] rows = {rows}, cols = {cols}"
        raise RecipeError(
            f"{place}: the backbone cannot take pictures of {rows} x {cols} ({reason}). Change the size, or choose "
            "another model"
        ) from error
    finally:
        encoder.train(training)


def _weights_in(file: Path, *, table: str) -> dict[str, Tensor]:
    if not file.is_file():
        raise RecipeError(f"[{table}] pretrained: no file {file.name!r}. Give the path of a .safetensors file")
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise RecipeError(
            f"[{table}] pretrained: {file.name} is not a safetensors file ({error}). Convert it first; "
            "pickled weights are never read"
        ) from error
