"""Pictures whose lesions are known, and the samples that they make up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32

from mammoscope.images.grey import Grey, full_scale
from mammoscope.models import Inputs

EDGES_MM = (10.0, 20.0)  # of T1a and T1b against T1c against T2 and above, AJCC


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A picture with known lesions, or one that is read together with such a picture.

    Attributes:
        image_id: Of the picture.
        patient_id: Its patient, who is resampled.
        source: Data set.
        grey: What the network sees.
        truth: Pixels of lesions; None in a sample of several pictures where this one has none that is located.
        label: Class of the sample, in words.
        kind: Of the lesions; None: the data set does not say.
        diameter_mm: Of a circle of their area; None where the spacing is unknown.
        clinical: Encoded clinical columns of the sample, where the network reads some.
        sample_id: Of the breast or exam; None of single pictures.
        shows: What side and view it is, as `view_number` has it.
        is_crop: It shows the surroundings of one lesion only.
    """

    image_id: str
    patient_id: str
    source: str
    grey: Grey
    truth: Bool[np.ndarray, "rows cols"] | None
    label: str | None = None
    kind: str | None = None
    diameter_mm: float | None = None
    clinical: Float32[np.ndarray, "1 columns"] | None = None
    sample_id: str | None = None
    shows: int = 0
    is_crop: bool = False

    @property
    def size(self) -> str | None:
        """Its class of size."""
        if self.diameter_mm is None:
            return None
        low, high = EDGES_MM
        if self.diameter_mm > high:
            return f"above {high:g} mm"
        return f"{low:g} to {high:g} mm" if self.diameter_mm > low else f"to {low:g} mm"

    @property
    def pixels(self) -> Float32[np.ndarray, "rows cols"]:
        """Display values in [0, 1]."""
        shown: np.ndarray = self.grey.astype(np.float32) / full_scale(self.grey)
        return shown

    @property
    def inputs(self) -> Inputs:
        """As a network of single pictures reads it."""
        return Inputs(torch.from_numpy(self.pixels)[None, None], clinical=self._clinical)

    @property
    def _clinical(self) -> torch.Tensor | None:
        return None if self.clinical is None else torch.from_numpy(self.clinical)


Located = Picture | Sequence[Picture]
"""One sample: a picture, or all pictures of a breast or exam."""


def pictures_in(sample: Located) -> list[Picture]:
    """The pictures of a sample, in the order that a network reads them."""
    return [sample] if isinstance(sample, Picture) else list(sample)


def inputs_in(sample: Located) -> Inputs:
    """A sample as its network reads it, as a batch of one."""
    if isinstance(sample, Picture):
        return sample.inputs
    pixels = torch.stack([torch.from_numpy(one.pixels)[None] for one in sample])[None]
    codes = torch.tensor([[one.shows for one in sample]])
    clinical = None if sample[0].clinical is None else torch.from_numpy(sample[0].clinical)
    return Inputs(pixels, torch.ones_like(codes, dtype=torch.bool), codes, clinical)
