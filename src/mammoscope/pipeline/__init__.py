"""The whole chain on one run folder: each step reads files of the folder and leaves its own.

divide -> make_ready -> fit -> measure -> explain -> report. The steps are what the verbs of the
command line call; `run_recipe` calls them one after the other.
"""

from mammoscope.pipeline.activations import draw_activations
from mammoscope.pipeline.beginning import begin
from mammoscope.pipeline.cohort import candidates, checked, divide, make_ready, to_prepare
from mammoscope.pipeline.comparing import compare_runs, counted_looks, rank_runs
from mammoscope.pipeline.controls import compare_maps, likeness_lines
from mammoscope.pipeline.cross_validation import cross_validate, fold_recipe
from mammoscope.pipeline.ensemble_bundles import bundle_ensemble
from mammoscope.pipeline.ensembles import ensemble
from mammoscope.pipeline.external import validate_externally
from mammoscope.pipeline.feature_maps import draw_feature_maps
from mammoscope.pipeline.fitting import fit
from mammoscope.pipeline.folder import opened
from mammoscope.pipeline.importance import importance
from mammoscope.pipeline.machine import device_named, environment
from mammoscope.pipeline.planning import Plan, plan
from mammoscope.pipeline.repeats import repeat
from mammoscope.pipeline.results import explain, measure
from mammoscope.pipeline.robustness import robustness
from mammoscope.pipeline.sealing import seal_run, seals_of
from mammoscope.pipeline.siblings import Work
from mammoscope.pipeline.similar import class_prototypes, similar_cases
from mammoscope.pipeline.sweeping import Swept, sweep
from mammoscope.pipeline.together import run_ensemble
from mammoscope.pipeline.tracking import trackers_named
from mammoscope.pipeline.whole import Done, run_recipe

__all__ = [
    "Done",
    "Plan",
    "Swept",
    "Work",
    "begin",
    "bundle_ensemble",
    "candidates",
    "checked",
    "class_prototypes",
    "compare_maps",
    "compare_runs",
    "counted_looks",
    "cross_validate",
    "device_named",
    "divide",
    "draw_activations",
    "draw_feature_maps",
    "ensemble",
    "environment",
    "explain",
    "fit",
    "fold_recipe",
    "importance",
    "likeness_lines",
    "make_ready",
    "measure",
    "opened",
    "plan",
    "rank_runs",
    "repeat",
    "robustness",
    "run_ensemble",
    "run_recipe",
    "seal_run",
    "seals_of",
    "similar_cases",
    "sweep",
    "to_prepare",
    "trackers_named",
    "validate_externally",
]
