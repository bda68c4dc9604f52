"""From a model config to a network, its scores, and a bundle that can be given away."""

from mammoscope.models.allocator import keep_memory
from mammoscope.models.bundle import Bundle, Manifest, Sample, model_card
from mammoscope.models.clinical import ClinicalEncoding, ClinicalSettings, encode, fit_clinical
from mammoscope.models.config import ModelConfig
from mammoscope.models.encoders.global_local import GlobalLocal, GlobalLocalEncoder, Looked
from mammoscope.models.encoders.light_cnn import LightCnn
from mammoscope.models.encoders.patch_to_whole import PatchToWhole, PatchToWholeEncoder
from mammoscope.models.encoders.simple_cnn import SimpleCnn
from mammoscope.models.encoders.timm_encoder import TimmModel
from mammoscope.models.ensemble import AnyBundle, EnsembleBundle, EnsembleManifest, load_bundle, write_ensemble
from mammoscope.models.estimators.fitting import fit_estimator, importances, restore_estimator
from mammoscope.models.estimators.settings import EstimatorConfig
from mammoscope.models.histogram import HistogramModel, histogram_features, histogram_names
from mammoscope.models.inputs import Inputs, to_input
from mammoscope.models.network import MALIGNANT, Classifier, Design, FromEncoded, build, check_fit, depth_blocks
from mammoscope.models.prediction import predict_files, read_clinical
from mammoscope.models.scoring import Precision, Turn, autocast, score, turned
from mammoscope.models.tasks import UNKNOWN, Task, probabilities, spans, task_named
from mammoscope.models.weights import save_tensors

__all__ = [
    "MALIGNANT",
    "UNKNOWN",
    "AnyBundle",
    "Bundle",
    "Classifier",
    "ClinicalEncoding",
    "ClinicalSettings",
    "Design",
    "EnsembleBundle",
    "EnsembleManifest",
    "EstimatorConfig",
    "FromEncoded",
    "GlobalLocal",
    "GlobalLocalEncoder",
    "HistogramModel",
    "Inputs",
    "LightCnn",
    "Looked",
    "Manifest",
    "ModelConfig",
    "PatchToWhole",
    "PatchToWholeEncoder",
    "Precision",
    "Sample",
    "SimpleCnn",
    "Task",
    "TimmModel",
    "Turn",
    "autocast",
    "build",
    "check_fit",
    "depth_blocks",
    "encode",
    "fit_clinical",
    "fit_estimator",
    "histogram_features",
    "histogram_names",
    "importances",
    "keep_memory",
    "load_bundle",
    "model_card",
    "predict_files",
    "probabilities",
    "read_clinical",
    "restore_estimator",
    "save_tensors",
    "score",
    "spans",
    "task_named",
    "to_input",
    "turned",
    "write_ensemble",
]
