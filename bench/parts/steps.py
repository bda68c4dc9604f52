"""Training steps as a straightforward port writes them, in Keras or in eager torch, timed in a process of their own.

Reads a number of steps a line, answers with the seconds that they took: so two frameworks take turns on one machine.
Keras runs as it comes; torch runs as it comes, too: float32, channels first, glibc's allocator untouched.

Run: PYTHON bench/parts/steps.py keras|torch efficientnet_b0|resnet50-frozen [batch]
"""

import sys
import time
from collections.abc import Callable

import numpy as np

SIDE, HIDDEN, DROP = 224, 128, 0.2


def keras_step(model: str, batch: int) -> Callable[[], float]:
    import keras  # noqa: PLC0415  # only one of the two frameworks is there

    keras.utils.set_random_seed(0)
    shape, frozen = (SIDE, SIDE, 3), model == "resnet50-frozen"
    make = keras.applications.ResNet50 if frozen else keras.applications.EfficientNetB0
    backbone = make(include_top=False, weights=None, input_shape=shape, pooling="avg")
    backbone.trainable = not frozen
    inputs = keras.Input(shape)
    vector = backbone(inputs, training=not frozen)
    vector = keras.layers.Dropout(DROP)(keras.layers.Dense(HIDDEN, activation="relu")(vector))
    network = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(vector))
    network.compile(optimizer=keras.optimizers.Adam(1e-4), loss="binary_crossentropy")
    draw = np.random.default_rng(0)
    pixels = draw.random((batch, *shape), dtype=np.float32)
    labels = (np.arange(batch) % 2).astype(np.float32)[:, None]
    return lambda: float(network.train_on_batch(pixels, labels))


def torch_step(model: str, batch: int) -> Callable[[], float]:
    import timm  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415

    torch.manual_seed(0)
    frozen = model == "resnet50-frozen"
    backbone = timm.create_model("resnet50" if frozen else "efficientnet_b0", num_classes=0)
    head = nn.Sequential(nn.Linear(backbone.num_features, HIDDEN), nn.ReLU(), nn.Dropout(DROP), nn.Linear(HIDDEN, 1))
    learning = [*head.parameters(), *(() if frozen else backbone.parameters())]
    backbone.train(not frozen)
    optimizer = torch.optim.Adam(learning, lr=1e-4)
    pixels = torch.rand(batch, 3, SIDE, SIDE)
    labels = (torch.arange(batch) % 2).float()[:, None]

    def step() -> float:
        optimizer.zero_grad()
        with torch.set_grad_enabled(not frozen):
            vectors = backbone(pixels)
        value = nn.functional.binary_cross_entropy_with_logits(head(vectors), labels)
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step


def main() -> None:
    framework, model, *rest = sys.argv[1:]
    step = {"keras": keras_step, "torch": torch_step}[framework](model, int(rest[0]) if rest else 32)
    step()  # what is compiled or allocated at first
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
