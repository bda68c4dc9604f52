"""From a recipe to trained weights."""

from mammoscope.training.alarms import Event, alarms
from mammoscope.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from mammoscope.training.data import Data, samples_of, training_data
from mammoscope.training.estimating import embeddings_of
from mammoscope.training.headers import RecipeHeader, recipe_headers
from mammoscope.training.loop import Moment, Trained, Watch, train
from mammoscope.training.measure import Measure
from mammoscope.training.objective import class_weights, loss
from mammoscope.training.permuting import control_of, permuted
from mammoscope.training.processes import ALONE, Team, joined, launched, own_device, wait
from mammoscope.training.recipe import Recipe, Select, read_recipe
from mammoscope.training.schedule import learning_rate
from mammoscope.training.shelf import find_recipe, shelf
from mammoscope.training.stages import Stage, Training
from mammoscope.training.start import Start, design_of, read_start
from mammoscope.training.together import EnsembleRecipe, find_ensemble, members_of
from mammoscope.training.tuning import scores_of

__all__ = [
    "ALONE",
    "Checkpoint",
    "Data",
    "EnsembleRecipe",
    "Event",
    "Measure",
    "Moment",
    "Recipe",
    "RecipeHeader",
    "Select",
    "Stage",
    "Start",
    "Team",
    "Trained",
    "Training",
    "Watch",
    "alarms",
    "class_weights",
    "control_of",
    "design_of",
    "embeddings_of",
    "find_ensemble",
    "find_recipe",
    "joined",
    "launched",
    "learning_rate",
    "loss",
    "members_of",
    "own_device",
    "permuted",
    "read_checkpoint",
    "read_recipe",
    "read_start",
    "recipe_headers",
    "samples_of",
    "scores_of",
    "shelf",
    "train",
    "training_data",
    "wait",
    "write_checkpoint",
]
