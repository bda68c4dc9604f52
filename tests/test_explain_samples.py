"""Whether maps of breasts and of crops point at lesions: which picture, which lesion, beside what."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from mammoscope.cohort import Input, unit_rows
from mammoscope.errors import RecipeError
from mammoscope.explain import Picture, score_maps, score_predictions, weight_on_lesions
from mammoscope.images import Preprocess
from mammoscope.models import Bundle, Design, Manifest, SimpleCnn, build
from mammoscope.records import Index, Record, image_table, index_of
from mammoscope.vocabulary import Laterality, View
from planted import picture

BOX = {"lesion_x0": 20.0, "lesion_y0": 40.0, "lesion_x1": 40.0, "lesion_y1": 60.0}


def planted(folder: Path, unit: str) -> tuple[pl.DataFrame, pl.DataFrame, Bundle, Index]:
    """Two women, each with a CC with a lesion and an MLO without: predictions, cohort, bundle, index."""
    records = []
    for n in range(4):
        file, view = picture(folder / f"{n}.png", seed=n), View.MLO if n % 2 else View.CC
        about = {"source": "own", "patient_id": str(n // 2), "image_id": str(n), "laterality": Laterality.LEFT}
        lesion = {**BOX, "lesion_id": "m"} if view is View.CC else {}
        records.append(Record(**about, view=view, path=file.name, malignant=n < 2, **lesion))
    index = index_of(records, roots={"own": folder})
    sample = {"unit": unit}
    cohort, _ = unit_rows(image_table(index), records=index.table, settings=Input.model_validate(sample))
    rows = cohort if unit == "lesion" else cohort.unique("sample_id", maintain_order=True)
    if unit == "breast":
        rows = rows.with_columns(pl.col("sample_id").alias("image_id"))
    rows = rows.with_columns(part=pl.lit("test"), label=pl.Series([1, 0], dtype=pl.Int8), score=pl.lit(0.5))
    manifest = Manifest(
        name="t",
        unit=unit,
        meaning="m",
        model=SimpleCnn(channels=(4, 8), views="attention" if unit == "breast" else "mean"),
        preprocess=Preprocess(rows=48, cols=32),
        recipe={"input": sample},
    )
    return rows, cohort, Bundle(manifest=manifest, network=build(manifest.design, seed=0).eval()), index


def test_of_a_breast_only_pictures_with_a_lesion_are_scored_and_their_weights_stand_beside(tmp_path: Path) -> None:
    rows, cohort, bundle, index = planted(tmp_path, "breast")

    found = score_predictions(rows, bundle=bundle, index=index, pictures=cohort, methods=["layer-cam"], replicates=20)

    assert found["unit"] == "breast"
    assert found["left_out"] == []
    assert {row["image_id"] for row in found["pictures"]} == {"0", "2"}
    assert {row["sample_id"] for row in found["pictures"]} == {"0_L", "1_L"}
    assert {row["pictures"] for row in found["pictures"]} == {2}
    assert {row["label"] for row in found["pictures"]} == {"yes", "no"}
    weights = [row["view_weight"] for row in found["pictures"] if row["map"] == "layer-cam"]
    assert found["views"]["samples"] == 2
    assert found["views"]["equal"]["value"] == 0.5
    assert found["views"]["weight"]["value"] == pytest.approx(np.mean(weights))


def test_of_a_breast_it_must_be_told_which_pictures_it_has(tmp_path: Path) -> None:
    rows, _, bundle, index = planted(tmp_path, "breast")

    with pytest.raises(RecipeError, match="a sample is a whole breast, and it is not told which pictures each has"):
        score_predictions(rows, bundle=bundle, index=index)


def test_a_crop_is_scored_by_the_lesion_it_is_cut_around_beside_its_area(tmp_path: Path) -> None:
    rows, _, bundle, index = planted(tmp_path, "lesion")

    found = score_predictions(rows, bundle=bundle, index=index, replicates=20)

    share = {row["image_id"]: row["energy"] for row in found["pictures"] if row["map"] == "area"}
    # a square lesion with a quarter of its side as air on each side fills the 32 columns of 48 x 32: it is 32 / 1.5
    # wide, from 5.33 to 26.67, of which 22 pixels are covered by half or more
    assert share == {"0#m": 22**2 / (48 * 32), "2#m": 22**2 / (48 * 32)}
    assert {row["map"] for row in found["pictures"]} >= {"area", "centre", "brightness", "grad-cam, random weights"}
    assert found["views"] is None


def bag(network_first: float) -> tuple[list[Picture], torch.nn.Module]:
    """A bright picture with a lesion, and a dark one, read together by a network that takes the largest values."""
    truth = np.zeros((16, 16), dtype=bool)
    truth[4:8, 4:8] = True
    pictures = [
        Picture(
            image_id=name,
            patient_id="p",
            source="own",
            sample_id="s",
            grey=np.full((16, 16), level, dtype=np.uint16),
            truth=truth if name == "lesion" else None,
        )
        for name, level in (("lesion", round(65535 * network_first)), ("other", round(65535 * (1 - network_first))))
    ]
    design = Design(model=SimpleCnn(channels=(4,), norm="none", views="max"), rows=16, cols=16, bags=True)
    return pictures, build(design, seed=0).eval()


def test_a_picture_that_weighs_most_is_called_so_and_equal_ones_are_not() -> None:
    pictures, network = bag(1.0)
    same, _ = bag(0.5)
    same[1] = same[0]

    told = score_maps(network, [pictures], methods=("smooth-grad",), random_seeds=())
    equal = score_maps(network, [same[:1] * 2], methods=("smooth-grad",), random_seeds=())

    heaviest = told["view_weight"][0]
    assert told["view"][0] == ("weighed most" if heaviest > 0.5 else "weighed less")
    assert told["view_weight"][0] != pytest.approx(0.5)
    assert len(equal) == 2 * len(told)


def test_weight_is_only_told_of_samples_in_which_some_pictures_have_no_lesion() -> None:
    scores = pl.DataFrame(
        {
            "map": ["grad-cam"] * 4,
            "source": ["own"] * 4,
            "patient_id": ["1", "2", "3", "3"],
            "sample_id": ["1", "2", "3", "3"],
            "pictures": [4, 2, 2, 2],
            "view_weight": [0.7, 0.9, 0.5, 0.5],
        }
    )

    found = weight_on_lesions(scores, replicates=20)

    assert found["samples"] == 2
    assert found["weight"]["value"] == pytest.approx(0.8)
    assert found["equal"]["value"] == pytest.approx((0.25 + 0.5) / 2)
    assert found["difference"]["value"] == pytest.approx(0.425)
