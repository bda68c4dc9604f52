"""Networks that read a picture once: by themselves, and as parts of those that look twice."""

from typing import Annotated, Any, Literal, assert_never

from pydantic import AfterValidator, Discriminator, Tag
from torch import nn

from mammoscope.models.encoders.base import EncoderConfig
from mammoscope.models.encoders.light_cnn import LightCnn, LightEncoder
from mammoscope.models.encoders.simple_cnn import SimpleCnn, SimpleEncoder
from mammoscope.models.encoders.timm_encoder import TimmEncoder, TimmModel

PlainModel = TimmModel | SimpleCnn | LightCnn


def kind_of(value: Any) -> str:
    """`kind` of a table or a config; a table without one is a timm model."""
    kind = value.get("kind", "timm") if isinstance(value, dict) else getattr(value, "kind", None)
    return str(kind)


def _without_head(config: PlainModel) -> PlainModel:
    """Refuse what only counts for a whole model, so that nobody thinks that it does here."""
    usual = EncoderConfig()
    moved = [name for name in EncoderConfig.model_fields if getattr(config, name) != getattr(usual, name)]
    if moved:
        raise ValueError(f"{', '.join(moved)}: has no effect in a part of a model. Set it in [model] itself")
    return config


Inner = Annotated[
    Annotated[TimmModel, Tag("timm")] | Annotated[SimpleCnn, Tag("simple-cnn")] | Annotated[LightCnn, Tag("light-cnn")],
    Discriminator(kind_of),
    AfterValidator(_without_head),
]
"""A network inside another: it has no head of its own, and the pictures it gets are scaled already."""


def read_for_its_map(config: PlainModel) -> PlainModel:
    """The same network, with one value a channel as its vector.

    Raises:
        ValueError: The config says how to pool: the map itself is read.
    """
    usual: Literal["backbone", "mean"] = "backbone" if isinstance(config, TimmModel) else "mean"
    if config.pool not in {usual, "mean"}:
        raise ValueError(f"pool = {config.pool!r}: has no effect here, the map of this network is read. Leave it out")
    return config.model_copy(update={"pool": "mean"})


def plain_encoder(
    config: PlainModel,
    *,
    fetch: bool,
    shape: tuple[int, int] | None,
    table: str = "model",
    sized_by: str | None = None,
) -> nn.Module:
    """Build a network that reads a picture once.

    Args:
        config: Which.
        fetch: Load pretrained weights where the config asks for them.
        shape: Rows and columns of its pictures.
        table: Of a recipe that the config stands in, for refusals.
        sized_by: What a recipe sets the size of its pictures with; its `[preprocess]` when not given.

    Raises:
        RecipeError: It does not exist, or cannot take pictures of this size.

    Example:
        >>> plain_encoder(LightCnn(), fetch=False, shape=(64, 48)).width
        256
    """
    match config:
        case TimmModel():
            return TimmEncoder(config, fetch=fetch, shape=shape, table=table, sized_by=sized_by)
        case SimpleCnn():
            return SimpleEncoder(config, shape=shape, sized_by=sized_by)
        case LightCnn():
            return LightEncoder(config, shape=shape)
        case _:
            assert_never(config)
