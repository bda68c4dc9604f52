"""One mammogram file, whatever its format, as pixels in [0, 1] with a trail of every decision."""

from mammoscope.images.corruptions import CORRUPTIONS, Corruption, corrupted
from mammoscope.images.geometry import Geometry
from mammoscope.images.guarded import read_guarded
from mammoscope.images.lesions import lesion_box
from mammoscope.images.likeness import Survey, survey
from mammoscope.images.mammogram import Mammogram
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.reading import PIXELS_VERSION, read_mammogram, read_slices, write_png
from mammoscope.images.size import Size, size_of
from mammoscope.trail import CODES, Step
from mammoscope.workers.limits import Limits

__all__ = [
    "CODES",
    "CORRUPTIONS",
    "PIXELS_VERSION",
    "Corruption",
    "Geometry",
    "Limits",
    "Mammogram",
    "Preprocess",
    "Size",
    "Step",
    "Survey",
    "corrupted",
    "lesion_box",
    "read_guarded",
    "read_mammogram",
    "read_slices",
    "size_of",
    "survey",
    "write_png",
]
