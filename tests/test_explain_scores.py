"""Whether maps point at lesions: worked scores, baselines, the table, sanity checks, curves, files."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score, roc_auc_score
from torch import Tensor, nn

from mammoscope.errors import BundleError, RecipeError, SourceError
from mammoscope.explain import (
    MEASURES,
    Picture,
    breast_map,
    brightness_map,
    ceiling_map,
    centre_map,
    explain_files,
    filled,
    localisation_scores,
    localisation_table,
    perturbation_curves,
    randomised_cascade,
    score_maps,
    score_predictions,
    table_text,
)
from mammoscope.images import Preprocess
from mammoscope.models import Bundle, Classifier, Design, Inputs, Manifest, SimpleCnn, build
from mammoscope.records import Record, index_of
from planted import picture

CIRCLE = np.linspace(0, 2 * np.pi, 100, endpoint=False)


def square(y: int, x: int, side: int, *, shape: tuple[int, int] = (32, 24)) -> np.ndarray:
    truth = np.zeros(shape, dtype=bool)
    truth[y : y + side, x : x + side] = True
    return truth


class Reads(nn.Module):
    """One channel: the part of the picture that is above a level. The mean of it."""

    width = 1

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward_features(self, pixels: Tensor) -> Tensor:
        return torch.relu(pixels - self.level)

    def pooled(self, features: Tensor, pixels: Tensor) -> Tensor:  # noqa: ARG002 - as encoders are asked
        return features.mean(dim=(2, 3))

    def blocks(self) -> list[nn.Module]:
        return []


def known(level: float = 0.0, weight: float = 50.0) -> Classifier:
    network = Classifier(Reads(level), design=Design(model=SimpleCnn(channels=(4,), mean=0, std=1), rows=32, cols=24))
    with torch.no_grad():
        network.head.last[0].weight.fill_(weight)
        network.head.last[0].bias.zero_()
    return network.eval()


@given(seed=st.integers(0, 500), levels=st.integers(1, 5))
def test_scores_are_those_of_scikit_learn(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    heat = (rng.integers(0, levels + 1, (6, 5)) / levels).astype(np.float32)
    heat[0, 0], truth = 1.0, rng.random((6, 5)) < 0.3
    truth[2, 2], truth[3, 3] = True, False

    found = localisation_scores(heat, truth=truth)

    flat, said = truth.ravel(), heat.ravel()
    assert found["pixel_auc"] == pytest.approx(roc_auc_score(flat, said))
    assert found["iou_half"] == pytest.approx(jaccard_score(flat, said >= 0.5))
    assert found["iou_best"] == pytest.approx(max(jaccard_score(flat, said >= cut) for cut in np.unique(said)))
    assert found["energy"] == pytest.approx(said[flat].sum() / said.sum())
    assert found["pointing"] == pytest.approx(flat[said == 1].mean())


def test_a_map_that_is_not_defined_is_scored_as_one_that_is_the_same_everywhere() -> None:
    truth = square(0, 0, 8)
    area = 64 / (32 * 24)

    found = localisation_scores(None, truth=truth)

    assert found == pytest.approx(
        {"pointing": area, "energy": area, "pixel_auc": 0.5, "iou_best": area, "iou_half": area}
    )


def test_the_truth_is_its_own_ceiling_and_a_coarse_grid_lowers_it() -> None:
    truth = square(8, 8, 4)

    exact, coarse = (localisation_scores(ceiling_map(truth, grid=g), truth=truth) for g in ((32, 24), (4, 3)))

    assert set(exact.values()) == {1.0}
    assert coarse["pointing"] > 0
    assert coarse["energy"] < exact["energy"]


def test_masks_of_another_size_and_empty_masks_are_refused() -> None:
    heat = np.ones((32, 24), dtype=np.float32)

    with pytest.raises(SourceError, match="mask of the lesion has 16 rows and 24 columns, the map 32 and 24"):
        localisation_scores(heat, truth=np.ones((16, 24), dtype=bool))
    with pytest.raises(SourceError, match="mask of the breast has 32 rows and 12 columns"):
        localisation_scores(heat, truth=square(0, 0, 2), breast=np.ones((32, 12), dtype=bool))
    with pytest.raises(SourceError, match="mask of the lesion is empty: there is nothing to point at"):
        localisation_scores(heat, truth=np.zeros((32, 24), dtype=bool))


def test_a_filled_circle_has_its_area_and_two_lesions_are_one_truth() -> None:
    circle = np.stack([50 + 20 * np.cos(CIRCLE), 60 + 20 * np.sin(CIRCLE)], axis=1)
    box = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [0.0, 5.0]])

    one, both = filled([circle], shape=(120, 100)), filled([circle, box], shape=(120, 100))

    assert one.sum() == pytest.approx(np.pi * 400, rel=0.02)
    assert both.sum() - one.sum() == 50
    assert both[:5, :10].all()


def test_a_tiny_lesion_keeps_a_pixel_and_one_outside_the_crop_is_refused() -> None:
    tiny = np.array([[3.0, 4.0], [3.4, 4.0], [3.4, 4.4], [3.0, 4.4]])

    assert filled([tiny], shape=(10, 10)).sum() >= 1
    with pytest.raises(SourceError, match="p1: the lesion lies outside the 10 x 10 pixels that the network sees"):
        filled([tiny + 20], shape=(10, 10), name="p1")
    with pytest.raises(SourceError, match="p1: no lesion is located, or its mask is empty"):
        filled([], shape=(10, 10), name="p1")


def test_baselines_know_only_the_picture() -> None:
    pixels = np.zeros((32, 24), dtype=np.float32)
    pixels[8:24, 0:12] = 0.5
    pixels[12, 4] = 1.0

    centre, bright = centre_map(pixels > 0), brightness_map(pixels)

    assert np.unravel_index(centre.argmax(), centre.shape) in {(15, 5), (15, 6), (16, 5), (16, 6)}
    assert np.unravel_index(bright.argmax(), bright.shape) == (12, 4)
    assert breast_map(pixels > 0).sum() == 16 * 12


def shown(n: int, *, bright: bool = True) -> Picture:
    """A lesion at level 0.6, and a brighter marker that is none."""
    rng = np.random.default_rng(n)
    y, x = rng.integers(0, 10), rng.integers(0, 16)
    truth = square(y, x, 7)
    pixels = np.where(truth, 0.6, 0.3) + rng.uniform(0, 0.02, truth.shape)
    if bright:
        pixels[22:30, 8:16] = 1.0
    return Picture(
        image_id=str(n),
        patient_id=str(n // 2),
        source="own",
        grey=np.rint(pixels * 65535).astype(np.uint16),
        truth=truth,
        label="yes" if n % 2 else "no",
        kind="mass" if n < 6 else "calcification",
        diameter_mm=5.0 + n,
    )


def table_of(rows: list[dict], name: str, measure: str = "pointing", group: str = "all") -> dict:
    return next(row for row in rows if (row["map"], row["group"], row["measure"]) == (name, group, measure))


def test_a_network_that_reads_lesions_beats_brightness_and_one_that_reads_the_brightest_does_not() -> None:
    pictures = [shown(n) for n in range(12)]

    class Lesion(Reads):
        def forward_features(self, pixels: Tensor) -> Tensor:
            return ((pixels > 0.5) & (pixels < 0.7)).to(pixels.dtype) * pixels

    reader = known()
    reader.network = Lesion(0.0)

    rows = localisation_table(score_maps(reader, pictures), replicates=100)
    bright = localisation_table(score_maps(known(0.9), pictures), replicates=100)

    assert table_of(rows, "grad-cam")["mean"]["value"] == 1.0
    assert table_of(rows, "brightness")["mean"]["value"] == 0.0
    assert table_of(rows, "grad-cam")["difference"]["low"] > 0.5
    assert table_of(bright, "grad-cam")["mean"]["value"] == 0.0
    assert table_of(rows, "ceiling 32 x 24")["mean"]["value"] == 1.0


def test_the_table_has_every_baseline_and_every_group() -> None:
    scores = score_maps(known(), [shown(n) for n in range(12)], methods=("grad-cam", "occlusion"), random_seeds=(0, 1))
    rows = localisation_table(scores, replicates=50)

    maps = [row["map"] for row in rows if row["group"] == "all" and row["measure"] == "energy"]
    groups = {row["group"] for row in rows}
    assert {"centre", "brightness", "breast mask", "ceiling 32 x 24", "grad-cam, random weights"} <= set(maps)
    assert groups >= {"all", "size: to 10 mm", "size: 10 to 20 mm", "kind: mass", "label: yes"}
    assert {row["patients"] for row in rows if row["group"] == "all"} == {6}
    assert table_text(rows).splitlines()[0] == "| map | defined | " + " | ".join(MEASURES) + " |"


def test_what_was_learned_is_the_difference_to_random_weights_on_the_same_pictures() -> None:
    scores = score_maps(known(0.4), [shown(n) for n in range(10)], methods=("layer-cam",))
    trained, random = (scores.filter(pl.col("map") == f"layer-cam{end}")["energy"] for end in ("", ", random weights"))

    rows = localisation_table(scores, replicates=50)

    learned = table_of(rows, "layer-cam", "energy")["learned"]
    assert learned["value"] == pytest.approx((trained - random).mean())
    assert learned["low"] <= learned["value"] <= learned["high"]
    assert table_of(rows, "layer-cam, random weights", "energy")["learned"] is None
    assert table_of(rows, "centre", "energy")["learned"] is None


def test_a_mean_of_the_table_is_the_mean_and_its_interval_resamples_patients() -> None:
    scores = score_maps(known(), [shown(n) for n in range(12)], random_seeds=())
    cells = scores.filter(pl.col("map") == "grad-cam")

    row = table_of(localisation_table(scores, replicates=400), "grad-cam", "energy")

    assert row["mean"]["value"] == pytest.approx(cells["energy"].mean())
    assert row["mean"]["low"] < row["mean"]["value"] < row["mean"]["high"]
    assert row["n"] == 12


def test_random_weights_end_the_cascade_and_the_network_is_not_changed() -> None:
    network = build(Design(model=SimpleCnn(channels=(4, 8, 8), norm="none"), rows=32, cols=24), seed=0).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    inputs = Inputs(torch.rand(2, 1, 32, 24, generator=torch.Generator().manual_seed(0)))

    found = randomised_cascade(network, inputs, method="integrated-gradients", seed=9)
    same = randomised_cascade(network, inputs, method="integrated-gradients", seed=0)

    assert [name for name, _ in found] == ["head", "block 2", "block 1", "block 0"]
    assert found[-1][1] < 0.9
    assert [value for _, value in same] == pytest.approx([1.0] * 4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_right_order_deletes_sooner_and_inserts_sooner_than_its_reverse() -> None:
    one = shown(3, bright=False)
    pixels, heat = one.inputs.pixels, one.truth.astype(np.float32)
    network = known(0.5)
    with torch.no_grad():
        network.head.last[0].bias.fill_(-1.0)

    right, wrong = (perturbation_curves(network, pixels, heat=h, steps=10) for h in (heat, 1 - heat))

    assert right.deletion_area < wrong.deletion_area
    assert right.insertion_area > wrong.insertion_area
    assert right.deletion[0] == right.insertion[-1] == pytest.approx(torch.sigmoid(network(pixels)).item())
    with pytest.raises(BundleError, match="Bring them to one grid"):
        perturbation_curves(network, pixels, heat=np.ones((4, 4), dtype=np.float32))


def planted(folder, *, sample: dict | None = None):
    records, rows = [], []
    for n in range(4):
        picture(folder / f"{n}.png", seed=n)
        box = {"lesion_x0": 20.0, "lesion_y0": 40.0, "lesion_x1": 40.0, "lesion_y1": 70.0} if n < 2 else {}
        if n == 2:
            box = {"lesion_x0": 76.0, "lesion_y0": 2.0, "lesion_x1": 79.0, "lesion_y1": 5.0}
        about = {"source": "own", "patient_id": str(n), "image_id": str(n)}
        records.append(Record(**about, path=f"{n}.png", malignant=n < 2, **box))
        rows.append({**about, "part": "test", "label": int(n < 2), "score": n / 4, "laterality": "L", "view": "CC"})
    manifest = Manifest(
        name="t",
        meaning="m",
        model=SimpleCnn(channels=(4, 8)),
        preprocess=Preprocess(rows=48, cols=32),
        recipe={"input": sample or {}},
    )
    bundle = Bundle(manifest=manifest, network=build(manifest.design, seed=0))
    return pl.DataFrame(rows), bundle, index_of(records, roots={"own": folder})


def test_pictures_without_a_lesion_take_no_part_and_one_outside_the_crop_is_named(tmp_path) -> None:
    table, bundle, index = planted(tmp_path)

    found = score_predictions(table, bundle=bundle, index=index, replicates=20)

    assert {row["image_id"] for row in found["pictures"]} == {"0", "1"}
    assert [row["image_id"] for row in found["left_out"]] == ["2"]
    assert "lies outside the 48 x 32 pixels" in found["left_out"][0]["why"]


def test_crops_that_the_data_set_has_cut_are_not_scored_and_no_lesion_at_all_is_said(tmp_path) -> None:
    table, bundle, index = planted(tmp_path, sample={"unit": "lesion", "crop": "file"})
    with pytest.raises(RecipeError, match="where it lies in its picture is not known"):
        score_predictions(table, bundle=bundle, index=index)

    table, bundle, index = planted(tmp_path)
    with pytest.raises(SourceError, match="no test picture has a located lesion"):
        score_predictions(table.filter(pl.col("image_id") == "3"), bundle=bundle, index=index)


def test_files_become_arrays_on_the_network_s_grid_and_on_their_own(tmp_path) -> None:
    _, bundle, _ = planted(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")

    found = {one.file: one for one in explain_files(bundle, [tmp_path], method="smooth-grad")}

    whole, broken = found["0.png"], found["broken.png"]
    assert whole.heat.shape == (48, 32)
    assert whole.original.shape == (120, 80)
    x, y = whole.peak_px
    assert whole.original[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].max() > 0.5
    assert sum(whole.scores.values()) == pytest.approx(1.0)
    assert whole.peak_mm is None
    assert broken.heat is None
    assert broken.code is not None
