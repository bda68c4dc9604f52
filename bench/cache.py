"""Reading the cache in a training epoch, against the steps it feeds: ResNet-18 at batch 16, 512x512, one channel.

The steps are the project's own: its network, optimiser, memory settings and reading ahead. `ours` is what reading one
batch costs by itself, the reference one step; `share` is what it may add to a step at most, `waited` what the loop
really waited for batches, as a share of the epoch; the floor is reading the bytes of the files and nothing else.

Run: python bench/cache.py [--json] [--steps 3]
"""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from parts.films import breast
from parts.rounds import Row, options_of, seconds, told

from mammoscope.batches import Batch, Samples, batches, steps_of
from mammoscope.models import TimmModel, build, keep_memory
from mammoscope.training import Recipe, Stage, Training
from mammoscope.training.loop import _step
from mammoscope.training.objective import optimizer_of, training_mode

BATCH, SIDE = 16, 512


def write_cache(folder: Path, *, pictures: int) -> Samples:
    drawn = breast(SIDE, SIDE)
    files = [folder / f"{number}.npy" for number in range(pictures)]
    for number, file in enumerate(files):
        np.save(file, np.roll(drawn, number, axis=0))
    return Samples(files=files, labels=(np.arange(pictures) % 2)[:, None])


def epoch(samples: Samples) -> Row:
    """Times of each step but the first, what was waited for batches, and all of it."""
    recipe = Recipe(name="bench", source="bench", model=TimmModel(), training=Training(batch_size=BATCH))
    stage: Stage = recipe.stages[0]
    network = build(recipe.model, seed=0).to(memory_format=torch.channels_last)
    optimizer = optimizer_of(network, stage)
    training_mode(network, stage)
    reading = batches(samples, steps_of(np.arange(len(samples)), batch_size=BATCH))
    waits, steps = [], []
    start = perf_counter()
    while True:
        before = perf_counter()
        batch: Batch | None = next(reading, None)
        if batch is None:
            break
        between = perf_counter()

        _step(network, optimizer, batch.pixels, batch.labels, recipe=recipe, lr=stage.lr, weight=1.0)
        waits.append(between - before)
        steps.append(perf_counter() - between)
    whole = perf_counter() - start
    return {"steps": steps[1:], "waited": sum(waits[1:]), "whole": whole - steps[0] - waits[0]}


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
        learned = epoch(samples)
        for _ in range(20):
            alone.append(seconds(lambda: list(batches(one, [np.arange(BATCH)]))))
            floor.append(seconds(lambda: read_bytes(samples)))
    step = median(learned["steps"])
    row = {
        "name": f"read a batch of {BATCH} at {SIDE}x{SIDE} from the cache; reference: a step of ResNet-18",
        "n": len(learned["steps"]),
        "ours_s": round(median(alone), 4),
        "reference_s": round(step, 3),
        "floor_s": round(median(floor), 4),
        "ratio": round(step / median(alone), 1),
        "share": f"{median(alone) / step:.2%}",
        "waited": f"{learned['waited'] / learned['whole']:.2%}",
        "target": "<= 3 %",
    }
    told(row, as_json=options.json, first=True)


if __name__ == "__main__":
    main()
