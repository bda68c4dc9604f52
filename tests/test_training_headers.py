"""What recipes say of themselves is read from their first lines."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import RecipeError
from mammoscope.training import read_recipe, recipe_headers, shelf
from mammoscope.training.together import find_ensemble

TEXT = """# A network. Note: small
# Run:     mammoscope run one --data <folder>
# Cost:    2 min
# Expect:  AUC 0.6 (95 % 0.5 to 0.7),
#          not distinguishable from chance
name = "one"
source = "rsna"
# Cost: of something else
[input]
unit = "breast"
"""


def test_a_line_that_goes_on_belongs_to_its_key_and_a_colon_makes_no_key(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(TEXT)

    found = recipe_headers(tmp_path)[0]

    assert found.about == "A network. Note: small"
    assert (found.cost, found.expect) == ("2 min", "AUC 0.6 (95 % 0.5 to 0.7), not distinguishable from chance")
    assert (found.source, found.target, found.unit) == ("rsna", "malignant", "breast")


def test_every_recipe_that_comes_along_is_listed_as_it_is_read() -> None:
    headers = {header.name: header for header in recipe_headers()}

    assert set(headers) == {file.stem for file in shelf().rglob("*.toml")}
    for file in shelf().glob("*.toml"):
        recipe, header = read_recipe(file), headers[file.stem]
        assert (recipe.source, recipe.target, recipe.input.unit) == (header.source, header.target, header.unit)
        assert header.about
        assert header.run


def test_every_ensemble_that_comes_along_is_listed_with_what_its_members_are_asked() -> None:
    headers = {header.name: header for header in recipe_headers()}

    for file in (shelf() / "ensembles").glob("*.toml"):
        group, header = find_ensemble(file.stem), headers[file.stem]
        assert group is not None
        assert group.name == file.stem
        assert {(headers[one].source, headers[one].unit) for one in group.members} == {(header.source, header.unit)}
        assert f"mammoscope run {file.stem} " in str(header.run)


def test_a_file_that_is_no_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('name = "one"')

    with pytest.raises(RecipeError, match=r"bad.toml: not a recipe \('source'\)"):
        recipe_headers(tmp_path)


def test_the_verb_lists_those_of_one_source_and_says_when_there_is_none() -> None:
    done = CliRunner().invoke(app, ["recipes", "--source", "mini_mias", "--json"])
    none = CliRunner().invoke(app, ["recipes", "--source", "nowhere"])
    text = CliRunner().invoke(app, ["recipes"])

    assert {row["source"] for row in json.loads(done.stdout)} == {"mini_mias"}
    assert none.exit_code == 2
    assert "mias-resnet18" in text.stdout
