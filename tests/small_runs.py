"""A run of a tiny network, trained for one epoch on the common phantom."""

from pathlib import Path
from typing import TYPE_CHECKING

from mammoscope.pipeline import divide, fit, make_ready
from mammoscope.training import Recipe

if TYPE_CHECKING:
    from mammoscope.pipeline import Work


def small_run(work: "Work", run: Path, **settings: object) -> Path:
    """Divide, prepare and train; `settings` are further keys of the recipe, or others."""
    recipe = Recipe.model_validate(
        {
            "name": "tiny",
            "source": "cbis_ddsm",
            "preprocess": {"rows": 32, "cols": 24},
            "model": {"kind": "simple-cnn", "channels": [4, 8], "pool": "max"},
            "training": {"batch_size": 8},
            "measure": {"replicates": 100},
            "stages": [{"epochs": 1, "lr": 1e-3}],
            **settings,
        }
    )
    divide(recipe, work.index, run=run)
    make_ready(recipe, work.index, run=run, cache=work.cache, workers=0)
    fit(recipe, run=run, cache=work.cache, device="cpu")
    return run
