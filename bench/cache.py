"""Reading the cache in a training epoch, against the steps it feeds: ResNet-18 at batch 16, 512x512, one channel.

The epoch is the project's own `run_epoch`, with its network, optimiser, memory settings and reading ahead. `ours` is
what reading one batch costs by itself, the reference one step; `share` is what it may add to a step at most, `waited`
what the epoch says that it waited for batches; the floor is reading the bytes of the files and nothing else.

Run: python bench/cache.py [--json] [--steps 3]
"""

from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from parts.films import breast
from parts.rounds import options_of, seconds, told

from mammoscope.batches import Samples, batches
from mammoscope.images import Preprocess
from mammoscope.models import TimmModel, build, keep_memory
from mammoscope.training import Recipe, Stage, Training, design_of
from mammoscope.training.epoch import Course, Learner, run_epoch
from mammoscope.training.freezing import freeze, optimizer_of, training_mode

BATCH, SIDE = 16, 512


def write_cache(folder: Path, *, pictures: int) -> Samples:
    drawn = breast(SIDE, SIDE)
    files = [folder / f"{number}.npy" for number in range(pictures)]
    for number, file in enumerate(files):
        np.save(file, np.roll(drawn, number, axis=0))
    return Samples(files=files, labels=(np.arange(pictures) % 2)[:, None])


def epoch(samples: Samples) -> tuple[list[float], float]:
    """Times of each step but the first; and the share of the epoch that was spent waiting for batches."""
    recipe = Recipe(name="bench", source="bench", model=TimmModel(), training=Training(batch_size=BATCH))
    recipe = recipe.model_copy(update={"preprocess": Preprocess(rows=SIDE, cols=SIDE)})
    network = build(design_of(recipe), seed=0).to(memory_format=torch.channels_last)
    stage: Stage = recipe.stages[0]
    freeze(network, stage)
    training_mode(network)
    learner = Learner(network=network, forward=network, optimizer=optimizer_of(network, stage))
    course = Course(recipe=recipe, stage=stage, first=0, samples=samples, weights=[torch.ones(2)], rate=1.0)
    ends: list[float] = []
    row = run_epoch(learner, course, epoch=0, tune_losses=[], told=lambda *_: ends.append(perf_counter()))
    return [end - start for start, end in pairwise(ends)], row["wait_share"]


def read_bytes(samples: Samples) -> None:
    for file in samples.files[:BATCH]:
        file.read_bytes()


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--steps", type=int, default=3, help="after one that is not counted")
    options = parser.parse_args()
    keep_memory()
    with TemporaryDirectory() as folder:
        samples = write_cache(Path(folder), pictures=BATCH * (options.steps + 1))
        one = Samples(files=samples.files[:BATCH], labels=samples.labels[:BATCH])
        alone, floor = [], []
        steps, waited = epoch(samples)
        for _ in range(20):
            alone.append(seconds(lambda: list(batches(one, [np.arange(BATCH)]))))
            floor.append(seconds(lambda: read_bytes(samples)))
    step = median(steps)
    row = {
        "name": f"read a batch of {BATCH} at {SIDE}x{SIDE} from the cache; reference: a step of ResNet-18",
        "n": len(steps),
        "ours_s": round(median(alone), 4),
        "reference_s": round(step, 3),
        "floor_s": round(median(floor), 4),
        "ratio": round(step / median(alone), 1),
        "share": f"{median(alone) / step:.2%}",
        "waited": f"{waited:.2%}",
        "target": "<= 3 %",
    }
    told(row, as_json=options.json, first=True)


if __name__ == "__main__":
    main()
