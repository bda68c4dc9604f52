"""Augmenting a batch, against torchvision's transforms one picture at a time, as a data set's __getitem__ does it.

- ours is `draw` and `apply`, so what is drawn for a picture does not hang on its batch; the reference draws from the
  global generator. Kinds and limits of the changes are the same; film artefacts, which torchvision lacks, are in ours.
- the floor is a copy of the batch.
- the last rows have a step of ResNet-18 (forward, backward, AdamW, channels last) as reference: the ratio says how many
  times longer the step takes.

Run: python bench/augment.py [--json] [--budget 4] [--device cpu]
"""

from collections.abc import Callable

import timm
import torch
from parts.rounds import compared, options_of, told
from torchvision.transforms import v2

from mammoscope.batches import Augment, apply, draw
from mammoscope.models import keep_memory

USUAL = Augment(flip_vertical=0.5, rotate_deg=10, shift=0.05, zoom=0.1, contrast=0.1)
WHOLE = USUAL.model_copy(
    update={"elastic": 0.03, "brightness": 0.1, "blur": 1.0, "noise": 0.02, "cutout": 0.2, "artefacts": 0.1}
)
SIZES = {"32 x 224x224": (32, 224, 224), "4 x 1152x896": (4, 1152, 896)}


def reference_of(augment: Augment) -> Callable[[torch.Tensor], torch.Tensor]:
    steps: list[torch.nn.Module] = [
        v2.RandomVerticalFlip(augment.flip_vertical),
        v2.RandomAffine(
            augment.rotate_deg,
            translate=(augment.shift, augment.shift),
            scale=(1 - augment.zoom, 1 + augment.zoom),
            interpolation=v2.InterpolationMode.BILINEAR,
        ),
    ]
    if augment.elastic:
        steps += [v2.ElasticTransform(), v2.GaussianBlur(7, (0.1, augment.blur))]
    steps.append(v2.ColorJitter(brightness=augment.brightness, contrast=augment.contrast))
    if augment.elastic:
        steps += [v2.GaussianNoise(sigma=augment.noise), v2.RandomErasing(1.0, scale=(0.001, 0.04))]
    return v2.Compose(steps)


def pictures(shape: tuple[int, int, int], device: torch.device) -> torch.Tensor:
    """Noise where the breast would be, black beside it."""
    batch, rows, cols = shape
    pixels = torch.rand(batch, 1, rows, cols, generator=torch.Generator().manual_seed(0))
    pixels[..., cols // 2 :] = 0
    return pixels.to(device)


def step_of(pixels: torch.Tensor) -> Callable[[], float]:
    network = timm.create_model("resnet18", in_chans=1, num_classes=1).to(
        pixels.device, memory_format=torch.channels_last
    )
    optimizer = torch.optim.AdamW(network.parameters())
    labels = torch.zeros(len(pixels), 1, device=pixels.device)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        logits = network(pixels.contiguous(memory_format=torch.channels_last))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def ours_of(augment: Augment, pixels: torch.Tensor) -> Callable[[], torch.Tensor]:
    epochs = iter(range(10**9))

    def ours() -> torch.Tensor:
        drawn = draw(augment, seed=0, epoch=next(epochs), samples=range(len(pixels)))
        return done(apply(pixels, drawn, augment=augment))

    return ours


def done(pixels: torch.Tensor) -> torch.Tensor:
    if pixels.device.type == "cuda":
        torch.cuda.synchronize()
    return pixels


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--budget", type=float, default=4.0, help="seconds a row")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    keep_memory()  # as training does
    device, first = torch.device(options.device), True
    for size, shape in SIZES.items():
        pixels = pictures(shape, device)
        for name, augment in (("flip, turn, shift, zoom, contrast", USUAL), ("every change", WHOLE)):
            one = reference_of(augment)
            calls: dict[str, Callable[[], object]] = {
                "ours": ours_of(augment, pixels),
                "reference": lambda one=one, pixels=pixels: done(torch.stack([one(picture) for picture in pixels])),
                "floor": lambda pixels=pixels: done(pixels.clone()),
            }
            for row in compared(f"{size}, {name}", calls, budget_s=options.budget, target=">= 1"):
                told(row, as_json=options.json, first=first)
                first = False
    pixels = pictures(SIZES["32 x 224x224"], device)
    for name, augment in (("flip, turn, shift, zoom, contrast", USUAL), ("every change", WHOLE)):
        calls = {"ours": ours_of(augment, pixels), "reference": step_of(pixels)}
        for row in compared(
            f"32 x 224x224, {name}, and a step of ResNet-18", calls, budget_s=options.budget, target=">= 20"
        ):
            told(row, as_json=options.json)


if __name__ == "__main__":
    main()
