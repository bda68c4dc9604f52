"""The whole chain on one run folder: each step reads files of the folder and leaves its own.

divide -> make_ready -> fit -> measure -> explain -> report. The steps are what the verbs of the
command line call; `run_recipe` calls them one after the other.
"""

from mammoscope.pipeline.cohort import candidates, checked, divide, make_ready
from mammoscope.pipeline.ensembles import ensemble
from mammoscope.pipeline.external import validate_externally
from mammoscope.pipeline.fitting import fit
from mammoscope.pipeline.folder import opened
from mammoscope.pipeline.machine import device_named, environment
from mammoscope.pipeline.results import explain, measure
from mammoscope.pipeline.robustness import robustness
from mammoscope.pipeline.sealing import seal_run, seals_of
from mammoscope.pipeline.whole import Done, run_recipe

__all__ = [
    "Done",
    "candidates",
    "checked",
    "device_named",
    "divide",
    "ensemble",
    "environment",
    "explain",
    "fit",
    "make_ready",
    "measure",
    "opened",
    "robustness",
    "run_recipe",
    "seal_run",
    "seals_of",
    "validate_externally",
]
