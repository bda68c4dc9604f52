"""Self-contained HTML pages: of a run, of several compared, of a data set, of a de-identification; cards of a run."""

from mammoscope.report.augmentations import write_augmentations
from mammoscope.report.cards import write_cards
from mammoscope.report.comparison import write_comparison
from mammoscope.report.deidentification import write_deidentification
from mammoscope.report.description import write_description
from mammoscope.report.external import external_lines
from mammoscope.report.feature_maps import write_activations, write_feature_maps
from mammoscope.report.gallery import write_gallery
from mammoscope.report.importance import importance_lines, write_importance
from mammoscope.report.page import write_report
from mammoscope.report.robustness import robustness_lines
from mammoscope.report.similar import write_prototypes, write_similar
from mammoscope.report.spread import spread_lines, write_spread
from mammoscope.report.subgroups import subgroup_lines
from mammoscope.report.summary import summary_lines
from mammoscope.report.sweep import sweep_lines, write_sweep

__all__ = [
    "external_lines",
    "importance_lines",
    "robustness_lines",
    "spread_lines",
    "subgroup_lines",
    "summary_lines",
    "sweep_lines",
    "write_activations",
    "write_augmentations",
    "write_cards",
    "write_comparison",
    "write_deidentification",
    "write_description",
    "write_feature_maps",
    "write_gallery",
    "write_importance",
    "write_prototypes",
    "write_report",
    "write_similar",
    "write_spread",
    "write_sweep",
]
