"""What is refused before training starts, and the line of the recipe that it is refused for."""

import hashlib
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import timm
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from mammoscope.batches import Samples
from mammoscope.cli import app
from mammoscope.cohort import KFoldSplit
from mammoscope.errors import RecipeError, SourceError
from mammoscope.models import ClinicalSettings, GlobalLocal, PatchToWhole, SimpleCnn, TimmModel, build, check_fit
from mammoscope.pipeline import Work, begin, cross_validate, divide
from mammoscope.records import Index, Record, index_of, write_index
from mammoscope.training import Data, Recipe, Stage, Start, Training, design_of, memory, read_recipe, train
from mammoscope.training.lines import located
from mammoscope.training.memory import GIB
from mammoscope.training.reach import check_reach
from mammoscope.training.start import starting_network
from mammoscope.vocabulary import Density, Laterality, View

TINY = Recipe(
    name="tiny", source="own", model=SimpleCnn(channels=(4, 8)), preprocess={"rows": 32, "cols": 24}, stages=(Stage(),)
)
CPU = torch.device("cpu")


def index(*malignant: bool | None, density: Density | None = None) -> Index:
    """A picture a woman."""
    records = [
        Record(
            source="own",
            patient_id=str(number),
            image_id=str(number),
            path=f"{number}.png",
            laterality=Laterality.LEFT,
            view=View.CC,
            malignant=label,
            density=density,
        )
        for number, label in enumerate(malignant)
    ]
    return index_of(records, roots={"own": Path()})


def data(*, bags: list[int] | None = None) -> Data:
    """As many samples as the network is told of; nothing of them is read."""
    count = 4 if bags is None else len(bags)
    ends = np.cumsum([0, *(bags or [])])
    samples = Samples(
        files=[Path("x.npy")] * (count if bags is None else int(ends[-1])),
        labels=(np.arange(count) % 2)[:, None],
        bags=None if bags is None else [np.arange(a, b) for a, b in pairwise(ends)],
    )
    return Data(train=samples, tune=samples, fingerprint="planted")


# ------------------------------------------------------------------- labels


def test_labels_that_the_index_lacks_are_refused_with_those_that_it_has(tmp_path: Path) -> None:
    asked = TINY.model_copy(update={"target": "density"})

    with pytest.raises(
        RecipeError, match=r"target = 'density': it is stated of none of 2 samples .*; these data answer malignant$"
    ):
        divide(asked, index(True, False), run=tmp_path / "run")


def test_a_further_task_without_any_label_is_refused(tmp_path: Path) -> None:
    asked = TINY.model_copy(update={"also": ("density",)})

    with pytest.raises(RecipeError, match=r"also = \['density'\]: 'density' is stated of none of 2 samples"):
        divide(asked, index(True, False), run=tmp_path / "run")


def test_more_classes_than_are_seen_are_refused_with_those_that_are(tmp_path: Path) -> None:
    asked = Recipe.model_validate(TINY.model_dump() | {"target": "density", "classes": ("A", "B", "C")})
    found, other = index(True, False, density=Density.A), index(True, density=Density.B)
    renamed = other.table.with_columns(image_id=pl.lit("b"), path=pl.lit("b.png"))
    two = replace(found, table=found.table.vstack(renamed))

    with pytest.raises(RecipeError, match=r"classes = \['A', 'B', 'C'\]: C does not occur among .*\['A', 'B'\]"):
        divide(asked, two, run=tmp_path / "run")


def test_data_without_positives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="target = 'malignant': yes does not occur among 3 samples. Take data that"):
        divide(TINY, index(False, False, False), run=tmp_path / "run")


def test_a_fold_without_positives_is_refused(tmp_path: Path) -> None:
    asked = TINY.model_copy(update={"split": KFoldSplit(folds=5)})

    with pytest.raises(SourceError, match="positive|malignant|class"):
        divide(asked, index(True, True, *[False] * 20), run=tmp_path / "run")


# ----------------------------------------------------------------- networks


def test_a_backbone_that_timm_does_not_know_is_refused_with_the_nearest() -> None:
    asked = TINY.model_copy(update={"model": TimmModel(backbone="resnet81")})

    with pytest.raises(RecipeError, match=r"\[model\] backbone: timm has no 'resnet81'.*did you mean 'resnet"):
        check_fit(design_of(asked))


def test_weights_that_timm_does_not_know_of_a_backbone_are_refused_with_the_nearest() -> None:
    asked = TINY.model_copy(update={"model": TimmModel(backbone="resnet18.a1_in1")})

    with pytest.raises(
        RecipeError,
        match=r"\[model\] backbone: timm has no weights 'a1_in1' of resnet18. It has .*did you mean 'resnet18.a1_in1k'",
    ):
        check_fit(design_of(asked))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (PatchToWhole(backbone=TimmModel(backbone="resnet81")), r"\[model.backbone\] backbone: timm has no 'resnet81'"),
        (
            GlobalLocal(fine=TimmModel(backbone="resnet81"), patch_px=16),
            r"\[model.fine\] backbone: timm has no 'resnet81'",
        ),
        (
            GlobalLocal(fine=SimpleCnn(channels=(4,) * 5), patch_px=16),
            r"\[model\] patch_px = 16: nothing is left of such a picture after 5",
        ),
        (TimmModel(backbone="resnet18", pretrained=""), r"\[model\] pretrained: no file ''"),
        (TimmModel(backbone="resnet18", pretrained="/"), r"\[model\] pretrained: no file ''"),
    ],
)
def test_what_is_wrong_within_a_model_is_refused_with_its_table_and_key(model: object, said: str) -> None:
    with pytest.raises(RecipeError, match=f"^{said}"):
        check_fit(design_of(TINY.model_copy(update={"model": model})))


def test_a_size_that_a_model_cannot_take_is_refused() -> None:
    deep = TINY.model_copy(update={"model": SimpleCnn(channels=(4,) * 8)})

    with pytest.raises(RecipeError, match=r"\[preprocess\] rows = 32, cols = 24: nothing is left of such a picture"):
        check_fit(design_of(deep))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda weights: weights.pop("bn1.weight"), "1 missing keys, first bn1.weight"),
        (lambda weights: weights.update(more=torch.zeros(1)), "1 unexpected keys, first more"),
        (lambda weights: weights.update({"bn1.bias": torch.zeros(3)}), "size mismatch for bn1.bias"),
    ],
    ids=["missing", "extra", "size"],
)
def test_weights_that_do_not_fit_are_refused_by_their_first_key(tmp_path: Path, edit: object, message: str) -> None:
    weights = timm.create_model("resnet18", in_chans=1, num_classes=0).state_dict()
    edit(weights)
    save_file(weights, tmp_path / "weights.safetensors")
    model = TimmModel(backbone="resnet18", pretrained=str(tmp_path / "weights.safetensors"))

    with pytest.raises(RecipeError, match=rf"^\[model\] pretrained = 'weights.safetensors': .*{message}"):
        check_fit(design_of(TINY.model_copy(update={"model": model})))


def test_a_start_of_another_encoder_is_refused(tmp_path: Path) -> None:
    other = build(design_of(TINY.model_copy(update={"model": SimpleCnn(channels=(6, 8))})), seed=0)
    save_file(other.state_dict(), tmp_path / "model.safetensors")
    file = tmp_path / "model.safetensors"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    start = Start(name="other", weights=file, fingerprint=digest, split=None, sources=())

    with pytest.raises(RecipeError, match=r"start 'other': its encoder is not the one of \[model\]: .* tensors"):
        starting_network(TINY, data=data(), start=start)


def test_a_layer_that_there_is_not_is_refused_before_training(tmp_path: Path) -> None:
    asked = Recipe.model_validate(TINY.model_dump() | {"estimator": {"kind": "forest", "layer": "poled"}})

    with pytest.raises(RecipeError, match=r"\[estimator\] layer: no layer 'poled'"):
        train(asked, data=data(), folder=tmp_path)


# -------------------------------------------------------------------- lines

TEXT = """name = "mine"
source = "rsna"
target = "density"

[training]
batch_size = 64

[[stages]]
epochs = 2

[[stages]]
freeze = "backbone"
unfreeze = 9
"""


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("[training] batch_size = 64: too large", 6),
        ("target = 'density': it is stated of none", 3),
        ("[[stages]] unfreeze = 9: the backbone has 4 blocks", 13),
        ("[training] accumulate = 4: a key that is not there is its table", 5),
        ("epoch 3: stage 2 [stages] lr: of the second", 11),
    ],
)
def test_a_refusal_is_put_beside_its_line(tmp_path: Path, message: str, line: int) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT)

    with pytest.raises(RecipeError, match=rf"^mine\.toml:{line} ") as caught, located(str(file)):
        raise RecipeError(message)

    assert str(caught.value).endswith(message)


def test_a_stage_of_a_list_over_several_lines_has_its_own_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nstages = [\n  { epochs = 1 },\n  { freeze = "backbone", unfreeze = 9 },\n]\n')

    with pytest.raises(RecipeError, match=r"^mine\.toml:4 "), located(str(file)):
        raise RecipeError("[[stages]] unfreeze = 9: the backbone has 4 blocks")
    with pytest.raises(RecipeError, match=r"^mine\.toml:3 "), located(str(file)):
        raise RecipeError("epoch 3: stage 1 [stages] lr: a key that is not there is its stage")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'target = "density"\nclasses = ["A", "E"]',
            r"mine.toml:4: classes is \['A', 'E'\]: 'E' is not one of A, B, C, D$",
        ),
        (
            'target = "density"\nclasses = ["A", "A"]',
            r"mine.toml:4: classes is .*: 'A' stands more than once. Name each",
        ),
        (
            'target = "pathology"\nclasses = ["benign", "malignent"]',
            r"mine.toml:4: .* is not one of malignant, benign, .* callback, normal; did you mean 'malignant'\?",
        ),
        ('seed = 1\nalso = ["tissu"]', r"mine.toml:4: also is \['tissu'\]: .*tissue; did you mean 'tissue'\?"),
        ('also = ["density", "density"]', r"mine.toml:3: also is .*: 'density' stands more than once"),
        ('target = "density"\nalso = ["density"]', r"mine.toml:4: also is .*: 'density' is the target already"),
        (
            "stages = [\n  { epochs = 2 },  # [\n  { epochs = 2, warmup_epochs = 3 },\n]\nseed = 1",
            r"mine.toml:5 \[stages.1\]: warmup_epochs must be at most epochs",
        ),
        ("stages = []", "mine.toml:3: stages is empty: nothing would learn"),
        (
            "[[stages]]\n[[stages]]\nwarmup_epochs = 11",
            r"mine.toml:5 \[stages.1\]: warmup_epochs must be at most epochs",
        ),
        ("[[stages]]\nlr = 1\nunfreeze = 1", r"mine.toml:5 \[stages.0\]: unfreeze needs freeze = 'backbone'"),
        ("[augment]\nmixup = 0.5\n[[stages]]\nfreeze = 'backbone'", r"mine.toml:4 \[augment\] mixup = 0.5: stage 1"),
        (
            "[model]\n[[stages]]\non = 'patches'",
            r"mine.toml:3 \[model\] kind = 'timm': a stage on patches needs 'patch",
        ),
        (
            "[model]\nkind = 'patch-to-whole'\n[[stages]]\non = 'patches'\n[[stages]]\non = 'patches'",
            r"mine.toml:8 \[\[stages\]\] on = 'patches': stage 2, the last, must be on samples",
        ),
        ("permute_labels = 1\nstart = 'x'", "mine.toml:3: permute_labels: start = 'x' has seen true labels"),
        ("[split]\nkind = 'kfold'\nfold = 9", r"mine.toml:5 \[split\]: fold must be 0 to 4"),
        (
            "[model]\nkind = 'patch-to-whole'\n[model.backbone]\npool = 'max'",
            r"mine.toml:5 \[model.backbone\]: pool = 'max': has no effect here",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_refused_beside_the_one_that_is_named(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f'name = "mine"\nsource = "own"\n{text}\n')

    with pytest.raises(RecipeError, match=f"^{said}") as caught:
        read_recipe(file)

    assert "'source'" not in str(caught.value)


def test_a_split_that_cannot_be_made_is_put_beside_its_line_and_other_faults_of_the_data_are_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT + "[split]\nkind = 'kfold'\n")

    with pytest.raises(SourceError, match=r"^mine.toml:15 fold 1 of 5: split kfold: test has"), located(str(file)):
        raise SourceError("fold 1 of 5: split kfold: test has 3 patients")
    with pytest.raises(SourceError, match=r"^train.csv:3: a = 5$"), located(str(file)):
        raise SourceError("train.csv:3: a = 5")


def test_what_is_wrong_by_default_gets_the_file_and_what_has_its_place_no_other(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT)

    with pytest.raises(RecipeError, match=r"^mine.toml: \[model\] backbone: timm has"), located(str(file)):
        raise RecipeError("[model] backbone: timm has no such")
    with pytest.raises(RecipeError, match=r"^space.toml:2 \[training\] batch_size"), located(str(file)):
        raise RecipeError("space.toml:2 [training] batch_size = 7")


def test_a_refusal_that_names_no_key_or_its_line_already_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT + "[model]\nbackbonne = 'x'\n")

    with pytest.raises(RecipeError, match="^no line here$"), located(str(file)):
        raise RecipeError("no line here")
    with pytest.raises(RecipeError, match=r"^mine.toml:15 \[model\]"), located(str(file)):
        read_recipe(file)
    with pytest.raises(RecipeError, match=r"^\[training\]"), located("not-on-the-shelf"):
        raise RecipeError("[training] batch_size = 3")


# ------------------------------------------------------------- combinations


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": {"mixup": 0.2}, "input": {"unit": "exam"}}, r"mixup = 0.2: .* a sample is a whole exam"),
        ({"augment": {"mixup": 0.2}, "stages": [{}, {"freeze": "backbone"}]}, "mixup = 0.2: stage 2 freezes the whole"),
        (
            {"target": "density", "clinical": {"columns": ["density"], "reader": True}},
            "columns holds 'density', which is the answer to the task 'density'",
        ),
        (
            {"also": ["dense"], "clinical": {"columns": ["density"], "reader": True}},
            "columns holds 'density', which is the answer to the task 'dense'",
        ),
    ],
)
def test_what_would_be_left_out_in_silence_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(TINY.model_dump() | changes)


def test_mixup_beside_a_backbone_that_learns_in_part_is_allowed() -> None:
    stages = [{"freeze": "backbone", "unfreeze": 1}]

    assert Recipe.model_validate(TINY.model_dump() | {"augment": {"mixup": 0.2}, "stages": stages}).augment.mixup == 0.2


PLANTED = """name = "mine"
source = "cbis_ddsm"
[preprocess]
rows = 32
cols = 24
[model]
kind = "simple-cnn"
channels = [4, 8]
"""


@pytest.mark.parametrize("verb", ["run", "train", "sweep", "cross-validate", "repeat"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('start = "before"\n' + PLANTED, r"^mine.toml:1 start = 'before': "),
        (
            PLANTED.replace('kind = "simple-cnn"\nchannels = [4, 8]', 'backbone = "resnet81"'),
            r"^mine.toml:7 \[model\] back",
        ),
        (PLANTED + "[training]\nbatch_size = 1000000000\n", r"^mine.toml:10 \[training\] batch_size = 1000000000: "),
        (
            PLANTED + "[[stages]]\nfreeze = 'backbone'\nunfreeze = 9\n",
            r"^mine.toml:11 \[\[stages\]\] unfreeze = 9: the",
        ),
        (PLANTED + "[estimator]\nkind = 'forest'\nlayer = 'poled'\n", r"^mine.toml:11 \[estimator\] layer: no layer"),
        (PLANTED + "hidden = [200000, 200000]\n", r"^mine.toml:6 \[model\]: its weights need 149 GiB, and "),
    ],
    ids=["start", "backbone", "batch", "unfreeze", "layer", "weights"],
)
def test_every_verb_that_trains_refuses_beside_the_line_before_a_picture_is_prepared(
    data: Path, work: Work, tmp_path: Path, verb: str, text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _: 64 * GIB)
    (tmp_path / "mine.toml").write_text(text)
    words: list[object] = [verb, tmp_path / "mine.toml", "--out", tmp_path / "out", "--device", "cpu"]
    if verb == "train":
        write_index(work.index, tmp_path / "index.parquet")
        words.insert(2, tmp_path / "index.parquet")
    else:
        words += ["--data", data]
    if verb == "sweep":
        (tmp_path / "space.toml").write_text("training.patience = { low = 2, high = 4 }")
        words += ["--space", tmp_path / "space.toml"]

    done = CliRunner().invoke(app, [str(word) for word in words])

    assert isinstance(done.exception, RecipeError), done.output
    assert re.search(said, str(done.exception)), done.exception
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_the_line_that_changed_is_named_where_a_folder_holds_the_run_of_another_recipe(
    work: Work, tmp_path: Path
) -> None:
    asked = TINY.model_copy(update={"source": "cbis_ddsm", "stages": (Stage(), Stage())})
    changed = asked.model_copy(update={"stages": (Stage(), Stage(lr=0.25))})
    divide(asked, work.index, run=tmp_path / "run")

    with pytest.raises(RecipeError, match=r"^\[\[stages\]\] lr = 0.25 in stage 2: run is the run of another .* 0.0003"):
        begin(changed, work.index, run=tmp_path / "run", device="cpu")
    with pytest.raises(RecipeError, match=r"^\[model\] channels = \[4, 9\]: run is the run of another .* has \[4, 8\]"):
        begin(
            asked.model_copy(update={"model": SimpleCnn(channels=(4, 9))}),
            work.index,
            run=tmp_path / "run",
            device="cpu",
        )
    with pytest.raises(RecipeError, match=r"^stages = 1 stages: run is .* which has 2 stages. Choose"):
        begin(asked.model_copy(update={"stages": (Stage(),)}), work.index, run=tmp_path / "run", device="cpu")


def test_a_later_fold_that_cannot_be_trained_is_refused_before_the_first_is_prepared(
    work: Work, tmp_path: Path
) -> None:
    """The only woman whose age is known is tested in some fold, which then has none to train on."""
    ages = pl.when(pl.col("patient_id") == pl.col("patient_id").first()).then(50.0).alias("age_years")
    planted = replace(work.index, table=work.index.table.with_columns(ages))
    asked = TINY.model_copy(update={"source": "cbis_ddsm", "clinical": ClinicalSettings(columns=("age_years",))})

    with pytest.raises(RecipeError, match=r"\[clinical\] columns: 'age_years' is empty in all \d+ training rows"):
        cross_validate(asked, out=tmp_path / "cv", work=replace(work, index=planted), folds=3)

    assert not (tmp_path / "cv").exists()


def test_the_command_names_the_line_of_what_it_refuses(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nsource = "own"\ntarget = "density"\n[model]\nkind = "simple-cnn"\n'
    )
    write_index(index(True, False), tmp_path / "index.parquet")
    words = ["train", tmp_path / "mine.toml", tmp_path / "index.parquet", "--out", tmp_path / "run"]

    done = CliRunner().invoke(app, [str(word) for word in words])

    assert isinstance(done.exception, RecipeError) or done.exit_code == 2
    assert "mine.toml:3 target = 'density'" in f"{done.output}{done.exception}"


def test_a_kernel_over_the_whole_of_its_map_is_refused_in_bfloat16_on_a_processor() -> None:
    model = PatchToWhole(backbone=SimpleCnn(channels=(4, 8)), top=(8, 8, 8, 8))
    recipe = TINY.model_copy(update={"model": model, "training": Training(precision="bfloat16")})
    network = starting_network(recipe, data=data(), start=None)

    with pytest.raises(RecipeError, match=r"precision = 'bfloat16': a kernel of 3 x 3 \(.*\) reads a map of 1 x 1"):
        check_reach(recipe, network=network, device=CPU)

    check_reach(recipe, network=network, device=torch.device("cuda"))
    whole = recipe.model_copy(update={"training": Training()})
    check_reach(whole, network=network, device=CPU)
