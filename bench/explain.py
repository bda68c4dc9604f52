"""Time of a map a picture, for each method, against one forward pass of the same network.

- ours is `explain_inputs` on a batch; the reference is the forward pass without gradients on the same batch, so
  the ratio is below 1 and 1 / ratio is how many forward passes a map costs.
- before anything is timed, maps of a batch are compared with those of its pictures one by one.

Run: python bench/explain.py [--json] [--budget 2] [--device cpu] [--batch 4] [--only grad-cam]
"""

import numpy as np
import torch
from parts.rounds import compared, options_of, told

from mammoscope.explain import METHODS, MapSettings, explain_inputs
from mammoscope.models import Classifier, Design, GlobalLocal, Inputs, LightCnn, SimpleCnn, TimmModel, build

CONVOLUTIONAL = TimmModel(backbone="resnet18")
TRANSFORMER = TimmModel(backbone="vit_tiny_patch16_224")
TWICE = GlobalLocal(coarse=LightCnn(channels=(8, 16)), fine=SimpleCnn(channels=(8, 16)), patch_px=64)
SIZE = (224, 224)
SETTINGS = MapSettings(masks=128)


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


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds a row")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=4)
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

        for row in compared(method, {"ours": ours, "reference": forward}, budget_s=options.budget):
            passes = round(row["ours_s"] / row["reference_s"], 1)
            shown = {"name": method, "n": row["n"], "a_picture_s": round(row["ours_s"] / options.batch, 4)}
            told(
                shown | {"forward_passes": passes, "batch_against_single": f"{apart:.0e}"},
                as_json=options.json,
                first=first,
            )
            first = False


if __name__ == "__main__":
    main()
