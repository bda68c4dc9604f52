"""Plans: sizes by worked examples, limits kept, every line with its reason, and a recipe that can be read."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import RecipeError, SourceError
from mammoscope.phantom import write_cbis_ddsm
from mammoscope.pipeline import plan
from mammoscope.pipeline.pace import Machine, Pace, machine_here, measured_pace
from mammoscope.pipeline.planning import Known, _notes, _patience, known_of, size_for, within
from mammoscope.records import Index, write_index
from mammoscope.sources import SOURCES, build_index
from mammoscope.training import Recipe, read_recipe

BOX = ("lesion_x0", "lesion_y0", "lesion_x1", "lesion_y1")
KNOWN = Known(
    source="own",
    others=(),
    images=1000,
    patients=250,
    positives=100,
    positive_patients=60,
    official=False,
    rows=4000,
    cols=3000,
    row_mm=0.06,
    lesions=100,
    lesion_share=0.02,
    crop="box",
    located=True,
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("phantom") / "data"
    write_cbis_ddsm(folder, patients=8, seed=0, rows=256)
    return build_index(SOURCES["cbis_ddsm"], folder)


def test_sixteen_pixels_across_a_fiftieth_of_the_height_need_eight_hundred_rows() -> None:
    rows, cols, why = size_for(KNOWN, lesion_px=16)

    assert (rows, cols) == (800, 608)
    assert why == "a quarter of 100 lesions is below 2.0% of the longer side: 16 px across need 800 rows"


def test_without_a_located_lesion_five_millimetres_are_assumed_and_said() -> None:
    rows, _, why = size_for(replace(KNOWN, lesions=0, lesion_share=None), lesion_px=10)

    assert rows == 480  # 240 mm high, 10 px for 5 mm
    assert "5 mm is assumed, of pictures 240 mm high" in why
    _, _, unknown = size_for(replace(KNOWN, lesion_share=None, row_mm=None), lesion_px=10)
    assert "taken to be 240 mm high" in unknown


def test_no_more_rows_are_asked_for_than_the_pictures_have() -> None:
    rows, _, why = size_for(replace(KNOWN, rows=640, cols=512), lesion_px=64)

    assert rows == 640
    assert why.endswith("need 3,200 rows, and the pictures have 640")


@given(share=st.floats(0.001, 0.9), rows=st.integers(100, 6000), cols=st.integers(100, 6000), px=st.integers(1, 64))
def test_three_quarters_of_the_lesions_are_large_enough_or_the_picture_is_whole(
    share: float, rows: int, cols: int, px: int
) -> None:
    high, wide, _ = size_for(replace(KNOWN, rows=rows, cols=cols, lesion_share=share), lesion_px=px)

    assert high % 32 == wide % 32 == 0
    assert max(high, wide) * share >= px * 0.999 or high >= min(rows, 2048)


@given(hours=st.floats(0.01, 100), pictures=st.integers(10, 10**5), seconds=st.floats(1e-3, 10))
def test_a_limit_of_hours_is_kept_unless_the_least_would_not_fit(hours: float, pictures: int, seconds: float) -> None:
    epochs, rows, _ = within(hours, rows=1024, pictures=pictures, seconds=seconds)

    taken = epochs * pictures * seconds * (rows / 1024) ** 2 / 3600
    assert taken <= hours * 1.001 or (epochs, rows) == (5, 224)


def test_every_value_that_is_written_has_its_reason_and_the_recipe_can_be_read(index: Index, tmp_path: Path) -> None:
    found = plan(index, device="cpu")
    (tmp_path / "planned.toml").write_text(found.to_toml())

    values = [line for line in found.to_toml().splitlines() if re.match(r"\w+ = ", line)]
    bare = [line for line in values if "  # " not in line and not line.startswith(("name", 'kind = "timm"'))]
    assert bare == []
    assert read_recipe(tmp_path / "planned.toml") == found.recipe
    assert found.hours == pytest.approx(
        found.recipe.epochs * round(16 * 0.8 * 0.85) * found.pace.seconds_per_picture / 3600
    )


def test_a_tight_limit_saves_epochs_and_the_lesions_that_get_too_small_are_told(index: Index) -> None:
    found = plan(index, device="cpu", lesion_px=64, hours=1e-4)

    assert found.recipe.epochs == 5
    assert found.recipe.preprocess.rows == 224
    assert any("not 64: choose crops (unit = 'lesion'), patch-to-whole or global-local" in note for note in found.notes)
    assert any("more than 0.0001: freeze the backbone" in note for note in found.notes)


def test_only_what_the_data_allow_is_advised_against_small_lesions(index: Index) -> None:
    empty = [pl.lit(None, dtype=index.table[name].dtype).alias(name) for name in ("mask_path", *BOX, "lesion_polygon")]
    uncut = pl.lit(None, dtype=pl.String).alias("crop_path")
    cropped = known_of(Index(table=index.table.with_columns(empty), roots=index.roots))
    nowhere = known_of(Index(table=index.table.with_columns(*empty, uncut), roots=index.roots))

    notes = [
        _notes(one, rows=224, cols=224, lesion_px=64, hours=None, needed=1)[0]
        for one in (known_of(index), cropped, nowhere)
    ]

    assert [note.partition("choose ")[2] for note in notes] == [
        "crops (unit = 'lesion'), patch-to-whole or global-local",
        "crops (unit = 'lesion', crop = 'file') or global-local",
        "global-local",
    ]
    assert notes[2].startswith("lesions of 5 mm, which is assumed, are ")


@pytest.mark.parametrize(("epochs", "patience"), [(5, 4), (15, 4), (16, 4), (40, 10)])
def test_patience_is_called_a_quarter_of_the_epochs_only_where_it_is(epochs: int, patience: int) -> None:
    found, why = _patience(epochs)

    assert found == patience
    assert why.startswith("a quarter of the epochs") == (found == epochs // 4)


def test_few_women_with_a_finding_are_told_to_cross_validate(index: Index) -> None:
    none = pl.lit(None, dtype=index.table["official_part"].dtype).alias("official_part")
    own = Index(table=index.table.with_columns(none), roots=index.roots)

    found = plan(own, device="cpu")

    assert found.recipe.split.kind == "ratio"
    assert any("Use mammoscope cross-validate" in note for note in found.notes)


def test_an_index_without_both_labels_or_pictures_is_refused(index: Index) -> None:
    healthy = Index(table=index.table.with_columns(malignant=pl.lit(value=False)), roots=index.roots)
    lost = Index(table=index.table.with_columns(path="lost/" + pl.col("path")), roots=index.roots)

    with pytest.raises(SourceError, match=r"16 images have a label, 0 of them malignant"):
        known_of(healthy)
    with pytest.raises(SourceError, match=r"none of 16 pictures can be read; the first: "):
        known_of(lost)
    for hours in (-1.0, math.inf, math.nan):
        with pytest.raises(RecipeError, match=rf"lesion_px and hours must be above 0 and finite, got 16 and {hours}"):
            plan(index, hours=hours)


def test_activations_are_counted_as_the_layers_give_them() -> None:
    recipe = Recipe.model_validate(
        {
            "name": "a",
            "source": "own",
            "preprocess": {"rows": 32, "cols": 32},
            "model": {"kind": "simple-cnn", "channels": [4]},
        }
    )

    pace = measured_pace(recipe, machine=machine_here("cpu"), pictures=1)

    block = 3 * 4 * 32 * 32 + 4 * 16 * 16  # convolution, normalisation, ReLU; pooled
    assert pace.mib_per_picture * 2**20 / (2 * 4) == pytest.approx(block, rel=0.02)
    assert pace.seconds_per_picture > 0


def test_the_batch_is_what_half_the_memory_holds() -> None:
    from mammoscope.pipeline.planning import _batch

    pace = Pace(seconds_per_picture=1, mib_per_picture=512, rows=1, cols=1)
    machine = Machine(device="cpu", gpu=None, cores=2, memory_gib=10)

    assert _batch(pace, machine, pictures=10**4)[0] == 8  # 10 pictures fit
    assert _batch(pace, replace(machine, memory_gib=None), pictures=10**4)[0] == 32
    assert _batch(pace, machine, pictures=40)[0] == 4


def test_the_verb_writes_a_recipe_and_tells_json(index: Index, tmp_path: Path) -> None:
    write_index(index, tmp_path / "i.parquet")
    words = ["plan", str(tmp_path / "i.parquet"), "--device", "cpu", "--out", str(tmp_path / "planned.toml"), "--json"]

    done = CliRunner().invoke(app, words)

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["known"]["images"] == 16
    assert read_recipe(tmp_path / "planned.toml").source == "cbis_ddsm"
