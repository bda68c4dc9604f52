"""Grad-CAM against a network whose map is known, and the pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from mammoscope.errors import BundleError, RecipeError, SourceError
from mammoscope.explain import GROUPS, clearest, explain_predictions, grad_cam
from mammoscope.images import Preprocess
from mammoscope.models import Bundle, Classifier, Design, Manifest, SimpleCnn, TimmModel, build
from mammoscope.records import Record, index_of
from planted import picture


class Known(nn.Module):
    """Two channels, the picture and its negative, and the mean of each."""

    width = 2

    def forward_features(self, pixels: Tensor) -> Tensor:
        return torch.cat([pixels, -pixels], dim=1)

    def pooled(self, features: Tensor, pixels: Tensor) -> Tensor:  # noqa: ARG002  # what encoders are given
        return features.mean(dim=(2, 3))

    def blocks(self) -> list[nn.Module]:
        return []


def known(signs: tuple[float, float]) -> Classifier:
    network = Classifier(Known(), design=Design(model=SimpleCnn(mean=0, std=1), rows=6, cols=4))
    with torch.no_grad():
        network.head.last[0].weight.copy_(torch.tensor([signs]))
        network.head.last[0].bias.zero_()
    return network


def test_the_map_of_a_known_network_is_the_picture_itself() -> None:
    """Weights 1 and 0: each channel's mean gradient is 1/N and 0, so the map is the first channel over its maximum."""
    pixels = torch.rand(1, 1, 6, 4)

    heat = grad_cam(known((1.0, 0.0)), pixels)

    np.testing.assert_allclose(heat, (pixels / pixels.max())[0, 0].numpy(), atol=1e-6)


def test_where_nothing_speaks_for_the_class_the_map_is_not_defined() -> None:
    heat = grad_cam(known((-1.0, 0.0)), torch.rand(1, 1, 6, 4))

    assert heat is None


def test_the_map_equals_the_papers_formula_written_out_with_hooks() -> None:
    network, pixels = (
        build(Design(model=TimmModel(backbone="resnet18"), rows=64, cols=96), seed=0).eval(),
        torch.rand(1, 1, 64, 96),
    )
    kept: dict[str, Tensor] = {}
    handle = network.network.backbone.layer4.register_forward_hook(lambda *given: kept.update(a=given[2]))
    logit = network(pixels)
    handle.remove()
    gradient = torch.autograd.grad(logit.sum(), kept["a"])[0]
    evidence = torch.relu((gradient.mean((2, 3), keepdim=True) * kept["a"]).sum(1))[0].detach().numpy()

    heat = grad_cam(network, pixels)

    expected = None if not evidence.max() > 0 else cv2.resize(evidence / evidence.max(), (96, 64))
    assert (heat is None) == (expected is None)
    if expected is not None:
        np.testing.assert_allclose(heat, expected, atol=1e-5)


def test_the_mode_and_the_gradients_of_the_network_are_left_as_they_were() -> None:
    network = build(Design(model=SimpleCnn(channels=(4, 8)), rows=16, cols=16), seed=0).train()

    grad_cam(network, torch.rand(1, 1, 16, 16))

    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_without_a_feature_map_is_refused() -> None:
    network = build(Design(model=TimmModel(backbone="vit_tiny_patch16_224")), seed=0)

    with pytest.raises(BundleError, match="Grad-CAM is not defined for this network: its last features have 3 axes"):
        grad_cam(network, torch.rand(1, 1, 224, 224))


def test_the_clearest_of_each_group_come_first() -> None:
    table = pl.DataFrame(
        {
            "part": ["test"] * 6 + ["tune"],
            "label": [1, 1, 1, 0, 0, 0, 1],
            "score": [0.6, 0.9, 0.1, 0.2, 0.05, 0.8, 1.0],
            "image_id": list("abcdefg"),
        }
    )

    chosen = clearest(table, threshold=0.5, each=1)

    assert list(zip(chosen["group"], chosen["image_id"], strict=True)) == list(zip(GROUPS, "bfce", strict=True))


def planted(folder: Path, *, threshold: float | None) -> tuple[pl.DataFrame, Bundle, object]:
    records, rows = [], []
    for n in range(4):
        picture(folder / f"{n}.png", seed=n)
        box = {"lesion_x0": 20.0, "lesion_y0": 40.0, "lesion_x1": 40.0, "lesion_y1": 70.0} if n == 0 else {}
        records.append(
            Record(source="own", patient_id=str(n), image_id=str(n), path=f"{n}.png", malignant=n < 2, **box)
        )
        rows.append({"source": "own", "image_id": str(n), "part": "test", "label": int(n < 2), "score": n / 4})
    table = pl.DataFrame(rows).with_columns(laterality=pl.lit("L"), view=pl.lit("CC"))
    model = SimpleCnn(channels=(4, 8))
    manifest = Manifest(
        name="t", meaning="m", model=model, preprocess=Preprocess(rows=48, cols=32), threshold=threshold
    )
    return (
        table,
        Bundle(manifest=manifest, network=build(manifest.design, seed=0)),
        index_of(records, roots={"own": folder}),
    )


def test_pictures_are_written_for_each_group_and_a_lost_file_is_said(tmp_path: Path) -> None:
    table, bundle, index = planted(tmp_path / "data", threshold=0.5)
    (tmp_path / "data" / "3.png").unlink()

    rows = explain_predictions(table, bundle=bundle, index=index, folder=tmp_path / "run" / "explanations", each=4)

    assert json.loads((tmp_path / "run" / "explanations.json").read_text()) == rows
    assert [row["image_id"] for row in rows if row["file"] is None] == ["3"]
    assert "could not be read again" in next(row["note"] for row in rows if row["image_id"] == "3")
    assert "known lesion outlined" in next(row["note"] for row in rows if row["image_id"] == "0")
    for row in rows:
        if row["file"]:
            drawn = cv2.imread(str(tmp_path / "run" / row["file"]))
            assert drawn.std() > 5


def test_without_a_threshold_nothing_is_drawn(tmp_path: Path) -> None:
    table, bundle, index = planted(tmp_path, threshold=None)

    with pytest.raises(RecipeError, match="no operating threshold yet. Run mammoscope evaluate first"):
        explain_predictions(table, bundle=bundle, index=index, folder=tmp_path / "e")


def test_a_data_set_that_has_moved_is_said_and_the_earlier_maps_stay(tmp_path: Path) -> None:
    table, made, index = planted(tmp_path / "data", threshold=0.5)
    old = tmp_path / "run" / "explanations" / "99.png"
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_bytes(b"")
    explain_predictions(table, bundle=made, index=index, folder=tmp_path / "run" / "explanations")
    assert not old.exists()  # of an earlier call with more pictures
    before = (tmp_path / "run" / "explanations.json").read_text()
    (tmp_path / "data").rename(tmp_path / "elsewhere")

    with pytest.raises(SourceError, match="none of 4 pictures is there. If the data set has moved"):
        explain_predictions(table, bundle=made, index=index, folder=tmp_path / "run" / "explanations")

    assert (tmp_path / "run" / "explanations.json").read_text() == before
