"""Maps of several classes: each class has its own; shown are the surest right calls and the worst errors."""

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from mammoscope.explain import clearest_classes, grad_cam
from mammoscope.models import Classifier, Design, SimpleCnn, Task

KINDS = Task(name="lesion_kind", classes=("mass", "calcification", "other"), kind="nominal")
STEPS = Task(name="density", classes=("A", "B", "C"), kind="ordinal")


class Known(nn.Module):
    """Two channels, the picture and its negative, and the mean of each."""

    width = 2

    def forward_features(self, pixels: Tensor) -> Tensor:
        return torch.cat([pixels, 1 - pixels], dim=1)

    def pooled(self, features: Tensor, pixels: Tensor) -> Tensor:  # noqa: ARG002 - as encoders are asked
        return features.mean(dim=(2, 3))

    def blocks(self) -> list[nn.Module]:
        return []


def known(task: Task, weights: list[list[float]]) -> Classifier:
    design = Design(model=SimpleCnn(mean=0, std=1), tasks=(task,), rows=6, cols=4)
    network = Classifier(Known(), design=design)
    with torch.no_grad():
        last = network.head.last[0]
        (last.direction if task.kind == "ordinal" else last).weight.copy_(torch.tensor(weights))
    return network


def test_each_class_has_the_map_of_its_own_logit() -> None:
    pixels = torch.rand(1, 1, 6, 4)
    network = known(KINDS, [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])

    bright, dark, nothing = (grad_cam(network, pixels, of=number) for number in range(3))

    np.testing.assert_allclose(bright, (pixels / pixels.max())[0, 0].numpy(), atol=1e-6)
    np.testing.assert_allclose(dark, ((1 - pixels) / (1 - pixels).max())[0, 0].numpy(), atol=1e-6)
    assert nothing is None


def test_of_steps_the_highest_class_has_the_places_that_raise_its_chance_and_the_lowest_those_that_lower_it() -> None:
    pixels = torch.rand(1, 1, 6, 4)
    network = known(STEPS, [[1.0, 0.0]])  # brighter is denser

    lowest, highest = grad_cam(network, pixels, of=0), grad_cam(network, pixels, of=2)

    assert lowest is None
    np.testing.assert_allclose(highest, (pixels / pixels.max())[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("each", [1, 2, 5])
def test_half_of_the_chosen_are_errors_the_worst_first(each: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), size=60)
    rows = pl.DataFrame(
        {
            "part": ["test"] * 50 + ["tune"] * 10,
            "image_id": [str(number) for number in range(60)],
            "label": rng.choice(list("ABC"), size=60),
            **{f"score_{name}": scores[:, at] for at, name in enumerate("ABC")},
        }
    )

    chosen = clearest_classes(rows, classes="ABC", each=each)

    assert set(chosen["part"]) == {"test"}
    for name in "ABC":
        of = chosen.filter(label=name)
        wrong = of.filter(pl.col("call") != name)
        assert (of.height, wrong.height) == (each, each // 2)
        every = rows.filter((pl.col("part") == "test") & (pl.col("label") == name))[f"score_{name}"]
        assert wrong[f"score_{name}"].to_list() == sorted(every)[: each // 2]
    assert (chosen["score"] == chosen.select(pl.max_horizontal("score_A", "score_B", "score_C")).to_series()).all()
