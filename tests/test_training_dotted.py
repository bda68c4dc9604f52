"""Values of a recipe by their place, recipes written as TOML, and what a sweep may change."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammoscope.errors import RecipeError
from mammoscope.training import Recipe, read_recipe, shelf
from mammoscope.training.dotted import recipe_toml, value_at, with_values
from mammoscope.training.space import read_space

RECIPE = Recipe(name="one", source="rsna")


@pytest.mark.parametrize("file", sorted(shelf().glob("*.toml")), ids=lambda file: file.stem)
def test_every_recipe_that_comes_along_is_the_same_after_being_written(file: Path, tmp_path: Path) -> None:
    recipe = read_recipe(file)
    (tmp_path / "again.toml").write_text(recipe_toml(recipe, header=["Written again"]))

    assert read_recipe(tmp_path / "again.toml") == recipe


@given(lr=st.floats(1e-8, 10), rows=st.integers(16, 8192), views=st.lists(st.sampled_from(["CC", "MLO"]), min_size=1))
def test_any_value_is_the_same_after_being_written(
    lr: float, rows: int, views: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    recipe = with_values(RECIPE, {"stages.0.lr": lr, "preprocess.rows": rows, "select.views": views})
    file = tmp_path_factory.mktemp("recipe") / "one.toml"
    file.write_text(recipe_toml(recipe))

    assert read_recipe(file) == recipe


def test_a_reason_stands_beside_its_value_even_where_that_is_the_default() -> None:
    text = recipe_toml(RECIPE, header=["Head"], reasons={"training.batch_size": "fits", "source": "given"})

    assert text.splitlines()[0] == "# Head"
    assert "batch_size = 32  # fits" in text.splitlines()
    assert 'source = "rsna"  # given' in text.splitlines()


def test_a_place_that_is_none_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        RecipeError, match=r"trainng.batch_size: 'trainng' is not a key there; did you mean 'training'\?"
    ):
        value_at(RECIPE, "trainng.batch_size")
    with pytest.raises(RecipeError, match=r"stages.1.lr: '1' is not a number from 0 to 0"):
        with_values(RECIPE, {"stages.1.lr": 0.1})
    with pytest.raises(RecipeError, match=r"seed.low: 'low' lies in a single value"):
        value_at(RECIPE, "seed.low")
    with pytest.raises(RecipeError, match=r"stages.0.lr = -1: stages.0.lr: Input should be greater than 0"):
        with_values(RECIPE, {"stages.0.lr": -1})


def space(tmp_path: Path, text: str):
    (tmp_path / "space.toml").write_text(text)
    return read_space(tmp_path / "space.toml", recipe=RECIPE)


def test_tables_and_quoted_and_dotted_keys_say_the_same(tmp_path: Path) -> None:
    texts = (
        "stages.0.lr = { low = 1e-4, high = 1e-2, log = true }",
        '["stages.0.lr"]\nlow = 1e-4\nhigh = 1e-2\nlog = true',
        "[stages.0.lr]\nlow = 1e-4\nhigh = 1e-2\nlog = true",
    )

    found = [space(tmp_path, text) for text in texts]

    assert found[0] == found[1] == found[2]
    assert found[0]["stages.0.lr"].log


def test_whole_numbers_stay_whole_and_others_do_not(tmp_path: Path) -> None:
    found = space(
        tmp_path, "training.batch_size = { low = 8, high = 64 }\nstages.0.weight_decay = { low = 0, high = 1 }"
    )

    assert found["training.batch_size"].whole
    assert not found["stages.0.weight_decay"].whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages.0.lrr = { low = 0.1, high = 1 }", r"'lrr' is not a key there; did you mean 'lr'\?"),
        ("stages.0.lr = { low = 1, high = 0.1 }", r"stages.0.lr: low must be below high"),
        ("stages.0.lr = { low = -1, high = 0.1 }", r"stages.0.lr = -1.0: .*greater than 0"),
        ("stages.0.lr = { low = 0, high = 0.1, log = true }", r"a logarithm needs low above 0"),
        ("stages.0.lr = { low = 0.1, hihg = 1 }", r"unknown key 'hihg'; did you mean 'high'\?"),
        ("stages.0.lr = 0.1", r"stages.0.lr is 0.1: should be \{low, high\} or \{choices\}"),
        ('stages.0.optimizer = { choices = ["adam", "lion"] }', r'stages.0.optimizer = "lion": '),
        ("seed = { choices = [1, 2] }", r"seed decides what is asked, or on whom"),
        ("split.test = { low = 0.1, high = 0.3 }", r"split.test decides what is asked, or on whom"),
        ("", r"names nothing to change"),
        ("stages = [", r"not TOML"),
    ],
)
def test_a_space_that_cannot_be_swept_is_refused_before_anything_runs(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=f"space.toml: .*{said}"):
        space(tmp_path, text)
