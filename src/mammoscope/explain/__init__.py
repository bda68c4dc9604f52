"""Where a model looked: maps, and pictures of them over the anatomy."""

from mammoscope.explain.classes import clearest_classes
from mammoscope.explain.grad_cam import grad_cam
from mammoscope.explain.picture import TRUTH_RGB, colours, side_by_side
from mammoscope.explain.predictions import GROUPS, clearest, explain_predictions
from mammoscope.images.lesions import outlines

__all__ = [
    "GROUPS",
    "TRUTH_RGB",
    "clearest",
    "clearest_classes",
    "colours",
    "explain_predictions",
    "grad_cam",
    "outlines",
    "side_by_side",
]
