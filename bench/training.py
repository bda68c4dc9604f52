"""An epoch of training: against a bare loop, and against the same steps in Keras or in eager torch.

- the loop: `run_epoch` reads pictures from the cache, shuffles, checks, counts and tells; the reference is the shortest
  torch loop on tensors that are in memory already, with the same network, optimiser, batch and memory format. The ratio
  is what share of the bare loop's speed is left.
- pictures a second at 224 x 224 in batches of 32: EfficientNet-B0 with all its weights, and a head of 128 units on a
  frozen ResNet-50, in the first epoch and in a later one. The reference is `bench/parts/steps.py` in a process of its
  own on random pixels in memory: eager torch as it comes and, where a Python that has TensorFlow is named, Keras.

All parties of a row take turns. `n` is the number of rounds; times are medians, of one epoch of `--steps` steps.

Run: python bench/training.py [--json] [--keras PYTHON] [--budget 60] [--steps 2]
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from parts.rounds import compared, options_of, told
from torch import Tensor

from mammoscope.batches import Pictures, Samples, epoch_order, steps_of
from mammoscope.images import Preprocess
from mammoscope.models import Classifier, FromEncoded, TimmModel, build, keep_memory
from mammoscope.training import Data, Recipe, Stage, Training, design_of
from mammoscope.training.epoch import Course, Learner, run_epoch
from mammoscope.training.freezing import freeze, optimizer_of, training_mode
from mammoscope.training.frozen import Frozen

SIDE, BATCH, HIDDEN, DROP = 224, 32, 128, 0.2
STEPS = Path(__file__).parent / "parts" / "steps.py"


def pictures(folder: Path, count: int) -> Samples:
    draw = np.random.default_rng(0)
    files = [folder / f"{number}.npy" for number in range(count)]
    for file in files:
        np.save(file, draw.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16))
    return Samples(files=files, labels=(np.arange(count) % 2)[:, None])


def recipe_of(model: TimmModel, *, freezes: bool = False, precision: str = "float32") -> Recipe:
    stage = Stage(epochs=1000, freeze="backbone" if freezes else "nothing", optimizer="adam", lr=1e-4, weight_decay=0)
    return Recipe(
        name="bench",
        source="own",
        preprocess=Preprocess(rows=SIDE, cols=SIDE),
        model=model,
        training=Training(batch_size=BATCH, precision=precision),
        stages=(stage,),
    )


class Ours:
    """A network, and epochs of it as training runs them."""

    def __init__(self, recipe: Recipe, samples: Samples) -> None:
        self.recipe, self.samples = recipe, samples
        self.network: Classifier = build(design_of(recipe), seed=0).to(memory_format=torch.channels_last)
        self.stage = recipe.stages[0]
        freeze(self.network, self.stage)
        self.optimizer = optimizer_of(self.network, self.stage)
        self.data = Data(train=samples, tune=samples, fingerprint="bench")
        self.known = Frozen(recipe, network=self.network, data=self.data)

    def epoch(self, seen: Pictures | None = None) -> float:
        """One pass over the pictures, or over what stands for them."""
        training_mode(self.network)
        forward = self.network if seen is None else FromEncoded(self.network)
        learner = Learner(network=self.network, forward=forward, optimizer=self.optimizer)
        course = Course(
            recipe=self.recipe, stage=self.stage, first=0, samples=self.samples, weights=[torch.ones(2)], rate=1.0
        )
        return float(run_epoch(learner, course, epoch=0, tune_losses=[], pictures=seen)["train_loss"])

    def first(self) -> float:
        """An epoch on a frozen backbone that nothing is known of yet."""
        return self.epoch(Frozen(self.recipe, network=self.network, data=self.data).train(0))

    def later(self) -> float:
        """An epoch on what the frozen backbone said before."""
        return self.epoch(self.known.train(0))


def bare_of(recipe: Recipe, samples: Samples) -> Callable[[], float]:
    """The same, with nothing that is not the step itself."""
    network = build(design_of(recipe), seed=0).to(memory_format=torch.channels_last)
    optimizer = optimizer_of(network, recipe.stages[0])
    grey = np.stack([np.load(file) for file in samples.files]).astype(np.float32) / 65535
    pixels, labels = torch.from_numpy(grey)[:, None], torch.from_numpy(samples.labels).float()

    def epoch() -> float:
        network.train()
        total = 0.0
        order = epoch_order(samples.main, seed=0, epoch=0, sampling="natural")
        for rows in map(torch.from_numpy, steps_of(order, batch_size=BATCH)):
            optimizer.zero_grad(set_to_none=True)
            shown: Tensor = pixels[rows].contiguous(memory_format=torch.channels_last)
            value = torch.nn.functional.binary_cross_entropy_with_logits(network(shown), labels[rows])
            value.backward()
            optimizer.step()
            total += value.item()
        return total

    return epoch


@contextmanager
def steps_in(python: str, framework: str, model: str, count: int) -> Iterator[Callable[[], float]]:
    """Steps in another process, a call at a time."""
    command = [python, str(STEPS), framework, model, str(BATCH)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        if child.stdout.readline().strip() != "ready":
            raise SystemExit(f"{framework}: {Path(python).name} could not run {STEPS.name}")

        def call() -> float:
            child.stdin.write(f"{count}\n")
            child.stdin.flush()
            return float(child.stdout.readline())

        yield call
        child.stdin.close()


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--keras", help="a Python that has TensorFlow")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds a row")
    parser.add_argument("--steps", type=int, default=2, help="of 32 pictures in an epoch")
    options = parser.parse_args()
    keep_memory()  # as training does
    frameworks = [("Keras", options.keras, "keras")] if options.keras else []
    frameworks.append(("eager torch", sys.executable, "torch"))
    fine = TimmModel(backbone="efficientnet_b0", channels="rgb", hidden=(HIDDEN,), drop_rate=DROP)
    held = TimmModel(backbone="resnet50", channels="rgb", hidden=(HIDDEN,), drop_rate=DROP)
    with TemporaryDirectory() as folder:
        samples = pictures(Path(folder), BATCH * options.steps)
        plain = recipe_of(TimmModel(backbone="resnet18"))
        calls: dict[str, Callable[[], object]] = {
            "ours": Ours(plain, samples).epoch,
            "reference": bare_of(plain, samples),
        }
        for row in compared("ResNet-18, and a bare loop", calls, budget_s=options.budget, target=">= 0.95"):
            told(row, as_json=options.json, first=True)
        for called, python, framework in frameworks:
            tuned = {
                f"ours{words}": Ours(recipe_of(fine, precision=precision), samples).epoch
                for words, precision in ((", float32", "float32"), (", bfloat16", "bfloat16"))
            }
            with steps_in(python, framework, "efficientnet_b0", options.steps) as reference:
                name, parties = f"EfficientNet-B0, all of it, and {called}", tuned | {"reference": reference}
                for row in compared(name, parties, budget_s=options.budget, target=">= 1.3 of Keras"):
                    told(row, as_json=options.json)
            frozen = {
                precision: Ours(recipe_of(held, freezes=True, precision=precision), samples)
                for precision in ("float32", "bfloat16")
            }
            turns = {f"ours, first epoch, {name}": one.first for name, one in frozen.items()}
            with steps_in(python, framework, "resnet50-frozen", options.steps) as reference:
                parties = turns | {"ours, later epoch": frozen["float32"].later, "reference": reference}
                for row in compared(
                    f"ResNet-50 frozen, and {called}", parties, budget_s=options.budget, target=">= 1.5, later >= 20"
                ):
                    told(row, as_json=options.json)


if __name__ == "__main__":
    main()
