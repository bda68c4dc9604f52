"""Where a model looked: maps, whether they point at lesions, and pictures of them over the anatomy."""

from mammoscope.explain.cam import activation_maps
from mammoscope.explain.classes import clearest_classes
from mammoscope.explain.grad_cam import grad_cam
from mammoscope.explain.gradients import integrated_gradients, smooth_gradients
from mammoscope.explain.layers import layer_names
from mammoscope.explain.looking import looked_at, view_weights
from mammoscope.explain.maps import METHODS, Maps, MapSettings, Method, explain_inputs
from mammoscope.explain.perturbation import occlusion, random_masks, rise
from mammoscope.explain.picture import TRUTH_RGB, colours, side_by_side
from mammoscope.explain.predictions import GROUPS, clearest, explain_predictions
from mammoscope.explain.question import Question, question_of
from mammoscope.explain.rollout import attention_rollout, rolled
from mammoscope.images.lesions import outlines

__all__ = [
    "GROUPS",
    "METHODS",
    "TRUTH_RGB",
    "MapSettings",
    "Maps",
    "Method",
    "Question",
    "activation_maps",
    "attention_rollout",
    "clearest",
    "clearest_classes",
    "colours",
    "explain_inputs",
    "explain_predictions",
    "grad_cam",
    "integrated_gradients",
    "layer_names",
    "looked_at",
    "occlusion",
    "outlines",
    "question_of",
    "random_masks",
    "rise",
    "rolled",
    "side_by_side",
    "smooth_gradients",
    "view_weights",
]
