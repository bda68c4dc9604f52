"""Time of a map a picture, for each method, against one forward pass of the same network.

- `a_map_s` is `explain_inputs` on a batch, by picture; `forward_s` the forward pass without gradients on the same
  batch, by picture; `passes` how many forward passes a map costs.
- before anything is timed, maps of a batch are compared with those of its pictures one by one: the largest difference,
  as a share of the largest value.
- a method is timed once and then until its budget is spent, so the whole ends within two minutes on one core.

Run: python bench/explain.py [--json] [--budget 2] [--device cpu] [--batch 2] [--only grad-cam]
"""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
import torch
from parts.rounds import options_of, seconds, told

from mammoscope.explain import METHODS, MapSettings, explain_inputs
from mammoscope.models import Classifier, Design, GlobalLocal, Inputs, LightCnn, SimpleCnn, TimmModel, build

CONVOLUTIONAL = TimmModel(backbone="resnet18")
TRANSFORMER = TimmModel(backbone="vit_tiny_patch16_224")
TWICE = GlobalLocal(coarse=LightCnn(channels=(8, 16)), fine=SimpleCnn(channels=(8, 16)), patch_px=64)
SIZE = (128, 128)
SETTINGS = MapSettings(masks=128)
FEWEST, MOST, FORWARD = 1, 40, 10  # times that a map is made, and the forward pass


def network_for(method: str, device: torch.device) -> Classifier:
    model = {"attention-rollout": TRANSFORMER, "saliency": TWICE}.get(method, CONVOLUTIONAL)
    design = Design(model=model, rows=SIZE[0], cols=SIZE[1])  # type: ignore[arg-type]
    return build(design, seed=0).eval().to(device)


def batch_equals_single(network: Classifier, inputs: Inputs, method: str) -> float:
    """Largest difference, as a share of the largest value."""
    together = explain_inputs(network, inputs, method=method, settings=SETTINGS).values
    alone = [explain_inputs(network, Inputs(one[None]), method=method, settings=SETTINGS) for one in inputs.pixels]
    apart = np.abs(together - np.concatenate([one.values for one in alone])).max()
    return float(apart / max(np.abs(together).max(), 1e-12))


def spent(call: Callable[[], object], *, budget_s: float) -> list[float]:
    """Seconds of each call, until the time is spent."""
    taken: list[float] = []
    start = perf_counter()
    while len(taken) < FEWEST or (len(taken) < MOST and perf_counter() - start < budget_s):
        taken.append(seconds(call))
    return taken


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds a method, at least one batch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--only", choices=METHODS, action="append", help="methods [default: all]")
    options = parser.parse_args()
    device, first = torch.device(options.device), True
    pixels = torch.rand(options.batch, 1, *SIZE, generator=torch.Generator().manual_seed(0)).to(device)
    inputs = Inputs(pixels)
    for method in options.only or METHODS:
        network = network_for(method, device)
        apart = batch_equals_single(network, inputs, method)

        def forward(network: Classifier = network) -> None:
            with torch.inference_mode():
                network(pixels)
            if device.type == "cuda":
                torch.cuda.synchronize()

        def ours(network: Classifier = network, method: str = method) -> None:
            explain_inputs(network, inputs, method=method, settings=SETTINGS)

        forward()
        one = median(seconds(forward) for _ in range(FORWARD)) / options.batch
        taken = spent(ours, budget_s=options.budget)
        each = median(taken) / options.batch
        row = {"method": method, "n": len(taken), "a_map_s": round(each, 4), "forward_s": round(one, 4)}
        row |= {"passes": round(each / one, 1), "batch_against_single": f"{apart:.0e}"}
        told(row, as_json=options.json, first=first)
        first = False


if __name__ == "__main__":
    main()
