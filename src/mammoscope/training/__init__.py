"""From a recipe to trained weights."""

from mammoscope.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from mammoscope.training.loop import Data, Moment, Trained, Watch, scores_of, train, training_data
from mammoscope.training.objective import learning_rate, loss, positive_weight
from mammoscope.training.recipe import Measure, Recipe, Select, Stage, Training, read_recipe
from mammoscope.training.shelf import find_recipe, shelf

__all__ = [
    "Checkpoint",
    "Data",
    "Measure",
    "Moment",
    "Recipe",
    "Select",
    "Stage",
    "Trained",
    "Training",
    "Watch",
    "find_recipe",
    "learning_rate",
    "loss",
    "positive_weight",
    "read_checkpoint",
    "read_recipe",
    "scores_of",
    "shelf",
    "train",
    "training_data",
    "write_checkpoint",
]
