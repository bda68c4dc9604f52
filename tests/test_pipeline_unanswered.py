"""Recipes that the patients of an index cannot answer: the key that asks too much is named, and nothing is left."""

from pathlib import Path

import pytest

from mammoscope.errors import RecipeError
from mammoscope.models import SimpleCnn
from mammoscope.pipeline import begin, divide
from mammoscope.records import Index, Record, index_of
from mammoscope.training import Recipe, Stage
from mammoscope.training.lines import located
from mammoscope.vocabulary import Density, Laterality, View

TINY = Recipe(name="tiny", source="own", model=SimpleCnn(channels=(4, 8)), preprocess={"rows": 32, "cols": 24})


def index(*malignant: bool, laterality: Laterality | None = Laterality.LEFT) -> Index:
    """A picture a woman."""
    records = [
        Record(
            source="own",
            patient_id=str(number),
            image_id=str(number),
            path=f"{number}.png",
            laterality=laterality,
            view=View.CC,
            malignant=label,
            density=Density.C,
        )
        for number, label in enumerate(malignant)
    ]
    return index_of(records, roots={"own": Path()})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"input": {"unit": "lesion"}},
            r"\[input\] unit = 'lesion': the data name no lesion \(2 records, .*Set unit =",
        ),
        ({"input": {"unit": "breast"}}, r"\[input\] unit = 'breast': of no picture is the side known .*Set unit ="),
        ({"select": {"views": ["AT"]}}, r"\[select\] views = \['AT'\]: no image is left .*Widen it"),
        ({"target": "density", "classes": ["A", "B"]}, r"classes = \['A', 'B'\]: no sample has one of them \("),
    ],
)
def test_the_key_that_leaves_no_sample_is_named(asked: dict[str, object], said: str, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(TINY.model_dump() | asked)

    with pytest.raises(RecipeError, match=said):
        divide(recipe, index(True, False, laterality=None), run=tmp_path / "run")


@pytest.mark.parametrize("stages", [(Stage(),), ()])
def test_a_class_of_one_train_patient_is_refused_for_a_support_vector_machine_before_anything_is_made(
    tmp_path: Path, stages: tuple[Stage, ...]
) -> None:
    (tmp_path / "tiny.toml").write_text('name = "tiny"\n\n[estimator]\nkind = "svm"\n')
    split = {"kind": "ratio", "train": 0.34, "tune": 0.33, "test": 0.33}
    asked = {"estimator": {"kind": "svm"}, "stages": stages, "split": split}
    recipe = Recipe.model_validate(TINY.model_dump() | asked)
    few = index(*[True] * 3, *[False] * 9)

    with pytest.raises(RecipeError) as caught, located(str(tmp_path / "tiny.toml")):
        begin(recipe, few, run=tmp_path / "run", device="cpu")

    assert str(caught.value).startswith(
        "tiny.toml:4 [estimator] kind = 'svm': class yes has training samples of one patient only"
    )
    assert not (tmp_path / "run").exists()
