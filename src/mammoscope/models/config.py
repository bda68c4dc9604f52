"""Which network: the part of a recipe that describes it."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from mammoscope.models.encoders.simple_cnn import SimpleCnn
from mammoscope.models.encoders.timm_encoder import TimmModel


def _kind(value: Any) -> str:
    """`kind` of a table or a config; a table without one is a timm model."""
    kind = value.get("kind", "timm") if isinstance(value, dict) else getattr(value, "kind", None)
    return str(kind)


ModelConfig = Annotated[
    Annotated[TimmModel, Tag("timm")] | Annotated[SimpleCnn, Tag("simple-cnn")], Discriminator(_kind)
]
"""The closed set of architectures; `kind` chooses."""
