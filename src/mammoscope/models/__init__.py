"""From a model config to a network, its scores, and a bundle that can be given away."""

from mammoscope.models.allocator import keep_memory
from mammoscope.models.bundle import Bundle, Manifest, model_card
from mammoscope.models.config import ModelConfig, SimpleCnn, TimmModel
from mammoscope.models.network import Classifier, build, check_fit
from mammoscope.models.prediction import predict_files
from mammoscope.models.scoring import Precision, autocast, score, to_input
from mammoscope.models.weights import save_tensors

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
    "check_fit",
    "keep_memory",
    "model_card",
    "predict_files",
    "save_tensors",
    "score",
    "to_input",
]
