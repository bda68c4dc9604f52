"""What a run takes over from its start, what it says of the rest, and a start that is not finished."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from mammoscope.errors import RecipeError
from mammoscope.models import Bundle, ClinicalEncoding, ClinicalSettings, Manifest, SimpleCnn, build
from mammoscope.models.clinical import CategoryColumn, FlagColumn, NumberColumn
from mammoscope.pipeline.starting import starting
from mammoscope.training import Data, Recipe, Stage, Start, Training, design_of, read_start, train
from mammoscope.training.start import begun_anew, clinical_names, starting_network, told_anew
from test_training import data

BEFORE = Recipe(
    name="before",
    source="own",
    model=SimpleCnn(channels=(4, 8), hidden=(3,)),
    training=Training(batch_size=4),
    stages=(Stage(epochs=1, lr=1e-2),),
)
AFTER = Recipe.model_validate(
    BEFORE.model_dump() | {"name": "after", "start": "before", "model": SimpleCnn(channels=(4, 8), hidden=(5,))}
)
ALIKE = AFTER.model_copy(update={"model": BEFORE.model})


@pytest.fixture
def start(tmp_path: Path) -> Start:
    file = tmp_path / "before" / "model.safetensors"
    file.parent.mkdir()
    save_file(build(design_of(BEFORE), seed=7).state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Start(name="before", weights=file, fingerprint=digest, split=None, sources=())


def test_layers_of_another_shape_are_begun_anew_and_named_with_both_shapes(start: Start, tmp_path: Path) -> None:
    seen = data(tmp_path / "data")
    trained = train(AFTER, data=seen, folder=tmp_path / "run", start=start)
    again = train(AFTER, data=seen, folder=tmp_path / "run", start=start)

    told = [event for event in trained.events if event["kind"] == "begun-anew"]
    rows = {row["name"]: (row["shape"], row["shape_there"]) for row in trained.begun_anew}
    weights = [(shape, there) for shape, there in rows.values() if len(shape) == 2]
    assert all(name.startswith("head.") for name in rows)
    assert sorted(weights) == [([1, 5], [1, 3]), ([5, 8], [3, 8])]
    assert len(told) == 1
    assert "5 x 8 (there 3 x 8)" in told[0]["text"]
    assert json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[0]) == told[0]
    assert (again.events, again.begun_anew) == (trained.events, trained.begun_anew)


def test_where_all_is_taken_over_nothing_is_said(start: Start, tmp_path: Path) -> None:
    trained = train(ALIKE, data=data(tmp_path / "data"), folder=tmp_path / "run", start=start)

    assert trained.begun_anew == []
    assert "begun-anew" not in {event["kind"] for event in trained.events}


def test_a_layer_that_the_start_lacks_is_said_to_be_not_there(start: Start, tmp_path: Path) -> None:
    weights = load_file(start.weights)
    lost = next(name for name in weights if name.startswith("head."))
    save_file({name: tensor for name, tensor in weights.items() if name != lost}, start.weights)
    fewer = replace(start, fingerprint=hashlib.sha256(start.weights.read_bytes()).hexdigest())
    network = starting_network(ALIKE, data=data(tmp_path / "data"), start=fewer)

    (row,) = begun_anew(network, data=data(tmp_path / "data"), start=fewer)

    assert (row["name"], row["shape_there"]) == (lost, None)


AGE_AND_IMPLANT = (
    NumberColumn(column="age_years", unknown=False, mean=50, sd=10, fill=50),
    FlagColumn(column="implant", unknown=False, fill=0.5),
)
VIEW_AND_IMPLANT = (
    CategoryColumn(column="view", unknown=False, categories=("CC",), other=False, fill="CC"),
    FlagColumn(column="implant", unknown=False, fill=0.5),
)


def clinical_start(folder: Path, columns: tuple) -> tuple[Start, dict[str, torch.Tensor]]:
    """A bundle's weights for these columns."""
    network = build(design_of(BEFORE, clinical=2), seed=7)
    manifest = Manifest(
        name="before",
        tasks=BEFORE.tasks,
        unit="image",
        meaning="chance",
        model=BEFORE.model,
        preprocess=BEFORE.preprocess,
        clinical=ClinicalEncoding(columns=columns),
        recipe={},
        data={},
        code={},
    )
    Bundle(manifest=manifest, network=network).save_pretrained(folder)
    return read_start(folder), network.state_dict()


def with_columns(seen: Data, columns: tuple) -> Data:
    samples = replace(seen.train, clinical=np.zeros((len(seen.train), 2), np.float32))
    return replace(seen, train=samples, clinical=ClinicalEncoding(columns=columns))


@pytest.mark.parametrize("columns", [VIEW_AND_IMPLANT, AGE_AND_IMPLANT[::-1]], ids=["others", "swapped"])
def test_as_many_other_clinical_columns_are_begun_anew_and_said_to_be(tmp_path: Path, columns: tuple) -> None:
    start, there = clinical_start(tmp_path / "bundle", AGE_AND_IMPLANT)
    seen = with_columns(data(tmp_path / "data"), columns)
    network = starting_network(ALIKE, data=seen, start=start)

    rows = begun_anew(network, data=seen, start=start)

    fresh = build(design_of(ALIKE, clinical=2), seed=ALIKE.seed).state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, (fresh if name.startswith("clinical.") else there)[name])
    assert [row["name"] for row in rows] == ["clinical.0.weight", "clinical.0.bias"]
    assert "clinical.0.weight 32 x 2 (there for other columns)" in told_anew(rows, start=start).text


def test_the_same_clinical_columns_are_taken_over(tmp_path: Path) -> None:
    start, there = clinical_start(tmp_path / "bundle", AGE_AND_IMPLANT)
    again = (AGE_AND_IMPLANT[0].model_copy(update={"mean": 60.0}), AGE_AND_IMPLANT[1])
    seen = with_columns(data(tmp_path / "data"), again)
    network = starting_network(ALIKE, data=seen, start=start)

    assert begun_anew(network, data=seen, start=start) == []
    assert all(torch.equal(tensor, there[name]) for name, tensor in network.state_dict().items())


def test_the_columns_of_a_run_without_a_bundle_follow_from_its_recipe_and_train_part() -> None:
    rows = {"file": "a b c d".split(), "part": ["train", "train", "train", "test"], "view": ["CC", "MLO", "CC", "ML"]}
    cohort = pl.DataFrame(rows | {"age_years": [40.0, 50.0, 60.0, 70.0]})
    cohort = cohort.with_columns(pl.when(pl.col("file") != "b").then("file"))  # it could not be read
    clinical = ClinicalSettings(columns=("age_years", "view"), rare=1)

    assert clinical_names(BEFORE.model_copy(update={"clinical": clinical}), cohort) == ("age_years", "view=CC")
    assert clinical_names(BEFORE, cohort) == ()


def test_weights_that_are_none_are_refused_though_they_are_those_that_were_looked_at(
    start: Start, tmp_path: Path
) -> None:
    start.weights.write_bytes(b"no safetensors")
    broken = replace(start, fingerprint=hashlib.sha256(b"no safetensors").hexdigest())

    with pytest.raises(RecipeError, match=r"start 'before': model.safetensors holds no weights .* Train that recipe"):
        starting_network(AFTER, data=data(tmp_path / "data"), start=broken)


def test_weights_that_changed_since_they_were_looked_at_are_refused(start: Start, tmp_path: Path) -> None:
    save_file(build(design_of(BEFORE), seed=8).state_dict(), start.weights)

    with pytest.raises(RecipeError, match="start 'before': model.safetensors has changed since it was looked at"):
        starting_network(AFTER, data=data(tmp_path / "data"), start=start)


def test_a_run_that_is_not_finished_gives_its_best_weights_so_far(tmp_path: Path) -> None:
    run, seen = tmp_path / "before", data(tmp_path / "data")

    def stop(moment: object) -> None:
        if moment.epoch == 2:
            raise KeyboardInterrupt

    longer = BEFORE.model_copy(update={"stages": (Stage(epochs=3, lr=1e-2),)})
    with pytest.raises(KeyboardInterrupt):
        train(longer, data=seen, folder=run, watch=stop)
    (run / "recipe.json").write_text(longer.model_dump_json())
    (run / "split.json").write_text('{"fingerprint": "one"}')
    pl.DataFrame({"source": ["own", "own"]}).write_parquet(run / "cohort.parquet")

    found = starting(ALIKE, run=tmp_path / "after", start=None, split="one", sources=["own"])

    assert not found.finished
    best = load_file(run / "checkpoints" / "best.safetensors")
    begun = starting_network(ALIKE, data=seen, start=found).state_dict()
    assert best.keys() == begun.keys()
    assert all(torch.equal(best[name], begun[name]) for name in best)
    with pytest.raises(RecipeError, match="another split of own"):
        starting(ALIKE, run=tmp_path / "after", start=None, split="two", sources=["own"])
