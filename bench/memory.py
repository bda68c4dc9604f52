"""What the check before training says a step needs, against what a step took: peak resident memory of a fresh process.

The ratio is `need` over what the process grew by, from before the network was built to its peak in two steps; buffers
of the allocator and of the convolutions are in it. Below 1 the check lets through what does not fit; far above 1 it
refuses what would.

Run: python bench/memory.py [--json]
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from mammoscope.batches import Samples
from mammoscope.images import Preprocess
from mammoscope.models import TimmModel, autocast, build, keep_memory
from mammoscope.training import Data, Recipe, Stage, Training, design_of
from mammoscope.training.freezing import optimizer_of
from mammoscope.training.memory import need_of

CASES = (
    ("resnet18", 224, 32, "float32"),
    ("resnet18", 512, 8, "float32"),
    ("efficientnet_b0", 224, 16, "float32"),
    ("efficientnet_b0", 224, 16, "bfloat16"),
    ("resnet50", 224, 16, "bfloat16"),
    ("vit_tiny_patch16_224", 224, 16, "float32"),
)


def step(backbone: str, side: int, batch: int, precision: str) -> None:
    """In this process: the need, and the growth, in bytes."""
    keep_memory()
    recipe = Recipe(
        name="bench",
        source="own",
        preprocess=Preprocess(rows=side, cols=side),
        model=TimmModel(backbone=backbone),
        training=Training(batch_size=batch, precision=precision),
        stages=(Stage(epochs=1),),
    )
    build(design_of(recipe), seed=0)  # libraries are loaded and warm
    before = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    network = build(design_of(recipe), seed=0).to(memory_format=torch.channels_last)
    optimizer = optimizer_of(network, recipe.stages[0])
    draw = torch.Generator().manual_seed(0)
    for _ in range(2):
        pixels = torch.rand(batch, 1, side, side, generator=draw).contiguous(memory_format=torch.channels_last)
        with autocast(torch.device("cpu"), precision):
            loss = network(pixels).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    samples = Samples(files=[Path("0.npy")], labels=np.zeros((1, 1), dtype=np.int64))
    data = Data(train=samples, tune=samples, fingerprint="bench")
    need = need_of(recipe.stages[0], recipe=recipe, network=network, data=data).of(batch)
    print(json.dumps({"need_bytes": need, "took_bytes": took}))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--json", action="store_true", help="one object a row")
    arguments.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.case:
        backbone, side, batch, precision = given.case
        step(backbone, int(side), int(batch), precision)
        return
    if not given.json:
        print("| network | side | batch | precision | need | took | ratio |\n|---|---|---|---|---|---|---|")
    for case in CASES:
        said = subprocess.run(
            [sys.executable, __file__, "--case", *map(str, case)], check=True, capture_output=True, text=True
        )
        found = json.loads(said.stdout)
        need, took = found["need_bytes"], found["took_bytes"]
        name, side, batch, precision = case
        if given.json:
            print(json.dumps({"name": f"{name} {side} x {batch} {precision}", **found, "ratio": need / took}))
        else:
            sizes = f"{need / 2**20:.0f} MiB | {took / 2**20:.0f} MiB | {need / took:.2f}"
            print(f"| {name} | {side} | {batch} | {precision} | {sizes} |", flush=True)


if __name__ == "__main__":
    main()
