"""What one sample is, and its labels: pictures, lesions, breasts and exams."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammoscope.cohort import TASK_CLASSES, Input, bags, label_codes, label_table, unit_rows
from mammoscope.errors import RecipeError
from mammoscope.pipeline import candidates
from mammoscope.records import Index, Record, image_table, index_of
from mammoscope.training import Recipe
from mammoscope.vocabulary import Density, Laterality, LesionKind, Part, Pathology, View

FINDING = Record(
    source="own", patient_id="1", image_id="a", path="a.png", laterality=Laterality.LEFT, view=View.CC, lesion_id="1"
)
PLACED = {"lesion_x0": 30.0, "lesion_y0": 60.0, "lesion_x1": 50.0, "lesion_y1": 70.0}


def index(*records: Record, root: Path = Path()) -> Index:
    return index_of(records, roots={"own": root})


def recipe(**settings: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "source": "own", **settings})


def rows_of(found: Index, **settings: object) -> pl.DataFrame:
    return unit_rows(image_table(found), records=found.table, settings=Input(**settings))[0]


def test_an_image_with_a_benign_and_a_malignant_mass_is_a_malignant_mass() -> None:
    found = index(
        replace(FINDING, malignant=False, pathology=Pathology.BENIGN, lesion_kind=LesionKind.MASS, assessment=3),
        replace(
            FINDING,
            lesion_id="2",
            malignant=True,
            pathology=Pathology.MALIGNANT,
            lesion_kind=LesionKind.MASS,
            assessment=5,
        ),
    )

    (row,) = rows_of(found).to_dicts()

    assert (row["malignant"], row["pathology"], row["lesion_kind"]) == (True, "malignant", "mass")
    assert (row["subtype"], row["assessment"]) == ("mass malignant", "5")


@pytest.mark.parametrize("other", [LesionKind.CALCIFICATION, None])
def test_several_or_unknown_kinds_are_no_class(other: LesionKind | None) -> None:
    found = index(
        replace(FINDING, malignant=True, lesion_kind=LesionKind.MASS),
        replace(FINDING, lesion_id="2", malignant=True, lesion_kind=other),
    )

    rows = rows_of(found)

    assert rows["lesion_kind"][0] in {"calcification + mass", "mass + unknown"}
    assert label_codes(rows, "lesion_kind").tolist() == label_codes(rows, "subtype").tolist() == [-1]


def test_a_picture_without_a_lesion_does_not_blur_the_kind_of_its_exam() -> None:
    found = index(
        replace(FINDING, malignant=True, lesion_kind=LesionKind.MASS),
        replace(FINDING, image_id="b", path="b.png", view=View.MLO, lesion_id=None, malignant=False),
    )

    assert rows_of(found, unit="exam")["subtype"].to_list() == ["mass malignant"] * 2


@pytest.mark.parametrize(
    ("stated", "label"), [([1, 4], "4"), ([0, 0], "0"), ([0, 4], None), ([6, 5], None), ([None, 2], "2"), ([], None)]
)
def test_the_assessment_is_the_highest_where_that_means_anything(stated: list[int | None], label: str | None) -> None:
    records = [replace(FINDING, lesion_id=str(n), assessment=value) for n, value in enumerate(stated or [None])]

    assert label_table(index(*records).table, by=["image_id"])["assessment"].to_list() == [label]


def test_unknown_is_never_the_negative_class() -> None:
    found = index(replace(FINDING, malignant=False), replace(FINDING, lesion_id="2", malignant=None))

    rows = rows_of(found)

    assert {task: int(label_codes(rows, task)[0]) for task in TASK_CLASSES} == dict.fromkeys(TASK_CLASSES, -1)


def test_breasts_of_differing_density_leave_the_exam_without_one() -> None:
    left = replace(FINDING, density=Density.B, malignant=False)
    right = replace(left, image_id="b", path="b.png", laterality=Laterality.RIGHT, density=Density.C)

    assert rows_of(index(left, right), unit="exam")["density"].to_list() == [None, None]
    assert rows_of(index(left, right), unit="breast")["dense"].to_list() == ["no", "yes"]


def test_a_task_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'density'"):
        label_codes(pl.DataFrame({"densty": ["A"]}), "densty")


# who takes part


def test_the_kinds_selected_decide_who_takes_part_and_what_is_malignant() -> None:
    found = index(
        replace(FINDING, malignant=False, lesion_kind=LesionKind.MASS, official_part=Part.TRAIN),
        replace(FINDING, lesion_id="2", malignant=True, lesion_kind=LesionKind.CALCIFICATION, official_part=Part.TEST),
        replace(FINDING, image_id="b", path="b.png", lesion_id=None, malignant=False),
    )

    rows, flow = candidates(recipe(select={"lesion_kinds": ["mass"]}), found)

    assert rows.select("image_id", "malignant", "official_part").rows() == [("a", False, "train")]
    assert flow == [("records", 3), ("images", 2), ("with a lesion of the kinds asked for", 1), ("with a label", 1)]


def test_images_and_their_malignancy_are_chosen_as_before_there_were_units() -> None:
    found = index(
        replace(FINDING, malignant=True),
        replace(FINDING, lesion_id="2", malignant=False),
        replace(FINDING, image_id="b", path="b.png", lesion_id=None, malignant=None),
    )

    rows, flow = candidates(recipe(), found)

    images = image_table(found)
    assert rows.select(images.columns).equals(images.filter(pl.col("malignant").is_not_null()))
    assert flow == [("records", 3), ("images", 2), ("with a label", 1)]


def test_classes_that_are_not_asked_for_take_no_part() -> None:
    records = [
        replace(FINDING, image_id=name, path=name, density=density)
        for name, density in (("a", Density.A), ("b", Density.B), ("c", Density.D), ("d", None))
    ]

    rows, flow = candidates(recipe(target="density", classes=["A", "D"]), index(*records))

    assert rows["image_id"].to_list() == ["a", "c"]
    assert flow[-2:] == [("with a label", 3), ("of the classes asked for", 2)]


def test_a_lesion_is_a_row_with_its_own_label() -> None:
    found = index(
        replace(FINDING, malignant=True, lesion_kind=LesionKind.MASS, **PLACED),
        replace(
            FINDING,
            lesion_id="2",
            malignant=False,
            lesion_kind=LesionKind.CALCIFICATION,
            lesion_polygon=(1.0, 2.0, 9.0, 2.0, 4.0, 7.0),
        ),
        replace(FINDING, lesion_id="3", malignant=True),
        replace(FINDING, image_id="b", path="b.png", lesion_id=None, malignant=False),
    )

    rows, flow = candidates(recipe(input={"unit": "lesion"}), found)

    told = rows.select("image_id", "picture_id", "lesion_id", "malignant", "subtype", "lesion_x0", "lesion_y1").rows()
    assert told == [
        ("a#1", "a", "1", True, "mass malignant", 30.0, 70.0),
        ("a#2", "a", "2", False, "calcification benign", 1.0, 7.0),
    ]
    assert flow[2:] == [("lesions on them", 3), ("lesions with a place", 2), ("with a label", 2)]


# breasts and exams


def test_any_number_of_views_is_read_in_one_order() -> None:
    shown = [("L", "MLO"), ("R", "MLO"), ("L", "XCCL"), ("L", "CC"), ("R", "CC")]
    records = [
        replace(FINDING, image_id=f"{side}{view}", path=f"{side}{view}", laterality=Laterality(side), view=View(view))
        for side, view in shown
    ]
    other = replace(FINDING, patient_id="2", image_id="x", path="x", exam_id="9")

    rows = rows_of(index(*records, other), unit="exam")
    table, numbers = bags(rows, "exam")

    order = [[rows["image_id"][int(row)] for row in one] for one in numbers]
    assert order == [["RCC", "LCC", "RMLO", "LMLO", "LXCCL"], ["x"]]
    assert table["image_id"].to_list() == ["1", "9"]


def test_the_breasts_of_two_exams_are_two_breasts() -> None:
    first = replace(FINDING, exam_id="e1", malignant=False)
    second = replace(FINDING, image_id="b", path="b.png", exam_id="e2", malignant=True)

    table, numbers = bags(rows_of(index(first, second), unit="breast"), "breast")

    assert table.select("image_id", "malignant").rows() == [("1_L_e1", False), ("1_L_e2", True)]
    assert [one.tolist() for one in numbers] == [[0], [1]]


def test_exams_of_two_patients_with_one_number_stay_apart() -> None:
    other = replace(FINDING, patient_id="2", image_id="b", path="b.png", exam_id="7")

    rows = rows_of(index(replace(FINDING, exam_id="7"), other), unit="exam")

    assert rows["sample_id"].to_list() == ["1_7", "2_7"]


def test_a_breast_is_positive_if_any_of_its_pictures_is_and_unknown_sides_are_counted() -> None:
    records = [
        replace(FINDING, malignant=False),
        replace(FINDING, image_id="b", path="b.png", view=View.MLO, malignant=True),
        replace(FINDING, image_id="c", path="c.png", laterality=None, malignant=True),
    ]

    rows, flow = candidates(recipe(input={"unit": "breast"}), index(*records))

    assert rows.select("image_id", "sample_id", "malignant").rows() == [("a", "1_L", True), ("b", "1_L", True)]
    assert flow[2:] == [("of a known side", 2), ("with a label", 2)]


@settings(max_examples=25)
@given(st.permutations(range(6)))
def test_bags_do_not_depend_on_the_order_of_the_rows(order: list[int]) -> None:
    records = [
        replace(FINDING, image_id=str(n), path=str(n), patient_id=str(n % 2), view=list(View)[n // 2]) for n in order
    ]

    rows = rows_of(index(*records), unit="breast")
    _, numbers = bags(rows, "breast")

    found = {tuple(rows["image_id"][int(row)] for row in one) for one in numbers}
    assert found == {("0", "2", "4"), ("1", "3", "5")}
