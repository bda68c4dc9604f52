"""From a model config to a network, its scores, and a bundle that can be given away."""

from mammoscope.models.allocator import keep_memory
from mammoscope.models.bundle import Bundle, Manifest, model_card
from mammoscope.models.config import ModelConfig, SimpleCnn, TimmModel
from mammoscope.models.network import Classifier, build
from mammoscope.models.prediction import predict_files
from mammoscope.models.scoring import Precision, autocast, score, to_input

__all__ = [
    "Bundle",
    "Classifier",
    "Manifest",
    "ModelConfig",
    "Precision",
    "SimpleCnn",
    "TimmModel",
    "autocast",
    "build",
    "keep_memory",
    "model_card",
    "predict_files",
    "score",
    "to_input",
]
