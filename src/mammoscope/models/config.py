"""Which network: the part of a recipe that describes it."""

from typing import Annotated

from pydantic import Discriminator, Tag

from mammoscope.models.encoders.global_local import GlobalLocal
from mammoscope.models.encoders.light_cnn import LightCnn
from mammoscope.models.encoders.patch_to_whole import PatchToWhole
from mammoscope.models.encoders.plain import kind_of
from mammoscope.models.encoders.simple_cnn import SimpleCnn
from mammoscope.models.encoders.timm_encoder import TimmModel
from mammoscope.models.histogram import HistogramModel

ModelConfig = Annotated[
    Annotated[TimmModel, Tag("timm")]
    | Annotated[SimpleCnn, Tag("simple-cnn")]
    | Annotated[LightCnn, Tag("light-cnn")]
    | Annotated[PatchToWhole, Tag("patch-to-whole")]
    | Annotated[GlobalLocal, Tag("global-local")]
    | Annotated[HistogramModel, Tag("histogram")],
    Discriminator(kind_of),
]
"""The closed set of architectures; `kind` chooses."""
