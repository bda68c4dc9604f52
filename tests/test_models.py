"""Networks, scores and bundles."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from mammoscope.calibrators import Temperature
from mammoscope.errors import BundleError, RecipeError, SourceError
from mammoscope.images import Preprocess, read_mammogram
from mammoscope.models import (
    Bundle,
    Design,
    Inputs,
    Manifest,
    SimpleCnn,
    Task,
    TimmModel,
    build,
    model_card,
    predict_files,
    score,
    to_input,
)
from mammoscope.models.heads import Ordered
from mammoscope.models.tasks import probabilities
from mammoscope.vocabulary import Laterality, View
from planted import half_disc, mammogram_file, picture

SMALL = Preprocess(rows=48, cols=32)
MODELS = [
    SimpleCnn(channels=(4, 8)),
    SimpleCnn(channels=(4, 8), pool="max"),
    TimmModel(backbone="resnet18"),
    TimmModel(backbone="mobilenetv3_small_100"),
]


def bundle(**changes: object) -> Bundle:
    model = SimpleCnn(channels=(4, 8))
    manifest = Manifest(name="tiny", meaning="malignant", model=model, **({"preprocess": SMALL} | changes))
    return Bundle(manifest=manifest, network=build(manifest.design, seed=3).eval())


def design(model: SimpleCnn | TimmModel, *, rows: int = 64, cols: int = 48) -> Design:
    return Design(model=model, rows=rows, cols=cols)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: getattr(m, "backbone", f"simple-cnn-{getattr(m, 'pool', 0)}"))
def test_a_network_gives_one_logit_a_picture_and_head_follows_features(model: SimpleCnn | TimmModel) -> None:
    network, pixels = build(design(model), seed=0).eval(), torch.rand(3, 1, 64, 48)

    logits = network(pixels)

    assert logits.shape == (3, 1)
    torch.testing.assert_close(network.logits_of(network.features(pixels), pixels), logits)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: getattr(m, "backbone", f"simple-cnn-{getattr(m, 'pool', 0)}"))
def test_the_seed_decides_the_weights_and_no_global_generator_moves(model: SimpleCnn | TimmModel) -> None:
    before = torch.get_rng_state()

    one, two, other = (build(design(model), seed=seed).state_dict() for seed in (0, 0, 1))

    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


FAMILIES = ["resnet18", "efficientnet_b0", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "convnext_atto"]


@pytest.mark.parametrize("backbone", FAMILIES)
def test_a_network_whose_weights_were_not_drawn_is_the_other_once_it_has_its_weights(backbone: str) -> None:
    of = Design(model=TimmModel(backbone=backbone), rows=224, cols=224)
    drawn, before = build(of, seed=1), torch.get_rng_state()

    read = build(of, seed=None)
    read.load_state_dict(drawn.state_dict())

    assert torch.equal(before, torch.get_rng_state())
    for (name, one), (same, other) in zip(drawn.named_buffers(), read.named_buffers(), strict=True):
        assert name == same
        torch.testing.assert_close(other, one, rtol=0, atol=0)  # also those that no file holds
    pixels = torch.rand(1, 1, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(read.eval()(pixels), drawn.eval()(pixels), rtol=0, atol=0)


def test_an_unknown_backbone_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="timm has no 'resnet81'.*; did you mean 'resnet"):
        build(design(TimmModel(backbone="resnet81")), seed=0)


def test_local_weights_are_loaded_as_timm_itself_loads_them(tmp_path: Path) -> None:
    rgb = timm.create_model("resnet18", num_classes=1000)
    save_file(rgb.state_dict(), tmp_path / "w.safetensors")
    overlay = {"state_dict": rgb.state_dict()}
    reference = timm.create_model(
        "resnet18", pretrained=True, pretrained_cfg_overlay=overlay, in_chans=1, num_classes=1
    )
    pixels = torch.rand(2, 1, 64, 64)

    network = build(design(TimmModel(pretrained=str(tmp_path / "w.safetensors"), mean=0, std=1)), seed=0)

    torch.testing.assert_close(network.eval().features(pixels), reference.eval().forward_features(pixels))


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"\x80\x04\x95 a pickle")

    with pytest.raises(RecipeError, match=r"w.safetensors is not a safetensors file .*pickled weights are never read"):
        build(design(TimmModel(pretrained=str(tmp_path / "w.safetensors"))), seed=0)
    with pytest.raises(RecipeError, match="no file 'gone.safetensors'"):
        build(design(TimmModel(pretrained=str(tmp_path / "gone.safetensors"))), seed=0)


def test_scores_are_the_sigmoid_of_the_logits_and_the_mode_is_given_back() -> None:
    network, pixels = (
        build(design(SimpleCnn(channels=(4,), drop_rate=0.5), rows=16, cols=16), seed=0),
        torch.rand(4, 1, 16, 16),
    )

    found = score(network, [Inputs(pixels[:3]), Inputs(pixels[3:])])[0][:, 1]

    assert network.training
    np.testing.assert_allclose(found, torch.sigmoid(network.eval()(pixels)).detach().numpy()[:, 0], atol=1e-6)
    assert score(network, [])[0].shape == (0, 2)


def test_a_bundle_read_back_scores_the_same_to_the_bit(tmp_path: Path) -> None:
    made = bundle(threshold=0.4, threshold_rule="youden on tune")
    made.save_pretrained(tmp_path / "b")
    mammogram = read_mammogram(picture(tmp_path / "a.png"), preprocess=SMALL)

    read = Bundle.from_pretrained(tmp_path / "b")

    assert read.predict([mammogram]) == made.predict([mammogram])
    assert read.manifest.threshold == 0.4
    assert (tmp_path / "b" / "README.md").read_text() == model_card(read.manifest)


@pytest.mark.parametrize("bits", [8, 16])
def test_the_file_path_and_the_training_path_give_the_same_score(bits: int, tmp_path: Path) -> None:
    from mammoscope.batches import prepare
    from planted import images

    picture(tmp_path / "a.png")
    wanted = SMALL.model_copy(update={"bits": bits})
    table = prepare(
        images(tmp_path, ["a.png"]), roots={"own": tmp_path}, preprocess=wanted, folder=tmp_path / "c", workers=0
    )
    made = bundle(preprocess=wanted)

    read = Inputs(to_input([np.load(tmp_path / "c" / table["file"][0])]))
    from_cache = score(made.network, [read])[0][:, 1]
    again = read_mammogram(tmp_path / "a.png", preprocess=wanted, laterality=Laterality.LEFT, view=View.CC)
    from_file = made.predict([again])

    assert from_cache == from_file


def _damage_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))


def _other_version(folder: Path) -> None:
    facts = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(facts | {"pixels_version": "0"}))


def _unknown_key(folder: Path) -> None:
    facts = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(facts | {"surprise": 1}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_damage_weights, "is not the file the manifest names"),
        (_other_version, "trained on pixels of version 0"),
        (_unknown_key, "Extra inputs are not permitted"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
        (lambda folder: (folder / "bundle.json").unlink(), "is not a bundle"),
        (lambda folder: (folder / "bundle.json").write_bytes(b"\xff\xfe"), "it is not text"),
    ],
)
def test_a_damaged_bundle_is_refused(tmp_path: Path, damage: object, message: str) -> None:
    bundle().save_pretrained(tmp_path / "b")
    damage(tmp_path / "b")

    with pytest.raises(BundleError, match=message):
        Bundle.from_pretrained(tmp_path / "b")


@pytest.mark.parametrize("workers", [0, 2])
def test_predicting_a_folder_answers_for_every_file_in_order(workers: int, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "in" / "blank.png"), np.zeros((40, 40), dtype=np.uint8))

    rows = predict_files(bundle(threshold=0.0), [tmp_path / "in", tmp_path / "gone.png"], workers=workers)

    assert [(row["file"], row["code"]) for row in rows] == [
        ("a.png", None),
        ("b.png", "empty"),
        ("blank.png", "blank"),
        ("gone.png", "missing"),
    ]
    assert rows[0]["call"] == "positive"
    assert 0 <= rows[0]["score"] <= 1


def test_a_folder_without_mammograms_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    with pytest.raises(SourceError, match="in: no file in it ends in"):
        predict_files(bundle(), [tmp_path / "in"], workers=0)


def test_dicom_without_a_suffix_is_found_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.2.840.4711").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "in" / "notes").write_text("no picture")

    rows = predict_files(bundle(), [tmp_path / "in"], workers=0)

    assert [row["file"] for row in rows] == ["1.2.840.4711"]
    assert rows[0]["code"] is not None


def test_files_of_vindr_are_found_in_a_folder_and_what_sets_them_apart_is_told(tmp_path: Path) -> None:
    """Files that end in .dicom were once left out of folders, without a word."""
    (tmp_path / "in").mkdir()
    mammogram_file(tmp_path / "in" / "one.dicom", half_disc(400, 300, 150), BreastImplantPresent="YES")

    rows = predict_files(bundle(), [tmp_path / "in"], workers=0)

    assert [(row["file"], row["code"], row["traits"]) for row in rows] == [("one.dicom", None, ["implant"])]


def several(unit: str, folder: Path, **changes: object) -> Bundle:
    manifest = Manifest(
        name="tiny", meaning="m", model=SimpleCnn(channels=(4, 8)), unit=unit, preprocess=SMALL, **changes
    )
    made = Bundle(manifest=manifest, network=build(manifest.design, seed=3).eval())
    made.save_pretrained(folder)
    return Bundle.from_pretrained(folder)


def test_a_bundle_of_exams_answers_once_for_each_folder_and_names_what_it_could_not_read(tmp_path: Path) -> None:
    for name in ("one/a.png", "one/b.png", "two/c.png"):
        picture(tmp_path / "in" / name)
    (tmp_path / "in" / "two" / "d.png").write_bytes(b"")
    made = several("exam", tmp_path / "b")

    rows = predict_files(made, [tmp_path / "in"], workers=0)

    assert [(row["file"], row["code"]) for row in rows] == [("one", None), ("two", None), ("two/d.png", "empty")]
    assert [row.get("files") for row in rows[:2]] == [["one/a.png", "one/b.png"], ["two/c.png"]]
    one = read_mammogram(tmp_path / "in" / "one" / "a.png", preprocess=SMALL)
    assert rows[0]["score"] == pytest.approx(float(made.predict([[one, one]])[0]))
    with pytest.raises(BundleError, match="a sample is a list of mammograms, for it answers per exam"):
        made.predict([one])


def test_a_bundle_with_clinical_columns_reads_them_from_a_table_by_file_name(tmp_path: Path) -> None:
    import polars as pl

    from mammoscope.models import ClinicalSettings, fit_clinical, read_clinical

    picture(tmp_path / "in" / "a.png")
    ages = pl.DataFrame({"age_years": [40.0, 60.0, None]})
    made = several("image", tmp_path / "b", clinical=fit_clinical(ages, ClinicalSettings(columns=("age_years",))))
    (tmp_path / "c.csv").write_text("file,age_years\na.png,90\n")

    unknown = predict_files(made, [tmp_path / "in"], workers=0)[0]["score"]
    known = predict_files(made, [tmp_path / "in"], clinical=read_clinical(tmp_path / "c.csv"), workers=0)[0]["score"]

    assert unknown != known
    with pytest.raises(SourceError, match="has no column 'file'"):
        predict_files(made, [tmp_path / "in"], clinical=ages, workers=0)


def test_a_bundle_of_classes_names_the_most_probable_one(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    density = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")
    made = several("image", tmp_path / "b", tasks=(density,))

    row = predict_files(made, [tmp_path / "in"], workers=0)[0]

    assert sum(row["classes"].values()) == pytest.approx(1)
    assert row["classes"][row["call"]] == max(row["classes"].values()) == row["score"]
    assert row["probability"] is None


def test_a_temperature_of_classes_gives_the_call_a_probability_and_leaves_the_call(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    density = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")
    made = several("image", tmp_path / "b", tasks=(density,))
    cooler = replace(made, manifest=made.manifest.model_copy(update={"calibrator": Temperature(temperature=0.5)}))

    plain, told = (predict_files(one, [tmp_path / "in"], workers=0)[0] for one in (made, cooler))

    squares = np.array(list(plain["classes"].values())) ** 2
    assert told["probability"] == pytest.approx(squares.max() / squares.sum())
    assert (told["call"], told["score"]) == (plain["call"], plain["score"])


def test_every_class_of_an_ordinal_task_can_be_called_before_anything_is_learned() -> None:
    task = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")
    layer = Ordered(1, task.outputs)
    layer.direction.weight.data.fill_(1.0)

    calls = probabilities(layer(torch.linspace(-6, 6, 25)[:, None]), task).argmax(dim=1).tolist()

    assert calls == sorted(calls)
    assert set(calls) == {0, 1, 2, 3}
