"""Where a model looked: maps, whether they point at lesions, and pictures of them over the anatomy."""

from mammoscope.explain.activations import Field, Peaks, chosen_channels, cut_out, field_of, strongest_activations
from mammoscope.explain.anatomy import Anatomy, anatomy_of, read_anatomy
from mammoscope.explain.baselines import breast_map, breast_of, brightness_map, ceiling_map, centre_map
from mammoscope.explain.cam import activation_maps
from mammoscope.explain.canvas import Canvas
from mammoscope.explain.canvas_png import canvas_pixels, canvas_png
from mammoscope.explain.canvas_svg import canvas_svg
from mammoscope.explain.chosen import GROUPS, clearest
from mammoscope.explain.classes import clearest_classes
from mammoscope.explain.exams import ExplainedExam, explain_exams, write_exam
from mammoscope.explain.feature_maps import LayerMaps, feature_maps, first_kernels
from mammoscope.explain.files import Explained, explain_files, write_explained
from mammoscope.explain.grad_cam import grad_cam
from mammoscope.explain.gradients import integrated_gradients, smooth_gradients
from mammoscope.explain.layers import layer_names
from mammoscope.explain.likeness import (
    likeness_table,
    map_likeness,
    rank_correlation,
    structural_similarity,
)
from mammoscope.explain.localisation import localisation_table, score_maps, table_text
from mammoscope.explain.located import Located, Picture
from mammoscope.explain.looking import looked_at, view_weights
from mammoscope.explain.maps import METHODS, Maps, MapSettings, Method, explain_inputs, method_named
from mammoscope.explain.medoids import Prototype, prototypes
from mammoscope.explain.neighbours import Neighbours, nearest_distances, nearest_samples, share_nearer
from mammoscope.explain.overlay import TRUTH_RGB, Caption, overlay
from mammoscope.explain.permutation import Fall, permutation_importance
from mammoscope.explain.perturbation import occlusion, random_masks, rise
from mammoscope.explain.picture import Laid, colours, laid_over, mixed
from mammoscope.explain.predictions import explain_predictions
from mammoscope.explain.question import Question, question_of
from mammoscope.explain.reading import Reader, reader_of
from mammoscope.explain.rollout import attention_rollout, rolled
from mammoscope.explain.sanity import Curves, perturbation_curves, randomised_cascade
from mammoscope.explain.scores import MEASURES, localisation_scores
from mammoscope.explain.scoring import score_predictions, spread
from mammoscope.explain.seen import Seen, answers_to, seen_by, vectors_read
from mammoscope.explain.sheet import Hung, exam_sheet, hanging
from mammoscope.explain.tiles import Tile, contact_sheet, diverging, sheet_words, tiles_of
from mammoscope.explain.tree_shap import Shares, tree_shap
from mammoscope.explain.truth import filled, lesions_of
from mammoscope.explain.weighed import weight_on_lesions
from mammoscope.images.lesions import outlines

__all__ = [
    "GROUPS",
    "MEASURES",
    "METHODS",
    "TRUTH_RGB",
    "Anatomy",
    "Canvas",
    "Caption",
    "Curves",
    "Explained",
    "ExplainedExam",
    "Fall",
    "Field",
    "Hung",
    "Laid",
    "LayerMaps",
    "Located",
    "MapSettings",
    "Maps",
    "Method",
    "Neighbours",
    "Peaks",
    "Picture",
    "Prototype",
    "Question",
    "Reader",
    "Seen",
    "Shares",
    "Tile",
    "activation_maps",
    "anatomy_of",
    "answers_to",
    "attention_rollout",
    "breast_map",
    "breast_of",
    "brightness_map",
    "canvas_pixels",
    "canvas_png",
    "canvas_svg",
    "ceiling_map",
    "centre_map",
    "chosen_channels",
    "clearest",
    "clearest_classes",
    "colours",
    "contact_sheet",
    "cut_out",
    "diverging",
    "exam_sheet",
    "explain_exams",
    "explain_files",
    "explain_inputs",
    "explain_predictions",
    "feature_maps",
    "field_of",
    "filled",
    "first_kernels",
    "grad_cam",
    "hanging",
    "integrated_gradients",
    "laid_over",
    "layer_names",
    "lesions_of",
    "likeness_table",
    "localisation_scores",
    "localisation_table",
    "looked_at",
    "map_likeness",
    "method_named",
    "mixed",
    "nearest_distances",
    "nearest_samples",
    "occlusion",
    "outlines",
    "overlay",
    "permutation_importance",
    "perturbation_curves",
    "prototypes",
    "question_of",
    "random_masks",
    "randomised_cascade",
    "rank_correlation",
    "read_anatomy",
    "reader_of",
    "rise",
    "rolled",
    "score_maps",
    "score_predictions",
    "seen_by",
    "share_nearer",
    "sheet_words",
    "smooth_gradients",
    "spread",
    "strongest_activations",
    "structural_similarity",
    "table_text",
    "tiles_of",
    "tree_shap",
    "vectors_read",
    "view_weights",
    "weight_on_lesions",
    "write_exam",
    "write_explained",
]
